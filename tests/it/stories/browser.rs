//! What a page tells in a batch: the same rules as one call at a time, a key that is in no header, and no preflight.

use serde_json::{Value, json};

use crate::shop::{Answer, BROWSER_KEY, Backend, HOUR, MINUTE, ORIGIN, SERVER_KEY, Shop, cart_of};

/// A batch of these events, from a page of this origin, as `sendBeacon` sends it.
async fn sends(shop: &Shop, origin: Option<&str>, batch: &Value) -> Answer {
    let url = format!("{}/v1/browser", shop.app.api_url());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let mut request = client.post(url).header("Content-Type", "text/plain;charset=UTF-8").body(batch.to_string());
    if let Some(origin) = origin {
        request = request.header("Origin", origin);
    }
    let response = request.send().await.expect("the service answers");
    let status = response.status().as_u16();
    Answer { status, body: response.json().await.expect("every answer is JSON") }
}

fn batch(shop: &Shop, events: &[Value]) -> Value {
    json!({"key": BROWSER_KEY, "sent_at": shop.now().to_string(), "events": events})
}

fn event(op: &str, id: &str, event_id: &str, mut body: Value) -> Value {
    body["event_id"] = event_id.into();
    json!({"op": op, "cart_id": id, "body": body})
}

fn statuses(answer: &Answer) -> Vec<u64> {
    let results = answer.body["results"].as_array().unwrap_or_else(|| panic!("no results in {answer:?}"));
    results.iter().map(|result| result["status"].as_u64().expect("a status is a number")).collect()
}

pub async fn a_batch_does_what_its_calls_would(on: Backend) {
    let shop = Shop::open(on).await;
    let events = [
        event("signal", "c-1", "e-0", json!({"kind": "exit_intent"})),
        event("put", "c-1", "e-1", cart_of("joe@example.com")),
        event("patch", "c-1", "e-2", json!({"stage": "payment"})),
        event("signal", "c-1", "e-3", json!({"kind": "payment_failed", "class": "funds"})),
        event("reason", "c-1", "e-4", json!({"code": "trust_security", "source": "reported"})),
        event("put", "c-2", "e-5", json!({"currency": "EUR", "items": [{"product_id": "p", "quantity": 0}]})),
        event("put", "c-3", "e-6", cart_of("ann@example.com")),
        event("dismiss", "c-3", "e-7", json!({})),
        json!({"op": "dismiss", "cart_id": "c-3", "body": {}}),
    ];
    let answer = sends(&shop, Some(ORIGIN), &batch(&shop, &events)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(statuses(&answer), [404, 201, 200, 200, 200, 422, 201, 200, 422], "{answer:?}");
    let results = &answer.body["results"];
    assert_eq!(results[2]["receipt"]["stage"], "payment");
    assert_eq!(results[5]["problem"]["errors"][0]["pointer"], "/items/0/quantity");
    assert_eq!(results[8]["problem"]["errors"][0]["pointer"], "/event_id");
    let cart = shop.cart("c-1").await.body;
    assert_eq!(cart["stage"], "payment");
    assert_eq!(cart["signals"].as_array().map(Vec::len), Some(1), "{cart}");
    assert_eq!(shop.state("c-3").await, "dismissed");
    assert_eq!(shop.cart("c-2").await.status, 404);
}

pub async fn a_batch_sent_again_changes_nothing(on: Backend) {
    let shop = Shop::open(on).await;
    let events = [
        event("put", "c-1", "e-1", cart_of("joe@example.com")),
        event("signal", "c-1", "e-2", json!({"kind": "coupon_rejected"})),
    ];
    let first = sends(&shop, Some(ORIGIN), &batch(&shop, &events)).await;
    shop.advance(MINUTE).await;
    shop.patches("c-1", json!({"stage": "payment"})).await;
    let again = sends(&shop, Some(ORIGIN), &batch(&shop, &events)).await;
    assert_eq!(first.body["results"], again.body["results"]);
    let cart = shop.cart("c-1").await.body;
    assert_eq!((&cart["stage"], cart["signals"].as_array().map(Vec::len)), (&json!("payment"), Some(1)), "{cart}");
    let changed = [event("put", "c-1", "e-1", cart_of("ann@example.com"))];
    let reused = sends(&shop, Some(ORIGIN), &batch(&shop, &changed)).await;
    assert_eq!(reused.body["results"][0]["problem"]["type"], "/problems/idempotency-key-reused");
}

pub async fn a_browsers_wrong_clock_is_set_right(on: Backend) {
    let shop = Shop::open(on).await;
    // Three hours behind: without a correction, the cart would be abandoned before it is known.
    let behind = |span| shop.now().minus(span).to_string();
    let mut cart = cart_of("joe@example.com");
    cart["occurred_at"] = behind(3 * HOUR + MINUTE).into();
    let signal = json!({"kind": "coupon_rejected", "at": behind(3 * HOUR)});
    let events = [event("put", "c-1", "e-1", cart), event("signal", "c-1", "e-2", signal)];
    let batch = json!({"key": BROWSER_KEY, "sent_at": behind(3 * HOUR), "events": events});
    let answer = sends(&shop, Some(ORIGIN), &batch).await;
    assert_eq!(statuses(&answer), [201, 200], "{answer:?}");
    assert_eq!(answer.body["now"], shop.now().to_string());
    let cart = shop.cart("c-1").await.body;
    assert_eq!(cart["state"], "active");
    assert_eq!(cart["last_activity_at"], shop.now().to_string(), "{cart}");
    assert_eq!(cart["signals"][0]["at"], shop.now().to_string(), "{cart}");
}

pub async fn a_batch_is_taken_from_the_pages_of_its_key_only(on: Backend) {
    let shop = Shop::open(on).await;
    let good = batch(&shop, &[event("put", "c-1", "e-1", cart_of("joe@example.com"))]);
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let answer = sends(&shop, origin, &good).await;
        assert_eq!((answer.status, &answer.body["type"]), (403, &json!("/problems/origin-not-allowed")), "{origin:?}");
    }
    for (key, status) in [("cw_browser_wrong", 401), (SERVER_KEY, 403), ("", 401)] {
        let mut bad = good.clone();
        bad["key"] = key.into();
        let answer = sends(&shop, Some(ORIGIN), &bad).await;
        assert_eq!(answer.status, status, "{key}: {answer:?}");
        assert!(key.is_empty() || !answer.body.to_string().contains(key));
    }
    let mut unknown = good.clone();
    unknown["cookie"] = json!(1);
    let answer = sends(&shop, Some(ORIGIN), &unknown).await;
    assert_eq!((answer.status, &answer.body["errors"][0]["pointer"]), (422, &json!("/cookie")));
    assert_eq!(shop.cart("c-1").await.status, 404);
    assert_eq!(sends(&shop, Some(ORIGIN), &good).await.status, 200);
}

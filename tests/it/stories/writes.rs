//! The API as its users meet it: patches, pages, keys, health.

use reqwest::Method;
use serde_json::json;

use crate::shop::{BROWSER_KEY, Backend, ORIGIN, Shop, cart_of};

pub async fn a_patch_merges_and_a_null_clears(on: Backend) {
    let shop = Shop::open(on).await;
    let mut cart = cart_of("joe@example.com");
    cart["attributes"] = json!({"utm_source": "mail", "lane": "7"});
    shop.puts("c-1", cart).await;
    let patch = json!({
        "stage": "payment", "shopper": {"phone": "+49 151 1", "locale": null}, "attributes": {"lane": null, "new": "1"},
    });
    assert_eq!(shop.patches("c-1", patch).await.status, 200);
    let cart = shop.cart("c-1").await.body;
    assert_eq!(cart["stage"], "payment");
    assert_eq!(cart["shopper"]["email"], "joe@example.com");
    assert_eq!(cart["shopper"]["phone"], "+49 151 1");
    assert!(cart["shopper"].get("locale").is_none_or(serde_json::Value::is_null));
    assert_eq!(cart["attributes"], json!({"utm_source": "mail", "new": "1"}));
    assert_eq!(cart["items"].as_array().map(Vec::len), Some(2));
}

pub async fn a_patch_of_an_unknown_cart_is_not_found(on: Backend) {
    let shop = Shop::open(on).await;
    assert_eq!(shop.patches("never", json!({"stage": "payment"})).await.status, 404);
    assert_eq!(shop.signals("never", json!({"kind": "exit_intent"})).await.status, 404);
}

pub async fn a_list_pages_through_every_cart(on: Backend) {
    let shop = Shop::open(on).await;
    for n in 0..25 {
        shop.puts(&format!("c-{n}"), cart_of("joe@example.com")).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut path = "/v1/carts?limit=7&state=active".to_owned();
    for _ in 0..50 {
        let page = shop.send(Method::GET, &path, |r| r).await;
        assert_eq!(page.status, 200, "{page:?}");
        for cart in page.body["carts"].as_array().expect("a page has carts") {
            assert!(seen.insert(cart["cart_id"].as_str().expect("a cart has an id").to_owned()));
        }
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/carts?limit=7&state=active&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
}

pub async fn a_browser_key_writes_and_reads_nothing(on: Backend) {
    let shop = Shop::open(on).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let url = format!("{}/v1/carts/c-1", shop.app.api_url());
    let put = |origin: Option<&'static str>| {
        let request = client.put(&url).bearer_auth(BROWSER_KEY).json(&cart_of("joe@example.com"));
        origin.map_or_else(
            || request.try_clone().expect("no stream"),
            |o| request.try_clone().expect("no stream").header("Origin", o),
        )
    };
    assert_eq!(put(None).send().await.expect("answers").status(), 403);
    assert_eq!(put(Some("https://evil.example")).send().await.expect("answers").status(), 403);
    let answer = put(Some(ORIGIN)).send().await.expect("answers");
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
    let read = client.get(&url).bearer_auth(BROWSER_KEY).header("Origin", ORIGIN).send().await.expect("answers");
    assert_eq!(read.status(), 403);
    assert_eq!(client.get(&url).send().await.expect("answers").status(), 401);
    assert_eq!(client.get(&url).bearer_auth("wrong").send().await.expect("answers").status(), 401);
}

pub async fn health_and_metrics_tell_the_truth(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    assert_eq!(shop.ops(Method::GET, "/healthz").await.status, 200);
    let metrics = shop.metrics().await;
    assert!(metrics.contains("cartwake_carts{shop=\"test\",state=\"active\"} 1"), "{metrics}");
    assert!(metrics.contains("cartwake_cart_events_total{kind=\"snapshot\",result=\"applied\",shop=\"test\"} 1"));
    assert!(!metrics.contains("joe"));
}

pub async fn money_is_never_relabelled(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let answer = shop.patches("c-1", json!({"currency": "USD"})).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(shop.cart("c-1").await.body["currency"], "EUR");
}

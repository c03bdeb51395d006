//! Many calls in one: what was traded before cartwake came is counted where it belongs, and mailed to nobody.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Backend, HOUR, Shop, cart_of, order_of};

const DAY: Duration = Duration::from_secs(86_400);

async fn imports(shop: &Shop, lines: &[String]) -> Answer {
    let text = lines.join("\n");
    shop.send(Method::POST, "/v1/batch", |r| r.header("Content-Type", "application/x-ndjson").body(text)).await
}

fn line(op: &str, cart: &str, body: &Value) -> String {
    json!({"op": op, "cart_id": cart, "body": body}).to_string()
}

fn statuses(answer: &Answer) -> Vec<u64> {
    let results = answer.body["results"].as_array().unwrap_or_else(|| panic!("no results in {answer:?}"));
    results.iter().map(|result| result["status"].as_u64().expect("a status is a number")).collect()
}

/// The order on a line is of the cart that the line names, as in a recorded session.
pub async fn an_order_of_an_import_closes_the_cart_of_its_line(on: Backend) {
    let shop = Shop::open(on).await;
    let order = json!({"order_id": "o-1", "status": "paid", "currency": "EUR", "total_minor": 4988});
    let answer = imports(&shop, &[line("put", "c-1", &cart_of("joe@example.com")), line("order", "c-1", &order)]).await;
    assert_eq!(answer.body["results"][1]["order"]["carts"], json!(["c-1"]), "{answer:?}");
    assert_eq!(shop.state("c-1").await, "converted");
}

pub async fn the_lines_of_an_import_do_what_their_calls_would(on: Backend) {
    let shop = Shop::open(on).await;
    let order = order_of("o-1", "ann@example.com", &["p-1", "p-2"], shop.now());
    let answer = imports(
        &shop,
        &[
            line("put", "c-1", &cart_of("joe@example.com")),
            line("patch", "c-1", &json!({"stage": "payment"})),
            line("signal", "c-1", &json!({"kind": "payment_failed", "class": "funds"})),
            line("reason", "c-1", &json!({"code": "trust_security", "source": "reported"})),
            String::new(),
            "{\"op\": \"put\",".to_owned(),
            line("put", "c-2", &json!({"currency": "EUR", "items": [{"product_id": "p", "quantity": 0}]})),
            line("put", "c-3", &cart_of("ann@example.com")),
            json!({"op": "order", "body": order}).to_string(),
            json!({"op": "stock", "body": {"product_id": "p-1", "in_stock": true}}).to_string(),
            json!({"op": "opt_out", "body": {"email": "joe@example.com"}}).to_string(),
            line("put", "c-4", &cart_of("kim@example.com")),
            line("delete", "c-4", &json!({})),
        ],
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(statuses(&answer), [201, 200, 200, 200, 400, 422, 201, 200, 200, 200, 201, 204], "{answer:?}");
    let results = &answer.body["results"];
    assert_eq!((&answer.body["refused"], &results[4]["line"]), (&json!(2), &json!(6)), "{answer:?}");
    assert_eq!(results[5]["problem"]["errors"][0]["pointer"], "/items/0/quantity");
    assert_eq!(results[7]["order"]["carts"], json!(["c-3"]), "{answer:?}");
    assert_eq!(shop.state("c-3").await, "converted");
    assert_eq!(shop.cart("c-4").await.status, 404);
    shop.advance(DAY).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0, "one bought and the other opted out");
}

pub async fn an_import_sent_again_changes_nothing(on: Backend) {
    let shop = Shop::open(on).await;
    let lines = [
        line("put", "c-1", &cart_of("joe@example.com")),
        json!({"at": shop.now().to_string(), "op": "signal", "cart_id": "c-1", "body": {"kind": "coupon_rejected"}})
            .to_string(),
    ];
    let first = imports(&shop, &lines).await;
    shop.patches("c-1", json!({"stage": "payment"})).await;
    let again = imports(&shop, &lines).await;
    assert_eq!(first.body, again.body);
    let cart = shop.cart("c-1").await.body;
    assert_eq!((&cart["stage"], cart["signals"].as_array().map(Vec::len)), (&json!("payment"), Some(1)), "{cart}");
}

pub async fn an_import_is_bounded_and_for_servers(on: Backend) {
    let shop = Shop::open(on).await;
    let many = vec!["{}".to_owned(); 1_001];
    assert_eq!(imports(&shop, &many).await.status, 413);
    let json = shop.send(Method::POST, "/v1/batch", |r| r.json(&json!({}))).await;
    assert_eq!(json.status, 415, "{json:?}");
    assert_eq!(imports(&shop, &[]).await.body, json!({"refused": 0, "results": []}));
}

pub async fn a_year_of_imported_carts_is_counted_and_mails_nobody(on: Backend) {
    let shop = Shop::open(on).await;
    let lines: Vec<String> = (0..52)
        .map(|week| {
            let at = shop.now().minus(week * 7 * DAY + HOUR);
            let cart = cart_of(&format!("shopper-{week}@example.com"));
            json!({"at": at.to_string(), "op": "put", "cart_id": format!("c-{week}"), "body": cart}).to_string()
        })
        .collect();
    let answer = imports(&shop, &lines).await;
    assert!(statuses(&answer).iter().all(|status| *status == 201), "{answer:?}");
    // Twice the longest delay of a step.
    shop.advance(7 * DAY).await;
    // The sums go back sixty days.
    assert_eq!(shop.tally("abandonments/shipping").await, 8, "one a week for the days that are summed");
    let reminded = shop.receiver.of_kind("cart.reminder");
    let carts: Vec<_> = reminded.iter().map(|received| received.json()["data"]["cart_id"].clone()).collect();
    assert!(carts.iter().all(|cart| cart == "c-0"), "only what was left an hour ago is reminded of: {carts:?}");
    let told = shop.send(Method::GET, "/v1/carts/c-3/explain", |r| r).await;
    let text = told.body.to_string();
    assert!(text.contains("before_activation") || text.contains("stale"), "{text}");
}

//! Late, doubled and out-of-order input.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

pub async fn an_order_before_its_cart_closes_it(on: Backend) {
    let shop = Shop::open(on).await;
    let mut order = order_of("o-1", "joe@example.com", &[], shop.now());
    order["cart_id"] = json!("c-1");
    assert_eq!(shop.orders(order).await.status, 200);
    shop.clock.advance(MINUTE);
    let late = shop.puts("c-1", cart_of("joe@example.com")).await;
    assert_eq!((late.status, &late.body["applied"], &late.body["why"]), (200, &json!(false), &json!("closed")));
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);

    // And by address only: the snapshot is of before the order and arrives after it.
    let before = shop.now();
    shop.clock.advance(MINUTE);
    shop.orders(order_of("o-2", "ann@example.com", &["p-1", "p-2"], shop.now())).await;
    let mut cart = cart_of("ann@example.com");
    cart["occurred_at"] = json!(before.to_string());
    shop.puts("c-2", cart).await;
    assert_eq!(shop.state("c-2").await, "converted");
}

pub async fn an_old_snapshot_after_a_new_one_changes_nothing(on: Backend) {
    let shop = Shop::open(on).await;
    let old = shop.now().to_string();
    shop.clock.advance(MINUTE);
    let mut new = cart_of("joe@example.com");
    new["stage"] = json!("payment");
    shop.puts("c-1", new).await;
    let mut late = cart_of("joe@example.com");
    late["occurred_at"] = json!(old);
    let answer = shop.puts("c-1", late).await;
    assert_eq!((answer.status, &answer.body["applied"], &answer.body["why"]), (200, &json!(false), &json!("stale")));
    assert_eq!(shop.cart("c-1").await.body["stage"], "payment");
}

pub async fn a_lower_revision_is_not_applied(on: Backend) {
    let shop = Shop::open(on).await;
    for (revision, applied) in [(5, true), (5, false), (4, false), (6, true)] {
        let mut cart = cart_of("joe@example.com");
        cart["revision"] = json!(revision);
        assert_eq!(shop.puts("c-1", cart).await.body["applied"], applied, "revision {revision}");
    }
}

pub async fn a_dismissal_of_what_was_before_leaves_what_the_shopper_did_since_alone(on: Backend) {
    let shop = Shop::open(on).await;
    let before = shop.now().to_string();
    shop.clock.advance(6 * MINUTE);
    let mut cart = cart_of("joe@example.com");
    cart["revision"] = json!(7);
    shop.puts("c-1", cart).await;
    let dismisses = async |body| shop.send(Method::POST, "/v1/carts/c-1/dismiss", |r| r.json(&body)).await.body;
    for late in [json!({"occurred_at": before}), json!({"revision": 6})] {
        let answer = dismisses(late).await;
        assert_eq!((&answer["applied"], &answer["why"]), (&json!(false), &json!("stale")));
    }
    assert_eq!(shop.state("c-1").await, "active");
    assert_eq!(dismisses(json!({"revision": 7})).await["applied"], true, "of the cart as it is");
    assert_eq!(shop.state("c-1").await, "dismissed");

    // A device whose clock is a little behind says no all the same.
    let behind = shop.now().to_string();
    shop.clock.advance(MINUTE);
    shop.puts("c-2", cart_of("joe@example.com")).await;
    let no = shop.send(Method::POST, "/v1/carts/c-2/dismiss", |r| r.json(&json!({"occurred_at": behind}))).await;
    assert_eq!(no.body["applied"], true);
}

pub async fn the_same_write_twice_gets_the_first_answer(on: Backend) {
    let shop = Shop::open(on).await;
    let put = |key: &'static str| {
        shop.send(Method::PUT, "/v1/carts/c-1", move |r| {
            r.header("Idempotency-Key", key).json(&cart_of("joe@example.com"))
        })
    };
    let first = put("k-1").await;
    shop.clock.advance(10 * MINUTE);
    let again = put("k-1").await;
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert_eq!(again.status, 201);
    let mut order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    order["event_id"] = json!("e-1");
    let first = shop.orders(order.clone()).await;
    let again = shop.orders(order).await;
    assert_eq!((first.status, first.body), (again.status, again.body));
    assert_eq!(shop.tally("orders/first").await, 1);
    assert_eq!(shop.tally("conversions/organic").await, 1);
}

pub async fn a_key_for_another_request_is_refused(on: Backend) {
    let shop = Shop::open(on).await;
    let put = |email: &'static str| {
        shop.send(Method::PUT, "/v1/carts/c-1", move |r| r.header("Idempotency-Key", "k-1").json(&cart_of(email)))
    };
    assert_eq!(put("joe@example.com").await.status, 201);
    assert_eq!(put("ann@example.com").await.status, 422);
}

pub async fn a_late_snapshot_does_not_open_a_bought_cart(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.clock.advance(MINUTE);
    assert_eq!(shop.puts("c-1", cart_of("joe@example.com")).await.body["applied"], false);
    assert_eq!(shop.signals("c-1", json!({"kind": "page_viewed", "page": "product"})).await.body["applied"], false);
    assert_eq!(shop.state("c-1").await, "converted");
}

/// Recorded sessions are told long after: what stalled between two events is counted, and nobody is mailed for it.
pub async fn events_of_last_week_are_counted_where_they_belong(on: Backend) {
    let shop = Shop::open(on).await;
    let week = Duration::from_secs(7 * 86_400);
    let at = |hours: u32| shop.now().minus(week).plus(hours * HOUR).to_string();
    for hour in [0, 2, 30] {
        let mut cart = cart_of("joe@example.com");
        cart["occurred_at"] = json!(at(hour));
        shop.puts("c-1", cart).await;
    }
    assert_eq!(shop.tally("abandonments/shipping").await, 2);
    assert_eq!(shop.tally("resumed").await, 2);
    shop.advance(HOUR).await;
    assert_eq!(shop.tally("abandonments/shipping").await, 3);
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

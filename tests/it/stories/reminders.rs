//! Who is reminded, how often, and who is not.

use reqwest::Method;
use serde_json::json;

use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

pub async fn a_stalled_cart_is_reminded_three_times_and_no_more(on: Backend) {
    let shop = Shop::open(on).await;
    assert_eq!(shop.puts("c-1", cart_of("joe@example.com")).await.status, 201);
    shop.advance(29 * MINUTE).await;
    assert_eq!(shop.state("c-1").await, "active");
    shop.advance(MINUTE).await;
    assert_eq!(shop.state("c-1").await, "abandoned");
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 1);
    shop.advance(4 * HOUR).await;
    let first = shop.receiver.of_kind("cart.reminder");
    assert_eq!(first.len(), 1);
    let data = &first[0].json()["data"];
    assert_eq!(data["cart_id"], "c-1");
    assert_eq!(data["step"]["name"], "first");
    assert_eq!(data["shopper"]["email"], "joe@example.com");
    assert_eq!(data["totals"]["total_minor"], 4988);
    let recovery_url = data["recovery_url"].as_str().unwrap_or_default();
    assert!(recovery_url.starts_with("https://shop.example/checkout/1?cw_ref="), "{recovery_url}");
    shop.advance(400 * HOUR).await;
    let steps: Vec<_> =
        shop.receiver.of_kind("cart.reminder").iter().map(|r| r.json()["data"]["step"]["name"].clone()).collect();
    assert_eq!(steps, ["first", "second", "third"]);
    for step in ["first", "second", "third"] {
        assert_eq!(shop.tally(&format!("reminders/{step}/delivered")).await, 1);
    }
}

pub async fn a_shopper_who_returns_is_not_reminded(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(3 * HOUR).await;
    shop.signals("c-1", json!({"kind": "page_viewed", "page": "product"})).await;
    assert_eq!(shop.state("c-1").await, "active");
    shop.advance(20 * MINUTE).await;
    shop.signals("c-1", json!({"kind": "page_viewed", "page": "returns"})).await;
    shop.advance(29 * MINUTE).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    assert_eq!(shop.receiver.of_kind("cart.resumed").len(), 1);
}

pub async fn a_new_idle_episode_is_a_new_abandonment(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(6 * HOUR).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(6 * HOUR).await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    let numbers: Vec<_> = reminders.iter().map(|r| r.json()["data"]["abandonment"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
    assert_ne!(reminders[0].id, reminders[1].id);
}

pub async fn a_paid_cart_is_never_reminded(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(2 * HOUR).await;
    let mut order = order_of("o-1", "other@example.com", &[], shop.now());
    order["cart_id"] = json!("c-1");
    let answer = shop.orders(order).await;
    assert_eq!(answer.body["carts"], json!(["c-1"]));
    assert_eq!(answer.body["attribution"], "returned");
    shop.advance(200 * HOUR).await;
    assert_eq!(shop.state("c-1").await, "converted");
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    assert_eq!(shop.receiver.of_kind("cart.recovered").len(), 1);
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 4988);
}

pub async fn a_purchase_on_another_device_silences_this_cart(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("laptop", cart_of("joe@example.com")).await;
    shop.advance(2 * HOUR).await;
    let answer = shop.orders(order_of("o-1", "JOE@Example.com", &["p-1", "p-2", "p-9"], shop.now())).await;
    assert_eq!(answer.body["carts"], json!(["laptop"]));
    shop.advance(200 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

pub async fn a_purchase_of_something_else_does_not(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(2 * HOUR).await;
    let answer = shop.orders(order_of("o-1", "joe@example.com", &["p-7"], shop.now())).await;
    assert_eq!(answer.body["carts"], json!([]));
    shop.advance(3 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

pub async fn a_pending_payment_is_not_an_abandonment(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let mut order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    order["status"] = json!("pending");
    shop.orders(order.clone()).await;
    shop.advance(48 * HOUR).await;
    assert_eq!(shop.state("c-1").await, "payment_pending");
    assert_eq!(shop.receiver.received().len(), 0);
    order["status"] = json!("paid");
    shop.orders(order.clone()).await;
    assert_eq!(shop.state("c-1").await, "converted");
    order["status"] = json!("pending");
    assert_eq!(shop.orders(order).await.body["applied"], false);
    assert_eq!(shop.tally("orders/first").await, 1);
}

pub async fn a_failed_payment_opens_the_cart_again(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let mut order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    order["status"] = json!("pending");
    shop.orders(order.clone()).await;
    order["status"] = json!("failed");
    shop.orders(order).await;
    assert_eq!(shop.state("c-1").await, "active");
    shop.advance(5 * HOUR).await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    assert_eq!(reminders.len(), 1);
    assert_eq!(reminders[0].json()["data"]["reason"]["code"], "payment_declined");
}

pub async fn a_refund_reverts_a_recovery(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(2 * HOUR).await;
    let mut order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    shop.orders(order.clone()).await;
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 4988);
    order["status"] = json!("refunded");
    shop.orders(order.clone()).await;
    shop.orders(order).await;
    assert_eq!(shop.state("c-1").await, "reverted");
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 0);
    shop.settle().await;
    assert_eq!(shop.receiver.of_kind("cart.reverted").len(), 1);
}

pub async fn a_dismissed_cart_is_silent(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(HOUR).await;
    assert_eq!(shop.send(Method::POST, "/v1/carts/c-1/dismiss", |r| r).await.status, 200);
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.state("c-1").await, "dismissed");
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

pub async fn a_deleted_cart_is_silent_and_stays_deleted(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(HOUR).await;
    for _ in 0..2 {
        assert_eq!(shop.send(Method::DELETE, "/v1/carts/c-1", |r| r).await.status, 204);
    }
    assert_eq!(shop.send(Method::DELETE, "/v1/carts/never", |r| r).await.status, 404);
    assert_eq!(shop.cart("c-1").await.status, 404);
    assert_eq!(shop.puts("c-1", cart_of("joe@example.com")).await.body["applied"], false);
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

pub async fn nobody_to_write_to_is_a_named_reason(on: Backend) {
    let shop = Shop::open(on).await;
    let mut cart = cart_of("x@example.com");
    cart["shopper"] = json!({"anonymous_id": "a-1"});
    shop.puts("c-1", cart).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 1);
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    assert_eq!(shop.tally("reminders_suppressed/no_contact").await, 3);
}

pub async fn a_test_cart_is_never_reminded(on: Backend) {
    let shop = Shop::open(on).await;
    let mut cart = cart_of("joe@example.com");
    cart["test"] = json!(true);
    shop.puts("c-1", cart).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.state("c-1").await, "suppressed");
    assert_eq!(shop.receiver.received().len(), 0);
}

pub async fn after_a_long_outage_only_the_last_due_step_is_sent(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    // Nobody turns the loops for 25 hours.
    shop.clock.advance(25 * HOUR);
    shop.settle().await;
    let steps: Vec<_> =
        shop.receiver.of_kind("cart.reminder").iter().map(|r| r.json()["data"]["step"]["name"].clone()).collect();
    assert_eq!(steps, ["second"]);
    assert_eq!(shop.tally("reminders_suppressed/superseded").await, 1);
}

pub async fn a_declined_card_is_the_reason(on: Backend) {
    let shop = Shop::open(on).await;
    let mut cart = cart_of("joe@example.com");
    cart["stage"] = json!("payment");
    shop.puts("c-1", cart).await;
    shop.signals("c-1", json!({"kind": "payment_failed", "class": "card_data", "code": "expired_card"})).await;
    shop.advance(20 * MINUTE).await;
    let event = &shop.receiver.of_kind("cart.abandoned")[0];
    assert_eq!(event.json()["data"]["reason"]["code"], "payment_declined");
    assert_eq!(event.json()["data"]["reason"]["source"], "inferred_hard");
    let said = shop.send(Method::POST, "/v1/carts/c-1/reasons", |r| {
        r.json(&json!({"code": "price_too_high", "source": "reported"}))
    });
    assert_eq!(said.await.status, 200);
    assert_eq!(shop.tally("reasons/payment/payment_declined/inferred_hard").await, 1);
    assert_eq!(shop.tally("reasons/payment/price_too_high/reported").await, 1);
    assert_eq!(shop.tally("reason_agreement/payment_declined/false").await, 1);
    assert_eq!(shop.cart("c-1").await.body["reason"]["code"], "price_too_high");
}

/// What a payment provider tells: the order, and nothing about its cart or its buyer.
pub async fn an_order_known_only_by_its_id_still_closes_its_cart(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let mut order = order_of("o-1", "joe@example.com", &[], shop.now());
    order["status"] = json!("pending");
    order["cart_id"] = json!("c-1");
    shop.orders(order).await;
    shop.advance(HOUR).await;
    let paid = json!({"order_id": "o-1", "status": "paid", "currency": "EUR", "total_minor": 4988});
    assert_eq!(shop.orders(paid).await.body["carts"], json!(["c-1"]));
    assert_eq!(shop.state("c-1").await, "converted");
}

pub async fn a_refund_does_not_buy_another_cart(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("first", cart_of("joe@example.com")).await;
    shop.orders(order_of("o-1", "joe@example.com", &[], shop.now())).await;
    shop.advance(48 * HOUR).await;
    shop.puts("second", cart_of("joe@example.com")).await;
    shop.advance(HOUR).await;
    let refund = json!({"order_id": "o-1", "shopper": {"email": "joe@example.com"}, "status": "refunded",
        "currency": "EUR", "total_minor": 4988});
    shop.orders(refund).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(
        (shop.state("first").await, shop.state("second").await),
        ("reverted".to_owned(), "abandoned".to_owned())
    );
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

pub async fn a_buyer_is_known_by_what_their_carts_share(on: Backend) {
    let shop = Shop::open(on).await;
    let mut laptop = cart_of("joe@example.com");
    laptop["shopper"]["customer_id"] = json!("42");
    shop.puts("laptop", laptop).await;
    let mut phone = cart_of("x@example.com");
    phone["shopper"] = json!({"customer_id": "42", "phone": "+49 151 1"});
    shop.puts("phone", phone).await;
    shop.advance(HOUR).await;
    let bought = shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    assert_eq!(bought.body["carts"], json!(["laptop", "phone"]));
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

pub async fn a_pending_payment_outlives_an_emptied_cart(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let mut order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    order["status"] = json!("pending");
    shop.orders(order.clone()).await;
    let mut emptied = cart_of("joe@example.com");
    emptied["items"] = json!([]);
    shop.puts("c-1", emptied).await;
    shop.advance(48 * HOUR).await;
    order["status"] = json!("paid");
    shop.orders(order).await;
    assert_eq!(shop.state("c-1").await, "converted");
}

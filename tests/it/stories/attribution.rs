//! What an order owes to the reminders: recorded when it is paid, taken back when it is.

use serde_json::json;

use crate::shop::{Backend, HOUR, Shop, cart_of, order_of};

pub async fn an_order_after_a_reminder_is_assisted_and_its_step_is_credited(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(26 * HOUR).await;
    let sent = shop.receiver.of_kind("cart.reminder").len();
    assert_eq!(sent, 2);
    let answer = shop.orders(order_of("o-1", "joe@example.com", &[], shop.now())).await;
    assert_eq!(answer.body["attribution"], "assisted");
    assert_eq!(shop.tally("attributed_orders/assisted").await, 1);
    assert_eq!(shop.tally("recovered/second").await, 1);
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 4988);
}

pub async fn who_comes_back_alone_owes_nothing_to_a_reminder(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(2 * HOUR).await;
    let answer = shop.orders(order_of("o-1", "joe@example.com", &[], shop.now())).await;
    assert_eq!(answer.body["attribution"], "returned");
    assert_eq!(shop.tally("attributed_orders/returned").await, 1);
    assert_eq!(shop.tally("recovered/first").await, 0);
}

pub async fn a_purchase_without_an_abandonment_is_organic(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let answer = shop.orders(order_of("o-1", "joe@example.com", &[], shop.now())).await;
    assert_eq!(answer.body["attribution"], "organic");
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 0);
    shop.advance(HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.converted").len(), 1);
}

pub async fn a_reminder_on_one_device_assists_the_order_on_another(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("laptop", cart_of("joe@example.com")).await;
    shop.advance(6 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    shop.puts("phone", cart_of("joe@example.com")).await;
    let mut order = order_of("o-1", "joe@example.com", &[], shop.now());
    order["cart_id"] = json!("phone");
    let answer = shop.orders(order).await;
    assert_eq!(answer.body["attribution"], "assisted");
    assert_eq!(shop.state("laptop").await, "converted");
}

pub async fn an_unpaid_order_recovers_nothing_until_it_is_paid_and_a_refund_takes_it_back(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(6 * HOUR).await;
    let mut order = order_of("o-1", "joe@example.com", &[], shop.now());
    order["status"] = json!("pending");
    shop.orders(order.clone()).await;
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 0);
    shop.advance(HOUR).await;
    order["status"] = json!("paid");
    shop.orders(order.clone()).await;
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 4988);
    assert_eq!(shop.tally("attributed_value_minor/assisted/EUR").await, 4988);
    shop.advance(24 * HOUR).await;
    order["status"] = json!("refunded");
    shop.orders(order).await;
    for tally in ["recovered_value_minor/EUR", "attributed_value_minor/assisted/EUR", "attributed_orders/assisted"] {
        assert_eq!(shop.tally(tally).await, 0, "{tally}");
    }
    assert_eq!(shop.tally("orders_reverted").await, 1);
}

//! One person, several carts: bought in part, bought under another name, merged at a login; and lines that are not to be had.

use std::time::Duration;

use cartwake::domain::Moment;
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Answer, Backend, HOUR, MINUTE, PLAIN, Shop, cart_of, order_of};

const NOON: Moment = Moment::from_millis(1_795_431_600_000);

async fn merges(shop: &Shop, from: &str, into: &str) -> Answer {
    shop.send(Method::POST, &format!("/v1/carts/{from}/merge"), |r| r.json(&json!({"into": into}))).await
}

async fn tells_stock(shop: &Shop, product: &str, in_stock: bool, price: u32) -> Answer {
    let body = json!({"product_id": product, "in_stock": in_stock, "price_minor": price});
    shop.send(Method::POST, "/v1/stock", |r| r.json(&body)).await
}

fn cart_with(shopper: Value, products: &[(&str, u32)]) -> Value {
    let mut cart = cart_of("x@example.com");
    cart["shopper"] = shopper;
    let line = |(product, quantity): &(&str, u32)| json!({"product_id": product, "quantity": quantity, "unit_price_minor": 1000});
    cart["items"] = products.iter().map(line).collect();
    cart["totals"] = json!({});
    cart
}

/// The products of a cart, and how many of each.
async fn lines(shop: &Shop, cart: &str) -> Vec<(String, u64)> {
    let body = shop.cart(cart).await.body;
    let line = |item: &Value| Some((item["product_id"].as_str()?.to_owned(), item["quantity"].as_u64()?));
    body["items"].as_array().expect("lines").iter().filter_map(line).collect()
}

fn reminded_lines(shop: &Shop, nth: usize) -> Vec<String> {
    let body = shop.receiver.of_kind("cart.reminder")[nth].json();
    let items = body["data"]["items"].as_array().expect("lines").clone();
    items.iter().filter_map(|item| Some(item["product_id"].as_str()?.to_owned())).collect()
}

pub async fn what_was_bought_leaves_the_other_cart_and_the_rest_is_reminded(on: Backend) {
    let shop = Shop::open(on).await;
    let joe = || json!({"email": "joe@example.com"});
    shop.puts("laptop", cart_with(joe(), &[("a", 1), ("b", 2)])).await;
    shop.advance(2 * HOUR).await;
    let bought = shop.orders(order_of("o-1", "joe@example.com", &["a", "z"], shop.now())).await;
    assert_eq!(bought.body["carts"], json!([]), "none is settled");
    assert_eq!(lines(&shop, "laptop").await, [("b".to_owned(), 2)]);
    // The laptop knows of no order and shows the cart as it was.
    shop.puts("laptop", cart_with(joe(), &[("a", 1), ("b", 2)])).await;
    assert_eq!(lines(&shop, "laptop").await, [("b".to_owned(), 2)]);
    shop.advance(5 * HOUR).await;
    assert_eq!(reminded_lines(&shop, 0), ["b"]);
    assert_eq!(shop.tally("carts_trimmed").await, 1);
    // More of it is wanted anew.
    shop.puts("laptop", cart_with(joe(), &[("a", 3), ("b", 2)])).await;
    assert_eq!(lines(&shop, "laptop").await, [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    shop.orders(order_of("o-2", "joe@example.com", &["a", "b"], shop.now())).await;
    assert_eq!(shop.state("laptop").await, "converted");
}

pub async fn what_was_bought_leaves_a_cart_whose_shopper_is_known_later(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("guest", cart_with(json!({"anonymous_id": "device-1"}), &[("a", 1), ("b", 2)])).await;
    shop.advance(5 * MINUTE).await;
    shop.orders(order_of("o-1", "joe@example.com", &["a"], shop.now())).await;
    assert_eq!(lines(&shop, "guest").await.len(), 2, "nobody knows yet whose it is");
    shop.patches("guest", json!({"shopper": {"email": "joe@example.com"}})).await;
    assert_eq!(lines(&shop, "guest").await, [("b".to_owned(), 2)]);
    assert_eq!(shop.tally("carts_trimmed").await, 1);
}

pub async fn what_was_not_paid_in_the_end_comes_back(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("laptop", cart_with(json!({"email": "joe@example.com"}), &[("a", 1), ("b", 2)])).await;
    shop.advance(2 * HOUR).await;
    let mut order = order_of("o-1", "joe@example.com", &["a"], shop.now());
    order["status"] = json!("pending");
    shop.orders(order.clone()).await;
    assert_eq!(lines(&shop, "laptop").await.len(), 1);
    order["status"] = json!("failed");
    shop.orders(order).await;
    assert_eq!(lines(&shop, "laptop").await.len(), 2);
}

pub async fn two_orders_that_cover_a_cart_together_settle_it(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("laptop", cart_with(json!({"email": "joe@example.com"}), &[("a", 1), ("b", 2)])).await;
    shop.advance(2 * HOUR).await;
    shop.orders(order_of("o-1", "joe@example.com", &["a"], shop.now())).await;
    shop.orders(order_of("o-2", "joe@example.com", &["b"], shop.now())).await;
    assert_eq!(shop.state("laptop").await, "converted");
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

pub async fn who_buys_under_another_address_is_known_by_both(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("checkout", cart_with(json!({"email": "work@example.com"}), &[("a", 1)])).await;
    shop.advance(HOUR).await;
    let mut order = order_of("o-1", "home@example.com", &["a"], shop.now());
    order["cart_id"] = json!("checkout");
    shop.orders(order).await;
    // A cart of before that comes in late, under the other name, and another order.
    shop.puts("tablet", cart_with(json!({"email": "work@example.com"}), &[("b", 1)])).await;
    shop.advance(HOUR).await;
    shop.orders(order_of("o-2", "home@example.com", &["b"], shop.now())).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
}

pub async fn a_login_merges_two_carts_and_loses_nothing(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("guest", cart_with(json!({"email": "joe@example.com", "anonymous_id": "d-1"}), &[("a", 3), ("b", 1)]))
        .await;
    shop.puts("account", cart_with(json!({"customer_id": "42"}), &[("a", 1), ("c", 1)])).await;
    let merged = merges(&shop, "guest", "account").await;
    assert_eq!((merged.status, &merged.body["applied"]), (200, &json!(true)), "{merged:?}");
    let all = [("a".to_owned(), 3), ("c".to_owned(), 1), ("b".to_owned(), 1)];
    assert_eq!(lines(&shop, "account").await, all);
    assert_eq!(shop.state("guest").await, "merged");
    assert_eq!(shop.cart("guest").await.body["merged_into"], "account");
    assert_eq!(shop.cart("account").await.body["shopper"]["email"], "joe@example.com");
    // Again, and once more after the shopper took something out.
    assert_eq!(merges(&shop, "guest", "account").await.body["applied"], true);
    shop.puts("account", cart_with(json!({"customer_id": "42"}), &[("c", 1)])).await;
    merges(&shop, "guest", "account").await;
    assert_eq!(lines(&shop, "account").await, [("c".to_owned(), 1)]);
    shop.advance(5 * HOUR).await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    assert_eq!(reminders.len(), 1);
    assert_eq!(reminders[0].json()["data"]["cart_id"], "account");
}

pub async fn a_merge_that_cannot_be_leaves_both_carts_as_they_are(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("guest", cart_of("joe@example.com")).await;
    let mut other = cart_of("joe@example.com");
    other["currency"] = json!("USD");
    shop.puts("dollars", other).await;
    assert_eq!(merges(&shop, "guest", "dollars").await.status, 422);
    assert_eq!(merges(&shop, "guest", "guest").await.status, 422);
    assert_eq!(merges(&shop, "never", "guest").await.status, 404);
    shop.send(Method::POST, "/v1/carts/dollars/dismiss", |r| r).await;
    shop.puts("done", cart_of("ann@example.com")).await;
    shop.send(Method::POST, "/v1/carts/done/dismiss", |r| r).await;
    assert_eq!(merges(&shop, "guest", "done").await.body["applied"], false);
    assert_eq!((shop.state("guest").await, lines(&shop, "guest").await.len()), ("active".to_owned(), 2));
    // A cart that is not known yet is made of it.
    assert_eq!(merges(&shop, "guest", "fresh").await.body["applied"], true);
    assert_eq!(lines(&shop, "fresh").await.len(), 2);
}

pub async fn a_reminder_of_a_merged_cart_is_not_sent(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("guest", cart_of("joe@example.com")).await;
    shop.receiver.always(crate::receiver::Reply::Status(503));
    shop.advance(4 * HOUR + 31 * MINUTE).await;
    let tried = shop.receiver.of_kind("cart.reminder").len();
    merges(&shop, "guest", "account").await;
    shop.receiver.always(crate::receiver::Reply::Status(200));
    shop.advance(HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), tried);
    assert_eq!(shop.tally("reminders_suppressed/merged").await, 1);
}

pub async fn what_is_sold_out_is_not_reminded_until_it_is_back(on: Backend) {
    let shop = Shop::open_with_program(on, PLAIN, NOON).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    tells_stock(&shop, "p-1", false, 1999).await;
    shop.advance(20 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    assert_eq!(shop.cart("c-1").await.body["next_reminder"]["held_by"], "out_of_stock");
    assert_eq!(shop.tally("reminders_deferred/out_of_stock").await, 1);
    // Late news of before changes nothing.
    let late = json!({"product_id": "p-1", "in_stock": true, "occurred_at": NOON.minus(HOUR).to_string()});
    assert_eq!(shop.send(Method::POST, "/v1/stock", |r| r.json(&late)).await.body["resumed"], 0);
    let back = tells_stock(&shop, "p-1", true, 1499).await;
    assert_eq!(back.body["resumed"], 1);
    shop.settle().await;
    let reminders = shop.receiver.of_kind("cart.reminder");
    assert_eq!(reminders.len(), 1);
    let line = &reminders[0].json()["data"]["items"][0];
    assert_eq!((&line["unit_price_minor"], &line["current_price_minor"]), (&json!(1999), &json!(1499)));
    assert_eq!(line["in_stock"], true);
}

pub async fn what_does_not_come_back_in_time_is_never_reminded(on: Backend) {
    let program = format!("{PLAIN}restock_window = \"48h\"\n");
    let shop = Shop::open_with_program(on, &program, NOON).await;
    tells_stock(&shop, "p-2", false, 500).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(Duration::from_secs(14 * 86_400)).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    assert!(shop.tally("reminders_suppressed/out_of_stock").await >= 1);
    assert_eq!(tells_stock(&shop, "p-2", true, 500).await.body["resumed"], 0);
}

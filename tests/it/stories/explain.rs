//! Why a shopper was or was not reminded, told in order.

use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

async fn explains(shop: &Shop, id: &str) -> Value {
    let answer = shop.send(Method::GET, &format!("/v1/carts/{id}/explain"), |r| r).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.body.to_string().contains("joe"), "an explanation names nobody: {}", answer.body);
    answer.body
}

fn whats(explanation: &Value) -> Vec<&str> {
    let story = explanation["story"].as_array().expect("a story");
    story.iter().map(|entry| entry["what"].as_str().expect("a slug")).collect()
}

pub async fn the_story_of_a_reminder_is_told_in_order(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.signals("c-1", json!({"kind": "payment_failed", "class": "issuer_declined"})).await;
    shop.advance(5 * HOUR).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.settle().await;
    let told = explains(&shop, "c-1").await;
    let whats = whats(&told);
    let mut rest = whats.iter();
    for what in
        ["tracked", "stage_entered", "abandoned", "reason_found", "reminder_decided", "attempt_made", "converted"]
    {
        assert!(rest.any(|told| *told == what), "{what} is not told in its place: {whats:?}");
    }
    let times: Vec<&str> = told["story"].as_array().expect("a story").iter().filter_map(|e| e["at"].as_str()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(told["summary"].as_str().is_some_and(|text| text.starts_with("The cart was bought; ")), "{told}");
    assert_eq!((&told["now"]["verdict"], &told["now"]["why"]), (&json!("suppress"), &json!("purchased")));
    assert_eq!(told["now"]["next_wake_for"], "retention");
}

pub async fn a_cart_that_was_not_reminded_says_why(on: Backend) {
    let shop = Shop::open(on).await;
    let mut cart = cart_of("joe@example.com");
    cart["consent"] = json!([{"channel": "email", "status": "denied"}]);
    shop.puts("c-1", cart).await;
    shop.advance(5 * HOUR).await;
    let told = explains(&shop, "c-1").await;
    let story = told["story"].as_array().expect("a story");
    let entry = story.iter().find(|entry| entry["what"] == "reminder_suppressed").unwrap_or_else(|| panic!("{told}"));
    assert_eq!((&entry["inputs"]["why"], &entry["inputs"]["name"]), (&json!("no_consent"), &json!("first")));
    let guards = told["now"]["guards"].as_array().expect("guards");
    let consent = guards.iter().find(|guard| guard["guard"] == "consent").expect("a guard of consent");
    assert_eq!((&consent["passes"], &consent["why"]), (&json!(false), &json!("no_consent")));
    assert!(guards.iter().any(|guard| guard["passes"] == true), "{told}");
    assert_eq!((&told["now"]["step"]["name"], &told["now"]["verdict"]), (&json!("second"), &json!("suppress")));
}

pub async fn a_cart_that_is_not_abandoned_yet_says_what_would_come(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let told = explains(&shop, "c-1").await;
    let now = &told["now"];
    let in_half_an_hour = shop.now().plus(30 * MINUTE).to_string();
    assert_eq!(now["assumes_abandoned_at"], json!(in_half_an_hour), "{told}");
    assert_eq!((&now["next_wake_at"], &now["next_wake_for"]), (&json!(in_half_an_hour), &json!("idle_window")));
    assert_eq!(now["step"]["name"], "first");
    assert_eq!(shop.state("c-1").await, "active", "asking changes nothing");
    let none = shop.send(Method::GET, "/v1/carts/never/explain", |r| r).await;
    assert_eq!(none.status, 404);
}

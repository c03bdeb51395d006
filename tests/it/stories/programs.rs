//! When reminders go out: quiet hours, caps, steps for some carts and some reasons, the message at once.

use std::time::Duration;

use cartwake::domain::Moment;
use serde_json::{Value, json};

use crate::receiver::Reply;
use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

/// A Monday at noon in Berlin.
const NOON: &str = "2026-11-23T11:00:00Z";

fn at(text: &str) -> Moment {
    Moment::parse(text).expect("a literal time")
}

/// A cart of a shopper whose clock stands there.
fn cart_in(zone: &str, email: &str) -> Value {
    let mut cart = cart_of(email);
    cart["shopper"]["time_zone"] = json!(zone);
    cart
}

/// When the last reminder came due, and the names of the steps of all of them.
fn sent(shop: &Shop) -> Vec<(String, Moment)> {
    let of = |data: &Value| data["data"]["step"]["name"].as_str().expect("a name").to_owned();
    shop.receiver.of_kind("cart.reminder").iter().map(|r| (of(&r.json()), at_of(&r.json()))).collect()
}

fn at_of(body: &Value) -> Moment {
    at(body["timestamp"].as_str().expect("a time"))
}

const NIGHT: &str = r#"
quiet_hours = "21:00-09:00"
caps = []
service.reasons = []
experiment.holdout_percent = 0
"#;

pub async fn a_reminder_that_comes_due_at_night_waits_for_the_shoppers_morning(on: Backend) {
    // 18:00 in Berlin: the first step would come at 22:30, the second the next evening.
    let shop = Shop::open_with_program(on, NIGHT, at("2026-11-23T17:00:00Z")).await;
    shop.puts("c-1", cart_in("Europe/Berlin", "joe@example.com")).await;
    shop.advance(5 * HOUR).await;
    let cart = shop.cart("c-1").await.body;
    assert_eq!(cart["next_reminder"]["held_by"], "quiet_hours");
    assert_eq!(cart["next_reminder"]["held_since"], "2026-11-23T21:30:00Z");
    assert_eq!(shop.tally("reminders_deferred/quiet_hours").await, 1);
    shop.advance(9 * HOUR + 59 * MINUTE).await;
    assert_eq!(sent(&shop), []);
    shop.advance(11 * MINUTE).await;
    let sent = sent(&shop);
    let open_at = at("2026-11-24T08:00:00Z");
    assert_eq!(sent.len(), 1);
    assert!((open_at..=open_at.plus(10 * MINUTE)).contains(&sent[0].1), "{sent:?}");
    assert_eq!(shop.tally("reminders/first/delivered").await, 1);
}

pub async fn in_the_night_when_clocks_go_back_the_morning_comes_an_hour_later(on: Backend) {
    let shop = Shop::open_with_program(on, NIGHT, at("2026-10-24T15:00:00Z")).await;
    shop.puts("c-1", cart_in("Europe/Berlin", "joe@example.com")).await;
    shop.advance(16 * HOUR + 59 * MINUTE).await;
    assert_eq!(sent(&shop), [], "it is 8:59 in winter time");
    shop.advance(11 * MINUTE).await;
    assert_eq!(sent(&shop).len(), 1);
}

pub async fn a_shopper_whose_zone_nobody_knows_is_where_their_country_is(on: Backend) {
    let shop = Shop::open_with_program(on, NIGHT, at("2026-11-23T10:00:00Z")).await;
    let mut cart = cart_of("joe@example.com");
    cart["shopper"]["country"] = json!("US");
    shop.puts("c-1", cart).await;
    // 14:30 UTC is 9:30 in New York and half past six in Los Angeles.
    shop.advance(6 * HOUR).await;
    assert_eq!(sent(&shop), []);
    shop.advance(HOUR + 11 * MINUTE).await;
    assert_eq!(sent(&shop).len(), 1);
}

pub async fn a_retry_into_the_night_waits_for_the_morning_and_is_not_stale(on: Backend) {
    // Due at 20:50 in Berlin; the receiver is down until the night has come.
    let shop = Shop::open_with_program(on, NIGHT, at("2026-11-23T15:20:00Z")).await;
    shop.puts("c-1", cart_in("Europe/Berlin", "joe@example.com")).await;
    shop.receiver.always(Reply::Status(503));
    shop.advance(5 * HOUR).await;
    let tried = shop.receiver.of_kind("cart.reminder").len();
    assert!(tried >= 3, "{tried}");
    shop.receiver.always(Reply::Status(200));
    shop.advance(8 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), tried, "it is night");
    shop.advance(5 * HOUR).await;
    let all = shop.receiver.of_kind("cart.reminder");
    assert_eq!(all.len(), tried + 1);
    assert!(all.iter().all(|r| r.id == all[0].id));
    assert_eq!(shop.tally("reminders/first/delivered").await, 1);
}

const CAPPED: &str = r#"
quiet_hours = "off"
caps = [{ count = 1, within = "16h" }, { count = 3, within = "7d" }]
service.reasons = []
experiment.holdout_percent = 0
"#;

pub async fn two_carts_of_one_person_do_not_bring_two_reminders_a_day(on: Backend) {
    let shop = Shop::open_with_program(on, CAPPED, at(NOON)).await;
    shop.puts("laptop", cart_of("joe@example.com")).await;
    shop.advance(10 * MINUTE).await;
    shop.puts("phone", cart_of("JOE@example.com")).await;
    shop.advance(6 * HOUR).await;
    assert_eq!(sent(&shop).len(), 1);
    assert_eq!(shop.cart("phone").await.body["next_reminder"]["held_by"], "frequency_cap");
    assert!(shop.tally("reminders_deferred/frequency_cap").await >= 1);
    shop.advance(15 * HOUR).await;
    assert_eq!(sent(&shop).len(), 2, "its turn came after 16 hours");
    shop.advance(300 * HOUR).await;
    let moments: Vec<Moment> = sent(&shop).into_iter().map(|(_, at)| at).collect();
    assert!(moments.windows(2).all(|pair| pair[1].since(pair[0]) >= 16 * HOUR), "{moments:?}");
    let week = |from: Moment| moments.iter().filter(|at| **at >= from && at.since(from) < 168 * HOUR).count();
    assert!(moments.iter().all(|from| week(*from) <= 3), "{moments:?}");
}

pub async fn two_carts_due_at_the_same_moment_bring_one_reminder(on: Backend) {
    let shop = Shop::open_with_program(on, CAPPED, at(NOON)).await;
    for cart in ["a", "b", "c"] {
        shop.puts(cart, cart_of("joe@example.com")).await;
    }
    shop.advance(5 * HOUR).await;
    assert_eq!(sent(&shop).len(), 1);
}

pub async fn a_person_known_by_a_link_has_one_cap(on: Backend) {
    let shop = Shop::open_with_program(on, CAPPED, at(NOON)).await;
    let of = |shopper: Value| {
        let mut cart = cart_of("x@example.com");
        cart["shopper"] = shopper;
        cart
    };
    // An old cart knows both of their names.
    shop.puts("old", of(json!({"email": "joe@example.com", "customer_id": "42"}))).await;
    shop.send(reqwest::Method::POST, "/v1/carts/old/dismiss", |r| r).await;
    shop.puts("by-mail", of(json!({"email": "joe@example.com"}))).await;
    shop.puts("by-account", of(json!({"customer_id": "42"}))).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(sent(&shop).len(), 1);
}

pub async fn a_reminder_that_reached_nobody_holds_nobody_back(on: Backend) {
    let shop = Shop::open_with_program(on, CAPPED, at(NOON)).await;
    shop.puts("bought", cart_of("joe@example.com")).await;
    let mut other = cart_of("joe@example.com");
    other["items"] = json!([{"product_id": "p-9", "quantity": 1, "unit_price_minor": 100}]);
    shop.puts("open", other).await;
    shop.advance(HOUR).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.advance(4 * HOUR).await;
    assert_eq!(sent(&shop).len(), 1);
}

const CONDITIONS: &str = r#"
quiet_hours = "off"
caps = []
experiment.holdout_percent = 0
service.reasons = []
steps = [
    { name = "dear", delay = "1h", channel = "email", minimum = ["5000 EUR"] },
    { name = "shipping", delay = "2h", channel = "email", stages = ["shipping"], customer = "first" },
    { name = "vip", delay = "3h", channel = "email", tags = ["vip"] },
    { name = "text", delay = "4h", channel = "sms" },
]
responses = ["shipping_cost=free_shipping_from_50"]
overrides = [{ reasons = ["shipping_cost"], steps = [{ name = "free", delay = "30m", channel = "email" }] },
             { reasons = ["just_browsing"], steps = [] }]
"#;

pub async fn a_step_is_for_the_carts_that_its_conditions_name(on: Backend) {
    let shop = Shop::open_with_program(on, CONDITIONS, at(NOON)).await;
    shop.puts("plain", cart_of("joe@example.com")).await;
    shop.advance(10 * HOUR).await;
    let names = |shop: &Shop| sent(shop).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&shop), ["shipping"]);
    assert_eq!(shop.tally("reminders_suppressed/conditions_not_met").await, 2);
    assert_eq!(shop.tally("reminders_suppressed/no_contact").await, 1, "there is no telephone number");
    let mut dear = cart_of("ann@example.com");
    dear["totals"]["total_minor"] = json!(5000);
    dear["stage"] = json!("payment");
    dear["attributes"] = json!({"tags": "new, vip"});
    dear["shopper"]["phone"] = json!("+49 151 1");
    dear["consent"] = json!([{"channel": "email", "status": "granted"}, {"channel": "sms", "status": "granted"}]);
    shop.puts("dear", dear).await;
    shop.advance(10 * HOUR).await;
    assert_eq!(names(&shop), ["shipping", "dear", "vip", "text"]);
}

pub async fn a_reason_has_steps_of_its_own(on: Backend) {
    let shop = Shop::open_with_program(on, CONDITIONS, at(NOON)).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.signals("c-1", json!({"kind": "shipping_quoted", "lowest_minor": 1500, "rates": 2})).await;
    shop.advance(20 * HOUR).await;
    let first = &shop.receiver.of_kind("cart.reminder")[0].json()["data"];
    assert_eq!((&first["step"]["name"], &first["reason"]["code"]), (&json!("free"), &json!("shipping_cost")));
    assert_eq!(first["reason"]["response"], "free_shipping_from_50");
    assert_eq!(sent(&shop).len(), 1);
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(31 * MINUTE).await;
    shop.send(reqwest::Method::POST, "/v1/carts/c-2/reasons", |r| {
        r.json(&json!({"code": "just_browsing", "source": "reported"}))
    })
    .await;
    shop.advance(20 * HOUR).await;
    assert_eq!(sent(&shop).len(), 1, "who was only looking is left alone");
}

const SERVICE: &str = r#"
quiet_hours = "21:00-09:00"
time_zone = "Europe/Berlin"
experiment.holdout_percent = 0
"#;

pub async fn a_failed_payment_brings_a_message_at_once_also_in_the_evening(on: Backend) {
    let shop = Shop::open_with_program(on, SERVICE, at("2026-11-23T21:00:00Z")).await;
    let mut cart = cart_of("joe@example.com");
    cart["stage"] = json!("payment");
    shop.puts("c-1", cart).await;
    shop.signals("c-1", json!({"kind": "payment_failed", "class": "card_data"})).await;
    shop.advance(21 * MINUTE).await;
    assert_eq!(sent(&shop).len(), 1);
    let message = &shop.receiver.of_kind("cart.reminder")[0].json()["data"];
    assert_eq!(message["step"], json!({"index": 0, "of": 3, "name": "service"}));
    assert_eq!(message["previous_reminders"], json!([]));
    shop.advance(60 * HOUR).await;
    let all = sent(&shop);
    let next = &shop.receiver.of_kind("cart.reminder")[1].json()["data"];
    assert_eq!(next["previous_reminders"][0]["step"], 0);
    assert!(all[1].1.since(all[0].1) >= 16 * HOUR, "it counts like any other: {all:?}");
}

pub async fn a_payment_refused_as_fraud_brings_nothing(on: Backend) {
    let shop = Shop::open_with_program(on, SERVICE, at(NOON)).await;
    let mut cart = cart_of("joe@example.com");
    cart["stage"] = json!("payment");
    shop.puts("c-1", cart).await;
    shop.signals("c-1", json!({"kind": "payment_failed", "class": "fraud_suspected"})).await;
    shop.advance(200 * HOUR).await;
    assert_eq!(sent(&shop), []);
    assert_eq!(shop.tally("reminders_suppressed/fraud_suspected").await, 4);
}

pub async fn who_was_held_back_for_too_long_is_not_reminded(on: Backend) {
    let program = r#"
quiet_hours = "off"
caps = [{ count = 1, within = "7d" }]
held_max = "24h"
service.reasons = []
experiment.holdout_percent = 0
steps = [{ name = "only", delay = "1h", channel = "email" }]
"#;
    let shop = Shop::open_with_program(on, program, at(NOON)).await;
    shop.puts("a", cart_of("joe@example.com")).await;
    shop.advance(Duration::from_secs(3 * 3600)).await;
    shop.puts("b", cart_of("joe@example.com")).await;
    shop.advance(300 * HOUR).await;
    assert_eq!(sent(&shop).len(), 1);
    assert_eq!(shop.tally("reminders_suppressed/frequency_cap").await, 1);
}

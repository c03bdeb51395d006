//! Whole journeys of shoppers, each to its end: what was sent, what was not, and why, in the words of explain.

use std::time::Duration;

use cartwake::domain::Moment;
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::Reply;
use crate::shop::{Backend, HOUR, MINUTE, PLAIN, Shop, cart_of, order_of};

const DAY: Duration = Duration::from_secs(86_400);
/// A Monday at noon in Berlin.
const NOON: Moment = Moment::from_millis(1_795_431_600_000);

/// What became of each reminder of a cart, by its step, and why the next would not go out.
async fn fate(shop: &Shop, cart: &str) -> (Vec<String>, Value) {
    let explained = shop.send(Method::GET, &format!("/v1/carts/{cart}/explain"), |r| r).await.body;
    let story = explained["story"].as_array().unwrap_or_else(|| panic!("no story of {cart}: {explained}"));
    let became = story.iter().filter_map(|entry| {
        let inputs = &entry["inputs"];
        let is_end = match entry["what"].as_str()? {
            "reminder_suppressed" => true,
            "delivery_ended" => inputs["event"] == "cart.reminder",
            _ => false,
        };
        let why = inputs["why"].as_str().or(inputs["result"].as_str());
        is_end.then(|| Some(format!("{}: {}", inputs["name"].as_str()?, why?)))?
    });
    (became.collect(), explained["now"]["why"].clone())
}

fn sent_of(shop: &Shop, cart: &str) -> usize {
    let sent = shop.receiver.of_kind("cart.reminder").into_iter();
    sent.filter(|request| request.json()["data"]["cart_id"] == cart).count()
}

pub async fn who_buys_on_the_phone_with_another_address_is_not_reminded_on_the_laptop(on: Backend) {
    let shop = Shop::open(on).await;
    let mut laptop = cart_of("joe@home.example");
    laptop["shopper"]["customer_id"] = json!("42");
    shop.puts("laptop", laptop).await;
    shop.advance(5 * HOUR).await;
    let mut order = order_of("o-1", "joe@work.example", &["p-1", "p-2"], shop.now());
    order["shopper"]["customer_id"] = json!("42");
    assert_eq!(shop.orders(order).await.body["carts"], json!(["laptop"]));
    shop.advance(4 * DAY).await;
    assert_eq!(fate(&shop, "laptop").await, (vec!["first: delivered".to_owned()], json!("purchased")));
    assert_eq!((sent_of(&shop, "laptop"), shop.state("laptop").await), (1, "converted".to_owned()));
}

pub async fn who_opts_out_between_two_retries_gets_no_further_attempt(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.receiver.always(Reply::Status(503));
    shop.advance(4 * HOUR + 31 * MINUTE).await;
    let tried = sent_of(&shop, "c-1");
    assert!(tried >= 2, "{tried}");
    let answer = shop.send(Method::POST, "/v1/opt-outs", |r| r.json(&json!({"email": "JOE@example.com"}))).await;
    assert_eq!(answer.body["carts"], json!(["c-1"]));
    shop.receiver.always(Reply::Status(200));
    shop.advance(4 * DAY).await;
    assert_eq!(fate(&shop, "c-1").await, (vec!["first: opted_out".to_owned()], json!("opted_out")));
    assert_eq!((sent_of(&shop, "c-1"), shop.state("c-1").await), (tried, "opted_out".to_owned()));
}

pub async fn a_refund_after_a_recovery_leaves_nothing_recovered(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(6 * HOUR).await;
    let mut order = order_of("o-1", "joe@example.com", &[], shop.now());
    assert_eq!(shop.orders(order.clone()).await.body["attribution"], "assisted");
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 4988);
    shop.advance(3 * DAY).await;
    order["status"] = json!("refunded");
    shop.orders(order).await;
    shop.advance(3 * DAY).await;
    assert_eq!(shop.tally("recovered_value_minor/EUR").await, 0);
    assert_eq!(fate(&shop, "c-1").await, (vec!["first: delivered".to_owned()], json!("purchased")));
    assert_eq!((sent_of(&shop, "c-1"), shop.state("c-1").await), (1, "reverted".to_owned()));
}

pub async fn a_dst_night_in_berlin_ends_an_hour_earlier(on: Backend) {
    let program = PLAIN.replace("\"off\"", "\"21:00-09:00\"");
    let evening = Moment::parse("2027-03-27T16:30:00Z").expect("a time");
    let shop = Shop::open_with_program(on, &program, evening).await;
    let mut cart = cart_of("joe@example.com");
    cart["shopper"]["time_zone"] = json!("Europe/Berlin");
    shop.puts("c-1", cart).await;
    // Due at 22:00; at three the clocks are at two no more, so nine o'clock comes at seven.
    shop.advance(14 * HOUR + 29 * MINUTE).await;
    assert_eq!((sent_of(&shop, "c-1"), fate(&shop, "c-1").await), (0, (Vec::new(), json!("quiet_hours"))));
    shop.advance(11 * MINUTE).await;
    assert_eq!(fate(&shop, "c-1").await.0, ["first: delivered"]);
    assert_eq!((sent_of(&shop, "c-1"), shop.tally("reminders_deferred/quiet_hours").await), (1, 1));
}

pub async fn a_person_held_out_on_the_laptop_is_held_out_on_the_phone(on: Backend) {
    let program = PLAIN.replace("holdout_percent = 0", "holdout_percent = 50");
    let shop = Shop::open_with_program(on, &program, NOON).await;
    // So many that by chance all are in one arm once in eight million runs.
    for n in 0..24 {
        let mut laptop = cart_of(&format!("shopper-{n}@example.com"));
        laptop["shopper"]["customer_id"] = json!(format!("customer-{n}"));
        shop.puts(&format!("laptop-{n}"), laptop).await;
    }
    shop.advance(5 * HOUR).await;
    let mut held_out = 0;
    for n in 0..24 {
        let (laptop, phone) = (format!("laptop-{n}"), format!("phone-{n}"));
        let is_held_out = fate(&shop, &laptop).await.0[0] == "first: holdout";
        held_out += usize::from(is_held_out);
        if n >= 8 {
            continue;
        }
        let mut cart = cart_of("x@example.com");
        cart["shopper"] = json!({"customer_id": format!("customer-{n}")});
        shop.puts(&phone, cart).await;
        shop.advance(5 * HOUR).await;
        let expected = if is_held_out { ("first: holdout", 0) } else { ("first: delivered", 1) };
        assert_eq!((fate(&shop, &phone).await.0[0].as_str(), sent_of(&shop, &phone)), expected, "{n}");
    }
    assert!((1..24).contains(&held_out), "{held_out}");
}

pub async fn a_restock_after_twenty_hours_sends_what_waited_for_it(on: Backend) {
    let shop = Shop::open_with_program(on, PLAIN, NOON).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let tells = async |in_stock: bool| {
        let level = json!({"product_id": "p-1", "in_stock": in_stock, "occurred_at": shop.now().to_string()});
        shop.send(Method::POST, "/v1/stock", |r| r.json(&level)).await
    };
    tells(false).await;
    shop.advance(20 * HOUR).await;
    assert_eq!((sent_of(&shop, "c-1"), fate(&shop, "c-1").await), (0, (Vec::new(), json!("out_of_stock"))));
    assert_eq!(tells(true).await.body["resumed"], 1);
    shop.settle().await;
    assert_eq!((sent_of(&shop, "c-1"), fate(&shop, "c-1").await.0), (1, vec!["first: delivered".to_owned()]));
    shop.advance(4 * DAY).await;
    let all = ["first", "second", "third"].map(|step| format!("{step}: delivered"));
    assert_eq!((sent_of(&shop, "c-1"), fate(&shop, "c-1").await.0), (3, all.to_vec()));
}

/// Carts of a year, told of in one afternoon, as a shop that moves house does.
pub async fn an_import_of_a_year_of_carts_reminds_nobody(on: Backend) {
    let shop = Shop::open(on).await;
    for days in (5..=365).step_by(15) {
        let mut cart = cart_of(&format!("shopper-{days}@example.com"));
        cart["occurred_at"] = json!(shop.now().minus(days * DAY).to_string());
        assert_eq!(shop.puts(&format!("c-{days}"), cart).await.status, 201, "{days} days ago");
    }
    shop.puts("today", cart_of("today@example.com")).await;
    shop.advance(4 * DAY).await;
    assert_eq!((shop.receiver.of_kind("cart.reminder").len(), sent_of(&shop, "today")), (3, 3));
    // Those that are still kept say of each step that it was too late; the others have ended with their retention.
    for days in [5, 20, 65] {
        let steps = ["first: superseded", "second: superseded", "third: stale"].map(str::to_owned);
        assert_eq!(fate(&shop, &format!("c-{days}")).await.0, steps, "{days} days ago");
    }
    assert_eq!(shop.cart("c-365").await.body["state"], "expired");
}

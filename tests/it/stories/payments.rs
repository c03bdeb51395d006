//! A payment that is on its way: reminded of once where the shop says so, and never when it is over.

use cartwake::domain::Moment;
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::Reply;
use crate::shop::{Backend, HOUR, MINUTE, PLAIN, Shop, cart_of, order_of};

/// A Monday at noon in Berlin.
const NOON: &str = "2026-11-23T11:00:00Z";

async fn open(on: Backend, more: &str) -> Shop {
    let start = Moment::parse(NOON).expect("a literal time");
    Shop::open_with_program(on, &format!("{PLAIN}payment_pending.delay = \"48h\"\n{more}"), start).await
}

/// A pending order of everything in the sample cart, placed now.
fn pending(shop: &Shop, id: &str, cart: Option<&str>) -> Value {
    let mut order = order_of(id, "joe@example.com", &["p-1", "p-2"], shop.now());
    order["status"] = json!("pending");
    if let Some(cart) = cart {
        order["cart_id"] = json!(cart);
    }
    order
}

/// The same order, with other news of its payment.
fn now(order: &Value, status: &str) -> Value {
    let mut order = order.clone();
    order["status"] = json!(status);
    order
}

/// What every reminder said.
fn reminders(shop: &Shop) -> Vec<Value> {
    shop.receiver.of_kind("cart.reminder").iter().map(|sent| sent.json()["data"].clone()).collect()
}

pub async fn a_payment_that_takes_long_is_reminded_of_once(on: Backend) {
    let shop = open(on, "").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let order = pending(&shop, "o-1", Some("c-1"));
    let due_at = shop.now().plus(48 * HOUR).to_string();
    shop.orders(order.clone()).await;
    let cart = shop.cart("c-1").await.body;
    assert_eq!((&cart["next_reminder"]["due_at"], &cart["next_wake_at"]), (&json!(due_at), &json!(due_at)), "{cart}");
    shop.advance(47 * HOUR + 59 * MINUTE).await;
    // News of it that change nothing move nothing.
    shop.orders(order.clone()).await;
    assert_eq!(reminders(&shop).len(), 0);
    shop.advance(2 * MINUTE).await;
    let [data] = &reminders(&shop)[..] else { panic!("one reminder: {:?}", reminders(&shop)) };
    assert_eq!(data["step"], json!({"index": 0, "of": 0, "name": "payment_pending"}));
    assert_eq!((&data["order"]["id"], &data["shopper"]["email"]), (&json!("o-1"), &json!("joe@example.com")));
    assert_eq!(data["items"].as_array().map(Vec::len), Some(2));
    for absent in ["abandonment", "abandoned_at", "abandoned_value_minor", "reason", "recovery_url", "incentive"] {
        assert!(data.get(absent).is_none(), "{absent}: {data}");
    }
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.orders(now(&order, "paid")).await.body["attribution"], "organic");
    shop.advance(400 * HOUR).await;
    assert_eq!((reminders(&shop).len(), shop.state("c-1").await), (1, "converted".to_owned()));
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len() + shop.receiver.of_kind("cart.recovered").len(), 0);
    for (tally, count) in
        [("reminders/payment_pending/delivered", 1), ("abandonments/shipping", 0), ("recovered_value_minor/EUR", 0)]
    {
        assert_eq!(shop.tally(tally).await, count, "{tally}");
    }
}

pub async fn unless_the_shop_asks_for_it_no_payment_is_reminded_of(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(pending(&shop, "o-1", Some("c-1"))).await;
    let cart = shop.cart("c-1").await.body;
    assert_eq!((&cart["next_reminder"], &cart["next_wake_at"]), (&Value::Null, &cart["expires_at"]));
    shop.advance(1_000 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 0);
}

pub async fn the_reminder_of_a_payment_is_looked_at_again_before_each_attempt(on: Backend) {
    for (status, why) in [("paid", "purchased"), ("failed", "payment_failed"), ("cancelled", "order_cancelled")] {
        let shop = open(on, "steps = []").await.public();
        shop.puts("c-1", cart_of("joe@example.com")).await;
        let order = pending(&shop, "o-1", Some("c-1"));
        shop.orders(order.clone()).await;
        shop.receiver.script([Reply::Status(500)]);
        shop.advance(48 * HOUR + std::time::Duration::from_secs(1)).await;
        let [data] = &reminders(&shop)[..] else { panic!("one attempt") };
        let check = data["check_url"].as_str().expect("a link").to_owned();
        assert_eq!(checks(&check).await, json!({"go": true}));
        assert!(data["unsubscribe_url"].is_string(), "{data}");
        shop.orders(now(&order, status)).await;
        shop.advance(24 * HOUR).await;
        assert_eq!(reminders(&shop).len(), 1, "{status}");
        assert_eq!(shop.tally(&format!("reminders_suppressed/{why}")).await, 1, "{status}");
        assert_eq!(checks(&check).await, json!({"go": false, "why": why}));
    }
}

async fn checks(url: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
    let text = client.get(url).send().await.expect("the service answers").text().await.expect("text");
    serde_json::from_str(&text).expect("JSON")
}

pub async fn a_payment_that_is_over_before_leaves_no_reminder(on: Backend) {
    for (status, state) in [("paid", "converted"), ("failed", "abandoned"), ("cancelled", "reverted")] {
        let shop = open(on, "steps = []").await;
        shop.puts("c-1", cart_of("joe@example.com")).await;
        let order = pending(&shop, "o-1", Some("c-1"));
        shop.orders(order.clone()).await;
        shop.advance(47 * HOUR).await;
        shop.orders(now(&order, status)).await;
        shop.advance(24 * HOUR).await;
        let cart = shop.cart("c-1").await.body;
        assert_eq!((&cart["state"], &cart["next_reminder"]), (&json!(state), &Value::Null), "{cart}");
        assert_eq!(reminders(&shop).len(), 0, "{status}");
    }
}

pub async fn an_order_that_closes_several_carts_is_reminded_of_once(on: Backend) {
    let shop = open(on, "").await;
    for device in ["laptop", "phone"] {
        shop.puts(device, cart_of("joe@example.com")).await;
    }
    let order = pending(&shop, "o-1", None);
    assert_eq!(shop.orders(order).await.body["carts"], json!(["laptop", "phone"]));
    shop.advance(100 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 1);
    assert_eq!(shop.tally("reminders_suppressed/frequency_cap").await, 1);
    // Another order of theirs is another payment.
    shop.puts("third", cart_of("joe@example.com")).await;
    shop.orders(pending(&shop, "o-2", None)).await;
    shop.advance(100 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 2);
}

pub async fn an_order_that_says_nothing_of_its_lines_takes_no_cart_from_another(on: Backend) {
    let shop = open(on, "").await;
    let mut news = Vec::new();
    for (cart, order) in [("c-1", "o-1"), ("c-2", "o-2")] {
        shop.puts(cart, cart_of("joe@example.com")).await;
        let mut order = pending(&shop, order, Some(cart));
        order["items"] = json!([]);
        shop.orders(order.clone()).await;
        news.push(order);
        shop.advance(HOUR).await;
    }
    shop.advance(50 * HOUR).await;
    let told: Vec<_> = reminders(&shop).iter().map(|data| data["order"]["id"].clone()).collect();
    assert_eq!(told, ["o-1", "o-2"]);
    shop.orders(now(&news[1], "failed")).await;
    assert_eq!((shop.state("c-1").await.as_str(), shop.state("c-2").await.as_str()), ("payment_pending", "active"));
    assert_eq!(shop.cart("c-1").await.body["order"]["order_id"], "o-1");
}

pub async fn an_order_without_its_cart_is_reminded_of_once_the_cart_is_told(on: Backend) {
    let shop = open(on, "").await;
    shop.orders(pending(&shop, "o-1", Some("never-told"))).await;
    shop.orders(pending(&shop, "o-2", Some("told-late"))).await;
    shop.advance(HOUR).await;
    shop.puts("told-late", cart_of("kim@example.com")).await;
    shop.advance(100 * HOUR).await;
    let told: Vec<_> = reminders(&shop).iter().map(|data| data["order"]["id"].clone()).collect();
    assert_eq!(told, ["o-2"]);
    assert_eq!(shop.tally("reminders_suppressed/no_contact").await, 1);
}

pub async fn a_shop_that_empties_the_cart_reminds_of_the_payment_all_the_same(on: Backend) {
    let shop = open(on, "").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let order = pending(&shop, "o-1", Some("c-1"));
    shop.orders(order.clone()).await;
    let mut emptied = cart_of("joe@example.com");
    emptied["items"] = json!([]);
    emptied["checkout_url"] = Value::Null;
    shop.puts("c-1", emptied).await;
    shop.advance(50 * HOUR).await;
    let [data] = &reminders(&shop)[..] else { panic!("one reminder") };
    assert_eq!((&data["items"], &data["order"]["total_minor"]), (&json!([]), &json!(4988)));
}

pub async fn a_refusal_and_an_opt_out_hold_for_the_reminder_of_a_payment(on: Backend) {
    // Opted out, under whatever spelling.
    let shop = open(on, "").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(pending(&shop, "o-1", Some("c-1"))).await;
    shop.send(Method::POST, "/v1/opt-outs", |r| r.json(&json!({"email": "Joe@Example.com"}))).await;
    // Refused.
    let mut silent = cart_of("kim@example.com");
    silent["consent"] = json!([{"channel": "email", "status": "denied"}]);
    shop.puts("c-2", silent).await;
    let mut order = pending(&shop, "o-2", Some("c-2"));
    order["shopper"] = json!({"email": "kim@example.com"});
    shop.orders(order).await;
    shop.advance(60 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 0);
    for why in ["opted_out", "no_consent"] {
        assert_eq!(shop.tally(&format!("reminders_suppressed/{why}")).await, 1, "{why}");
    }
}

/// Nobody is written to at night, nor twice in sixteen hours.
const NIGHT: &str = r#"
payment_pending.delay = "59h"
caps = [{ count = 1, within = "16h" }]
service.reasons = []
experiment.holdout_percent = 0
"#;

pub async fn the_night_and_a_cap_hold_for_the_reminder_of_a_payment(on: Backend) {
    let shop = Shop::open_with_program(on, NIGHT, Moment::parse(NOON).expect("a literal time")).await;
    for (cart, order) in [("c-1", "o-1"), ("c-2", "o-2")] {
        let product = format!("p-of-{cart}");
        let mut body = cart_of("joe@example.com");
        body["shopper"]["time_zone"] = json!("Europe/Berlin");
        body["items"] = json!([{"product_id": product, "quantity": 1}]);
        shop.puts(cart, body).await;
        let mut news = pending(&shop, order, Some(cart));
        news["items"] = json!([{"product_id": product, "quantity": 1}]);
        shop.orders(news).await;
        shop.advance(HOUR).await;
    }
    // Due on Wednesday at eleven in the evening, and an hour later.
    shop.advance(58 * HOUR).await;
    assert_eq!(shop.cart("c-1").await.body["next_reminder"]["held_by"], "quiet_hours");
    shop.advance(11 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 1, "in the morning");
    shop.advance(16 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 1, "the cap ends in the night");
    shop.advance(9 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 2);
}

pub async fn who_is_held_out_is_not_reminded_of_a_payment(on: Backend) {
    let shop = Shop::open_with_program(
        on,
        "quiet_hours = \"off\"\npayment_pending.delay = \"1h\"\nexperiment.holdout_percent = 50",
        Moment::parse(NOON).expect("a literal time"),
    )
    .await;
    for n in 0..24 {
        let (cart, email) = (format!("c-{n}"), format!("joe{n}@example.com"));
        shop.puts(&cart, cart_of(&email)).await;
        let mut order = pending(&shop, &format!("o-{n}"), Some(&cart));
        order["shopper"] = json!({"email": email});
        shop.orders(order).await;
    }
    shop.advance(3 * HOUR).await;
    let held = shop.tally("reminders_suppressed/holdout").await;
    let sent = i64::try_from(reminders(&shop).len()).expect("few");
    assert_eq!(held + sent, 24);
    assert!(held > 0 && sent > 0, "both arms have some: {held} held out");
}

pub async fn what_an_order_owes_is_judged_as_if_its_payment_was_never_reminded_of(on: Backend) {
    let shop = open(on, "steps = []").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(2 * HOUR).await;
    assert_eq!(shop.state("c-1").await, "abandoned");
    let order = pending(&shop, "o-1", Some("c-1"));
    shop.orders(order.clone()).await;
    // Another cart of theirs, which is left as well, and bought after the reminder of the payment.
    shop.puts(
        "c-2",
        json!({"items": [{"product_id": "p-9", "quantity": 1}], "currency": "EUR", "stage": "cart",
        "shopper": {"email": "joe@example.com"}}),
    )
    .await;
    shop.advance(50 * HOUR).await;
    assert_eq!((reminders(&shop).len(), shop.state("c-2").await), (1, "abandoned".to_owned()));
    let other = order_of("o-2", "joe@example.com", &["p-9"], shop.now());
    assert_eq!(shop.orders(other).await.body["attribution"], "returned");
    assert_eq!(shop.orders(now(&order, "paid")).await.body["attribution"], "returned");
    shop.settle().await;
    assert_eq!(shop.receiver.of_kind("cart.recovered").len(), 2, "both were abandoned before");
}

pub async fn a_payment_whose_cart_is_erased_is_not_reminded_of(on: Backend) {
    let shop = open(on, "").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(pending(&shop, "o-1", Some("c-1"))).await;
    let erased = shop.operates("/v1/erasures", &json!({"email": "joe@example.com"})).await;
    assert!(erased.status < 300, "{erased:?}");
    shop.advance(100 * HOUR).await;
    assert_eq!(reminders(&shop).len(), 0);
}

pub async fn a_login_takes_nothing_from_a_cart_that_is_ordered(on: Backend) {
    let shop = open(on, "").await;
    shop.puts("guest", cart_of("joe@example.com")).await;
    shop.orders(pending(&shop, "o-1", Some("guest"))).await;
    shop.advance(HOUR).await;
    let mut account = cart_of("joe@example.com");
    account["items"] = json!([{"product_id": "p-9", "quantity": 1}]);
    shop.puts("account", account).await;
    let merged = shop.send(Method::POST, "/v1/carts/guest/merge", |r| r.json(&json!({"into": "account"}))).await;
    assert_eq!((merged.status, &merged.body["applied"]), (200, &json!(false)), "{merged:?}");
    assert_eq!(shop.cart("account").await.body["items"].as_array().map(Vec::len), Some(1));
    shop.advance(47 * HOUR + MINUTE).await;
    let about = |data: &Value| (data["step"]["name"].clone(), data["items"].as_array().map_or(0, Vec::len));
    let told: Vec<_> = reminders(&shop).iter().map(about).collect();
    assert_eq!(told, [(json!("first"), 1), (json!("second"), 1), (json!("payment_pending"), 2)]);
}

pub async fn a_reminder_of_a_payment_is_explained(on: Backend) {
    let shop = open(on, "").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.orders(pending(&shop, "o-1", Some("c-1"))).await;
    let explains = || shop.send(Method::GET, "/v1/carts/c-1/explain", |r| r);
    let told = explains().await.body;
    let due_at = shop.now().plus(48 * HOUR).to_string();
    let about = &told["now"];
    assert_eq!(
        (&about["step"]["name"], &about["step"]["due_at"]),
        (&json!("payment_pending"), &json!(due_at)),
        "{told}"
    );
    assert_eq!((&about["verdict"], &about["next_wake_for"]), (&json!("send"), &json!("reminder")));
    assert!(about["guards"].as_array().is_some_and(|guards| guards.iter().all(|guard| guard["passes"] == true)));
    shop.advance(49 * HOUR).await;
    let told = explains().await.body;
    let decided = told["story"].as_array().expect("a story").iter().find(|entry| entry["what"] == "reminder_decided");
    assert_eq!(decided.expect("it came due")["inputs"]["name"], "payment_pending", "{told}");
    let summary = "An order was placed and its payment is on its way; one reminder was sent.";
    assert_eq!((&told["summary"], &told["now"]["why"]), (&json!(summary), &json!("payment_pending")));
    let listed = shop.ops(Method::GET, "/v1/deliveries?cart_id=c-1").await.body;
    let of_payment = |one: &Value| one["type"] == "cart.reminder" && one["status"] == "delivered";
    assert!(listed["deliveries"].as_array().is_some_and(|all| all.iter().any(of_payment)), "{listed}");
}

pub async fn a_failed_payment_of_a_part_of_the_cart_opens_all_of_it_again(on: Backend) {
    let shop = open(on, "").await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let mut order = pending(&shop, "o-1", Some("c-1"));
    order["items"] = json!([{"product_id": "p-1", "quantity": 2}]);
    shop.orders(order.clone()).await;
    // Whatever is told of the cart in between.
    shop.signals("c-1", json!({"kind": "page_viewed", "page": "returns"})).await;
    shop.orders(now(&order, "failed")).await;
    let cart = shop.cart("c-1").await.body;
    assert_eq!((&cart["state"], cart["items"].as_array().map(Vec::len)), (&json!("active"), Some(2)), "{cart}");
    shop.advance(49 * HOUR).await;
    let steps: Vec<_> = reminders(&shop).iter().map(|data| data["step"]["name"].clone()).collect();
    assert_eq!(steps, ["first", "second"]);
}

/// The card fails, and the shopper pays by bank transfer: the same order, and a payment that is on its way again.
pub async fn a_payment_tried_again_by_another_way_is_on_its_way_anew(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let tells = async |status: &str, at: Moment| {
        let mut order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], at);
        (order["status"], order["occurred_at"]) = (json!(status), json!(at.to_string()));
        shop.orders(order).await.body["applied"] == json!(true)
    };
    let at = |minutes| shop.now().plus(minutes * MINUTE);
    let (first, failed, again) = (at(0), at(1), at(2));
    shop.clock.advance(3 * MINUTE);
    assert!(tells("pending", first).await && tells("failed", failed).await);
    assert_eq!(shop.state("c-1").await, "active", "nothing is paid");
    assert!(tells("pending", again).await);
    assert_eq!(shop.state("c-1").await, "payment_pending");
    assert!(!tells("failed", failed).await, "known, and overtaken");
    assert!(!tells("pending", first).await);
    shop.advance(30 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0, "a payment on its way is no abandonment");
    assert!(tells("paid", again).await);
    assert_eq!(shop.state("c-1").await, "converted");
}

//! What is held of a person is told and erased: by any of their names, on all their devices, whatever was under way.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::Reply;
use crate::shop::{ADMIN_KEY, Answer, Backend, HOUR, MINUTE, SERVER_KEY, Shop, cart_of, order_of};

const UNTIL_REMINDED: Duration = Duration::from_secs(30 * 60 + 4 * 3_600);

async fn erases(shop: &Shop, whom: Value) -> Value {
    let answer = shop.operates("/v1/erasures", &whom).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn exports(shop: &Shop, whom: Value) -> Value {
    let answer = shop.operates("/v1/exports", &whom).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

fn cart_by(shopper: Value) -> Value {
    let mut cart = cart_of("x@example.com");
    cart["shopper"] = shopper;
    cart
}

/// Joe's carts on two devices, under three names.
async fn with_two_devices(on: Backend) -> Shop {
    let shop = Shop::open(on).await;
    let laptop = json!({"email": "Joe@example.com", "phone": "+49 151 1234567", "anonymous_id": "d-laptop"});
    shop.puts("laptop", cart_by(laptop)).await;
    shop.puts("phone", cart_by(json!({"email": "joe@example.com", "customer_id": "42", "anonymous_id": "d-phone"})))
        .await;
    shop.puts("ann", cart_by(json!({"email": "ann@example.com", "anonymous_id": "d-ann"}))).await;
    shop
}

fn ids(export: &Value) -> Vec<&str> {
    let carts = export["carts"].as_array().expect("carts");
    carts.iter().filter_map(|held| held["cart"]["cart_id"].as_str()).collect()
}

fn kept<'v>(receipt: &'v Value, what: &str) -> &'v Value {
    let kept = receipt["kept"].as_array().expect("a list");
    kept.iter().find(|one| one["what"] == what).unwrap_or_else(|| panic!("{what} in {receipt}"))
}

pub async fn a_person_is_erased_by_any_of_their_names(on: Backend) {
    for whom in [
        json!({"email": "JOE@example.com"}),
        json!({"phone": "0049 151 1234567"}),
        json!({"customer_id": "42"}),
        json!({"anonymous_id": "d-laptop"}),
        json!({"shop": "test", "anonymous_id": "d-phone"}),
    ] {
        let shop = with_two_devices(on).await;
        let receipt = erases(&shop, whom.clone()).await;
        assert_eq!((&receipt["erased"]["carts"], &receipt["complete"]), (&json!(2), &json!(true)), "{whom}: {receipt}");
        for cart in ["laptop", "phone"] {
            assert_eq!(shop.cart(cart).await.status, 404, "{whom}");
        }
        assert_eq!(shop.state("ann").await, "active");
        shop.advance(100 * HOUR).await;
        let reminded = shop.receiver.of_kind("cart.reminder");
        assert!(reminded.iter().all(|sent| sent.json()["data"]["cart_id"] == "ann"), "{whom}");
        assert!(!reminded.is_empty());
    }
}

pub async fn an_export_holds_everything_and_nobody_elses(on: Backend) {
    let shop = with_two_devices(on).await;
    shop.receiver.script([Reply::Status(503)]);
    shop.orders(order_of("o-1", "joe@example.com", &["p-9"], shop.now())).await;
    shop.send(Method::POST, "/v1/opt-outs", |r| r.json(&json!({"email": "joe@example.com", "channel": "sms"}))).await;
    shop.advance(UNTIL_REMINDED + MINUTE).await;
    let export = exports(&shop, json!({"customer_id": "42"})).await;
    assert_eq!(ids(&export), ["laptop", "phone"]);
    let laptop = &export["carts"][0];
    assert_eq!(laptop["cart"]["shopper"]["phone"], "+49 151 1234567");
    assert_eq!(laptop["cart"]["checkout_url"], "https://shop.example/checkout/1");
    let sent = laptop["deliveries"].as_array().expect("deliveries");
    assert!(sent.iter().any(|one| one["type"] == "cart.reminder" && one["attempts"][0]["status"].is_u64()), "{laptop}");
    assert_eq!(export["purchases"][0]["order_id"], "o-1");
    assert_eq!((&export["orders"][0]["order_id"], &export["orders"][0]["total_minor"]), (&json!("o-1"), &json!(4988)));
    assert_eq!(export["opt_outs"][0]["channel"], "sms");
    assert_eq!(export["reminders"].as_array().map(Vec::len), Some(2), "{export}");
    assert_eq!((&export["limits"], &export["identifiers"]), (&json!([]), &json!(3)));
    assert!(!export.to_string().contains("ann@"), "{export}");
}

pub async fn an_export_of_many_carts_comes_in_pages(on: Backend) {
    let shop = Shop::open(on).await;
    for n in 0..7 {
        shop.puts(&format!("c-{n}"), cart_of("joe@example.com")).await;
    }
    let whom = json!({"email": "joe@example.com"});
    let (mut met, mut query) = (Vec::new(), "?limit=3".to_owned());
    for _ in 0..3 {
        let answer = shop.operates(&format!("/v1/exports{query}"), &whom).await.body;
        met.extend(ids(&answer).into_iter().map(str::to_owned));
        query = format!("?limit=3&cursor={}", answer["next_cursor"].as_str().unwrap_or("end"));
    }
    assert_eq!((met, query), ((0..7).map(|n| format!("c-{n}")).collect(), "?limit=3&cursor=end".to_owned()));
    for bad in ["?limit=0", "?limit=51", "?cursor=%20", "?x=1"] {
        assert_eq!(shop.operates(&format!("/v1/exports{bad}"), &whom).await.status, 400, "{bad}");
    }
}

pub async fn an_erasure_reaches_dead_letters_and_what_waits(on: Backend) {
    let shop = with_two_devices(on).await;
    shop.receiver.always(Reply::With(400, "Content-Type", "text/plain"));
    shop.advance(UNTIL_REMINDED + MINUTE).await;
    shop.receiver.always(Reply::Status(503));
    shop.signals("laptop", json!({"kind": "page_viewed", "page": "returns"})).await;
    shop.advance(MINUTE).await;
    let told = shop.receiver.of_kind("cart.resumed").len();
    assert!(told > 0);
    let receipt = erases(&shop, json!({"email": "joe@example.com"})).await;
    assert!(receipt["erased"]["dead_letters"].as_u64() >= Some(4), "{receipt}");
    assert!(receipt["erased"]["deliveries"].as_u64() >= Some(1), "{receipt}");
    for status in ["dead", "pending"] {
        let page = shop.ops(Method::GET, &format!("/v1/deliveries?status={status}&limit=100")).await.body;
        let left = page["deliveries"].as_array().expect("a list");
        assert!(left.iter().all(|one| one["cart_id"] == "ann"), "{status}: {page}");
    }
    shop.receiver.always(Reply::Status(200));
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.resumed").len(), told, "nothing of before goes out");
}

pub async fn an_erasure_between_two_retries_stops_the_reminder(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(UNTIL_REMINDED.saturating_sub(MINUTE)).await;
    shop.receiver.always(Reply::Status(503));
    shop.advance(2 * MINUTE).await;
    let tried = shop.receiver.of_kind("cart.reminder").len();
    assert!(tried > 0);
    let receipt = erases(&shop, json!({"email": "joe@example.com"})).await;
    assert_eq!(receipt["reminder_in_flight"], "none");
    shop.receiver.always(Reply::Status(200));
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), tried, "no retry after the erasure");
}

pub async fn an_erasure_during_a_send_waits_for_its_end(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(UNTIL_REMINDED.saturating_sub(MINUTE)).await;
    shop.receiver.script([Reply::After(Duration::from_millis(300))]);
    shop.clock.advance(MINUTE);
    let (receipt, ()) = tokio::join!(
        async {
            while shop.receiver.of_kind("cart.reminder").is_empty() {
                tokio::task::yield_now().await;
            }
            erases(&shop, json!({"email": "joe@example.com"})).await
        },
        shop.settle(),
    );
    assert_eq!(receipt["reminder_in_flight"], "finished");
    assert_eq!(exports(&shop, json!({"email": "joe@example.com"})).await["reminders"], json!([]));
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

pub async fn an_erasure_again_finds_nothing_and_says_so(on: Backend) {
    let shop = with_two_devices(on).await;
    shop.advance(UNTIL_REMINDED + MINUTE).await;
    let first = erases(&shop, json!({"email": "joe@example.com"})).await;
    assert!(first["found"]["identifiers"].as_u64() >= Some(3), "{first}");
    let second = erases(&shop, json!({"email": "joe@example.com"})).await;
    assert_eq!(
        second["erased"],
        json!({"carts": 0, "deliveries": 0, "dead_letters": 0, "answers": 0, "notes": 0, "index_entries": 0})
    );
    assert_eq!(second["found"], json!({"identifiers": 1, "carts": 0, "orders": 0}));
    assert_ne!(first["id"], Value::Null);
    let export = exports(&shop, json!({"email": "joe@example.com"})).await;
    for what in ["carts", "orders", "purchases", "reminders", "experiments", "incentives", "opt_outs"] {
        assert_eq!(export[what], json!([]), "{what}");
    }
    // A late event of before stays without effect.
    assert_eq!(shop.puts("laptop", cart_of("joe@example.com")).await.body["applied"], false);
}

pub async fn after_an_erasure_a_new_cart_of_the_person_lives_normally(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("old", cart_of("joe@example.com")).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.advance(HOUR).await;
    erases(&shop, json!({"email": "joe@example.com"})).await;
    shop.puts("new", cart_of("joe@example.com")).await;
    shop.advance(UNTIL_REMINDED + MINUTE).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    shop.orders(order_of("o-2", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    assert_eq!(shop.state("new").await, "converted");
    assert_eq!(ids(&exports(&shop, json!({"email": "joe@example.com"})).await), ["new"]);
}

pub async fn an_opt_out_outlives_the_erasure_on_every_name(on: Backend) {
    let shop = Shop::open(on).await;
    shop.send(Method::POST, "/v1/opt-outs", |r| r.json(&json!({"email": "joe@example.com"}))).await;
    // The telephone is known to be Joe's only since.
    shop.puts("old", cart_by(json!({"email": "joe@example.com", "phone": "+49151"}))).await;
    let receipt = erases(&shop, json!({"phone": "+49151"})).await;
    assert_eq!(kept(&receipt, "opt_outs")["count"], 1, "{receipt}");
    assert!(kept(&receipt, "opt_outs")["until"].is_string());
    for (id, shopper) in [("new", json!({"email": "joe@example.com"})), ("call", json!({"phone": "+49151"}))] {
        shop.puts(id, cart_by(shopper)).await;
    }
    shop.advance(100 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    let opted_out = exports(&shop, json!({"phone": "+49151"})).await;
    assert_eq!(opted_out["opt_outs"].as_array().map(Vec::len), Some(1));
    assert_eq!(ids(&opted_out), ["call"], "nothing ties the two names together any more");
}

pub async fn an_order_is_counted_once_and_keeps_nobody(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let order = order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now());
    shop.orders(order.clone()).await;
    let counted = shop.tally("orders/first").await;
    let receipt = erases(&shop, json!({"email": "joe@example.com"})).await;
    assert_eq!(kept(&receipt, "orders")["count"], 1, "{receipt}");
    shop.orders(order).await;
    assert_eq!(shop.tally("orders/first").await, counted, "a platform that repeats itself");
    let id = cartwake::domain::OrderId::parse("o-1").expect("an id");
    let test = cartwake::domain::ShopId::parse("test").expect("a slug");
    let kept = shop.app.engine().store().load_order(&test, &id, None).await.expect("the store answers");
    assert_eq!(kept.record.expect("it stays").value.carts, []);
}

pub async fn a_device_of_several_people_is_nobodys(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("joe", cart_by(json!({"email": "joe@example.com", "anonymous_id": "tablet"}))).await;
    shop.puts("ann", cart_by(json!({"email": "ann@example.com", "anonymous_id": "tablet"}))).await;
    shop.puts("who", cart_by(json!({"anonymous_id": "tablet"}))).await;
    for path in ["/v1/erasures", "/v1/exports"] {
        let refused = shop.operates(path, &json!({"anonymous_id": "tablet"})).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!("/anonymous_id")),
            "{refused:?}"
        );
    }
    let both = json!({"email": "joe@example.com", "anonymous_id": "tablet"});
    assert_eq!(ids(&exports(&shop, json!({"email": "joe@example.com"})).await), ["joe"], "the device was not named");
    assert_eq!(ids(&exports(&shop, both).await), ["joe", "who"]);
    let receipt = erases(&shop, json!({"email": "joe@example.com"})).await;
    assert_eq!(receipt["erased"]["carts"], 2, "what names nobody may go: {receipt}");
    assert_eq!(shop.state("ann").await, "active");
    let ann = exports(&shop, json!({"anonymous_id": "tablet"})).await;
    assert_eq!(ids(&ann), ["ann"], "the device is hers alone now");
}

pub async fn without_links_only_what_was_named_is_meant(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("joe", cart_by(json!({"email": "joe@example.com", "phone": "+4930"}))).await;
    shop.puts("ann", cart_by(json!({"email": "ann@example.com", "phone": "+4930"}))).await;
    let joe = |follow: bool| json!({"email": "joe@example.com", "follow_links": follow});
    assert_eq!(ids(&exports(&shop, joe(true)).await), ["ann", "joe"], "a telephone ties two people");
    assert_eq!(ids(&exports(&shop, joe(false)).await), ["joe"]);
    assert_eq!(erases(&shop, joe(false)).await["erased"]["carts"], 1);
    assert_eq!(shop.state("ann").await, "active");
}

pub async fn a_guest_cart_goes_with_the_account_it_was_merged_into(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("guest", cart_by(json!({"anonymous_id": "d-1"}))).await;
    shop.puts("account", cart_by(json!({"customer_id": "42", "anonymous_id": "d-2"}))).await;
    shop.send(Method::POST, "/v1/carts/guest/merge", |r| r.json(&json!({"into": "account"}))).await;
    assert_eq!(ids(&exports(&shop, json!({"customer_id": "42"})).await), ["account", "guest"]);
    erases(&shop, json!({"customer_id": "42"})).await;
    for cart in ["guest", "account"] {
        assert_eq!(shop.cart(cart).await.status, 404, "{cart}");
    }
}

pub async fn who_may_ask_is_checked_and_no_answer_repeats_a_name(on: Backend) {
    let shop = Shop::open(on).await;
    let whom = json!({"email": "joe@example.com"});
    for path in ["/v1/erasures", "/v1/exports"] {
        for (key, status) in
            [(Some(SERVER_KEY), 403), (Some("cw_no_such_key"), 401), (None, 401), (Some(ADMIN_KEY), 200)]
        {
            assert_eq!(shop.operates_as(key, path, &whom).await.status, status, "{path}");
        }
        for (bad, status) in [
            (json!({}), 422),
            (json!({"email": "joe"}), 422),
            (json!({"email": "joe@example.com", "name": "Joe"}), 422),
            (json!({"email": "joe@example.com", "follow_links": "no"}), 422),
            (json!({"shop": "other", "email": "joe@example.com"}), 403),
            (json!([]), 422),
        ] {
            let answer: Answer = shop.operates(path, &bad).await;
            assert_eq!(answer.status, status, "{bad}: {answer:?}");
            assert!(!answer.body.to_string().contains("joe"), "{answer:?}");
        }
        let two =
            shop.operates(&format!("{path}?shop=test"), &json!({"shop": "other", "email": "joe@example.com"})).await;
        assert_eq!(two.status, 400);
    }
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let receipt = erases(&shop, whom).await.to_string();
    assert!(!receipt.contains("joe") && !receipt.contains("c-1"), "{receipt}");
    let metrics = shop.metrics().await;
    let count = r#"cartwake_privacy_requests_total{kind="erasure",result="done",shop="test"} 2"#;
    assert!(metrics.contains(count), "{metrics}");
}

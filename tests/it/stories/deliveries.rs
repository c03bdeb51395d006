//! What an operator does with deliveries: look at the dead, send one again, replay an endpoint, try it out.

use std::time::Duration;

use reqwest::Method;

use crate::receiver::Reply;
use crate::shop::{Answer, Backend, HOUR, MINUTE, Shop, cart_of, order_of};

const UNTIL_REMINDED: Duration = Duration::from_secs(30 * 60 + 4 * 3_600);

/// A shop whose only reminder was refused, and is dead.
async fn with_a_dead_reminder(on: Backend) -> Shop {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(UNTIL_REMINDED.saturating_sub(MINUTE)).await;
    shop.receiver.script([Reply::With(400, "X-Why", "no")]);
    shop.advance(2 * MINUTE).await;
    shop
}

async fn ask(shop: &Shop, path: &str) -> Answer {
    let answer = shop.ops(Method::GET, path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn tell(shop: &Shop, path: &str) -> Answer {
    let answer = shop.ops(Method::POST, path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn dead_id(shop: &Shop) -> String {
    let page = ask(shop, "/v1/deliveries?status=dead").await.body;
    assert_eq!(page["deliveries"].as_array().map(Vec::len), Some(1), "{page}");
    page["deliveries"][0]["id"].as_str().expect("an id").to_owned()
}

pub async fn a_dead_letter_is_listed_read_and_sent_again(on: Backend) {
    let shop = with_a_dead_reminder(on).await;
    let id = dead_id(&shop).await;
    let one = ask(&shop, &format!("/v1/deliveries/{id}")).await.body;
    assert_eq!(
        (&one["status"], &one["why"], &one["type"]),
        (&"dead".into(), &"rejected".into(), &"cart.reminder".into())
    );
    let sent = shop.receiver.of_kind("cart.reminder");
    let attempt = &one["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["outcome"]), (&400.into(), &"rejected".into()));
    assert_eq!(attempt["request"]["webhook-timestamp"], sent[0].timestamp);
    assert_eq!(attempt["response"]["first_bytes"], "");
    let text = one.to_string();
    assert!(!text.contains("whsec_") && !text.contains("v1,") && !text.contains("joe@"), "{text}");

    let retried = tell(&shop, &format!("/v1/deliveries/{id}/retry")).await.body;
    assert_eq!((&retried["retried"], &retried["delivery"]["status"]), (&true.into(), &"pending".into()));
    let twice = tell(&shop, &format!("/v1/deliveries/{id}/retry")).await.body;
    assert_eq!((&twice["retried"], &twice["reason"]), (&false.into(), &"pending".into()));
    shop.settle().await;
    let sent = shop.receiver.of_kind("cart.reminder");
    assert_eq!(sent.len(), 2);
    assert_eq!((&sent[0].id, &sent[1].id), (&id, &id));
    assert_eq!(ask(&shop, "/v1/deliveries?status=dead").await.body["deliveries"], serde_json::json!([]));
    let again = tell(&shop, &format!("/v1/deliveries/{id}/retry")).await.body;
    assert_eq!(again["reason"], "just_delivered");
    shop.advance(MINUTE).await;
    tell(&shop, &format!("/v1/deliveries/{id}/retry")).await;
    shop.settle().await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 3, "a manual resend is not swallowed");

    assert_eq!(shop.ops(Method::GET, "/v1/deliveries/dlv_00000000000000000000000000000000").await.status, 404);
    assert_eq!(shop.ops(Method::GET, "/v1/deliveries/x").await.status, 400);
    for bad in
        ["", "?status=x", "?status=delivered", "?status=dead&limit=0", "?status=dead&cursor=x", "?status=dead&y=1"]
    {
        assert_eq!(shop.ops(Method::GET, &format!("/v1/deliveries{bad}")).await.status, 400, "{bad}");
    }
}

pub async fn a_buyer_is_not_reminded_by_hand(on: Backend) {
    let shop = with_a_dead_reminder(on).await;
    let id = dead_id(&shop).await;
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    tell(&shop, &format!("/v1/deliveries/{id}/retry")).await;
    shop.settle().await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    let one = ask(&shop, &format!("/v1/deliveries/{id}")).await.body;
    assert_eq!((&one["status"], &one["why"]), (&"suppressed".into(), &"purchased".into()));
    let again = tell(&shop, &format!("/v1/deliveries/{id}/retry")).await.body;
    assert_eq!((&again["retried"], &again["reason"]), (&false.into(), &"purchased".into()));
}

pub async fn a_replay_sends_what_died_since(on: Backend) {
    let shop = Shop::open(on).await;
    shop.receiver.always(Reply::Status(400));
    for n in 0..3 {
        shop.puts(&format!("c-{n}"), cart_of(&format!("joe{n}@example.com"))).await;
    }
    shop.advance(HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 3);
    shop.receiver.always(Reply::Status(200));
    let replay = async |since: &str| tell(&shop, &format!("/v1/endpoints/test/mail/replay?since={since}")).await.body;
    let later = replay(&shop.now().to_string()).await;
    assert_eq!((&later["replayed"], &later["left"]), (&0.into(), &0.into()));
    let all = replay("2020-01-01T00:00:00Z").await;
    assert_eq!((&all["replayed"], &all["next_cursor"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(replay("2020-01-01T00:00:00Z").await["replayed"], 0, "a second click changes nothing");
    shop.settle().await;
    assert_eq!(shop.receiver.of_kind("cart.abandoned").len(), 6);
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/replay").await.status, 400);
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/none/replay?since=2020-01-01T00:00:00Z").await.status, 404);
}

pub async fn a_test_event_is_sent_to_a_paused_endpoint(on: Backend) {
    let shop = Shop::open(on).await;
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/pause").await.status, 204);
    shop.receiver.script([Reply::With(410, "Content-Type", "text/plain")]);
    let answer = tell(&shop, "/v1/endpoints/test/mail/test").await.body;
    assert_eq!((&answer["outcome"], &answer["status"]), (&"gone".into(), &410.into()));
    assert_eq!(answer["response"]["content-type"], "text/plain");
    assert_eq!(shop.receiver.of_kind("endpoint.test").len(), 1);
    let endpoints = ask(&shop, "/v1/endpoints").await.body;
    assert_eq!(endpoints["endpoints"][0]["why"], "endpoint_paused", "a test changes nothing: {endpoints}");
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/none/test").await.status, 404);
}

pub async fn the_deliveries_of_a_cart_are_listed_whatever_became_of_them(on: Backend) {
    let shop = with_a_dead_reminder(on).await;
    let page = ask(&shop, "/v1/deliveries?cart_id=c-1").await.body;
    let states = |page: &serde_json::Value| {
        let all = page["deliveries"].as_array().expect("a list").clone();
        let mut all: Vec<String> = all.iter().map(|one| format!("{} {}", one["type"], one["status"])).collect();
        all.sort();
        all
    };
    assert_eq!(states(&page), [r#""cart.abandoned" "delivered""#, r#""cart.reminder" "dead""#]);
    let page = ask(&shop, "/v1/deliveries?cart_id=c-1&status=delivered").await.body;
    assert_eq!(states(&page), [r#""cart.abandoned" "delivered""#]);
    assert_eq!(shop.ops(Method::GET, "/v1/deliveries?cart_id=c-2").await.status, 404);
}

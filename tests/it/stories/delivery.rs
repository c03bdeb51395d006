//! What happens to a reminder on its way: retries, refusals, purchases in between.

use std::time::Duration;

use cartwake::clock::{Clock, SystemClock};
use reqwest::{Method, header as http};
use standardwebhooks::Webhook;

use crate::receiver::{Received, Receiver, Reply, SECRET};
use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, endpoint, order_of};

/// A shop whose only cart is abandoned and whose first reminder is due in a minute.
async fn about_to_remind(on: Backend) -> Shop {
    with_a_reminder_due_soon(Shop::open(on).await).await
}

/// From the first activity to the first reminder.
const UNTIL_REMINDED: Duration = Duration::from_secs(30 * 60 + 4 * 3_600);

async fn with_a_reminder_due_soon(shop: Shop) -> Shop {
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(UNTIL_REMINDED.saturating_sub(MINUTE)).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 0);
    shop
}

pub async fn a_failed_attempt_is_repeated_with_the_same_id(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::Status(500), Reply::Status(503), Reply::Status(302), Reply::Status(200)]);
    shop.advance(HOUR).await;
    let sent = shop.receiver.of_kind("cart.reminder");
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|one| one.id == sent[0].id));
    let waits: Vec<i64> = sent.windows(2).map(|pair| pair[1].timestamp - pair[0].timestamp).collect();
    for (wait, ladder) in waits.iter().zip([5, 30, 120]) {
        assert!((ladder * 8 / 10 - 1..=ladder * 12 / 10 + 1).contains(wait), "{waits:?}");
    }
    assert_eq!(shop.tally("deliveries/mail/delivered").await, 2);
}

pub async fn a_retry_after_the_purchase_is_not_made(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::Status(500)]);
    shop.advance(MINUTE + Duration::from_secs(1)).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
    shop.advance(24 * HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    assert_eq!(shop.tally("reminders_suppressed/purchased").await, 1);
}

pub async fn retry_after_only_postpones(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::With(429, "Retry-After", "30"), Reply::With(503, "Retry-After", "1")]);
    shop.advance(HOUR).await;
    let sent = shop.receiver.of_kind("cart.reminder");
    assert_eq!(sent.len(), 3);
    assert!((29..=31).contains(&(sent[1].timestamp - sent[0].timestamp)));
    assert!(sent[2].timestamp - sent[1].timestamp >= 24);
}

pub async fn an_endpoint_that_is_gone_is_paused_and_can_be_resumed(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::Status(410)]);
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(5 * HOUR).await;
    assert_eq!(shop.receiver.received().len(), 2, "the abandonment, the 410, and nothing after it");
    let endpoints = shop.ops(Method::GET, "/v1/endpoints").await;
    assert!(endpoints.body.to_string().contains("endpoint_gone"), "{endpoints:?}");
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/resume").await.status, 204);
    shop.advance(2 * MINUTE).await;
    assert_eq!(shop.tally("reminders/first/dead").await, 1);
    assert_eq!(shop.tally("reminders_suppressed/endpoint_gone").await, 0, "it was sent, and refused");
    let late = shop.receiver.of_kind("cart.reminder");
    assert_eq!(late.len(), 2);
    assert_eq!(late[1].json()["data"]["cart_id"], "c-2");
}

pub async fn the_other_endpoints_of_a_shop_hear_that_one_is_gone(on: Backend) {
    let ops = Receiver::start();
    let shop = Shop::open_with(on, &endpoint("ops", &ops, r#""endpoint.disabled""#)).await;
    shop.receiver.script([Reply::Status(410)]);
    ops.script([Reply::Status(500)]);
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(HOUR).await;
    let told = ops.received();
    assert_eq!(told.len(), 2, "it is a delivery like any other: a failure is repeated");
    assert_eq!(told[0].id, told[1].id);
    assert_eq!(told[1].kind(), "endpoint.disabled");
    let data = told[1].json()["data"].clone();
    assert_eq!(
        (&data["shop"], &data["endpoint"], &data["why"]),
        (&"test".into(), &"mail".into(), &"endpoint_gone".into())
    );
    let counted = "cartwake_endpoint_disabled_total{endpoint=\"mail\",shop=\"test\",why=\"endpoint_gone\"} 1";
    assert!(shop.metrics().await.contains(counted));
    assert_eq!(shop.receiver.received().len(), 1, "who is gone is not told that it is");
}

pub async fn an_endpoint_that_does_nothing_but_fail_is_disabled_and_the_others_hear_of_it(on: Backend) {
    let ops = Receiver::start();
    let more = endpoint("ops", &ops, r#""endpoint.disabled""#) + "[delivery]\ndisable_after = \"4m\"\n";
    let shop = Shop::open_with(on, &more).await;
    shop.receiver.always(Reply::Status(500));
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.advance(33 * MINUTE).await;
    assert_eq!(ops.received().len(), 0, "three minutes of failure are borne");
    shop.advance(HOUR).await;
    let told = ops.of_kind("endpoint.disabled");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["data"]["why"], "endpoint_failing");
    let endpoints = shop.ops(Method::GET, "/v1/endpoints").await;
    assert!(endpoints.body.to_string().contains("endpoint_failing"), "{endpoints:?}");
    // What it failed before it was looked after is forgotten: it gets its time again.
    assert_eq!(shop.ops(Method::POST, "/v1/endpoints/test/mail/resume").await.status, 204);
    let before = shop.receiver.received().len();
    shop.advance(MINUTE).await;
    assert_eq!(shop.receiver.received().len(), before + 1, "what waited goes out");
    let endpoints = shop.ops(Method::GET, "/v1/endpoints").await;
    assert!(!endpoints.body.to_string().contains("endpoint_failing"), "{endpoints:?}");
}

pub async fn a_refused_delivery_goes_to_the_dead_at_once(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::Status(422)]);
    shop.advance(HOUR).await;
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
    assert_eq!(shop.tally("reminders/first/dead").await, 1);
    assert!(shop.metrics().await.contains("cartwake_dead_deliveries{endpoint=\"mail\",shop=\"test\"} 1"));
}

pub async fn retries_end_before_a_reminder_is_stale(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.always(Reply::Status(500));
    shop.advance(MINUTE + 13 * HOUR).await;
    let tries = shop.receiver.of_kind("cart.reminder").len();
    assert_eq!(tries, 9, "one attempt and a ladder of eight");
    assert_eq!(shop.tally("reminders/first/dead").await, 1);
}

pub async fn every_signature_is_accepted_by_the_official_library(on: Backend) {
    // The official library compares with the machine's clock, so the reminder is due about now.
    let start = SystemClock.now().minus(UNTIL_REMINDED);
    let shop = with_a_reminder_due_soon(Shop::open_at(on, start).await).await;
    shop.advance(MINUTE).await;
    let judge = Webhook::new(SECRET).expect("the secret is well formed");
    let sent = shop.receiver.of_kind("cart.reminder");
    assert_eq!(sent.len(), 1);
    for one in sent {
        judge.verify(&one.body, &headers_of(&one)).expect("the official library accepts it");
        for place in (0..one.body.len()).step_by(37) {
            let mut forged = one.body.clone();
            forged[place] ^= 1;
            assert!(judge.verify(&forged, &headers_of(&one)).is_err(), "byte {place} changed");
        }
        let renamed = Received { id: "dlv_0".to_owned(), ..one.clone() };
        assert!(judge.verify(&one.body, &headers_of(&renamed)).is_err());
    }
}

fn headers_of(one: &Received) -> http::HeaderMap {
    let pairs = [
        ("webhook-id", one.id.clone()),
        ("webhook-timestamp", one.timestamp.to_string()),
        ("webhook-signature", one.signature.clone()),
    ];
    pairs
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
        .collect()
}

pub async fn an_order_during_a_send_waits_for_its_end(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::After(Duration::from_millis(300))]);
    shop.clock.advance(MINUTE);
    let (order, ()) = tokio::join!(
        async {
            while shop.receiver.of_kind("cart.reminder").is_empty() {
                tokio::task::yield_now().await;
            }
            shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await
        },
        shop.settle(),
    );
    assert_eq!(order.body["reminder_in_flight"], "finished");
    assert_eq!(shop.receiver.of_kind("cart.reminder").len(), 1);
}

/// The receiver hangs: what was sent may lie in its buffers, or in the network's.
pub async fn an_order_that_waited_for_a_send_without_an_answer_says_that_it_may_arrive(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::After(Duration::from_secs(30))]);
    shop.clock.advance(MINUTE);
    let (order, ()) = tokio::join!(
        async {
            while shop.receiver.of_kind("cart.reminder").is_empty() {
                tokio::task::yield_now().await;
            }
            shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await
        },
        shop.settle(),
    );
    assert_eq!(order.body["reminder_in_flight"], "possible");
}

pub async fn an_order_after_a_send_without_an_answer_says_for_a_while_that_it_may_arrive(on: Backend) {
    for (replies, later, told) in [
        (vec![Reply::Status(504)], Duration::from_secs(1), "possible"),
        (vec![Reply::Status(504), Reply::Status(500)], Duration::from_secs(20), "possible"),
        (vec![Reply::Status(504), Reply::Status(200)], Duration::from_secs(20), "none"),
        (vec![Reply::Status(504), Reply::Status(400)], 3 * MINUTE, "none"),
        (vec![Reply::Status(500)], Duration::from_secs(1), "none"),
    ] {
        let shop = about_to_remind(on).await;
        shop.receiver.script(replies.clone());
        shop.advance(MINUTE + later).await;
        let order = shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await;
        assert_eq!(order.body["reminder_in_flight"], told, "{replies:?}, {later:?} later");
    }
}

/// Two orders of one cart: the second finds nothing left to close, and waits for the send all the same.
pub async fn a_second_order_of_a_cart_waits_for_the_send_that_the_first_one_waits_for(on: Backend) {
    let shop = about_to_remind(on).await;
    shop.receiver.script([Reply::After(Duration::from_millis(1_200))]);
    shop.clock.advance(MINUTE);
    let order = async |id: &str, status: &str| {
        while shop.receiver.of_kind("cart.reminder").is_empty() {
            tokio::task::yield_now().await;
        }
        let mut body = order_of(id, "joe@example.com", &["p-1", "p-2"], shop.now());
        body["status"] = status.into();
        shop.orders(body).await
    };
    let second = async {
        // The first one has closed the cart, and waits.
        while shop.state("c-1").await != "converted" {}
        order("o-2", "paid").await
    };
    let (first, second, pending, ()) =
        tokio::join!(order("o-1", "paid"), second, order("o-3", "pending"), shop.settle());
    for (which, answer) in [("first", first), ("second", second), ("pending", pending)] {
        assert_eq!(answer.body["reminder_in_flight"], "finished", "{which}: {answer:?}");
    }
}

/// Only a reminder on its way can reach a buyer; the news that a cart was abandoned can arrive whenever it does.
pub async fn an_order_does_not_wait_for_news_about_a_cart(on: Backend) {
    let shop = Shop::open(on).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.receiver.script([Reply::After(Duration::from_millis(300))]);
    shop.clock.advance(30 * MINUTE);
    let (order, ()) = tokio::join!(
        async {
            while shop.receiver.of_kind("cart.abandoned").is_empty() {
                tokio::task::yield_now().await;
            }
            shop.orders(order_of("o-1", "joe@example.com", &["p-1", "p-2"], shop.now())).await
        },
        shop.settle(),
    );
    assert_eq!(order.body["reminder_in_flight"], "none");
}

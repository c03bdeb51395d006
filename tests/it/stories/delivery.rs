//! What happens to a reminder on its way: retries, refusals, purchases in between.

use std::time::Duration;

use cartwake::clock::{Clock, SystemClock};
use reqwest::{Method, header as http};
use standardwebhooks::Webhook;

use crate::receiver::{Received, Reply, SECRET};
use crate::shop::{Backend, HOUR, MINUTE, Shop, cart_of, order_of};

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
    let late = shop.receiver.of_kind("cart.reminder");
    assert_eq!(late.len(), 2);
    assert_eq!(late[1].json()["data"]["cart_id"], "c-2");
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

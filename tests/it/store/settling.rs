//! A settlement records an attempt or an end, and only the holder of the lease can make one.

use std::time::Duration;

use cartwake::domain::{Delivery, Moment, Outcome, OutcomeName, Status, Verdict, Why};
use cartwake::store::{OutboxCounts, Settled, Settlement, Store};

use super::write::{
    LEASE, Write, begin, claim, claim_one, counted, day, delivery, lane, lane_to, queue, settle, tally, version,
};
use crate::samples::{at, cart, cart_waking, reminder, reminder_to};

/// The delivery after an attempt that came to this.
pub fn attempted(delivery: &Delivery, name: OutcomeName, verdict: Verdict, now: Moment) -> Delivery {
    let mut next = delivery.clone();
    let outcome =
        Outcome { name, status: Some(503), retry_after: None, duration: Duration::from_millis(120), reply: None };
    next.note(&outcome, now);
    drop(next.conclude(verdict));
    next
}

pub async fn a_retry_is_due_when_the_delivery_says(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    let next = attempted(&queued, OutcomeName::ServerError, Verdict::RetryAt(at(100)), at(12));
    let made = [tally(day(), "attempts/mail/server_error", 1)];
    assert_eq!(settle(store, &begun.claim, &next, &made).await, Settled::Done);
    assert_eq!(delivery(store, &queued).await.as_ref(), Some(&next));
    assert_eq!(counted(store).await, [("attempts/mail/server_error".to_owned(), 1)]);
    assert_eq!(store.next_due(&lane()).await.expect("reachable"), Some(at(100)));
    assert_eq!(claim(store, 99, 10).await, []);
    let again = begin(store, &claim_one(store, 100).await, 101).await.expect("ours");
    assert_eq!(again.delivery, next);
}

pub async fn what_has_ended_leaves_the_lane_and_stays_readable(store: &dyn Store) {
    let verdicts = [Verdict::Delivered, Verdict::Dead(Why::Rejected), Verdict::Suppressed(Why::Purchased)];
    for (verdict, id) in verdicts.into_iter().zip(["c-1", "c-2", "c-3"]) {
        let cart = cart(id);
        let queued = reminder(&cart, 0, at(1));
        queue(store, &cart, std::slice::from_ref(&queued)).await;
        let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
        let ended = attempted(&queued, OutcomeName::Success, verdict, at(12));
        assert!(ended.status.is_final());
        assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
        assert_eq!(claim(store, 1_000_000, 10).await, [], "{verdict:?}");
        assert_eq!(delivery(store, &queued).await, Some(ended), "{verdict:?}");
    }
}

pub async fn a_lost_lease_settles_nothing(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let lost = begin(store, &claim_one(store, 10).await, 11).await.expect("ours").claim;
    let held = claim_one(store, 11 + LEASE).await;
    let ended = attempted(&queued, OutcomeName::Success, Verdict::Delivered, at(12));
    let made = [tally(day(), "deliveries/mail/delivered", 1)];
    assert_eq!(settle(store, &lost, &ended, &made).await, Settled::Lost);
    assert_eq!(counted(store).await, []);
    assert_eq!(delivery(store, &queued).await, Some(queued.clone()));
    let begun = begin(store, &held, 12 + LEASE).await.expect("the holder's lease is as it was");
    assert_eq!(settle(store, &begun.claim, &ended, &made).await, Settled::Done);
    assert_eq!(counted(store).await, [("deliveries/mail/delivered".to_owned(), 1)]);
}

pub async fn a_settlement_counts_once(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    let ended = attempted(&queued, OutcomeName::Success, Verdict::Delivered, at(12));
    let made = [tally(day(), "deliveries/mail/delivered", 1)];
    assert_eq!(settle(store, &begun.claim, &ended, &made).await, Settled::Done);
    assert_eq!(settle(store, &begun.claim, &ended, &made).await, Settled::Lost);
    assert_eq!(counted(store).await, [("deliveries/mail/delivered".to_owned(), 1)]);
}

pub async fn a_claim_may_be_settled_without_a_begin(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let claim_a = claim_one(store, 10).await;
    let mut ended = queued.clone();
    drop(ended.conclude(Verdict::Suppressed(Why::EndpointRemoved)));
    assert_eq!(settle(store, &claim_a, &ended, &[]).await, Settled::Done);
    assert_eq!(claim(store, 1_000_000, 10).await, []);
}

pub async fn a_settlement_leaves_the_cart_alone(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let before = version(store, &cart).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    let ended = attempted(&queued, OutcomeName::Success, Verdict::Delivered, at(12));
    assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
    assert_eq!(version(store, &cart).await, before);
}

pub async fn a_known_delivery_queued_again_is_not_reset(store: &dyn Store) {
    let cart = cart("c-1");
    let (retried, ended) = (reminder(&cart, 0, at(1)), reminder(&cart, 1, at(2)));
    queue(store, &cart, &[retried.clone(), ended.clone()]).await;
    let mut after = Vec::new();
    for claim in claim(store, 10, 10).await {
        let begun = begin(store, &claim, 11).await.expect("ours");
        let verdict = if begun.delivery.id == ended.id { Verdict::Delivered } else { Verdict::RetryAt(at(500)) };
        let next = attempted(&begun.delivery, OutcomeName::Success, verdict, at(12));
        assert_eq!(settle(store, &begun.claim, &next, &[]).await, Settled::Done);
        after.push(next);
    }
    Write::of(&cart).over(1).queues(&[retried, ended]).done(store).await;
    for known in after {
        assert_eq!(delivery(store, &known).await, Some(known));
    }
    assert_eq!(claim(store, 499, 10).await, []);
    assert_eq!(claim(store, 500, 10).await.len(), 1, "only the retry is still to come");
}

pub async fn a_claimed_delivery_queued_again_keeps_its_lease(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let held = claim_one(store, 10).await;
    Write::of(&cart).over(1).queues(&[queued]).done(store).await;
    assert_eq!(claim(store, 11, 10).await, []);
    assert!(begin(store, &held, 12).await.is_some());
}

pub async fn an_ended_delivery_is_swept_when_its_time_is_over(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let claim = claim_one(store, 10).await;
    let mut ended = queued.clone();
    drop(ended.conclude(Verdict::Dead(Why::Rejected)));
    let settlement =
        Settlement { claim: &claim, delivery: &ended, keep_until: at(100), tallies: &[], unanswered_at: None };
    assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Done);
    store.sweep(at(99)).await.expect("reachable");
    assert_eq!(delivery(store, &queued).await, Some(ended));
    store.sweep(at(101)).await.expect("reachable");
    assert_eq!(delivery(store, &queued).await, None);
    assert_eq!(store.outbox_counts().await.expect("reachable").dead.iter().map(|(_, n)| n).sum::<u64>(), 0);
}

pub async fn the_outbox_is_counted_by_lane(store: &dyn Store) {
    assert_eq!(store.outbox_counts().await.expect("reachable"), OutboxCounts::default());
    for n in 0..4 {
        let cart = cart_waking(&format!("c-{n}"), at(1000));
        queue(store, &cart, &[reminder(&cart, 0, at(20 + n)), reminder_to("sms", &cart, 0, at(30))]).await;
    }
    // Of the four mails one is delivered, one dead, one leased and one waits.
    let claims = claim(store, 50, 3).await;
    for (claim, verdict) in claims.iter().zip([Verdict::Delivered, Verdict::Dead(Why::Rejected)]) {
        let begun = begin(store, claim, 51).await.expect("ours");
        let ended = attempted(&begun.delivery, OutcomeName::Rejected, verdict, at(52));
        assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
    }
    let mut counts = store.outbox_counts().await.expect("reachable");
    counts.pending.retain(|(_, n)| *n > 0);
    counts.dead.retain(|(_, n)| *n > 0);
    counts.pending.sort();
    assert_eq!(counts.pending, [(lane(), 2), (lane_to("sms"), 4)]);
    assert_eq!(counts.dead, [(lane(), 1)]);
}

pub async fn the_oldest_due_is_the_most_overdue_of_carts_and_deliveries(store: &dyn Store) {
    let oldest = async || store.outbox_counts().await.expect("reachable").oldest_due;
    assert_eq!(oldest().await, None);
    let cart = cart_waking("c-1", at(500));
    Write::of(&cart).done(store).await;
    assert_eq!(oldest().await, Some(at(500)));
    Write::of(&cart).over(1).queues(&[reminder(&cart, 0, at(300))]).done(store).await;
    assert_eq!(oldest().await, Some(at(300)));
    Write::of(&cart_waking("c-2", at(200))).done(store).await;
    assert_eq!(oldest().await, Some(at(200)));
}

pub async fn an_unknown_delivery_is_absent(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).done(store).await;
    assert_eq!(delivery(store, &reminder(&cart, 0, at(1))).await, None);
}

pub async fn every_end_reads_back_as_written(store: &dyn Store) {
    let cart = cart("c-1");
    for (index, why) in (0..).zip(Why::ALL) {
        let queued = reminder(&cart, index, at(1));
        Write::of(&cart).over(version(store, &cart).await.0).queues(std::slice::from_ref(&queued)).done(store).await;
        let claim = claim_one(store, 10).await;
        let mut ended = attempted(&queued, OutcomeName::TlsFailed, Verdict::Dead(*why), at(12));
        ended.attempts[0].status = None;
        ended.attempts[0].duration_ms = u32::MAX;
        assert_eq!(ended.status, Status::Dead(*why));
        assert_eq!(settle(store, &claim, &ended, &[]).await, Settled::Done);
        assert_eq!(delivery(store, &queued).await, Some(ended), "{why}");
    }
}

//! Deliveries as people look at them: pages, one by its id, and what is sent again or buried.

use cartwake::domain::{Delivery, OutcomeName, Reply, Status, Verdict, Why, resend};
use cartwake::store::{BATCH_MAX, Burial, Letter, Queue, Revival, Settled, Shelf, Store};

use super::settling::attempted;
use super::write::{begin, claim, claim_one, counted, day, delivery, lane, queue, settle, tally};
use crate::samples::{at, cart, cart_waking, reminder};

async fn page(store: &dyn Store, shelf: Shelf, cursor: Option<&str>, limit: usize) -> (Vec<Letter>, Option<String>) {
    let page = store.list_deliveries(&lane(), shelf, cursor, limit).await.expect("reachable");
    (page.letters, page.next)
}

async fn found(store: &dyn Store, queued: &Delivery) -> Letter {
    store.find_delivery(&queued.id).await.expect("reachable").expect("it is kept")
}

/// A delivery that was refused, and is dead.
async fn dead(store: &dyn Store, id: &str) -> Delivery {
    let cart = cart(id);
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    let ended = attempted(&queued, OutcomeName::Rejected, Verdict::Dead(Why::Rejected), at(12));
    assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
    ended
}

pub async fn pages_of_a_lane_meet_each_delivery_once(store: &dyn Store) {
    let mut all = Vec::new();
    for n in 0..23 {
        let cart = cart_waking(&format!("c-{n}"), at(1_000));
        let queued = reminder(&cart, 0, at(if n % 2 == 0 { 20 } else { n }));
        queue(store, &cart, std::slice::from_ref(&queued)).await;
        all.push(queued.id.to_string());
    }
    all.sort();
    for limit in [1, 4, 23, BATCH_MAX] {
        let (mut met, mut cursor, mut due) = (Vec::new(), None::<String>, Vec::new());
        for _ in 0..50 {
            let (letters, next) = page(store, Shelf::Pending, cursor.as_deref(), limit).await;
            assert!(letters.len() <= limit);
            due.extend(letters.iter().filter_map(|one| one.delivery.as_ref().map(|d| d.due_at)));
            met.extend(letters.into_iter().map(|one| one.id.to_string()));
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert!(due.is_sorted(), "the longest due come first");
        met.sort();
        assert_eq!(met, all, "by {limit}");
    }
    assert_eq!(page(store, Shelf::Dead, None, 10).await.0, []);
    for nonsense in ["", "x", "1/2/3", "9999999999999999999999/a/b"] {
        assert_eq!(page(store, Shelf::Pending, Some(nonsense), 10).await, (vec![], None));
    }
}

pub async fn a_delivery_is_found_wherever_it_lies(store: &dyn Store) {
    for id in ["c-1", "c-2", "c-3"] {
        let ended = dead(store, id).await;
        let letter = found(store, &ended).await;
        assert_eq!((letter.delivery.as_ref(), letter.lane.as_ref()), (Some(&ended), Some(&lane())));
        assert_eq!(letter.status(), Status::Dead(Why::Rejected));
        let ids = [ended.id.clone(), reminder(&cart(id), 1, at(1)).id];
        let of_cart = store.deliveries_of(&ended.shop, &ended.cart, &ids).await.expect("reachable");
        assert_eq!(of_cart, [letter]);
    }
    let (letters, next) = page(store, Shelf::Dead, None, 2).await;
    assert_eq!(letters.len(), 2);
    assert_eq!(page(store, Shelf::Dead, next.as_deref(), 2).await.0.len(), 1);
    let unknown = reminder(&cart("c-9"), 0, at(1)).id;
    assert_eq!(store.find_delivery(&unknown).await.expect("reachable"), None);
}

pub async fn a_revived_delivery_is_due_again_and_among_the_dead_no_more(store: &dyn Store) {
    let ended = dead(store, "c-1").await;
    let letter = found(store, &ended).await;
    let again = resend(&ended, at(100)).expect("the dead may be sent again");
    let revivals = [Revival { letter, delivery: again.clone() }];
    assert_eq!(store.revive(&lane(), &revivals).await.expect("reachable"), 1);
    assert_eq!(store.revive(&lane(), &revivals).await.expect("reachable"), 0, "a second click changes nothing");
    assert_eq!(page(store, Shelf::Dead, None, 10).await.0, []);
    assert_eq!(store.outbox_counts().await.expect("reachable").pending, [(lane(), 1)]);
    assert_eq!(claim(store, 99, 10).await, []);
    let begun = begin(store, &claim_one(store, 100).await, 101).await.expect("ours");
    assert_eq!(begun.delivery, again);
    store.sweep(at(100_000_000)).await.expect("reachable");
    assert_eq!(delivery(store, &ended).await, Some(again), "what waits has no end of its own");
}

/// Somebody waits for it: it is not held up by what failed over and over.
pub async fn a_revived_delivery_waits_among_the_first_attempts(store: &dyn Store) {
    let ended = dead(store, "c-1").await;
    let letter = found(store, &ended).await;
    let revival = Revival { letter, delivery: resend(&ended, at(100)).expect("the dead may be sent again") };
    assert_eq!(store.revive(&lane(), &[revival]).await.expect("reachable"), 1);
    assert_eq!(claim_one(store, 100).await.queue, Queue::First);
}

pub async fn a_letter_that_changed_is_not_revived(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let early = found(store, &queued).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    let ended = attempted(&queued, OutcomeName::Success, Verdict::Delivered, at(12));
    assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
    let revival = Revival { letter: early, delivery: queued };
    assert_eq!(store.revive(&lane(), &[revival]).await.expect("reachable"), 0);
    assert_eq!(claim(store, 1_000, 10).await, []);
}

pub async fn a_buried_delivery_is_dead_and_can_be_revived(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let held = claim_one(store, 10).await;
    let tallies = [tally(day(), "deliveries/mail/dead", 1)];
    let burial = Burial { claim: &held, keep_until: at(50_000), tallies: &tallies };
    assert_eq!(store.bury(burial.clone()).await.expect("reachable"), Settled::Done);
    assert_eq!(store.bury(burial).await.expect("reachable"), Settled::Lost);
    assert_eq!(counted(store).await, [("deliveries/mail/dead".to_owned(), 1)]);
    assert_eq!(claim(store, 1_000, 10).await, []);
    let (letters, _) = page(store, Shelf::Dead, None, 10).await;
    assert_eq!(letters.iter().map(Letter::status).collect::<Vec<_>>(), [Status::Dead(Why::Unreadable)]);
    let letter = found(store, &queued).await;
    assert_eq!(letter.status(), Status::Dead(Why::Unreadable));
    let again = resend(&letter.as_it_stands().expect("this one can be read"), at(100)).expect("dead");
    let revival = Revival { letter, delivery: again };
    assert_eq!(store.revive(&lane(), &[revival]).await.expect("reachable"), 1);
    assert_eq!(claim(store, 100, 10).await.len(), 1);
}

pub async fn a_lost_claim_buries_nothing(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let lost = claim_one(store, 10).await;
    begin(store, &lost, 11).await.expect("ours");
    let burial = Burial { claim: &lost, keep_until: at(500), tallies: &[] };
    assert_eq!(store.bury(burial).await.expect("reachable"), Settled::Lost);
    assert_eq!(found(store, &queued).await.status(), Status::Pending);
}

pub async fn what_was_answered_is_kept_of_the_last_attempts(store: &dyn Store) {
    let cart = cart("c-1");
    let mut next = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&next)).await;
    for n in 0..5 {
        let begun = begin(store, &claim_one(store, 10 + n).await, 10 + n).await.expect("ours");
        next = attempted(&next, OutcomeName::ServerError, Verdict::RetryAt(at(10 + n)), at(10 + n));
        let reply =
            Reply { content_type: Some("text/plain".to_owned()), retry_after: None, body: format!("no {n} ü") };
        next.attempts.last_mut().expect("just made").reply = Some(reply);
        for older in next.attempts.iter_mut().rev().skip(3) {
            older.reply = None;
        }
        assert_eq!(settle(store, &begun.claim, &next, &[]).await, Settled::Done);
    }
    assert_eq!(delivery(store, &next).await.as_ref(), Some(&next));
    assert_eq!(next.attempts.iter().filter(|one| one.reply.is_some()).count(), 3);
}

//! A clock that jumped ahead for a moment and came back: what was looked at meanwhile is as it was.

use cartwake::domain::{Note, OutcomeName, Verdict, Why};
use cartwake::store::{Settled, Shelf, Store};

use super::settling::attempted;
use super::write::{begin, carts_of, claim_one, delivery, lane, queue, settle};
use crate::samples::{at, cart, cart_id, hash, mark, reminder, shop};

/// A year from now, and now again.
async fn jump_ahead_and_back(store: &dyn Store) {
    for seconds in [365 * 86_400, 20] {
        assert_eq!(store.due_lanes(at(seconds)).await.expect("reachable").lanes, []);
    }
}

pub async fn a_clock_that_jumped_ahead_and_back_makes_nobody_unknown(store: &dyn Store) {
    let hashes = [hash(1)];
    let bought = Note::Purchase(mark("o-1", at(1)));
    store.enroll(&shop(), &hashes, &cart_id("c-1"), at(1_000)).await.expect("reachable");
    store.note(&shop(), &hashes, &bought, at(1_000), at(10)).await.expect("reachable");
    jump_ahead_and_back(store).await;
    let known = store.enroll(&shop(), &hashes, &cart_id("c-2"), at(1_000)).await.expect("reachable");
    assert_eq!(known, [bought]);
    assert_eq!(carts_of(store, &hashes, 21).await, ["c-1", "c-2"]);
}

pub async fn a_clock_that_jumped_ahead_and_back_hides_no_delivery(store: &dyn Store) {
    for id in ["c-1", "c-2"] {
        let cart = cart(id);
        let queued = reminder(&cart, 0, at(1));
        queue(store, &cart, std::slice::from_ref(&queued)).await;
        let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
        let ended = attempted(&queued, OutcomeName::Rejected, Verdict::Dead(Why::Rejected), at(12));
        assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
        jump_ahead_and_back(store).await;
        assert_eq!(delivery(store, &queued).await, Some(ended));
    }
    let dead = store.list_deliveries(&lane(), Shelf::Dead, None, 10).await.expect("reachable").letters;
    assert_eq!(dead.len(), 2);
    assert_eq!(store.outbox_counts().await.expect("reachable").dead, [(lane(), 2)]);
}

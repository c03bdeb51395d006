//! What was answered is there after a restart, for every process that opens the store.

use cartwake::domain::{Note, StateName};
use cartwake::store::{Committed, Pause};

use super::Place;
use super::write::{DONE, write_order};
use super::write::{Write, answered, begin, carts_of, census, claim_one, counted, delivery, due, lane, queue, stored};
use crate::samples::{at, cart, cart_waking, hash, key, largest_cart, mark, order, reminder, shop};

pub async fn everything_is_there_after_a_restart(place: &Place) {
    let cart = largest_cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    let store = place.open().await;
    let write = Write::of(&cart).counts("carts", 1).moves(StateName::Abandoned, 1).answers("k-1", 7);
    write.queues(std::slice::from_ref(&queued)).done(&*store).await;
    assert_eq!(write_order(&*store, &order("o-1"), 0, None).await, DONE);
    store.enroll(&shop(), &[hash(1)], &cart.id, at(1000)).await.expect("reachable");
    let bought = Note::Purchase(mark("o-1", at(50)));
    store.note(&shop(), &[hash(1)], &bought, at(1000), at(50)).await.expect("reachable");
    let stopped = Pause { lane: lane(), why: cartwake::domain::Why::EndpointGone, since: at(5) };
    store.pause(&stopped).await.expect("reachable");
    store.flush().await.expect("reachable");
    drop(store);

    let store = place.open().await;
    let loaded = store.load(&cart.shop, &cart.id, Some(&key("k-1"))).await.expect("reachable");
    assert_eq!(loaded.answered, Some(answered(&cart, 7)));
    assert!(stored(&*store, &cart).await.as_ref() == Some(&cart), "the cart is as it was");
    assert_eq!(due(&*store, 7200, 10).await, ["c-1"]);
    assert_eq!(counted(&*store).await, [("carts".to_owned(), 1), ("orders/first".to_owned(), 1)]);
    assert_eq!(census(&*store).await, [(shop(), StateName::Abandoned, 1)]);
    assert_eq!(carts_of(&*store, &[hash(1)], 60).await, ["c-1"]);
    assert_eq!(store.notes(&shop(), &[hash(1)], at(60)).await.expect("reachable"), [bought]);
    assert_eq!(store.paused().await.expect("reachable"), [stopped]);
    let known = store.load_order(&shop(), &order("o-1").id, None).await.expect("reachable");
    assert_eq!(known.record.map(|r| *r.value), Some(order("o-1")));
    assert_eq!(delivery(&*store, &queued).await, Some(queued));
    assert_eq!(Write::of(&cart).to(&*store).await, Committed::Conflict);
}

pub async fn what_a_dead_process_had_leased_is_due_again(place: &Place) {
    let cart = cart("c-1");
    let store = place.open().await;
    queue(&*store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let claim = claim_one(&*store, 10).await;
    let begun = begin(&*store, &claim, 11).await.expect("ours");
    drop(store);

    let store = place.open().await;
    let in_flight = store.sends(&cart.shop, &cart.id, at(12)).await.expect("reachable").in_flight_until;
    assert_eq!(in_flight, Some(begun.claim.until));
    // A store of one process may know at once that the holder is gone; any store knows when the lease ends.
    assert_eq!(claim_one(&*store, 41).await.delivery, begun.delivery.id);
    assert!(begin(&*store, &begun.claim, 42).await.is_none(), "the dead process comes too late");
}

pub async fn the_identity_key_is_made_once(place: &Place) {
    let first = place.open_with([1; 32]).await;
    assert_eq!(first.identity_key(), [1; 32]);
    drop(first);
    assert_eq!(place.open_with([2; 32]).await.identity_key(), [1; 32], "what was hashed before must be found again");
}

pub async fn a_store_without_writes_opens_again(place: &Place) {
    drop(place.open().await);
    let store = place.open().await;
    assert_eq!(due(&*store, 1_000_000, 10).await, Vec::<String>::new());
}

/// The order of one shard is the order of all; the cases below need it exact.
pub async fn the_longest_overdue_wakes_first(place: &Place) {
    super::wakes::the_longest_overdue_wakes_first(&*place.open_unsharded().await).await;
}

pub async fn the_longest_overdue_is_claimed_first(place: &Place) {
    super::claims::the_longest_overdue_is_claimed_first(&*place.open_unsharded().await).await;
}

pub async fn two_handles_see_one_store(place: &Place) {
    let Some((one, other)) = place.open_twice().await else { return };
    assert_eq!(one.identity_key(), other.identity_key());
    let cart = cart_waking("c-1", at(5));
    Write::of(&cart).counts("carts", 1).done(&*one).await;
    assert_eq!(stored(&*other, &cart).await, Some(cart.clone()));
    let writes = [Write::of(&cart).over(1), Write::of(&cart).over(1)];
    let (a, b) = tokio::join!(writes[0].to(&*one), writes[1].to(&*other));
    assert!((a == Committed::Conflict) != (b == Committed::Conflict), "{a:?} and {b:?}");
    Write::of(&cart).over(2).queues(&[reminder(&cart, 0, at(1))]).done(&*one).await;
    let (a, b) = tokio::join!(super::write::claim(&*one, 10, 10), super::write::claim(&*other, 10, 10));
    assert_eq!(a.len() + b.len(), 1);
}

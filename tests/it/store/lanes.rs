//! A look names the lanes with something due, and is not told of what has gone or waits for later.

use cartwake::domain::{OutcomeName, Verdict, Why};
use cartwake::store::{Begun, Burial, DueLanes, Settled, Store};

use super::settling::attempted;
use super::write::{LEASE, begin, claim_one, queue, settle};
use crate::samples::{at, cart, reminder, shop};

/// A delivery that is due, held and begun: its lease ends at 11 and [`LEASE`].
async fn begun(store: &dyn Store, id: &str) -> Begun {
    let cart = cart(id);
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    begin(store, &claim_one(store, 10).await, 11).await.expect("ours")
}

pub async fn a_lane_whose_last_delivery_has_gone_is_named_no_more(store: &dyn Store) {
    let look = async || store.due_lanes(at(1_000)).await.expect("reachable");
    for (verdict, id) in [(Verdict::Delivered, "c-1"), (Verdict::Dead(Why::Rejected), "c-2")] {
        let Begun { claim, delivery, .. } = begun(store, id).await;
        let ended = attempted(&delivery, OutcomeName::Success, verdict, at(12));
        assert_eq!(settle(store, &claim, &ended, &[]).await, Settled::Done);
        assert_eq!(look().await, DueLanes::default(), "{verdict:?}");
    }
    let claim = begun(store, "c-3").await.claim;
    let burial = Burial { claim: &claim, keep_until: at(5_000), tallies: &[] };
    assert_eq!(store.bury(burial).await.expect("reachable"), Settled::Done);
    assert_eq!(look().await, DueLanes::default(), "buried");
    let Begun { claim, .. } = begun(store, "c-4").await;
    let letters = store.letters_about(&shop(), std::slice::from_ref(&claim.cart)).await.expect("reachable");
    assert_eq!(store.expunge(&letters).await.expect("reachable"), 1);
    assert_eq!(look().await, DueLanes::default(), "expunged");
}

pub async fn a_lane_whose_deliveries_wait_for_later_is_not_named_before(store: &dyn Store) {
    let look = async |now| store.due_lanes(at(now)).await.expect("reachable");
    let Begun { claim, delivery, .. } = begun(store, "c-1").await;
    let again = attempted(&delivery, OutcomeName::ServerError, Verdict::RetryAt(at(1_000)), at(12));
    assert_eq!(settle(store, &claim, &again, &[]).await, Settled::Done);
    assert_eq!(look(999).await, DueLanes { lanes: vec![], next: Some(at(1_000)) }, "it failed");
    let claim = begun(store, "c-2").await.claim;
    assert_eq!(store.release(&claim, at(900)).await.expect("reachable"), Settled::Done);
    assert_eq!(look(899).await, DueLanes { lanes: vec![], next: Some(at(900)) }, "it was given back");
    let held = claim_one(store, 900).await;
    begin(store, &held, 905).await.expect("ours");
    assert_eq!(look(904 + LEASE).await, DueLanes { lanes: vec![], next: Some(at(905 + LEASE)) }, "it has begun");
}

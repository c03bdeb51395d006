//! A claim is a wake: one worker at a time, and a worker that dies loses nothing.

use cartwake::domain::{Cart, Delivery, Moment, State, Status};
use cartwake::store::{Begun, DueLanes, Settled, Settlement, Store, UNANSWERED_FOR};

use super::write::{
    LEASE, Write, begin, claim, claim_one, counted, day, delivery, lane, lane_to, queue, settle, stored, tally,
};
use crate::samples::{at, cart, in_state, reminder, reminder_to, shop_named};

pub async fn only_what_is_due_is_claimed(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(10)), reminder(&cart, 1, at(20)), reminder(&cart, 2, at(21))]).await;
    assert_eq!(claim(store, 9, 10).await, []);
    let claims = claim(store, 20, 10).await;
    assert_eq!(claims.len(), 2);
    for one in &claims {
        assert_eq!((&one.lane, &one.cart, one.until), (&lane(), &cart.id, at(20 + LEASE)));
    }
}

pub async fn claims_are_limited(store: &dyn Store) {
    for n in 0..10 {
        let cart = cart(&format!("c-{n}"));
        queue(store, &cart, &[reminder(&cart, 0, at(1)), reminder(&cart, 1, at(2))]).await;
    }
    let mut claimed = Vec::new();
    for limit in [1, 3, 7, 100] {
        let claims = claim(store, 10, limit).await;
        assert!(!claims.is_empty() && claims.len() <= limit, "{limit}: {}", claims.len());
        claimed.extend(claims.into_iter().map(|c| c.delivery));
    }
    claimed.extend(claim(store, 10, 100).await.into_iter().map(|c| c.delivery));
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 20, "each is claimed once");
}

pub async fn the_longest_overdue_is_claimed_first(store: &dyn Store) {
    let mut queued = Vec::new();
    for due in [40, 10, 30, 20] {
        let cart = cart(&format!("c-{due}"));
        let delivery = reminder(&cart, 0, at(due));
        queue(store, &cart, std::slice::from_ref(&delivery)).await;
        queued.push((due, delivery.id));
    }
    queued.sort();
    let first: Vec<_> = claim(store, 100, 2).await.into_iter().map(|c| c.delivery).collect();
    let rest: Vec<_> = claim(store, 100, 10).await.into_iter().map(|c| c.delivery).collect();
    let order: Vec<_> = queued.into_iter().map(|(_, id)| id).collect();
    assert_eq!([first, rest].concat(), order);
}

pub async fn a_claimed_delivery_is_nobody_elses_until_the_lease_ends(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let first = claim_one(store, 10).await;
    assert_eq!(claim(store, 10, 10).await, []);
    assert_eq!(claim(store, 10 + LEASE - 1, 10).await, []);
    let second = claim_one(store, 10 + LEASE).await;
    assert_eq!(second.delivery, first.delivery);
    assert_ne!(second.until, first.until);
}

pub async fn workers_that_claim_at_once_share_without_overlap(store: &dyn Store) {
    for n in 0..40 {
        let cart = cart(&format!("c-{n}"));
        queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    }
    let workers = (0..8).map(|_| claim(store, 10, 5));
    let mut claimed: Vec<_> = futures_util::future::join_all(workers).await.concat();
    claimed.extend(claim(store, 10, 100).await);
    let mut ids: Vec<_> = claimed.into_iter().map(|c| c.delivery).collect();
    ids.sort();
    let before = ids.len();
    ids.dedup();
    assert_eq!((before, ids.len()), (40, 40));
}

pub async fn begin_gives_the_delivery_and_the_cart_as_it_is_now(store: &dyn Store) {
    let first = cart("c-1");
    let queued = reminder(&first, 0, at(1));
    queue(store, &first, std::slice::from_ref(&queued)).await;
    let claim = claim_one(store, 10).await;
    let bought = in_state(&first, State::PaymentPending { next_step: None });
    Write::of(&bought).over(1).done(store).await;
    let begun = begin(store, &claim, 11).await.expect("the claim is ours");
    assert_eq!(begun.delivery, queued);
    assert_eq!(begun.cart, Some(Box::new(bought)));
    assert_eq!((begun.claim.until, &begun.claim.delivery), (at(11 + LEASE), &claim.delivery));
}

pub async fn begin_of_a_removed_cart_has_no_cart(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    Write::removing(&cart).over(1).done(store).await;
    let claim = claim_one(store, 10).await;
    let begun = begin(store, &claim, 11).await.expect("the delivery outlives its cart");
    assert_eq!(begun.cart, None);
}

pub async fn a_lost_claim_cannot_begin(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let lost = claim_one(store, 10).await;
    let held = claim_one(store, 10 + LEASE).await;
    assert!(begin(store, &lost, 11 + LEASE).await.is_none());
    assert!(begin(store, &held, 11 + LEASE).await.is_some(), "a vain attempt leaves the holder's lease alone");
}

pub async fn a_claim_begins_only_once(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let claim = claim_one(store, 10).await;
    assert!(begin(store, &claim, 11).await.is_some());
    assert!(begin(store, &claim, 12).await.is_none(), "the lease was renewed: the first claim is spent");
}

pub async fn a_begun_delivery_falls_due_again_when_its_worker_dies(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let first = claim_one(store, 10).await;
    begin(store, &first, 20).await.expect("the claim is ours");
    assert_eq!(claim(store, 20 + LEASE - 1, 10).await, [], "the lease of begin counts, not that of the claim");
    let second = claim_one(store, 20 + LEASE).await;
    assert_eq!(second.delivery, first.delivery);
}

pub async fn a_send_is_in_flight_from_begin_to_settle(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let in_flight = async |now| store.sends(&cart.shop, &cart.id, at(now)).await.expect("reachable").in_flight_until;
    assert_eq!(in_flight(9).await, None);
    let claim = claim_one(store, 10).await;
    assert_eq!(in_flight(10).await, None, "a claim is no send");
    let begun = begin(store, &claim, 11).await.expect("the claim is ours");
    assert_eq!(in_flight(12).await, Some(at(11 + LEASE)));
    assert_eq!(settle(store, &begun.claim, &queued, &[]).await, Settled::Done);
    assert_eq!(in_flight(13).await, None);
}

pub async fn a_send_in_flight_ends_by_itself(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    let claim = claim_one(store, 10).await;
    begin(store, &claim, 11).await.expect("the claim is ours");
    let after = store.sends(&cart.shop, &cart.id, at(11 + LEASE + 1)).await.expect("reachable").in_flight_until;
    assert_eq!(after, None);
}

pub async fn two_sends_of_one_cart_are_in_flight_until_both_are_over(store: &dyn Store) {
    let cart = cart("c-1");
    let (mail, sms) = (reminder(&cart, 0, at(1)), reminder_to("sms", &cart, 0, at(1)));
    queue(store, &cart, &[mail.clone(), sms]).await;
    let by_mail = claim_one(store, 10).await;
    let by_sms = store.claim(&lane_to("sms"), at(10), 10, at(10 + LEASE)).await.expect("reachable").remove(0);
    let begun = begin(store, &by_mail, 11).await.expect("ours");
    begin(store, &by_sms, 15).await.expect("ours");
    let in_flight = async |now| store.sends(&cart.shop, &cart.id, at(now)).await.expect("reachable").in_flight_until;
    assert_eq!(in_flight(16).await, Some(at(15 + LEASE)));
    assert_eq!(settle(store, &begun.claim, &mail, &[]).await, Settled::Done);
    assert_eq!(in_flight(17).await, Some(at(15 + LEASE)), "the other one is still on its way");
}

/// A reminder that was sent at 11 and recorded as unanswered at 21, to be tried again at 30.
async fn unanswered(store: &dyn Store, cart: &Cart) -> Delivery {
    let mut queued = reminder(cart, 0, at(1));
    queue(store, cart, std::slice::from_ref(&queued)).await;
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("the claim is ours");
    queued.due_at = at(30);
    queued.attempt_count = 1;
    let settlement = Settlement {
        claim: &begun.claim,
        delivery: &queued,
        keep_until: at(1_000),
        tallies: &[],
        unanswered_at: Some(at(21)),
    };
    assert_eq!(store.settle(settlement).await.expect("reachable"), Settled::Done);
    queued
}

/// Until when something of this cart may still arrive, once nothing is in flight.
async fn awaited(store: &dyn Store, cart: &Cart, now: i64) -> Option<Moment> {
    let sends = store.sends(&cart.shop, &cart.id, at(now)).await.expect("reachable");
    assert_eq!(sends.in_flight_until, None, "nothing is in flight at {now}");
    sends.unanswered_until
}

pub async fn a_send_that_nobody_answered_may_still_arrive(store: &dyn Store) {
    let cart = cart("c-1");
    unanswered(store, &cart).await;
    let until = at(21).plus(UNANSWERED_FOR);
    for now in [22, 140] {
        assert_eq!(awaited(store, &cart, now).await, Some(until));
    }
    assert_eq!(awaited(store, &cart, 141).await, None, "for a while, not for ever");
}

pub async fn a_send_whose_worker_died_may_still_arrive(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    begin(store, &claim_one(store, 10).await, 11).await.expect("the claim is ours");
    let until = at(11 + LEASE).plus(UNANSWERED_FOR);
    assert_eq!(awaited(store, &cart, 11 + LEASE).await, Some(until));
    // Another worker takes over, and gives it back without a send of its own.
    let claim = claim_one(store, 12 + LEASE).await;
    let begun = begin(store, &claim, 13 + LEASE).await.expect("the claim is ours");
    assert_eq!(store.release(&begun.claim, at(500)).await.expect("reachable"), Settled::Done);
    assert_eq!(awaited(store, &cart, 14 + LEASE).await, Some(until), "the first one's bytes are still unaccounted for");
}

pub async fn a_claim_that_is_given_back_before_it_begins_hides_no_earlier_send(store: &dyn Store) {
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
    begin(store, &claim_one(store, 10).await, 11).await.expect("the claim is ours");
    let claim = claim_one(store, 12 + LEASE).await;
    assert_eq!(store.release(&claim, at(500)).await.expect("reachable"), Settled::Done);
    assert_eq!(awaited(store, &cart, 14 + LEASE).await, Some(at(11 + LEASE).plus(UNANSWERED_FOR)));
}

pub async fn a_send_is_one_of_its_own_cart_alone(store: &dyn Store) {
    let ours = cart("c-1");
    let mut others = ["c-0", "c-10", "c-1.", "c-1:1", "c"].map(cart).to_vec();
    others.push(Cart { shop: shop_named("other"), ..cart("c-1") });
    queue(store, &ours, &[reminder(&ours, 0, at(1))]).await;
    begin(store, &claim_one(store, 10).await, 11).await.expect("the claim is ours");
    let in_flight =
        async |cart: &Cart| store.sends(&cart.shop, &cart.id, at(12)).await.expect("reachable").in_flight_until;
    for other in &others {
        assert_eq!(in_flight(other).await, None, "{}/{}", other.shop, other.id);
    }
    assert_eq!(in_flight(&ours).await, Some(at(11 + LEASE)));
}

pub async fn what_was_delivered_after_all_is_not_awaited_again(store: &dyn Store) {
    let cart = cart("c-1");
    let mut again = unanswered(store, &cart).await;
    let begun = begin(store, &claim_one(store, 30).await, 31).await.expect("the claim is ours");
    again.status = Status::Delivered;
    assert_eq!(settle(store, &begun.claim, &again, &[]).await, Settled::Done);
    assert_eq!(awaited(store, &cart, 32).await, None, "what arrives now is a repeat of what the receiver has");
}

pub async fn a_later_answer_of_another_kind_does_not_call_an_earlier_request_back(store: &dyn Store) {
    let cart = cart("c-1");
    let mut again = unanswered(store, &cart).await;
    let begun = begin(store, &claim_one(store, 30).await, 31).await.expect("the claim is ours");
    again.due_at = at(500);
    assert_eq!(settle(store, &begun.claim, &again, &[]).await, Settled::Done);
    assert_eq!(awaited(store, &cart, 32).await, Some(at(21).plus(UNANSWERED_FOR)));
}

pub async fn a_release_gives_the_delivery_back(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = reminder(&cart, 0, at(1));
    queue(store, &cart, std::slice::from_ref(&queued)).await;
    let claim_a = claim_one(store, 10).await;
    assert_eq!(store.release(&claim_a, at(15)).await.expect("reachable"), Settled::Done);
    assert_eq!(claim(store, 14, 10).await, []);
    let claim_b = claim_one(store, 15).await;
    assert_eq!(store.release(&claim_a, at(15)).await.expect("reachable"), Settled::Lost);
    let begun = begin(store, &claim_b, 16).await.expect("ours");
    assert_eq!(begun.delivery, queued);
    assert_eq!(store.release(&begun.claim, at(60)).await.expect("reachable"), Settled::Done);
    let in_flight = store.sends(&cart.shop, &cart.id, at(17)).await.expect("reachable").in_flight_until;
    assert_eq!(in_flight, None, "what was given back is not on its way");
    assert_eq!(delivery(store, &queued).await.map(|d| d.attempt_count), Some(0));
}

pub async fn lanes_do_not_touch_each_other(store: &dyn Store) {
    let ours = cart("c-1");
    let mut theirs = cart("c-1");
    theirs.shop = shop_named("other");
    queue(store, &ours, &[reminder(&ours, 0, at(1)), reminder_to("sms", &ours, 0, at(2))]).await;
    queue(store, &theirs, &[reminder(&theirs, 0, at(3))]).await;
    let mut lanes = store.lanes().await.expect("reachable");
    lanes.sort();
    let mut all = vec![lane(), lane_to("sms"), lane()];
    all[2].shop = theirs.shop.clone();
    all.sort();
    assert_eq!(lanes, all);
    for (lane, due) in all.iter().map(|lane| (lane, [1, 2, 3])).zip([3, 1, 2]).map(|((lane, _), due)| (lane, due)) {
        assert_eq!(store.next_due(lane).await.expect("reachable"), Some(at(due)), "{lane:?}");
        let claims = store.claim(lane, at(10), 10, at(40)).await.expect("reachable");
        assert_eq!(claims.len(), 1, "{lane:?}");
        assert_eq!(&claims[0].lane, lane);
    }
}

pub async fn the_next_due_moment_follows_claims(store: &dyn Store) {
    let cart = cart("c-1");
    assert_eq!(store.next_due(&lane()).await.expect("reachable"), None);
    queue(store, &cart, &[reminder(&cart, 0, at(5)), reminder(&cart, 1, at(7))]).await;
    assert_eq!(store.next_due(&lane()).await.expect("reachable"), Some(at(5)));
    claim(store, 10, 10).await;
    assert_eq!(store.next_due(&lane()).await.expect("reachable"), Some(at(10 + LEASE)));
    assert_eq!(stored(store, &cart).await, Some(cart), "claims are no business of the cart");
}

pub async fn lanes_with_something_due_are_named(store: &dyn Store) {
    let look = async |now| store.due_lanes(at(now)).await.expect("reachable");
    assert_eq!(look(100).await, DueLanes::default());
    let cart = cart("c-1");
    queue(store, &cart, &[reminder(&cart, 0, at(10)), reminder_to("sms", &cart, 0, at(20))]).await;
    assert_eq!(look(9).await, DueLanes { lanes: vec![], next: Some(at(10)) });
    assert_eq!(look(10).await, DueLanes { lanes: vec![lane()], next: Some(at(20)) });
    let mut both = vec![lane(), lane_to("sms")];
    both.sort();
    assert_eq!(look(20).await, DueLanes { lanes: both, next: None });
    let claim = claim_one(store, 20).await;
    assert_eq!(look(21).await, DueLanes { lanes: vec![lane_to("sms")], next: Some(at(20 + LEASE)) });
    // What comes earlier than the lease is seen, however it does.
    let early = begin(store, &claim, 5).await.expect("ours").claim;
    let next = look(21).await.next.expect("a lease ends");
    assert!(next <= at(5 + LEASE), "{next:?}");
    assert_eq!(store.release(&early, at(22)).await.expect("reachable"), Settled::Done);
    assert!(look(22).await.lanes.contains(&lane()), "what was given back is due again");
}

pub async fn several_begin_and_settle_at_once_and_each_has_its_own_answer(store: &dyn Store) {
    let mut carts = Vec::new();
    for n in 0..70 {
        let cart = cart(&format!("c-{n}"));
        queue(store, &cart, &[reminder(&cart, 0, at(1))]).await;
        carts.push(cart);
    }
    let mut claims = claim(store, 10, 100).await;
    claims.extend(claim(store, 10, 100).await);
    assert_eq!(claims.len(), 70);
    // Every seventh has passed to somebody else.
    for stale in claims.iter_mut().step_by(7) {
        stale.until = at(1);
    }
    let begun = store.begin_all(&claims, at(11), at(11 + LEASE)).await;
    let begun: Vec<Option<Begun>> = begun.into_iter().map(|begun| begun.expect("reachable")).collect();
    for (n, (claim, begun)) in claims.iter().zip(&begun).enumerate() {
        assert_eq!(begun.as_ref().map(|begun| &begun.delivery.id), (n % 7 != 0).then_some(&claim.delivery));
        assert_eq!(
            begun.as_ref().and_then(|begun| Some(&begun.cart.as_ref()?.id)),
            (n % 7 != 0).then_some(&claim.cart)
        );
    }
    let mut ours: Vec<Begun> = begun.into_iter().flatten().collect();
    for lost in ours.iter_mut().step_by(10) {
        lost.claim.until = at(1);
    }
    for begun in &mut ours {
        begun.delivery.status = Status::Delivered;
    }
    let counts = [tally(day(), "sent", 1), tally(day(), "seen", 2)];
    let settlements = ours.iter().map(|begun| Settlement {
        claim: &begun.claim,
        delivery: &begun.delivery,
        keep_until: at(1_000),
        tallies: &counts,
        unanswered_at: None,
    });
    let settled = store.settle_all(settlements.collect()).await;
    for (n, settled) in settled.iter().enumerate() {
        let expected = if n % 10 == 0 { Settled::Lost } else { Settled::Done };
        assert_eq!(*settled.as_ref().expect("reachable"), expected, "{n}");
    }
    assert_eq!(
        counted(store).await,
        [("seen".to_owned(), 2 * 54), ("sent".to_owned(), 54)],
        "only what held is counted"
    );
    let mut left: Vec<_> = claim(store, 100, 100).await.into_iter().map(|claim| claim.delivery).collect();
    left.sort();
    left.dedup();
    assert_eq!(left.len(), 16, "what did not hold falls due again");
}

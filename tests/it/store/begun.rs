//! What begins with the write that decides it: as if it had been claimed and begun, without either.

use cartwake::domain::{Cart, Delivery, Status};
use cartwake::store::{Begun, Claim, Committed, Queue, Settled, Store};

use super::write::{LEASE, Write, begin, claim, claim_one, delivery, lane, lane_to, queue, settle};
use crate::samples::{at, cart, notice, reminder, reminder_to};

/// A write whose deliveries begin with it, each for [`LEASE`] seconds.
fn starting(cart: &Cart, deliveries: &[Delivery], now: i64) -> Write {
    let begun_until = vec![Some(at(now + LEASE)); deliveries.len()];
    Write { begun_until, ..Write::of(cart).now(at(now)).queues(deliveries) }
}

/// What the writer holds of it then.
fn held(delivery: &Delivery, now: i64) -> Claim {
    let (lane, cart) = (lane_to(delivery.endpoint.as_str()), delivery.cart.clone());
    Claim { lane, delivery: delivery.id.clone(), cart, queue: Queue::First, until: at(now + LEASE) }
}

pub async fn what_begins_with_its_write_is_leased_and_in_flight(store: &dyn Store) {
    let cart = cart("c-1");
    let mut started = reminder(&cart, 0, at(10));
    starting(&cart, std::slice::from_ref(&started), 10).done(store).await;
    let in_flight = async |now| store.sends(&cart.shop, &cart.id, at(now)).await.expect("reachable").in_flight_until;
    assert_eq!(in_flight(11).await, Some(at(10 + LEASE)));
    assert_eq!(claim(store, 10 + LEASE - 1, 10).await, [], "it is somebody's");
    started.status = Status::Delivered;
    assert_eq!(settle(store, &held(&started, 10), &started, &[]).await, Settled::Done);
    assert_eq!(in_flight(12).await, None);
    assert_eq!(delivery(store, &started).await.map(|d| d.status), Some(Status::Delivered));
    assert_eq!(claim(store, 1_000, 10).await, []);
}

pub async fn what_began_with_its_write_falls_due_again_when_its_worker_dies(store: &dyn Store) {
    let cart = cart("c-1");
    let started = reminder(&cart, 0, at(10));
    starting(&cart, std::slice::from_ref(&started), 10).done(store).await;
    let due = store.due_lanes(at(11)).await.expect("reachable");
    assert_eq!((due.lanes, due.next), (vec![], Some(at(10 + LEASE))));
    let again = claim_one(store, 10 + LEASE).await;
    assert_eq!(settle(store, &held(&started, 10), &started, &[]).await, Settled::Lost);
    let begun = begin(store, &again, 11 + LEASE).await.expect("ours");
    assert_eq!((begun.delivery, begun.cart), (started, Some(Box::new(cart.clone()))));
    let sends = store.sends(&cart.shop, &cart.id, at(12 + LEASE)).await.expect("reachable");
    assert_eq!(sends.in_flight_until, Some(at(11 + 2 * LEASE)));
    assert!(sends.unanswered_until.is_some(), "whether the first one was sent, nobody knows");
}

pub async fn what_is_known_does_not_begin_again(store: &dyn Store) {
    let cart = cart("c-1");
    let (known, fresh) = (reminder(&cart, 0, at(1)), reminder(&cart, 1, at(1)));
    queue(store, &cart, std::slice::from_ref(&known)).await;
    let theirs = claim_one(store, 5).await;
    let write = starting(&cart, &[known.clone(), fresh.clone()], 10).over(1);
    assert_eq!(write.to(store).await, Committed::DoneNotBegun);
    let begun = begin(store, &theirs, 11).await.expect("the lease of its holder stands");
    assert_eq!(settle(store, &begun.claim, &known, &[]).await, Settled::Done);
    let left: Vec<_> = claim(store, 10 + LEASE, 10).await.into_iter().map(|claim| claim.delivery).collect();
    assert!(left.contains(&fresh.id), "what did begin falls due by itself: {left:?}");
    let queued_again = Write::of(&cart).now(at(60)).over(2).queues(&[known]);
    assert_eq!(queued_again.to(store).await, Committed::Done, "only what was to begin is told");
}

pub async fn a_refused_write_begins_nothing(store: &dyn Store) {
    let cart = cart("c-1");
    Write::of(&cart).done(store).await;
    let write = starting(&cart, &[reminder(&cart, 0, at(1))], 10).over(7);
    assert_eq!(write.to(store).await, Committed::Conflict);
    assert!(store.sends(&cart.shop, &cart.id, at(11)).await.expect("reachable").is_none());
    assert_eq!(claim(store, 1_000, 10).await, []);
}

pub async fn some_begin_with_a_write_while_others_wait(store: &dyn Store) {
    let cart = cart("c-1");
    let (mail, sms) = (reminder(&cart, 0, at(10)), reminder_to("sms", &cart, 0, at(10)));
    let write =
        Write { begun_until: vec![None, Some(at(10 + LEASE))], ..Write::of(&cart).queues(&[mail.clone(), sms]) };
    write.done(store).await;
    assert_eq!(claim_one(store, 10).await.delivery, mail.id);
    assert_eq!(store.claim(&lane_to("sms"), at(10), 10, at(40)).await.expect("reachable"), []);
}

pub async fn news_that_is_no_reminder_begins_without_being_in_flight(store: &dyn Store) {
    let cart = cart("c-1");
    let news = notice(&cart, at(10));
    starting(&cart, std::slice::from_ref(&news), 10).done(store).await;
    assert!(store.sends(&cart.shop, &cart.id, at(11)).await.expect("reachable").is_none());
    assert_eq!(claim(store, 11, 10).await, []);
    assert_eq!(store.release(&held(&news, 10), at(12)).await.expect("reachable"), Settled::Done);
    assert_eq!(claim(store, 12, 10).await.len(), 1);
}

pub async fn many_begin_with_their_writes_and_each_can_be_settled(store: &dyn Store) {
    let mut carts = Vec::new();
    for n in 0..70 {
        carts.push(cart(&format!("c-{n}")));
    }
    let mut writes: Vec<Write> = carts.iter().map(|cart| starting(cart, &[reminder(cart, 0, at(10))], 10)).collect();
    // Every seventh waits instead, every tenth is a conflict.
    writes.iter_mut().step_by(7).for_each(|write| write.begun_until.clear());
    writes.iter_mut().step_by(10).for_each(|write| write.expected = cartwake::store::Version(9));
    let done = store.commit_all(writes.iter().map(Write::commit).collect()).await;
    let mut begun = 0;
    for (n, (cart, done)) in carts.iter().zip(done).enumerate() {
        let is_refused = n % 10 == 0;
        let expected = if is_refused { Committed::Conflict } else { Committed::Done };
        assert_eq!(done.expect("reachable"), expected, "{n}");
        let in_flight = store.sends(&cart.shop, &cart.id, at(11)).await.expect("reachable").in_flight_until;
        let has_begun = !is_refused && n % 7 != 0;
        assert_eq!(in_flight, has_begun.then_some(at(10 + LEASE)), "{n}");
        let started = reminder(cart, 0, at(10));
        let settled = settle(store, &held(&started, 10), &Delivery { status: Status::Delivered, ..started }, &[]).await;
        assert_eq!(settled, if has_begun { Settled::Done } else { Settled::Lost }, "{n}");
        begun += usize::from(has_begun);
    }
    let waiting: Vec<Begun> = {
        let claims = claim(store, 11, 100).await;
        let begun = store.begin_all(&claims, at(11), at(11 + LEASE)).await;
        begun.into_iter().filter_map(|begun| begun.expect("reachable")).collect()
    };
    assert_eq!((begun, waiting.len()), (54, 9));
    assert!(waiting.iter().all(|begun| begun.claim.lane == lane()));
}

//! Who gets into a lane, and how long the scheduler waits for it.

use tokio::time::{Instant, advance};

use super::*;
use crate::domain::{CartId, Delivery, EndpointBrief, EndpointName, ShopId, Why};
use crate::store::{Claim, Queue};

const SPAN: Duration = Duration::from_secs(14);

fn lane(name: &str) -> Lane {
    Lane { shop: ShopId::parse("shop").expect("a slug"), endpoint: EndpointName::parse(name).expect("a slug") }
}

const fn offer(places: usize, is_fast: bool) -> Offer {
    Offer { places, span: SPAN, is_fast }
}

fn handed(lane: &Lane) -> Handed {
    let (at, cart) = (Moment::from_millis(1), CartId::parse("c-1").expect("an id"));
    let about = EndpointBrief { name: lane.endpoint.clone(), why: Why::EndpointFailing };
    let delivery = Delivery::notice(&lane.shop, &cart, &lane.endpoint, about, at);
    let (id, until) = (delivery.id.clone(), at.plus(SPAN));
    let claim = Claim { lane: lane.clone(), delivery: id, cart, queue: Queue::First, until };
    Handed { begun: Begun { claim, delivery, cart: None }, at }
}

#[test]
fn no_more_come_in_than_there_are_places() {
    let doors = Doors::default();
    let door = doors.of(&lane("mail"));
    assert!(door.take().is_none(), "nothing is offered yet");
    door.offer(offer(2, false));
    let (first, second) = (door.take().expect("a place"), door.take().expect("another"));
    assert!(doors.of(&lane("mail")).take().is_none(), "it is the same door");
    assert_eq!(first.begun_until(Moment::from_millis(5)), Moment::from_millis(5).plus(SPAN));
    drop(first);
    let third = door.take().expect("the place of one that did not come");
    second.fill(handed(&lane("mail")));
    third.fill(handed(&lane("mail")));
    assert_eq!(door.awaited(), 2);
    assert_eq!(door.let_in().len(), 2);
    assert!(door.take().is_none(), "who came in has the place, until the lane offers it again");
    assert_eq!((door.awaited(), door.let_in().len()), (0, 0));
}

#[tokio::test]
async fn a_lane_hears_whether_something_waits_in_the_store() {
    let doors = Doors::default();
    let door = doors.of(&lane("mail"));
    door.offer(offer(1, false));
    door.take().expect("a place").fill(handed(&lane("mail")));
    assert!(!door.rung().await, "what was handed over is here");
    door.ring();
    assert!(door.rung().await);
    doors.ring_all();
    assert!(door.rung().await);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_without_end_unless_a_lane_sends_fast() {
    let doors = Doors::default();
    doors.of(&lane("mail")).offer(offer(0, false));
    assert_eq!(doors.room(10_000).await, usize::MAX);
    doors.of(&lane("sms")).offer(offer(WORTH_A_LOOK + 30, true));
    assert_eq!(doors.room(10).await, WORTH_A_LOOK + 20);
    doors.of(&lane("sms")).offer(offer(10_000, true));
    assert_eq!(doors.room(10).await, LOOK_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_is_waited_for_and_not_for_long() {
    let doors = Doors::default();
    let door = doors.of(&lane("mail"));
    door.offer(offer(0, true));
    let started = now();
    assert_eq!(doors.room(0).await, LOOK_MIN, "it may be about other lanes");
    assert!(now() - started >= PATIENCE);
    let later = async {
        advance(PATIENCE / 2).await;
        door.offer(offer(WORTH_A_LOOK, true));
    };
    let (room, ()) = tokio::join!(doors.room(0), later);
    assert_eq!(room, WORTH_A_LOOK);
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the runtime's own clock, which stands still in these tests")]
    Instant::now()
}

//! What may be sent again by hand, and what may not.

use std::time::Duration;

use super::*;
use crate::domain::{CartId, ShopId};

const DUE: Moment = Moment::from_millis(1_000_000);
const LAST: Duration = Duration::from_secs(3_600);

fn delivery(kind: EventKind, status: Status) -> Delivery {
    let (shop, cart) = (ShopId::parse("s").expect("a slug"), CartId::parse("c").expect("an id"));
    let endpoint = EndpointName::parse("mail").expect("a slug");
    Delivery {
        id: DeliveryId::derive(kind, &shop, &cart, "about", &endpoint),
        event: Event::plain(kind, DUE),
        shop,
        cart,
        endpoint,
        created_at: DUE,
        due_at: DUE,
        send_not_after: DUE.plus(LAST),
        status,
        attempt_count: 9,
        attempts: Vec::new(),
        incentive: None,
    }
}

#[test]
fn the_dead_are_due_again_under_their_id_with_a_fresh_ladder() {
    let now = DUE.plus(Duration::from_secs(60));
    for why in [Why::Rejected, Why::RetriesExhausted, Why::EndpointGone, Why::Unreadable] {
        let dead = delivery(EventKind::Reminder, Status::Dead(why));
        let again = resend(&dead, now).expect("it may be sent again");
        assert_eq!((again.id, again.status, again.due_at, again.attempt_count), (dead.id, Status::Pending, now, 0));
        assert_eq!(again.send_not_after, dead.send_not_after, "a reminder gets no longer life");
    }
}

#[test]
fn a_stale_reminder_stays_unsent_and_a_stale_state_event_gets_a_new_life() {
    let late = DUE.plus(LAST + Duration::from_secs(1));
    let reminder = delivery(EventKind::Reminder, Status::Dead(Why::Rejected));
    assert_eq!(resend(&reminder, late), Err(AsItIs::Stays(Why::Stale)));
    let news = delivery(EventKind::Abandoned, Status::Suppressed(Why::Stale));
    assert_eq!(resend(&news, late).expect("news").send_not_after, late.plus(STATE_EVENT_LIFE));
}

#[test]
fn what_was_not_sent_on_purpose_stays_unsent() {
    for why in [Why::Purchased, Why::Dismissed, Why::OptedOut, Why::NoConsent, Why::Erased] {
        let unsent = delivery(EventKind::Reminder, Status::Suppressed(why));
        assert_eq!(resend(&unsent, DUE), Err(AsItIs::Stays(why)));
    }
}

#[test]
fn a_double_click_is_one_wish_and_a_later_one_is_another() {
    assert_eq!(resend(&delivery(EventKind::Reminder, Status::Pending), DUE), Err(AsItIs::Pending));
    let arrived = delivery(EventKind::Abandoned, Status::Delivered);
    assert_eq!(resend(&arrived, DUE.plus(Duration::from_secs(9))), Err(AsItIs::JustDelivered));
    assert!(resend(&arrived, DUE.plus(Duration::from_secs(10))).is_ok());
}

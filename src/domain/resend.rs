//! Sending again by hand: what may go out once more, under the same id, and which deliveries a cart can have.
//!
//! A resend is a new life, not an exception: [`super::before_send`] looks at it like at any attempt, so a buyer is still
//! not reminded, and what was not sent on purpose stays unsent. Pure, like all of the core.

use std::time::Duration;

use super::cart::{Abandonment, Cart};
use super::content::Channel;
use super::delivery::{Delivery, Event, EventKind, Status, StepBrief, Why};
use super::id::{DeliveryId, EndpointName, StepName};
use super::program::{PENDING_INDEX, SERVICE_INDEX};
use super::send::STATE_EVENT_LIFE;
use super::time::Moment;

/// A second wish so soon after a delivery is the same wish: a double click.
const SAME_WISH: Duration = Duration::from_secs(10);
/// How many of a cart's episodes, counted from the last one, are looked at for its deliveries.
const EPISODES_MAX: u32 = 8;

/// Why a delivery is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsItIs {
    /// It is on its way already.
    Pending,
    /// It arrived a moment ago.
    JustDelivered,
    /// What kept it from being sent still does.
    Stays(Why),
}

/// The delivery as it is when it is sent again by hand: due now, under its id, with a fresh ladder of retries.
///
/// # Errors
/// When it stays as it is.
pub fn resend(delivery: &Delivery, now: Moment) -> Result<Delivery, AsItIs> {
    match delivery.status {
        Status::Pending => return Err(AsItIs::Pending),
        Status::Delivered if now.since(tried_at(delivery)) < SAME_WISH => return Err(AsItIs::JustDelivered),
        Status::Suppressed(why) if !matches!(why, Why::Stale | Why::EndpointRemoved) => {
            return Err(AsItIs::Stays(why));
        }
        Status::Delivered | Status::Dead(_) | Status::Suppressed(_) => {}
    }
    if delivery.is_reminder() && now > delivery.send_not_after {
        return Err(AsItIs::Stays(Why::Stale));
    }
    Ok(anew(delivery, now))
}

fn anew(delivery: &Delivery, now: Moment) -> Delivery {
    let send_not_after = if delivery.is_reminder() { delivery.send_not_after } else { now.plus(STATE_EVENT_LIFE) };
    Delivery { status: Status::Pending, due_at: now, send_not_after, attempt_count: 0, ..delivery.clone() }
}

/// When a delivery was last tried, or was to be.
#[must_use]
pub fn tried_at(delivery: &Delivery) -> Moment {
    delivery.attempts.last().map_or(delivery.due_at, |attempt| attempt.at)
}

/// The ids of the deliveries that this cart can have had to these endpoints, whether or not they were made: ids follow
/// from what a delivery is about, so no index of them is kept. Of its last few episodes; without recorded reasons that
/// the cart no longer holds, and without earlier orders.
#[must_use]
pub fn deliveries_of(cart: &Cart, endpoints: &[EndpointName], steps: u32) -> Vec<DeliveryId> {
    let events = events_of(cart, steps);
    let now = cart.created_at;
    let id = |endpoint, event: &Event| Delivery::new(cart, endpoint, event.clone(), now, now).id;
    endpoints.iter().flat_map(|endpoint| events.iter().map(move |event| id(endpoint, event))).collect()
}

fn events_of(cart: &Cart, steps: u32) -> Vec<Event> {
    let plain = |kind, abandonment| Event { abandonment, ..Event::plain(kind, cart.created_at) };
    let last = cart.last_abandonment;
    let numbers = last.map_or(0, |a| a.number.saturating_sub(EPISODES_MAX))..last.map_or(0, |a| a.number);
    let episodes = numbers.filter_map(|before| last.map(|a| Abandonment { number: before + 1, ..a }));
    let mut events = Vec::new();
    for episode in std::iter::once(None).chain(episodes.map(Some)) {
        let is_told = |kind: &&EventKind| !matches!(kind, EventKind::Reminder) && !kind.is_about_no_cart();
        for kind in EventKind::ALL.iter().filter(is_told) {
            events.push(plain(*kind, episode));
        }
        if let Ok(name) = StepName::parse("step") {
            // Before any abandonment there is but the reminder of a payment.
            let of_episode = (0..steps).chain([SERVICE_INDEX]).filter(|_| episode.is_some());
            events.extend(of_episode.chain([PENDING_INDEX]).map(|index| Event {
                step: Some(StepBrief { index, of: steps, name: name.clone(), channel: Channel::Email }),
                ..plain(EventKind::Reminder, episode)
            }));
        }
    }
    for kind in [EventKind::Recovered, EventKind::Converted, EventKind::Reverted] {
        events.extend(cart.order.iter().map(|order| Event { order: Some(order.clone()), ..plain(kind, None) }));
    }
    for reason in &cart.reasons {
        events.push(Event { at: reason.at, reason: Some(*reason), ..plain(EventKind::ReasonRecorded, None) });
    }
    events
}

#[cfg(test)]
mod tests;

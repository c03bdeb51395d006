//! What a receiver is told: the body of every event, rendered at the moment of sending.
//!
//! What the event was about comes from the delivery, the rest from the cart as it is now, so that an old truth is never
//! sent. A body is always under 20 kB: what does not fit is left out whole, and the body says so.
//! `thin` bodies hold nothing personal: no shopper, no free text, no link but the one to check.
//!
//! Never here: whether to send. The fields are described in `docs/webhooks.md`. Read next: `webhook/payload/form.rs`.

mod content;
mod form;

use serde::Serialize;
use thiserror::Error;

use self::content::{ConsentForm, ItemForm, ShopperForm, TotalsForm};
use self::form::{
    Data, DigestForm, Envelope, Experiment, IncentiveForm, NoticeForm, OrderForm, PreviousForm, ReasonForm, Stamp,
    StepForm, TestForm,
};
use crate::domain::{ArmName, Cart, Delivery, EventKind, Item, Moment, Offer, ReasonCode, Stock, WebUrl};
use crate::links::ReminderLinks;

/// A body stays below this; Standard Webhooks asks for it.
pub const BODY_BYTES_MAX: usize = 20_000;
/// Room for most of them.
const BODY_BYTES_USUAL: usize = 2_048;

/// A body cannot be rendered.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PayloadError {
    /// Even without lines and attributes.
    #[error("the event does not fit into {BODY_BYTES_MAX} bytes")]
    TooLarge,
}

/// What a body says beside what the delivery and the cart hold.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Nothing personal.
    pub thin: bool,
    /// What can be had by now, and for how much.
    pub stock: &'a Stock,
    /// The shop's own words for reasons.
    pub responses: &'a [(ReasonCode, String)],
    /// Of a reminder; no other event has any.
    pub links: &'a ReminderLinks,
    /// What the reminder offers.
    pub offer: Option<&'a Offer>,
}

/// The body of this delivery: `{"type", "timestamp", "data"}`, below [`BODY_BYTES_MAX`]. The same arguments always give
/// the same bytes.
///
/// # Errors
/// When what cannot be left out is too large; the bounds of the API do not let it.
pub fn render(delivery: &Delivery, cart: &Cart, beside: &Beside<'_>) -> Result<Vec<u8>, PayloadError> {
    if delivery.event.kind == EventKind::EndpointTest {
        let data = TestForm { shop: delivery.shop.as_str(), endpoint: delivery.endpoint.as_str() };
        return fitting(&envelope(delivery, data)).ok_or(PayloadError::TooLarge);
    }
    if let Some(body) = notice(delivery) {
        return Ok(body);
    }
    let mut data = about(delivery, cart, beside);
    add_content(&mut data, delivery, cart, beside);
    if delivery.is_reminder() {
        add_links(&mut data, beside.links, beside.thin);
        data.incentive = beside.offer.map(IncentiveForm::of);
    }
    if let Some(body) = fitting(&envelope(delivery, &data)) {
        return Ok(body);
    }
    cut(&mut data, delivery);
    fitting(&envelope(delivery, &data)).ok_or(PayloadError::TooLarge)
}

/// The body of news that no cart stands behind: about an endpoint, or a day of the shop. `None` for the news about a cart.
#[must_use]
pub fn notice(delivery: &Delivery) -> Option<Vec<u8>> {
    if let Some(digest) = &delivery.event.digest {
        return Some(json(&envelope(delivery, DigestForm::of(delivery.shop.as_str(), digest))));
    }
    let about = delivery.event.endpoint.as_ref()?;
    let (shop, endpoint, why) = (delivery.shop.as_str(), about.name.as_str(), about.why.as_str());
    Some(json(&envelope(delivery, NoticeForm { shop, endpoint, why, disabled_at: Stamp(delivery.event.at) })))
}

/// The body of an `endpoint.test` event: nothing in it is about anybody.
#[must_use]
pub fn test(shop: &str, endpoint: &str, at: Moment) -> Vec<u8> {
    let data = TestForm { shop, endpoint };
    json(&Envelope { kind: EventKind::EndpointTest.as_str(), timestamp: Stamp(at), data })
}

fn envelope<T: Serialize>(delivery: &Delivery, data: T) -> Envelope<T> {
    Envelope { kind: delivery.event.kind.as_str(), timestamp: Stamp(delivery.event.at), data }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(BODY_BYTES_USUAL);
    serde_json::to_writer(&mut json, value).expect("forms have text keys only and are written to memory");
    json
}

fn fitting(value: &impl Serialize) -> Option<Vec<u8>> {
    let body = json(value);
    (body.len() < BODY_BYTES_MAX).then_some(body)
}

/// What the event is about, as it was when it happened.
fn about<'a>(delivery: &'a Delivery, cart: &'a Cart, beside: &Beside<'a>) -> Data<'a> {
    let event = &delivery.event;
    let of_stall = matches!(event.kind, EventKind::Abandoned | EventKind::Reminder);
    // A payment on its way is no abandonment, even where one went before.
    let episode = event.abandonment.as_ref().filter(|_| !delivery.is_of_payment());
    let reason = event.reason.or_else(|| episode.filter(|_| of_stall).map(|a| a.reason));
    let mut data = Data {
        cart_id: delivery.cart.as_str(),
        shop: delivery.shop.as_str(),
        abandonment: episode.map(|a| a.number),
        stage: episode.filter(|_| of_stall).map_or(cart.stage, |a| a.stage).as_str(),
        abandoned_at: episode.map(|a| Stamp(a.abandoned_at)),
        abandoned_value_minor: episode.map(|a| a.value.get()),
        reason: reason.map(|reason| ReasonForm::of(reason, beside.responses)),
        order: event.order.as_ref().map(OrderForm::of),
        ..Data::default()
    };
    if let Some(step) = &event.step {
        let this = (event.abandonment.map_or(0, |a| a.number), step.index);
        let earlier = cart.reminders.iter().take_while(|mark| (mark.abandonment, mark.step) != this);
        data.step = Some(StepForm::of(step));
        data.channel = Some(step.channel.as_str());
        data.send_not_after = Some(Stamp(delivery.send_not_after));
        data.experiment = Some(Experiment { holdout: false, arm: cart.past.arm.as_ref().map(ArmName::as_str) });
        data.previous_reminders = Some(earlier.map(PreviousForm::of).collect());
    }
    data
}

/// What the cart holds now. A cart whose content is gone has none.
fn add_content<'a>(data: &mut Data<'a>, delivery: &Delivery, cart: &'a Cart, beside: &Beside<'a>) {
    let (kind, content, thin) = (delivery.event.kind, &cart.content, beside.thin);
    if kind == EventKind::Expired {
        return;
    }
    let of_stall = matches!(kind, EventKind::Abandoned | EventKind::Reminder);
    let of_order = matches!(kind, EventKind::Recovered | EventKind::Converted | EventKind::Reverted);
    data.currency = Some(content.currency.code());
    let ordered = ordered(delivery, cart);
    data.totals = ordered.is_empty().then(|| TotalsForm::of(&content.totals));
    if of_stall || of_order {
        let line = if thin { ItemForm::thin } else { ItemForm::full };
        let now = |item: &Item| {
            let price = beside.stock.of(&item.product_id).and_then(|level| level.price);
            (price, beside.stock.has(cart, item))
        };
        let lines = if ordered.is_empty() { content.items.iter().collect() } else { ordered };
        data.items = Some(lines.into_iter().map(|item| line(item, now(item))).collect());
    }
    if thin {
        return;
    }
    data.shopper = ShopperForm::of(&content.shopper);
    data.locale = content.shopper.locale.as_deref();
    data.time_zone = content.shopper.time_zone.as_deref();
    data.attributes = content.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    if of_stall {
        data.consent = Some(ConsentForm::newest_of_each(&content.consent));
        let checkout_url = content.checkout_url.as_ref().filter(|_| !delivery.is_of_payment());
        data.recovery_url = checkout_url.map(WebUrl::as_str);
    }
}

/// What an order took out of its cart, of a reminder of its payment: where it did not take all, what is left is not what
/// the payment is for.
fn ordered<'a>(delivery: &Delivery, cart: &'a Cart) -> Vec<&'a Item> {
    let Some(order) = delivery.event.order.as_ref().filter(|_| delivery.is_of_payment()) else { return Vec::new() };
    cart.past.bought.iter().filter(|line| line.order == order.id).map(|line| &line.item).collect()
}

/// Which links a body bears. What leads to a cart, or acts for a person, is nothing for a thin one; the check says no more
/// than go or stop.
fn add_links<'a>(data: &mut Data<'a>, links: &'a ReminderLinks, thin: bool) {
    data.check_url = links.check_url.as_deref();
    if !thin {
        data.recovery_url = links.recovery_url.as_deref();
        data.recovery_url_expires_at = links.recovery_url_expires_at.map(Stamp);
        data.unsubscribe_url = links.unsubscribe_url.as_deref();
    }
}

/// Leaves out whole lines from the end of the cart, and whole attributes from the end of the alphabet, until the body
/// fits; lines and attributes each have a right to half of the room.
fn cut(data: &mut Data<'_>, delivery: &Delivery) {
    let items = data.items.take();
    let attributes = std::mem::take(&mut data.attributes);
    // The largest the marks can be, so that setting them afterwards cannot break the bound.
    data.items_truncated = true;
    data.items_count = Some(usize::MAX);
    data.attributes_truncated = true;
    data.attributes_count = Some(usize::MAX);
    let frame = json(&envelope(delivery, &*data)).len() + r#","items":[],"attributes":{}"#.len();
    let room = BODY_BYTES_MAX.saturating_sub(frame + 1);

    let item_sizes: Vec<usize> = items.iter().flatten().map(|item| json(item).len() + 1).collect();
    let attribute_sizes: Vec<usize> =
        attributes.iter().map(|(key, value)| json(key).len() + json(value).len() + 2).collect();
    let half = room / 2;
    let attribute_room = room - item_sizes.iter().sum::<usize>().min(half);
    let (attributes_kept, attribute_bytes) = prefix(&attribute_sizes, attribute_room);
    let (items_kept, _) = prefix(&item_sizes, room - attribute_bytes);

    data.items_truncated = items_kept < item_sizes.len();
    data.items_count = data.items_truncated.then_some(item_sizes.len());
    data.attributes_truncated = attributes_kept < attribute_sizes.len();
    data.attributes_count = data.attributes_truncated.then_some(attribute_sizes.len());
    data.items = items.map(|items| items.into_iter().take(items_kept).collect());
    data.attributes = attributes.into_iter().take(attributes_kept).collect();
}

/// How many of the first parts fit into the room, and how much they take.
fn prefix(sizes: &[usize], room: usize) -> (usize, usize) {
    let mut taken = 0;
    for (count, size) in sizes.iter().enumerate() {
        if taken + size > room {
            return (count, taken);
        }
        taken += size;
    }
    (sizes.len(), taken)
}

#[cfg(test)]
mod tests;

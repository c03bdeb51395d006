//! Deliveries: one event on its way to one endpoint, from the decision that made it to the why that ends it.
//!
//! A delivery holds what its event was about at the time; the payload is rendered from it and the cart as it is at the
//! moment of sending, so that an old truth is never sent. Read next: `domain/send.rs`.

use super::cart::{Abandonment, Cart};
use super::content::Channel;
use super::digest::Digest;
use super::id::{CartId, DeliveryId, EndpointName, OrderId, ShopId, StepName};
use super::incentive::Grant;
use super::money::{Currency, Minor};
use super::names::named;
use super::program::PENDING_INDEX;
use super::reason::Reason;
use super::send::{OutcomeName, STATE_EVENT_LIFE};
use super::time::Moment;

named! {
    /// What a webhook is about: the `type` of its body.
    pub enum EventKind {
        Abandoned = "cart.abandoned",
        Reminder = "cart.reminder",
        Resumed = "cart.resumed",
        Recovered = "cart.recovered",
        Converted = "cart.converted",
        Reverted = "cart.reverted",
        ReasonRecorded = "cart.reason_recorded",
        Dismissed = "cart.dismissed",
        Expired = "cart.expired",
        OptedOut = "cart.opted_out",
        EndpointTest = "endpoint.test",
        /// Another endpoint of the shop was stopped, because it is gone or does nothing but fail.
        EndpointDisabled = "endpoint.disabled",
        /// What a day of the shop came to.
        ShopDigest = "shop.digest",
    }
}

/// A set of event kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet(u16);

impl EventSet {
    /// Every kind.
    #[must_use]
    pub fn all() -> Self {
        EventKind::ALL.iter().copied().collect()
    }

    /// Whether the kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & (1 << (kind as u16)) != 0
    }
}

impl FromIterator<EventKind> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | (1 << (kind as u16))))
    }
}

named! {
    /// Why something was not sent, was put off, or was given up. Closed, and the same word in explain, metrics and API.
    pub enum Why {
        Purchased = "purchased",
        PaymentPending = "payment_pending",
        ShopperReturned = "shopper_returned",
        Dismissed = "dismissed",
        OptedOut = "opted_out",
        Merged = "merged",
        Erased = "erased",
        Expired = "expired",
        /// Too late to be of use.
        Stale = "stale",
        /// A later step was due as well, or another order took the place of the one it is about.
        Superseded = "superseded",
        /// Abandoned before the shop was switched on.
        BeforeActivation = "before_activation",
        NoContact = "no_contact",
        NoConsent = "no_consent",
        NoItems = "no_items",
        /// The storefront gave no address to come back to.
        NoCheckoutUrl = "no_checkout_url",
        /// No endpoint wants this event.
        NoEndpoint = "no_endpoint",
        /// The endpoint is no longer in the configuration.
        EndpointRemoved = "endpoint_removed",
        /// The endpoint is paused or said it is gone.
        EndpointPaused = "endpoint_paused",
        TestCart = "test_cart",
        FraudSuspected = "fraud_suspected",
        /// The endpoint answered 410.
        EndpointGone = "endpoint_gone",
        /// The endpoint answered that it will never take this.
        Rejected = "rejected",
        RetriesExhausted = "retries_exhausted",
        /// What is personal alone would be more than a webhook may hold.
        PayloadTooLarge = "payload_too_large",
        /// The endpoint did nothing but fail for as long as the configuration bears.
        EndpointFailing = "endpoint_failing",
        /// What is stored of it, or of its cart, cannot be read.
        Unreadable = "unreadable",
        /// It is night where the shopper is.
        QuietHours = "quiet_hours",
        /// The person was reminded often enough, of this cart or another.
        FrequencyCap = "frequency_cap",
        /// The person is among those who are not reminded, so that it can be seen what reminders do.
        Holdout = "holdout",
        /// A line of the cart is not to be had.
        OutOfStock = "out_of_stock",
        /// The step is for other carts.
        ConditionsNotMet = "conditions_not_met",
        /// A crawler's cart.
        Bot = "bot",
        /// A cart of the shop's own people, or made by a machine of theirs.
        Staff = "staff",
        /// The payment that was on its way failed.
        PaymentFailed = "payment_failed",
        /// The order whose payment was on its way was cancelled, or refunded.
        OrderCancelled = "order_cancelled",
    }
}

/// The step a reminder belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepBrief {
    /// From 0.
    pub index: u32,
    /// How many steps the program had; 0 for what is of no sequence.
    pub of: u32,
    pub name: StepName,
    pub channel: Channel,
}

/// The order an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBrief {
    pub id: OrderId,
    pub currency: Currency,
    pub total: Minor,
    pub placed_at: Moment,
}

/// The endpoint that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointBrief {
    pub name: EndpointName,
    pub why: Why,
}

impl EventKind {
    /// Whether it is about no cart.
    #[must_use]
    pub const fn is_about_no_cart(self) -> bool {
        matches!(self, Self::EndpointTest | Self::EndpointDisabled | Self::ShopDigest)
    }
}

/// What happened, as an endpoint will be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// When it became true.
    pub at: Moment,
    pub abandonment: Option<Abandonment>,
    pub step: Option<StepBrief>,
    pub order: Option<OrderBrief>,
    pub reason: Option<Reason>,
    pub endpoint: Option<EndpointBrief>,
    pub digest: Option<Digest>,
}

impl Event {
    /// One of which nothing else is to be told.
    #[must_use]
    pub const fn plain(kind: EventKind, at: Moment) -> Self {
        Self { kind, at, abandonment: None, step: None, order: None, reason: None, endpoint: None, digest: None }
    }

    /// What tells this event apart from others of the same cart; the delivery id follows from it.
    #[must_use]
    pub fn about(&self) -> String {
        let number = self.abandonment.map_or(0, |a| a.number);
        match (&self.step, &self.order) {
            (Some(step), _) => format!("{}/{number}/{}", self.kind, step.index),
            (None, Some(order)) => format!("{}/{}", self.kind, order.id),
            (None, None) => match self.kind {
                EventKind::ReasonRecorded => {
                    let said = self.reason.map_or(("", ""), |r| (r.source.as_str(), r.code.as_str()));
                    format!("{}/{}/{}/{}", self.kind, self.at.millis(), said.0, said.1)
                }
                EventKind::EndpointTest | EventKind::EndpointDisabled => {
                    let name = self.endpoint.as_ref().map_or("", |endpoint| endpoint.name.as_str());
                    format!("{}/{}{name}", self.kind, self.at.millis())
                }
                EventKind::ShopDigest => {
                    let day = self.digest.as_ref().map_or_else(|| self.at.day(), |digest| digest.day);
                    format!("{}/{day}", self.kind)
                }
                EventKind::Abandoned
                | EventKind::Reminder
                | EventKind::Resumed
                | EventKind::Recovered
                | EventKind::Converted
                | EventKind::Reverted
                | EventKind::Dismissed
                | EventKind::Expired
                | EventKind::OptedOut => format!("{}/{number}", self.kind),
            },
        }
    }
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Delivered,
    /// Given up.
    Dead(Why),
    /// Not sent on purpose.
    Suppressed(Why),
}

impl Status {
    /// Whether nothing will be sent any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// What a receiver answered, as far as it is kept. It may repeat what it was sent, so it is shown to operators only and
/// ends with its delivery.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub content_type: Option<String>,
    /// As the receiver wrote it.
    pub retry_after: Option<String>,
    /// The first of it, at most [`REPLY_BYTES_MAX`]; what is no UTF-8 is replaced.
    pub body: String,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({} bytes)", self.body.len())
    }
}

/// How much of an answer's body is kept.
pub const REPLY_BYTES_MAX: usize = 256;
/// Of how many attempts the answer is kept.
pub const REPLIES_MAX: usize = 3;

/// One POST that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was sent: its `webhook-timestamp`, to the second.
    pub at: Moment,
    pub outcome: OutcomeName,
    pub status: Option<u16>,
    pub duration_ms: u32,
    /// Of the last [`REPLIES_MAX`] attempts, when there was one.
    pub reply: Option<Reply>,
}

/// How many attempts a delivery remembers; the count goes on.
pub const ATTEMPTS_MAX: usize = 10;

/// One event to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub shop: ShopId,
    pub cart: CartId,
    pub endpoint: EndpointName,
    pub event: Event,
    pub created_at: Moment,
    /// When it is to be sent, by its own schedule; the store's index holds when it is next looked at.
    pub due_at: Moment,
    /// Not sent after this.
    pub send_not_after: Moment,
    pub status: Status,
    /// Since it was queued, or sent again by hand.
    pub attempt_count: u32,
    /// Newest last, at most `ATTEMPTS_MAX`.
    pub attempts: Vec<Attempt>,
    /// Of a reminder whose step has an incentive, from its first attempt on.
    pub incentive: Option<Grant>,
}

impl Delivery {
    /// A new delivery of an event of this cart. Its id follows from what it is about, and from when the cart was made:
    /// a cart id that a storefront uses again, long after, is another cart.
    #[must_use]
    pub fn new(cart: &Cart, endpoint: &EndpointName, event: Event, due_at: Moment, send_not_after: Moment) -> Self {
        let about = format!("{}/{}", cart.created_at.millis(), event.about());
        Self {
            id: DeliveryId::derive(event.kind, &cart.shop, &cart.id, &about, endpoint),
            shop: cart.shop.clone(),
            cart: cart.id.clone(),
            endpoint: endpoint.clone(),
            created_at: due_at,
            event,
            due_at,
            send_not_after,
            status: Status::Pending,
            attempt_count: 0,
            attempts: Vec::new(),
            incentive: None,
        }
    }

    /// The news, to another endpoint of its shop, that an endpoint was disabled. Its id follows from which and when.
    #[must_use]
    pub fn notice(shop: &ShopId, subject: &CartId, to: &EndpointName, about: EndpointBrief, at: Moment) -> Self {
        let event = Event { endpoint: Some(about), ..Event::plain(EventKind::EndpointDisabled, at) };
        Self::about_no_cart(shop, subject, to, event)
    }

    /// The digest of a day, to an endpoint that wants it. Its id follows from the day.
    #[must_use]
    pub fn digest(shop: &ShopId, subject: &CartId, to: &EndpointName, digest: &Digest, at: Moment) -> Self {
        let event = Event { digest: Some(digest.clone()), ..Event::plain(EventKind::ShopDigest, at) };
        Self::about_no_cart(shop, subject, to, event)
    }

    fn about_no_cart(shop: &ShopId, subject: &CartId, to: &EndpointName, event: Event) -> Self {
        let at = event.at;
        Self {
            id: DeliveryId::derive(event.kind, shop, subject, &event.about(), to),
            shop: shop.clone(),
            cart: subject.clone(),
            endpoint: to.clone(),
            created_at: at,
            event,
            due_at: at,
            send_not_after: at.plus(STATE_EVENT_LIFE),
            status: Status::Pending,
            attempt_count: 0,
            attempts: Vec::new(),
            incentive: None,
        }
    }

    /// Whether this is the reminder of a payment on its way: of the event's order, and of no abandonment.
    #[must_use]
    pub fn is_of_payment(&self) -> bool {
        self.event.step.as_ref().is_some_and(|step| step.index == PENDING_INDEX)
    }

    /// Whether this is a reminder, which is worth nothing when it is late.
    #[must_use]
    pub const fn is_reminder(&self) -> bool {
        matches!(self.event.kind, EventKind::Reminder)
    }
}

//! Notes: what is remembered under a keyed hash, each with its own life.
//!
//! A person is not a record: it is what the identifiers of a cart are known for. Purchases, opt-outs, reminders sent,
//! experiments and links are notes on identifiers; what is in stock is a note on a product, who got a code a note on the
//! code, and which order decided an exposure a note on the exposure. Each has a key, so that writing it twice is writing it once, and a rule for which of two stays. Never here:
//! hashing (`engine/identity.rs`), storing (`store.rs`). Read next: `domain/person.rs`.

use sha2::{Digest, Sha256};

use super::cart::Cart;
use super::content::Channel;
use super::delivery::Delivery;
use super::id::{ArmName, CartId, DeliveryId, ExperimentName, IncentiveName, OrderId, ProductId};
use super::incentive::IncentiveCode;
use super::money::Minor;
use super::person::{IdentifierHash, PurchaseMark};
use super::time::Moment;

/// One reminder, whatever endpoints it goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReminderId {
    pub cart: CartId,
    /// From 1; 0 for a cart that was never abandoned, of whose payment a reminder can be.
    pub abandonment: u32,
    /// From 0.
    pub step: u32,
}

/// The person wants no reminders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// Nothing: on no channel.
    pub channel: Option<Channel>,
    pub at: Moment,
}

/// A reminder began to be sent to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminded {
    pub reminder: ReminderId,
    /// To one endpoint of perhaps several; together they are one reminder.
    pub delivery: DeliveryId,
    pub channel: Channel,
    /// Of its last attempt.
    pub at: Moment,
    /// Of whose payment it was.
    pub order: Option<OrderId>,
}

/// The person is part of an experiment, and stays in the arm where it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    pub experiment: ExperimentName,
    pub arm: ArmName,
    /// The cart whose reminder came due first.
    pub cart: CartId,
    pub at: Moment,
}

/// The reminder that an incentive goes with. Its cart's id may be used again for another cart, so when that was made
/// belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grantee {
    pub reminder: ReminderId,
    pub made_at: Moment,
}

/// An incentive went to the person with a reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub to: Grantee,
    pub incentive: IncentiveName,
    pub code: IncentiveCode,
    pub at: Moment,
}

/// What is known of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockLevel {
    pub product: ProductId,
    pub in_stock: bool,
    /// Of one, in the shop's own currency.
    pub price: Option<Minor>,
    /// By the storefront's clock; older news never replaces newer.
    pub at: Moment,
}

/// Something remembered under a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    Purchase(PurchaseMark),
    OptedOut(OptOut),
    Reminded(Reminded),
    Exposed(Exposure),
    Granted(Granted),
    /// The same person has this identifier too.
    Linked(IdentifierHash),
    /// On a product.
    Stock(StockLevel),
    /// On a code: it belongs to this reminder.
    Reserved(Grantee),
    /// On an exposure: the order that was its person's first outcome, as it was first heard of.
    Decided(OrderId),
}

/// What a note is about: of two with one key, one stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey(String);

impl NoteKey {
    /// Of a purchase. No order id has a `/`, so no other note shares its key.
    #[must_use]
    pub fn purchase(order: &OrderId) -> Self {
        Self(order.as_str().to_owned())
    }

    /// Of an opt-out from a channel, or from all.
    #[must_use]
    pub fn opt_out(channel: Option<Channel>) -> Self {
        Self(format!("optout/{}", channel.map_or("all", |channel| channel.as_str())))
    }

    /// Of a delivery of a reminder begun.
    #[must_use]
    pub fn reminded(delivery: &DeliveryId) -> Self {
        Self(format!("reminded/{delivery}"))
    }

    /// Of an incentive given with a reminder.
    #[must_use]
    pub fn granted(reminder: &ReminderId) -> Self {
        Self(format!("granted/{}", reminder.text()))
    }

    /// Of the reminder that a code belongs to.
    #[must_use]
    pub fn reserved() -> Self {
        Self("reserved/".to_owned())
    }

    /// As the store knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of two notes of one key stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Replaced by any other, and may be taken off.
    Loose,
    /// Replaced by its like only, and never taken off.
    Firm,
    /// The first one stays.
    First,
    /// The one with the highest number stays.
    Newest(i64),
}

impl Note {
    /// What it is about.
    #[must_use]
    pub fn key(&self) -> NoteKey {
        match self {
            Self::Purchase(mark) => NoteKey::purchase(&mark.order),
            Self::OptedOut(opt_out) => NoteKey::opt_out(opt_out.channel),
            Self::Reminded(reminded) => NoteKey::reminded(&reminded.delivery),
            Self::Exposed(exposure) => NoteKey(format!("exposed/{}", exposure.experiment)),
            Self::Granted(granted) => NoteKey::granted(&granted.to.reminder),
            Self::Linked(hash) => NoteKey(format!("linked/{:032x}", u128::from_be_bytes(hash.0))),
            Self::Stock(_) => NoteKey("stock/".to_owned()),
            Self::Reserved(_) => NoteKey::reserved(),
            Self::Decided(_) => NoteKey("decided/".to_owned()),
        }
    }

    /// How it gives way.
    #[must_use]
    pub const fn hold(&self) -> Hold {
        match self {
            Self::Purchase(mark) if mark.paid => Hold::Firm,
            Self::Purchase(_) | Self::OptedOut(_) | Self::Reminded(_) | Self::Granted(_) | Self::Linked(_) => {
                Hold::Loose
            }
            Self::Exposed(_) | Self::Reserved(_) | Self::Decided(_) => Hold::First,
            Self::Stock(level) => Hold::Newest(level.at.millis()),
        }
    }

    /// Whether it takes the place of this one, which has the same key and is not over.
    #[must_use]
    pub const fn replaces(&self, known: &Self) -> bool {
        match (known.hold(), self.hold()) {
            (Hold::First, _) | (Hold::Firm, Hold::Loose) => false,
            (Hold::Newest(old), Hold::Newest(new)) => new >= old,
            (Hold::Loose | Hold::Firm | Hold::Newest(_), _) => true,
        }
    }

    /// Whether it can be taken off: what was paid for stays paid for.
    #[must_use]
    pub const fn is_removable(&self) -> bool {
        !matches!(self.hold(), Hold::Firm)
    }
}

impl Grantee {
    /// Of a delivery that is a reminder of this cart.
    #[must_use]
    pub fn of(delivery: &Delivery, cart: &Cart) -> Option<Self> {
        Some(Self { reminder: ReminderId::of(delivery)?, made_at: cart.created_at })
    }
}

impl ReminderId {
    /// Of a delivery that is a reminder.
    #[must_use]
    pub fn of(delivery: &Delivery) -> Option<Self> {
        let abandonment = delivery.event.abandonment.as_ref().map_or(0, |a| a.number);
        let step = delivery.event.step.as_ref().map(|step| step.index)?;
        Some(Self { cart: delivery.cart.clone(), abandonment, step })
    }

    /// A number in 0..1 that belongs to this reminder: spreads without dice.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        let hash: [u8; 32] = Sha256::digest(self.text()).into();
        f64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) / (f64::from(u32::MAX) + 1.0)
    }

    fn text(&self) -> String {
        format!("{}/{}/{}", self.cart, self.abandonment, self.step)
    }
}

//! The cart: everything known about one shopper's attempt to buy, and the one moment it is next looked at.
//!
//! A cart holds moments, never policy. It changes only through `domain/decide.rs`; this file says what it is.

use super::attribution::Attribution;
use super::content::{Content, PersonalText};
use super::delivery::{OrderBrief, Why};
use super::id::{ArmName, CartId, ShopId};
use super::money::Minor;
use super::names::named;
use super::reason::{Reason, ReasonSource};
use super::signal::Signal;
use super::time::Moment;
use super::trail::Trail;
use super::trim::BoughtLine;

named! {
    /// How far the shopper has come.
    pub enum Stage {
        Browse = "browse",
        Cart = "cart",
        Contact = "contact",
        Shipping = "shipping",
        Payment = "payment",
    }
}

/// The stages a cart has been in, each counted once when it is first entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageSet(pub u8);

impl StageSet {
    /// Adds a stage; true when it is new.
    pub fn enter(&mut self, stage: Stage) -> bool {
        let bit = 1 << (stage as u8);
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }

    /// Whether the cart ever went beyond the cart page.
    #[must_use]
    pub const fn reached_checkout(self) -> bool {
        const CHECKOUT: u8 = 1 << Stage::Contact as u8 | 1 << Stage::Shipping as u8 | 1 << Stage::Payment as u8;
        self.0 & CHECKOUT != 0
    }

    /// The one furthest along; `None` when there was none.
    #[must_use]
    pub fn furthest(self) -> Option<Stage> {
        Stage::ALL.iter().rev().find(|stage| self.0 & (1 << (**stage as u8)) != 0).copied()
    }
}

named! {
    /// The name of a state, without what it carries.
    pub enum StateName {
        Active = "active",
        Abandoned = "abandoned",
        PaymentPending = "payment_pending",
        Converted = "converted",
        Reverted = "reverted",
        Dismissed = "dismissed",
        OptedOut = "opted_out",
        Suppressed = "suppressed",
        Merged = "merged",
        Expired = "expired",
        Erased = "erased",
    }
}

/// Where a cart is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The shopper is at it, or may be; `stalls_at` is when silence becomes an abandonment.
    Active { stalls_at: Option<Moment> },
    /// Idle for too long; the facts are in [`Cart::last_abandonment`].
    Abandoned { next_step: Option<NextStep> },
    /// An order was placed and its payment is on its way; it is [`Cart::order`].
    PaymentPending { next_step: Option<NextStep> },
    /// Bought.
    Converted { attribution: Attribution },
    /// Bought, then refunded or cancelled.
    Reverted,
    /// The shopper said no.
    Dismissed,
    /// The person wants no reminders.
    OptedOut,
    /// Never to be reminded: a test, a bot, a fraud.
    Suppressed { why: Why },
    /// Lives on in another cart.
    MergedInto(CartId),
    /// Kept as long as its retention allowed; only the name is left.
    Expired,
    /// Deleted on request; only the name is left, so that a late event cannot bring it back.
    Erased,
}

impl State {
    /// The state's name.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Active { .. } => StateName::Active,
            Self::Abandoned { .. } => StateName::Abandoned,
            Self::PaymentPending { .. } => StateName::PaymentPending,
            Self::Converted { .. } => StateName::Converted,
            Self::Reverted => StateName::Reverted,
            Self::Dismissed => StateName::Dismissed,
            Self::OptedOut => StateName::OptedOut,
            Self::Suppressed { .. } => StateName::Suppressed,
            Self::MergedInto(_) => StateName::Merged,
            Self::Expired => StateName::Expired,
            Self::Erased => StateName::Erased,
        }
    }

    /// Whether the shopper's events still move this cart.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Active { .. } | Self::Abandoned { .. } | Self::PaymentPending { .. })
    }

    /// Whether only the name is left.
    #[must_use]
    pub const fn is_tombstone(&self) -> bool {
        matches!(self, Self::Expired | Self::Erased)
    }
}

/// The reminder that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// Index into the program's steps; the service message and the reminder of a payment have their own.
    pub index: u32,
    pub due_at: Moment,
    /// Set while something holds it back; `due_at` is then when it is looked at again.
    pub held: Option<Held>,
}

/// What holds a reminder back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// When it first came due.
    pub since: Moment,
    pub why: Why,
}

/// One numbered idle episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandonment {
    /// From 1.
    pub number: u32,
    /// When the idle window ended, not when we noticed.
    pub abandoned_at: Moment,
    pub stage: Stage,
    pub value: Minor,
    pub reason: Reason,
}

/// A reminder that was decided, for `previous_reminders` and the caps to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReminderMark {
    /// 0: the cart was never abandoned before.
    pub abandonment: u32,
    pub step: u32,
    pub decided_at: Moment,
}

/// What was said about a cart, beside the reasons themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// A survey was shown, and counted.
    pub survey_shown: bool,
    /// It was answered, and that was counted.
    pub survey_answered: bool,
    /// When an agent last gave up the checkout.
    pub cancelled_at: Option<Moment>,
    /// In people's own words, at most one of each source; empty where the shop does not keep them.
    pub comments: Vec<Comment>,
}

/// Why, in somebody's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub source: ReasonSource,
    pub text: PersonalText,
    pub at: Moment,
}

/// How many decided reminders a cart remembers.
pub const REMINDERS_MAX: usize = 16;

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    pub shop: ShopId,
    pub id: CartId,
    pub state: State,
    pub stage: Stage,
    /// Every stage entered so far.
    pub stages: StageSet,
    pub content: Content,
    /// In order of time, at most [`super::SIGNALS_MAX`].
    pub signals: Vec<Signal>,
    /// At most one of each source, set by the shopper, an agent or the rules.
    pub reasons: Vec<Reason>,
    pub created_at: Moment,
    /// The shopper's last sign of life.
    pub last_activity_at: Moment,
    /// When the lines last changed: a purchase after it settles them.
    pub items_changed_at: Moment,
    /// `occurred_at` of the newest snapshot or patch applied; an older one is not.
    pub occurred_at: Moment,
    /// The highest revision applied.
    pub revision: Option<u64>,
    /// When the current episode began: creation, or the shopper's last return.
    pub episode_started_at: Moment,
    /// How many abandonments there were.
    pub abandonments: u32,
    pub last_abandonment: Option<Abandonment>,
    /// Newest last, at most `REMINDERS_MAX`.
    pub reminders: Vec<ReminderMark>,
    /// The order that settled, or is about to settle, this cart.
    pub order: Option<OrderBrief>,
    /// When the retention of its class ends.
    pub expires_at: Moment,
    /// When the stage that the cart is in was entered, this time.
    pub stage_since: Moment,
    pub heard: Heard,
    /// When the furthest stage so far was first entered.
    pub furthest_at: Moment,
    /// For people who ask why; nothing is decided by it but that a link is counted once.
    pub trail: Trail,
    pub past: Past,
}

/// What became of a cart beyond its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The arm of the person's experiment, once this cart's reminders are part of it.
    pub arm: Option<ArmName>,
    /// When that person came into it: another person's exposure is another one. `None` with an arm: it was not kept.
    pub exposed_at: Option<Moment>,
    /// Lines that left it because they were bought elsewhere; at most as many as a cart has.
    pub bought: Vec<BoughtLine>,
    /// Carts that were merged into it, the last few.
    pub absorbed: Vec<CartId>,
    /// The abandonment in which the reminder of a payment was last decided, 0 before any: once in each.
    pub payment_decided: Option<u32>,
}

impl Cart {
    /// The one moment at which this cart is next looked at. Every cart has one: its retention ends at the latest.
    #[must_use]
    pub fn next_wake(&self) -> Moment {
        let due = match &self.state {
            State::Active { stalls_at } => *stalls_at,
            State::Abandoned { next_step } | State::PaymentPending { next_step } => next_step.map(|step| step.due_at),
            State::Converted { .. }
            | State::Reverted
            | State::Dismissed
            | State::OptedOut
            | State::Suppressed { .. }
            | State::MergedInto(_)
            | State::Expired
            | State::Erased => None,
        };
        due.map_or(self.expires_at, |due| due.min(self.expires_at))
    }

    /// What holds the next reminder back.
    #[must_use]
    pub fn held_by(&self) -> Option<Why> {
        let (State::Abandoned { next_step } | State::PaymentPending { next_step }) = &self.state else { return None };
        next_step.and_then(|step| step.held).map(|held| held.why)
    }

    /// The reason that counts: of the current abandonment, or what was said since.
    #[must_use]
    pub fn primary_reason(&self) -> Option<&Reason> {
        let since = self.episode_started_at;
        let said: Vec<&Reason> =
            self.reasons.iter().filter(|r| r.at >= since && r.source > ReasonSource::None).collect();
        said.into_iter().max_by_key(|r| (r.source, r.at))
    }
}

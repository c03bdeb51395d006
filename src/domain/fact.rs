//! Facts: what a decision made true. The one source of tallies, census, metrics and log lines.
//!
//! Read next: `domain/tally.rs`, what is counted of them.

use super::attribution::{Attribution, Credit};
use super::cart::{Stage, State, StateName};
use super::delivery::{EventKind, Why};
use super::funnel::FunnelCell;
use super::id::{ArmName, EndpointName, ExperimentName, IncentiveName, StepName};
use super::incentive::Withheld;
use super::input::Unmapped;
use super::money::{Currency, Minor};
use super::names::named;
use super::order::OrderKind;
use super::reason::{ReasonCode, ReasonSource};
use super::send::OutcomeName;
use super::signal::PaymentClass;
use super::span::SpanBucket;
use super::time::Moment;
use super::trail::ReminderRef;

named! {
    /// What became of a reminder.
    pub enum ReminderResult {
        Decided = "decided",
        Delivered = "delivered",
        Dead = "dead",
        Suppressed = "suppressed",
        /// Held back, to be looked at again.
        Deferred = "deferred",
    }
}

named! {
    /// How an abandoned cart ended.
    pub enum Ending {
        Recovered = "recovered",
        /// Bought, too late to be called recovered.
        Organic = "organic",
        Reverted = "reverted",
        Dismissed = "dismissed",
        OptedOut = "opted_out",
        Suppressed = "suppressed",
        Expired = "expired",
        Erased = "erased",
    }
}

impl Ending {
    /// The end that this state is; `None` while the cart lives on, be it in another.
    #[must_use]
    pub const fn of(state: &State) -> Option<Self> {
        Some(match state {
            State::Converted { attribution } if attribution.is_recovered() => Self::Recovered,
            State::Converted { .. } => Self::Organic,
            State::Reverted => Self::Reverted,
            State::Dismissed => Self::Dismissed,
            State::OptedOut => Self::OptedOut,
            State::Suppressed { .. } => Self::Suppressed,
            State::Expired => Self::Expired,
            State::Erased => Self::Erased,
            State::Active { .. } | State::Abandoned { .. } | State::PaymentPending { .. } | State::MergedInto(_) => {
                return None;
            }
        })
    }
}

/// Something that became true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A cart entered or left a state; `None` is outside of the store.
    StateChanged {
        from: Option<StateName>,
        to: Option<StateName>,
    },
    /// A cart was in a stage for the first time.
    StageEntered {
        stage: Stage,
    },
    /// A cart went on from its furthest stage so far to a later one, or to an order.
    StagePassed {
        stage: Stage,
        took: SpanBucket,
        begun_at: Moment,
    },
    /// A cart moved in the funnel of the day it began; `None` is outside of it.
    FunnelMoved {
        from: Option<FunnelCell>,
        to: Option<FunnelCell>,
        begun_at: Moment,
    },
    Abandoned {
        stage: Stage,
        currency: Currency,
        value: Minor,
        at: Moment,
    },
    /// A reason was found or said; inferred ones once per abandonment, said ones once per cart and source.
    ReasonFound {
        stage: Stage,
        code: ReasonCode,
        source: ReasonSource,
        currency: Currency,
        /// What the abandonment lost, or the cart would.
        value: Minor,
        at: Moment,
    },
    /// The shopper said something about a reason we had inferred.
    ReasonJudged {
        code: ReasonCode,
        agreed: bool,
    },
    /// An abandoned cart ended; its reason is final. Once for each cart.
    ReasonSettled {
        code: ReasonCode,
        source: ReasonSource,
        ending: Ending,
    },
    /// A payment failed.
    PaymentFailed {
        class: PaymentClass,
    },
    /// A survey was shown, for the first time of the cart.
    SurveyShown,
    /// It was answered, for the first time; see [`super::reason::Said::survey`].
    SurveyAnswered {
        place: u8,
    },
    /// Somebody used their own words.
    CommentMade {
        source: ReasonSource,
    },
    /// Outside has a name for something that we have not.
    Unmapped {
        what: Unmapped,
    },
    Resumed,
    /// The checkout failed a shopper: said once for each idle episode and code, whatever became of the cart.
    ErrorMet {
        stage: Stage,
        code: ReasonCode,
        at: Moment,
    },
    /// The link of a reminder was opened for the first time, perhaps by a machine. The step is named while the program
    /// has it.
    Touched {
        reminder: ReminderRef,
        step: Option<StepName>,
    },
    /// A person came back by the link of a reminder, for the first time.
    Clicked {
        reminder: ReminderRef,
        step: Option<StepName>,
    },
    Reminder {
        step: StepName,
        result: ReminderResult,
        why: Option<Why>,
    },
    /// A reminder was put off.
    ReminderDeferred {
        step: StepName,
        why: Why,
    },
    /// An incentive went out with a reminder; once for each endpoint.
    IncentiveGiven {
        incentive: IncentiveName,
    },
    /// A reminder went out without the incentive of its step; once for each endpoint.
    IncentiveWithheld {
        incentive: IncentiveName,
        why: Withheld,
    },
    /// A person became part of an experiment.
    Exposed {
        experiment: ExperimentName,
        arm: ArmName,
    },
    /// A cart is no shopper's, and is counted apart.
    SetApart {
        why: Why,
    },
    /// Some of a cart's lines were bought elsewhere, and left it.
    CartTrimmed,
    /// A cart was bought.
    CartConverted {
        attribution: Attribution,
        at: Moment,
    },
    /// From the beginning of a bought cart to its order.
    OrderTook {
        took: SpanBucket,
        begun_at: Moment,
    },
    CartReverted,
    OrderPaid {
        kind: OrderKind,
        currency: Currency,
        value: Minor,
    },
    /// A paid order was judged: what it owes to which reminder.
    OrderCredited {
        credit: Credit,
        currency: Currency,
        value: Minor,
    },
    /// A paid order was refunded or cancelled; the rest is as it was counted.
    OrderReverted {
        credit: Credit,
        currency: Currency,
        value: Minor,
    },
    /// The first paid order of a person since they came into an experiment.
    ExperimentConverted {
        experiment: ExperimentName,
        arm: ArmName,
        currency: Currency,
        value: Minor,
    },
    /// It was refunded or cancelled.
    ExperimentReverted {
        experiment: ExperimentName,
        arm: ArmName,
        currency: Currency,
        value: Minor,
    },
    DeliveryQueued {
        endpoint: EndpointName,
        event: EventKind,
    },
    AttemptMade {
        endpoint: EndpointName,
        outcome: OutcomeName,
    },
    DeliveryEnded {
        endpoint: EndpointName,
        event: EventKind,
        result: ReminderResult,
        why: Option<Why>,
    },
}

impl Fact {
    /// When it happened, where that can be long before it is noticed: a count belongs to the day of what it counts.
    pub(super) const fn happened_at(&self) -> Option<Moment> {
        match self {
            Self::Abandoned { at, .. }
            | Self::ReasonFound { at, .. }
            | Self::ErrorMet { at, .. }
            | Self::CartConverted { at, .. } => Some(*at),
            Self::StagePassed { begun_at, .. }
            | Self::FunnelMoved { begun_at, .. }
            | Self::OrderTook { begun_at, .. } => Some(*begun_at),
            Self::StateChanged { .. }
            | Self::StageEntered { .. }
            | Self::ReasonJudged { .. }
            | Self::ReasonSettled { .. }
            | Self::PaymentFailed { .. }
            | Self::SurveyShown
            | Self::SurveyAnswered { .. }
            | Self::CommentMade { .. }
            | Self::Unmapped { .. }
            | Self::Resumed
            | Self::Touched { .. }
            | Self::Clicked { .. }
            | Self::Reminder { .. }
            | Self::ReminderDeferred { .. }
            | Self::IncentiveGiven { .. }
            | Self::IncentiveWithheld { .. }
            | Self::Exposed { .. }
            | Self::SetApart { .. }
            | Self::CartTrimmed
            | Self::CartReverted
            | Self::OrderPaid { .. }
            | Self::OrderCredited { .. }
            | Self::ExperimentConverted { .. }
            | Self::ExperimentReverted { .. }
            | Self::OrderReverted { .. }
            | Self::DeliveryQueued { .. }
            | Self::AttemptMade { .. }
            | Self::DeliveryEnded { .. } => None,
        }
    }
}

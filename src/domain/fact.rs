//! Facts: what a decision made true. The one source of tallies, census, metrics and log lines.
//!
//! A tally is an exact stored count of a day, written in the same atomic commit as the state it counts; the census is
//! how many carts are in each state now. Both are pure functions of the facts, so they cannot disagree with them.

use super::attribution::Attribution;
use super::cart::{Stage, StateName};
use super::delivery::{EventKind, Why};
use super::id::{ArmName, EndpointName, ExperimentName, StepName};
use super::money::{Currency, Minor};
use super::names::named;
use super::order::OrderKind;
use super::reason::{ReasonCode, ReasonSource};
use super::send::OutcomeName;
use super::time::{Day, Moment};
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
        at: Moment,
    },
    /// The shopper said something about a reason we had inferred.
    ReasonJudged {
        code: ReasonCode,
        agreed: bool,
    },
    Resumed,
    /// The link of a reminder was opened for the first time, perhaps by a machine.
    Touched {
        reminder: ReminderRef,
    },
    /// A person came back by the link of a reminder, for the first time.
    Clicked {
        reminder: ReminderRef,
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
    CartReverted,
    OrderPaid {
        kind: OrderKind,
    },
    ValueRecovered {
        currency: Currency,
        value: Minor,
    },
    OrderReverted {
        recovered: bool,
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

/// The name of a stored count: the metric's name, then its labels, separated by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey(pub String);

/// An exact stored count that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub day: Day,
    pub key: TallyKey,
    pub by: i64,
}

/// A change in how many carts are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub state: StateName,
    pub by: i64,
}

impl Fact {
    /// When it happened, where that can be long before it is noticed: a count belongs to the day of what it counts.
    pub(super) const fn happened_at(&self) -> Option<Moment> {
        match self {
            Self::Abandoned { at, .. } | Self::ReasonFound { at, .. } | Self::CartConverted { at, .. } => Some(*at),
            Self::StateChanged { .. }
            | Self::StageEntered { .. }
            | Self::ReasonJudged { .. }
            | Self::Resumed
            | Self::Touched { .. }
            | Self::Clicked { .. }
            | Self::Reminder { .. }
            | Self::ReminderDeferred { .. }
            | Self::Exposed { .. }
            | Self::SetApart { .. }
            | Self::CartTrimmed
            | Self::CartReverted
            | Self::OrderPaid { .. }
            | Self::ValueRecovered { .. }
            | Self::OrderReverted { .. }
            | Self::DeliveryQueued { .. }
            | Self::AttemptMade { .. }
            | Self::DeliveryEnded { .. } => None,
        }
    }
}

/// The counts that these facts move, each on the day of what it counts; `noticed_on` where that is the same.
#[must_use]
pub fn tallies(facts: &[Fact], noticed_on: Day) -> Vec<Tally> {
    let mut moved: Vec<Tally> = Vec::new();
    for fact in facts {
        let day = fact.happened_at().map_or(noticed_on, Moment::day);
        for (key, by) in counts(fact) {
            let key = TallyKey(key);
            match moved.iter_mut().find(|tally| tally.day == day && tally.key == key) {
                Some(tally) => tally.by += by,
                None => moved.push(Tally { day, key, by }),
            }
        }
    }
    moved
}

fn counts(fact: &Fact) -> Vec<(String, i64)> {
    match fact {
        Fact::StateChanged { from: None, to: Some(to) } if *to != StateName::Suppressed => {
            vec![("carts".to_owned(), 1)]
        }
        Fact::StateChanged { .. } | Fact::DeliveryQueued { .. } => Vec::new(),
        Fact::StageEntered { stage } => vec![(format!("stage_entered/{stage}"), 1)],
        Fact::Abandoned { stage, currency, value, .. } => vec![
            (format!("abandonments/{stage}"), 1),
            (format!("abandoned_value_minor/{currency}/{stage}"), value.signed()),
        ],
        Fact::ReasonFound { stage, code, source, .. } => vec![(format!("reasons/{stage}/{code}/{source}"), 1)],
        Fact::ReasonJudged { code, agreed } => vec![(format!("reason_agreement/{code}/{agreed}"), 1)],
        Fact::Resumed => vec![("resumed".to_owned(), 1)],
        Fact::Touched { .. } => vec![("touches".to_owned(), 1)],
        Fact::Clicked { .. } => vec![("clicks".to_owned(), 1)],
        Fact::Reminder { step, result, why } => {
            let mut counts = vec![(format!("reminders/{step}/{result}"), 1)];
            let kept_back = why.filter(|_| *result == ReminderResult::Suppressed);
            counts.extend(kept_back.map(|why| (format!("reminders_suppressed/{why}"), 1)));
            counts
        }
        Fact::ReminderDeferred { why, .. } => vec![(format!("reminders_deferred/{why}"), 1)],
        Fact::Exposed { experiment, arm } => vec![(format!("experiment_persons/{experiment}/{arm}"), 1)],
        Fact::SetApart { why } => vec![(format!("carts_set_apart/{why}"), 1)],
        Fact::CartTrimmed => vec![("carts_trimmed".to_owned(), 1)],
        Fact::CartConverted { attribution, .. } => vec![(format!("conversions/{attribution}"), 1)],
        Fact::CartReverted => vec![("reversions".to_owned(), 1)],
        Fact::OrderPaid { kind } => vec![(format!("orders/{kind}"), 1)],
        Fact::ValueRecovered { currency, value } => vec![(format!("recovered_value_minor/{currency}"), value.signed())],
        Fact::OrderReverted { recovered, currency, value } => {
            let mut counts = vec![("orders_reverted".to_owned(), 1)];
            if *recovered {
                counts.push((format!("recovered_value_minor/{currency}"), -value.signed()));
            }
            counts
        }
        Fact::AttemptMade { endpoint, outcome } => vec![(format!("attempts/{endpoint}/{outcome}"), 1)],
        Fact::DeliveryEnded { endpoint, result, .. } => vec![(format!("deliveries/{endpoint}/{result}"), 1)],
    }
}

/// How these facts move the number of carts in each state.
#[must_use]
pub fn census(facts: &[Fact]) -> Vec<Census> {
    let mut moved: Vec<Census> = Vec::new();
    let mut shift = |state: StateName, by: i64| match moved.iter_mut().find(|c| c.state == state) {
        Some(census) => census.by += by,
        None => moved.push(Census { state, by }),
    };
    for fact in facts {
        if let Fact::StateChanged { from, to } = fact {
            if let Some(from) = from {
                shift(*from, -1);
            }
            if let Some(to) = to {
                shift(*to, 1);
            }
        }
    }
    moved.retain(|c| c.by != 0);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_that_was_given_up_is_not_counted_as_kept_back_as_well() {
        let step = StepName::parse("first").expect("a literal slug");
        for (result, keys) in [(ReminderResult::Suppressed, 2), (ReminderResult::Dead, 1)] {
            let ended = Fact::Reminder { step: step.clone(), result, why: Some(Why::EndpointGone) };
            assert_eq!(tallies(&[ended], Day::from_number(1)).len(), keys, "{result}");
        }
    }

    #[test]
    fn an_abandonment_noticed_after_midnight_counts_on_its_own_day() {
        let at = Moment::from_millis(86_400_000 - 1);
        let reason =
            |at| Fact::ReasonFound { stage: Stage::Cart, code: ReasonCode::Unknown, source: ReasonSource::None, at };
        let moved = tallies(&[Fact::Resumed, reason(at), reason(at)], Day::from_number(1));
        let days: Vec<_> = moved.iter().map(|tally| (tally.day.number(), tally.by)).collect();
        assert_eq!(days, [(1, 1), (0, 2)]);
    }
}

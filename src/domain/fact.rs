//! Facts: what a decision made true. The one source of tallies, census, metrics and log lines.
//!
//! A tally is an exact stored count of a day, written in the same atomic commit as the state it counts; the census is
//! how many carts are in each state now. Both are pure functions of the facts, so they cannot disagree with them.

use super::attribution::Attribution;
use super::cart::{Stage, StateName};
use super::delivery::{EventKind, Why};
use super::id::{EndpointName, StepName};
use super::money::{Currency, Minor};
use super::names::named;
use super::order::OrderKind;
use super::reason::{ReasonCode, ReasonSource};
use super::send::OutcomeName;
use super::time::Day;

named! {
    /// What became of a reminder.
    pub enum ReminderResult {
        Decided = "decided",
        Delivered = "delivered",
        Dead = "dead",
        Suppressed = "suppressed",
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
    },
    /// A reason was found or said; inferred ones once per abandonment, said ones once per cart and source.
    ReasonFound {
        stage: Stage,
        code: ReasonCode,
        source: ReasonSource,
    },
    /// The shopper said something about a reason we had inferred.
    ReasonJudged {
        code: ReasonCode,
        agreed: bool,
    },
    Resumed,
    Reminder {
        step: StepName,
        result: ReminderResult,
        why: Option<Why>,
    },
    /// A cart was bought.
    CartConverted {
        attribution: Attribution,
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

/// The counts that these facts move, on this day.
#[must_use]
pub fn tallies(facts: &[Fact], day: Day) -> Vec<Tally> {
    let mut moved: Vec<Tally> = Vec::new();
    for (key, by) in facts.iter().flat_map(counts) {
        let key = TallyKey(key);
        match moved.iter_mut().find(|tally| tally.key == key) {
            Some(tally) => tally.by += by,
            None => moved.push(Tally { day, key, by }),
        }
    }
    moved
}

fn counts(fact: &Fact) -> Vec<(String, i64)> {
    match fact {
        Fact::StateChanged { from: None, to: Some(_) } => vec![("carts".to_owned(), 1)],
        Fact::StateChanged { .. } | Fact::DeliveryQueued { .. } => Vec::new(),
        Fact::StageEntered { stage } => vec![(format!("stage_entered/{stage}"), 1)],
        Fact::Abandoned { stage, currency, value } => vec![
            (format!("abandonments/{stage}"), 1),
            (format!("abandoned_value_minor/{currency}/{stage}"), value.signed()),
        ],
        Fact::ReasonFound { stage, code, source } => vec![(format!("reasons/{stage}/{code}/{source}"), 1)],
        Fact::ReasonJudged { code, agreed } => vec![(format!("reason_agreement/{code}/{agreed}"), 1)],
        Fact::Resumed => vec![("resumed".to_owned(), 1)],
        Fact::Reminder { step, result, why } => {
            let mut counts = vec![(format!("reminders/{step}/{result}"), 1)];
            counts.extend(why.map(|why| (format!("reminders_suppressed/{why}"), 1)));
            counts
        }
        Fact::CartConverted { attribution } => vec![(format!("conversions/{attribution}"), 1)],
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

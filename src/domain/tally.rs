//! Tallies and the census: the exact stored counts that follow from facts, and nothing else.
//!
//! A tally is a count of a day, written in the same atomic commit as the state it counts; the census is how many carts are
//! in each state now. Both are pure functions of the facts, so they cannot disagree with them. The names of the tallies
//! are what reports read (`reports/`): a name once given is kept.

use super::attribution::Credit;
use super::cart::StateName;
use super::fact::{Fact, ReminderResult};
use super::funnel::FunnelCell;
use super::id::StepName;
use super::money::Currency;
use super::time::{Day, Moment};

/// The first part of the names of the counts of agreement; `domain/calibration.rs` reads them.
pub const AGREEMENT: &str = "reason_agreement";

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
    moved.retain(|tally| tally.by != 0);
    moved
}

fn counts(fact: &Fact) -> Vec<(String, i64)> {
    match fact {
        Fact::StateChanged { from: None, to: Some(to) } if *to != StateName::Suppressed => {
            vec![("carts".to_owned(), 1)]
        }
        Fact::StateChanged { .. } | Fact::DeliveryQueued { .. } => Vec::new(),
        Fact::StageEntered { stage } => vec![(format!("stage_entered/{stage}"), 1)],
        Fact::StagePassed { stage, took, .. } => vec![(format!("stage_time/{stage}/{}", took.number()), 1)],
        Fact::OrderTook { took, .. } => vec![(format!("order_time/{}", took.number()), 1)],
        Fact::FunnelMoved { from, to, .. } => {
            let key = |cell: &FunnelCell| format!("funnel/{}/{}/{}", cell.currency, cell.furthest, cell.standing);
            from.iter().map(|cell| (key(cell), -1)).chain(to.iter().map(|cell| (key(cell), 1))).collect()
        }
        Fact::Abandoned { stage, currency, value, .. } => vec![
            (format!("abandonments/{stage}"), 1),
            (format!("abandoned_value_minor/{currency}/{stage}"), value.signed()),
        ],
        Fact::ReasonFound { stage, code, source, currency, value, .. } => vec![
            (format!("reasons/{stage}/{code}/{source}"), 1),
            (format!("reason_value_minor/{currency}/{code}/{source}"), value.signed()),
        ],
        Fact::ReasonJudged { code, agreed } => vec![(format!("{AGREEMENT}/{code}/{agreed}"), 1)],
        Fact::ReasonSettled { code, source, ending } => vec![(format!("primary_reasons/{code}/{source}/{ending}"), 1)],
        Fact::PaymentFailed { class } => vec![(format!("payment_failures/{class}"), 1)],
        Fact::SurveyShown => vec![("surveys/shown".to_owned(), 1)],
        Fact::SurveyAnswered { place } => {
            vec![("surveys/answered".to_owned(), 1), (format!("survey_answer_places/{place}"), 1)]
        }
        Fact::CommentMade { source } => vec![(format!("reason_comments/{source}"), 1)],
        Fact::Unmapped { what } => vec![(format!("unmapped/{what}"), 1)],
        Fact::Resumed => vec![("resumed".to_owned(), 1)],
        Fact::ErrorMet { stage, code, .. } => vec![(format!("checkout_errors/{stage}/{code}"), 1)],
        Fact::Touched { step, .. } => vec![(of_step("touches", step.as_ref()), 1)],
        Fact::Clicked { step, .. } => vec![(of_step("clicks", step.as_ref()), 1)],
        Fact::Reminder { step, result, why } => {
            let mut counts = vec![(format!("reminders/{step}/{result}"), 1)];
            let kept_back = why.filter(|_| *result == ReminderResult::Suppressed);
            counts.extend(kept_back.map(|why| (format!("reminders_suppressed/{why}"), 1)));
            counts
        }
        Fact::ReminderDeferred { why, .. } => vec![(format!("reminders_deferred/{why}"), 1)],
        Fact::IncentiveGiven { incentive } => vec![(format!("incentives/{incentive}/given"), 1)],
        Fact::IncentiveWithheld { incentive, why } => vec![(format!("incentives/{incentive}/{why}"), 1)],
        Fact::Exposed { experiment, arm } => vec![(format!("experiment_persons/{experiment}/{arm}"), 1)],
        Fact::SetApart { why } => vec![(format!("carts_set_apart/{why}"), 1)],
        Fact::CartTrimmed => vec![("carts_trimmed".to_owned(), 1)],
        Fact::CartConverted { attribution, .. } => vec![(format!("conversions/{attribution}"), 1)],
        Fact::CartReverted => vec![("reversions".to_owned(), 1)],
        Fact::OrderPaid { kind, currency, value } => {
            vec![(format!("orders/{kind}"), 1), (format!("order_value_minor/{currency}/{kind}"), value.signed())]
        }
        Fact::OrderCredited { credit, currency, value } => credited(credit, *currency, 1, value.signed()),
        Fact::OrderReverted { credit, currency, value } => {
            let mut counts = credited(credit, *currency, -1, -value.signed());
            counts.push(("orders_reverted".to_owned(), 1));
            counts.push((format!("reverted_value_minor/{currency}"), value.signed()));
            counts
        }
        Fact::ExperimentConverted { experiment, arm, currency, value } => {
            decided(&format!("experiment/{experiment}/{arm}"), *currency, 1, value.signed())
        }
        Fact::ExperimentReverted { experiment, arm, currency, value } => {
            decided(&format!("experiment/{experiment}/{arm}"), *currency, -1, -value.signed())
        }
        Fact::AttemptMade { endpoint, outcome } => vec![(format!("attempts/{endpoint}/{outcome}"), 1)],
        Fact::DeliveryEnded { endpoint, result, .. } => vec![(format!("deliveries/{endpoint}/{result}"), 1)],
    }
}

/// A count of a step; of one that the program has no more, only the sum is known.
fn of_step(what: &str, step: Option<&StepName>) -> String {
    step.map_or_else(|| what.to_owned(), |step| format!("{what}/{step}"))
}

/// What a paid order counts for, once or back.
fn credited(credit: &Credit, currency: Currency, by: i64, value: i64) -> Vec<(String, i64)> {
    let Credit { attribution, step } = credit;
    let mut counts = vec![
        (format!("attributed_orders/{attribution}"), by),
        (format!("attributed_value_minor/{attribution}/{currency}"), value),
    ];
    if attribution.is_recovered() {
        counts.push((format!("recovered_value_minor/{currency}"), value));
    }
    if let Some(step) = step {
        counts.push((format!("recovered/{step}"), by));
        counts.push((format!("recovered_step_value_minor/{step}/{currency}"), value));
    }
    counts
}

/// What an outcome counts for in its arm, once or back.
fn decided(arm: &str, currency: Currency, by: i64, value: i64) -> Vec<(String, i64)> {
    vec![
        (format!("{arm}/converted"), by),
        (format!("{arm}/value/{currency}"), value),
        (format!("{arm}/value_squared/{currency}"), value.saturating_mul(value).saturating_mul(by)),
    ]
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
    use crate::domain::cart::Stage;
    use crate::domain::delivery::Why;
    use crate::domain::money::Minor;
    use crate::domain::reason::{ReasonCode, ReasonSource};

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
        let reason = |at| Fact::ReasonFound {
            stage: Stage::Cart,
            code: ReasonCode::Unknown,
            source: ReasonSource::None,
            currency: Currency::parse("EUR").expect("known"),
            value: Minor::new(5).expect("in range"),
            at,
        };
        let moved = tallies(&[Fact::Resumed, reason(at), reason(at)], Day::from_number(1));
        let days: Vec<_> = moved.iter().map(|tally| (tally.day.number(), tally.by)).collect();
        assert_eq!(days, [(1, 1), (0, 2), (0, 10)]);
    }
}

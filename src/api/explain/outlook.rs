//! What would be decided now: each guard, whether it passes, and when the cart is next looked at; and the rules.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::because;
use crate::api::receipt::{moment, moment_or_null};
use crate::domain::{Cart, Considered, Judgement, Moment, State, Vetting, Why};
use crate::engine::Explanation;

/// What would be decided now.
#[derive(Serialize, ToSchema)]
#[schema(as = Outlook)]
pub struct Now {
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    asked_at: Moment,
    /// `send`, `defer`, `suppress`, or `nothing` when no reminder is to come.
    #[schema(value_type = super::super::openapi::VerdictName)]
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = super::super::openapi::WhyName, required = false)]
    why: Option<&'static str>,
    #[serde(serialize_with = "moment_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    until: Option<Moment>,
    says: String,
    /// The cart is not abandoned: this is as if it were, at the end of its idle window.
    #[serde(serialize_with = "moment_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    assumes_abandoned_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    step: Option<StepView>,
    /// Every guard in the order in which they are asked; the first to object has the say.
    guards: Vec<GuardView>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    next_wake_at: Moment,
    /// What the next look is for: `idle_window`, `reminder` or `retention`.
    #[schema(value_type = super::super::openapi::WakeName)]
    next_wake_for: &'static str,
}

/// The step that comes next.
#[derive(Serialize, ToSchema)]
#[schema(as = NextStep)]
pub struct StepView {
    /// From 0.
    index: u32,
    name: String,
    #[schema(value_type = super::super::openapi::ChannelName)]
    channel: &'static str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    due_at: Moment,
}

/// One guard.
#[derive(Serialize, ToSchema)]
#[schema(as = Guard)]
pub struct GuardView {
    #[schema(value_type = String)]
    guard: &'static str,
    passes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = super::super::openapi::WhyName, required = false)]
    why: Option<&'static str>,
    /// It only holds the reminder back until then.
    #[serde(serialize_with = "moment_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    until: Option<Moment>,
}

/// A rule that holds, or nearly does.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub struct RuleView {
    #[schema(value_type = String)]
    rule: &'static str,
    #[schema(value_type = super::super::openapi::ReasonName)]
    reason: &'static str,
    holds: bool,
    /// 0 to 100, of one that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, maximum = 100)]
    confidence: Option<u8>,
    /// What it has, and what it lacks.
    evidence: String,
}

impl RuleView {
    /// Nothing of a rule that sees nothing of what it looks for.
    pub fn of(considered: &Considered) -> Option<Self> {
        let (holds, confidence, evidence) = match &considered.outcome {
            Judgement::Fired(finding) => (true, Some(finding.confidence), &finding.evidence),
            Judgement::Near { evidence } => (false, None, evidence),
            Judgement::Not | Judgement::Off => return None,
        };
        let (rule, reason) = (considered.rule.as_str(), considered.code.as_str());
        Some(Self { rule, reason, holds, confidence, evidence: evidence.clone() })
    }
}

/// The verdict, why, and until when.
fn parts(vetting: Option<Vetting>) -> (&'static str, Option<Why>, Option<Moment>) {
    match vetting {
        None => ("nothing", None, None),
        Some(Vetting::Proceed) => ("send", None, None),
        Some(Vetting::Defer { until, why }) => ("defer", Some(why), Some(until)),
        Some(Vetting::Suppress(why)) => ("suppress", Some(why), None),
    }
}

impl Now {
    pub fn of(explanation: &Explanation) -> Self {
        let (cart, outlook) = (&explanation.cart, &explanation.outlook);
        let (verdict, why, until) = parts(outlook.verdict);
        let next_wake_at = cart.next_wake();
        let guards = outlook.guards.iter().map(|(guard, objection)| {
            let (_, why, until) = objection.map_or(("", None, None), |objection| parts(Some(objection)));
            GuardView { guard, passes: objection.is_none(), why: why.map(Why::as_str), until }
        });
        let step = outlook.step.as_ref().map(|step| StepView {
            index: step.index,
            name: step.name.to_string(),
            channel: step.channel.as_str(),
            due_at: step.due_at,
        });
        Self {
            asked_at: outlook.asked_at,
            verdict,
            why: why.map(Why::as_str),
            until,
            says: says(verdict, why, step.as_ref(), outlook.assumes_abandoned_at.is_some()),
            assumes_abandoned_at: outlook.assumes_abandoned_at,
            step,
            guards: guards.collect(),
            next_wake_at,
            next_wake_for: wake_for(cart),
        }
    }
}

/// What the next look at a cart is for.
fn wake_for(cart: &Cart) -> &'static str {
    let wake = cart.next_wake();
    if let State::Active { stalls_at } = &cart.state
        && *stalls_at == Some(wake)
    {
        "idle_window"
    } else if let State::Abandoned { next_step: Some(step) } | State::PaymentPending { next_step: Some(step) } =
        &cart.state
        && step.due_at == wake
    {
        "reminder"
    } else {
        "retention"
    }
}

fn says(verdict: &str, why: Option<Why>, step: Option<&StepView>, is_assumed: bool) -> String {
    let step = step.map_or_else(|| "A reminder".to_owned(), |step| format!("Step {}", step.name));
    let when = if is_assumed { "If the shopper stays away, " } else { "" };
    match (verdict, why) {
        ("send", _) => format!("{when}{step} would be sent."),
        ("defer", Some(why)) => format!("{when}{step} would be held back: {}.", because(why)),
        (_, Some(why)) => format!("{when}{step} would not be sent: {}.", because(why)),
        _ => "No reminder is to come.".to_owned(),
    }
}

//! The story in order: what the cart remembers of its decisions, and what its deliveries remember of their attempts.

use super::Entry;
use super::words::{amount, because, step_name, withheld_because};
use crate::domain::{Delivery, Grant, Moment, Offer, ReminderRef, ReminderResult, StateName, Status, Told, Why};
use crate::engine::{Explanation, status_parts};

/// What an entry can be.
pub const WHATS: [&str; 26] = [
    "tracked",
    "stage_entered",
    "abandoned",
    "reason_found",
    "reason_judged",
    "resumed",
    "reminder_decided",
    "reminder_deferred",
    "reminder_suppressed",
    "link_touched",
    "link_clicked",
    "bought_in_part",
    "converted",
    "payment_pending",
    "reopened",
    "reverted",
    "dismissed",
    "opted_out",
    "suppressed",
    "merged",
    "expired",
    "delivery_queued",
    "incentive_given",
    "incentive_withheld",
    "attempt_made",
    "delivery_ended",
];

/// Everything that became of the cart, oldest first; of what happened in the same second the decision comes first.
pub fn of(explanation: &Explanation) -> Vec<Entry> {
    let trail = &explanation.cart.trail;
    let mut told = Vec::new();
    let mut abandonments = 0_u32;
    for entry in &trail.story {
        if matches!(entry.what, Told::Abandoned { .. }) {
            abandonments += 1;
        }
        told.push(decision(explanation, entry.at, &entry.what, told.is_empty(), abandonments));
    }
    for delivery in explanation.letters.iter().filter_map(crate::store::Letter::as_it_stands) {
        deliver(&mut told, &delivery);
    }
    told.sort_by_key(|entry| entry.at);
    told
}

fn decision(explanation: &Explanation, at: Moment, what: &Told, is_first: bool, abandonments: u32) -> Entry {
    let link = |what, says: &str, reminder: &ReminderRef| {
        let entry = Entry::new(at, what, says).with("abandonment", reminder.abandonment).with("step", reminder.step);
        entry.with("name", step_name(explanation, reminder.step))
    };
    match what {
        Told::Entered(state) => entered(at, *state, is_first),
        Told::Suppressed(why) => {
            Entry::new(at, "suppressed", format!("The cart will never be reminded of: {}.", because(*why)))
                .with("why", why.as_str())
        }
        Told::Stage(stage) => {
            Entry::new(at, "stage_entered", format!("The shopper came to the stage {stage} for the first time."))
                .with("stage", stage.as_str())
        }
        Told::Abandoned { stage, value } => {
            let worth = amount(*value, explanation.cart.content.currency);
            let says = format!("Nothing was heard for the idle window of the stage {stage}: abandoned, worth {worth}.");
            let entry =
                Entry::new(at, "abandoned", says).with("stage", stage.as_str()).with("value_minor", value.get());
            entry.with("abandonment", abandonments)
        }
        Told::ReasonFound { code, source } => {
            Entry::new(at, "reason_found", format!("The reason is {code}, by the source {source}."))
                .with("reason", code.as_str())
                .with("source", source.as_str())
        }
        Told::ReasonJudged { code, agreed } => {
            let verdict = if *agreed { "agreed with" } else { "named another than" };
            Entry::new(at, "reason_judged", format!("The shopper {verdict} the reason that was inferred, {code}."))
                .with("reason", code.as_str())
                .with("agreed", *agreed)
        }
        Told::Resumed => Entry::new(at, "resumed", "The shopper came back: the abandonment is over."),
        Told::Reminder { step, result, why } => reminder(explanation, at, *step, *result, *why),
        Told::Trimmed => {
            Entry::new(at, "bought_in_part", "Some lines were bought elsewhere; the rest of the cart stays alive.")
        }
        Told::Converted(attribution) => {
            Entry::new(at, "converted", format!("What was in the cart was bought: {attribution}."))
                .with("attribution", attribution.as_str())
        }
        Told::Touched(of) => {
            link("link_touched", "The link of a reminder was opened, by a person or by a machine.", of)
        }
        Told::Clicked(of) => link("link_clicked", "A person came back by the link of a reminder.", of),
    }
}

fn entered(at: Moment, state: StateName, is_first: bool) -> Entry {
    let (what, says) = match state {
        StateName::Active if is_first => ("tracked", "The cart was heard of for the first time."),
        StateName::Active => ("reopened", "The payment failed: the cart is open again."),
        StateName::PaymentPending => ("payment_pending", "An order was placed, and its payment is on its way."),
        StateName::Reverted => ("reverted", "The order was refunded or cancelled."),
        StateName::Dismissed => ("dismissed", "The shopper said no to this cart."),
        StateName::OptedOut => ("opted_out", "The person wants no reminders."),
        StateName::Merged => ("merged", "What was in it lives on in another cart."),
        StateName::Expired => ("expired", "It was kept as long as its retention allows."),
        // Each of these is told with more by an entry of its own.
        StateName::Abandoned => ("abandoned", "The cart was abandoned."),
        StateName::Converted => ("converted", "What was in the cart was bought."),
        StateName::Suppressed | StateName::Erased => ("suppressed", "The cart will never be reminded of."),
    };
    Entry::new(at, what, says).with("state", state.as_str())
}

fn reminder(explanation: &Explanation, at: Moment, step: u32, result: ReminderResult, why: Option<Why>) -> Entry {
    let name = step_name(explanation, step);
    let (what, says) = match (result, why) {
        (ReminderResult::Suppressed, Some(why)) => {
            ("reminder_suppressed", format!("Step {name} came due, and is not sent: {}.", because(why)))
        }
        (ReminderResult::Deferred, Some(why)) => {
            ("reminder_deferred", format!("Step {name} is held back: {}.", because(why)))
        }
        _ => ("reminder_decided", format!("Step {name} came due: its reminder is put in the outbox.")),
    };
    Entry::new(at, what, says).with("step", step).with("name", name).with("why", why.map(Why::as_str))
}

fn deliver(told: &mut Vec<Entry>, delivery: &Delivery) {
    let about = |entry: Entry| {
        let entry = entry.with("delivery", delivery.id.as_str()).with("endpoint", delivery.endpoint.as_str());
        let entry = entry.with("event", delivery.event.kind.as_str());
        match &delivery.event.step {
            Some(step) => entry.with("step", step.index).with("name", step.name.as_str()),
            None => entry,
        }
    };
    let (kind, endpoint) = (delivery.event.kind, &delivery.endpoint);
    told.push(about(Entry::new(
        delivery.created_at,
        "delivery_queued",
        format!("{kind} is to be sent to {endpoint}."),
    )));
    if let (Some(grant), Some(first)) = (&delivery.incentive, delivery.attempts.first()) {
        told.push(about(incentive(first.at, grant)));
    }
    for attempt in &delivery.attempts {
        let says = format!("{kind} was sent to {endpoint}: {}.", attempt.outcome);
        let entry = Entry::new(attempt.at, "attempt_made", says).with("outcome", attempt.outcome.as_str());
        told.push(about(entry.with("status", attempt.status).with("duration_ms", attempt.duration_ms)));
    }
    if delivery.status == Status::Pending {
        return;
    }
    let at = delivery.attempts.last().map_or(delivery.due_at, |attempt| attempt.at);
    let (status, why) = status_parts(delivery.status);
    let says = why.map_or_else(
        || format!("{kind} arrived at {endpoint}."),
        |why| format!("{kind} to {endpoint} is {status}: {}.", because(why)),
    );
    told.push(about(Entry::new(at, "delivery_ended", says).with("result", status).with("why", why.map(Why::as_str))));
}

/// What the reminder offered, or why nothing. The code is the shopper's, and not told here.
fn incentive(at: Moment, grant: &Grant) -> Entry {
    match grant {
        Grant::Given(Offer { incentive, worth, expires_at, .. }) => {
            let says = format!("The reminder offers {incentive} ({}).", worth.kind());
            let entry = Entry::new(at, "incentive_given", says).with("incentive", incentive.as_str());
            entry.with("kind", worth.kind()).with("expires_at", expires_at.to_string())
        }
        Grant::Withheld { incentive, why } => {
            let says = format!("The reminder goes without {incentive}: {}.", withheld_because(*why));
            let entry = Entry::new(at, "incentive_withheld", says).with("incentive", incentive.as_str());
            entry.with("why", why.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_documented() {
        let docs = include_str!("../../../docs/explain.md");
        for what in WHATS {
            assert!(docs.contains(&format!("`{what}`")), "{what}");
        }
    }
}

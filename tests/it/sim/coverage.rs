//! What must have happened in the seeds together: a promise that nothing tried to break was not tested.
//!
//! Facts are seen by the counts that only they move. What this part of the product cannot produce is listed with its why.

use std::collections::BTreeMap;

use cartwake::domain::{EventKind, OutcomeName, StateName, Why, Withheld};

/// The count that shows each fact; `queued` is the outbox itself.
const FACTS: &[&str] = &[
    "carts",         // StateChanged, into the store; other changes move the census, which is checked at each commit
    "stage_entered", // StageEntered
    "stage_time",    // StagePassed
    "funnel",        // FunnelMoved
    "order_time",    // OrderTook
    "abandonments",  // Abandoned
    "reasons",       // ReasonFound
    "reason_value_minor", // ReasonFound
    "reason_agreement", // ReasonJudged
    "primary_reasons", // ReasonSettled
    "payment_failures", // PaymentFailed
    "surveys",       // SurveyShown, SurveyAnswered
    "reason_comments", // CommentMade
    "unmapped",      // Unmapped
    "resumed",       // Resumed
    "checkout_errors", // ErrorMet
    "reminders_deferred", // ReminderDeferred
    "incentives",    // IncentiveGiven, IncentiveWithheld
    "experiment_persons", // Exposed
    "experiment",    // ExperimentConverted
    "recovered_value_minor", // OrderCredited
    "carts_set_apart", // SetApart
    "reminders",     // Reminder
    "reminders_suppressed", // Reminder, with a why
    "conversions",   // CartConverted
    "reversions",    // CartReverted
    "orders",        // OrderPaid
    "attributed_orders", // OrderCredited
    "orders_reverted", // OrderReverted
    "queued",        // DeliveryQueued
    "attempts",      // AttemptMade
    "deliveries",    // DeliveryEnded
];

/// Every way in which a delivery goes on after a look or an attempt.
const VERDICTS: &[&str] = &["retry_at", "delivered", "dead", "suppressed"];
const DISPATCHED: &[&str] = &["attempted", "suppressed", "released", "lost"];
const APPLIED: &[&str] = &["applied", "stale", "closed"];
const IN_FLIGHT: &[&str] = &["None", "Finished", "Possible"];

/// Nothing in this part of the product gives these.
const WHYS_NOT_BUILT: &[Why] = &[
    Why::Merged,           // no two carts are merged
    Why::QuietHours,       // a seed's hours are minutes: nights are tested over HTTP
    Why::FrequencyCap,     // what a cap holds is never held for too long
    Why::OutOfStock,       // carts end before what is sold out comes too late
    Why::ConditionsNotMet, // the steps are for every cart
    Why::Bot,              // nobody has a crawler's address
    Why::Staff,            // nor is of the staff
    Why::EndpointPaused,   // a pause puts off; what waits too long behind one ends as stale
    Why::EndpointFailing,  // no endpoint of the simulation fails for days
    Why::Unreadable,       // what is stored in memory can always be read
    Why::PayloadTooLarge,  // the bounds of the API do not let a body grow that far
];
/// Who was only looking is reminded after a day, and a seed's hours are minutes.
const WITHHELD_NOT_BUILT: &[Withheld] = &[Withheld::JustBrowsing];
const STATES_NOT_BUILT: &[StateName] = &[StateName::Merged];
const EVENTS_NOT_BUILT: &[EventKind] = &[EventKind::EndpointTest];

/// Seen in fewer than three seeds of a hundred: asked of many seeds only, or every change to the product would have to look
/// for luckier dice.
const RARE: &[&str] = &["why before_activation", "why expired", "why no_endpoint", "why retries_exhausted"];
/// From how many seeds on the rare is asked for as well.
const MANY: u64 = 500;

/// Fails with the list of what no seed saw.
pub fn everything_was_seen(seen: &BTreeMap<String, u64>, seeds: u64) {
    let mut wanted: Vec<String> = Vec::new();
    let mut want = |kind: &str, names: Vec<&'static str>| wanted.extend(names.iter().map(|n| format!("{kind} {n}")));
    want("tally", FACTS.to_vec());
    want("verdict", VERDICTS.to_vec());
    want("dispatched", DISPATCHED.to_vec());
    want("applied", APPLIED.to_vec());
    want("sends", vec!["begun with their decision"]);
    want("in flight", IN_FLIGHT.to_vec());
    want("outcome", OutcomeName::ALL.iter().map(|name| name.as_str()).collect());
    want("why", Why::ALL.iter().filter(|why| !WHYS_NOT_BUILT.contains(why)).map(|why| why.as_str()).collect());
    want("state", StateName::ALL.iter().filter(|s| !STATES_NOT_BUILT.contains(s)).map(|s| s.as_str()).collect());
    want("event", EventKind::ALL.iter().filter(|e| !EVENTS_NOT_BUILT.contains(e)).map(|e| e.as_str()).collect());
    let withheld = Withheld::ALL.iter().filter(|why| !WITHHELD_NOT_BUILT.contains(why)).map(|why| why.as_str());
    want("incentive", withheld.chain(["given"]).collect());
    wanted.retain(|name| seeds >= MANY || !RARE.contains(&name.as_str()));
    let missing: Vec<_> = wanted.iter().filter(|name| !seen.contains_key(*name)).collect();
    assert!(missing.is_empty(), "no seed saw {missing:?}");
}

//! What Prometheus sees of reminders: what became of them, who followed their links, and what they offered.

use prometheus::IntCounterVec;

use super::maker::Maker;
use crate::domain::{Fact, Program, ReminderResult, Why, Withheld};

/// The result of an incentive that went out.
const GIVEN: &str = "given";

/// What puts a reminder off.
const DEFERRING: [Why; 3] = [Why::QuietHours, Why::FrequencyCap, Why::OutOfStock];

/// The metrics of reminders.
pub(super) struct ReminderMetrics {
    reminders: IntCounterVec,
    suppressed: IntCounterVec,
    deferred: IntCounterVec,
    touches: IntCounterVec,
    clicks: IntCounterVec,
    incentives: IntCounterVec,
}

impl ReminderMetrics {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            reminders: make.counters(
                "reminders_total",
                "Reminders, by what became of them.",
                &["shop", "step", "result"],
            ),
            suppressed: make.counters("reminders_suppressed_total", "Reminders not sent on purpose.", &["shop", "why"]),
            deferred: make.counters("reminders_deferred_total", "Reminders put off.", &["shop", "why"]),
            touches: make.counters(
                "link_touches_total",
                "Reminders whose link was opened, once each; machines that look at links are among them.",
                &["shop"],
            ),
            clicks: make.counters(
                "link_clicks_total",
                "Reminders whose link brought a person back, once each.",
                &["shop"],
            ),
            incentives: make.counters(
                "incentives_total",
                "Reminders whose step has an incentive, by whether it was given, or why not.",
                &["shop", "incentive", "result"],
            ),
        }
    }

    /// Counts a fact about a reminder; no other.
    #[expect(clippy::wildcard_enum_match_arm, reason = "`Metrics::fact` matches all, and hands over these")]
    pub(super) fn fact(&self, shop: &str, fact: &Fact) {
        match fact {
            Fact::Reminder { step, result, why } => {
                self.reminders.with_label_values(&[shop, step.as_str(), result.as_str()]).inc();
                if let (ReminderResult::Suppressed, Some(why)) = (result, why) {
                    self.suppressed.with_label_values(&[shop, why.as_str()]).inc();
                }
            }
            Fact::ReminderDeferred { why, .. } => self.deferred.with_label_values(&[shop, why.as_str()]).inc(),
            Fact::Touched { .. } => self.touches.with_label_values(&[shop]).inc(),
            Fact::Clicked { .. } => self.clicks.with_label_values(&[shop]).inc(),
            Fact::IncentiveGiven { incentive } => {
                self.incentives.with_label_values(&[shop, incentive.as_str(), GIVEN]).inc();
            }
            Fact::IncentiveWithheld { incentive, why } => {
                self.incentives.with_label_values(&[shop, incentive.as_str(), why.as_str()]).inc();
            }
            _ => {}
        }
    }

    /// Begins the series of a shop at zero.
    pub(super) fn expect(&self, shop: &str, program: &Program) {
        let steps = program.steps.iter().chain(&program.payment_pending);
        for (step, result) in steps.flat_map(|s| ReminderResult::ALL.iter().map(move |r| (s, r))) {
            self.reminders.with_label_values(&[shop, step.name.as_str(), result.as_str()]);
        }
        for why in Why::ALL {
            self.suppressed.with_label_values(&[shop, why.as_str()]);
        }
        for why in DEFERRING {
            self.deferred.with_label_values(&[shop, why.as_str()]);
        }
        self.touches.with_label_values(&[shop]);
        self.clicks.with_label_values(&[shop]);
        for incentive in &program.incentives {
            let whys = Withheld::ALL.iter().map(|why| why.as_str());
            for result in whys.chain([GIVEN]) {
                self.incentives.with_label_values(&[shop, incentive.name.as_str(), result]);
            }
        }
    }
}

//! What a shop may set about the rules, and how a rule that keeps being wrong is weighed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::RuleName;
use crate::domain::reason::{Finding, ReasonCode, ReasonSource};

/// Thresholds of the rules, from the shop's program; `config/default.toml` says what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// Rules that are not asked.
    pub off: BTreeSet<RuleName>,
    /// Shipping counts as the reason from this share of the subtotal, in percent.
    pub shipping_cost_percent: u32,
    /// The total counts as unexpected when it grew by this much since it was first shown, in percent.
    pub unexpected_total_percent: u32,
    /// An error counts when it happened this long before the last activity, or later.
    pub error_window: Duration,
    /// A slow answer counts as an error from this on.
    pub slow_after: Duration,
    /// The fastest delivery counts as slow from this many days on.
    pub delivery_days: u32,
    /// So many views of one product's page mean that it leaves a question open.
    pub product_views: u32,
    /// So many rejected fields make a checkout too long.
    pub field_rejections: u32,
    /// So long at one step of the checkout makes it too long.
    pub step_time: Duration,
    /// A line taken out this soon after the total was shown was too dear.
    pub removed_within: Duration,
    /// Reasons that shoppers keep disagreeing with, and how often they did agree, in percent. Not set by the shop: the
    /// engine works it out from the tallies.
    pub demoted: BTreeMap<ReasonCode, u8>,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            off: BTreeSet::new(),
            shipping_cost_percent: 15,
            unexpected_total_percent: 10,
            error_window: Duration::from_secs(60),
            slow_after: Duration::from_secs(8),
            delivery_days: 7,
            product_views: 3,
            field_rejections: 3,
            step_time: Duration::from_secs(15 * 60),
            removed_within: Duration::from_secs(60),
            demoted: BTreeMap::new(),
        }
    }
}

impl RuleSettings {
    /// The finding as it counts: a demoted reason is soft, and no surer than shoppers were.
    pub(super) fn weighed(&self, finding: Finding) -> Finding {
        match self.demoted.get(&finding.code) {
            Some(agreed) => {
                Finding { source: ReasonSource::InferredSoft, confidence: finding.confidence.min(*agreed), ..finding }
            }
            None => finding,
        }
    }
}

//! What Prometheus sees of privacy requests: how many there were, and how they ended. Nothing of whom they were about.

use prometheus::IntCounterVec;

use super::maker::Maker;
use crate::domain::ShopId;

const KINDS: [&str; 2] = ["erasure", "export"];
const RESULTS: [&str; 4] = ["done", "partial", "refused", "failed"];

/// The metrics of privacy requests.
pub struct PrivacyMetrics {
    requests: IntCounterVec,
}

impl PrivacyMetrics {
    pub(super) fn new(make: &Maker) -> Self {
        let labels = ["shop", "kind", "result"];
        Self {
            requests: make.counters("privacy_requests_total", "Erasures and exports of persons, by result.", &labels),
        }
    }

    /// Begins the series of a shop at zero.
    pub(super) fn expect(&self, shop: &str) {
        for (kind, result) in KINDS.iter().flat_map(|kind| RESULTS.map(|result| (kind, result))) {
            self.requests.with_label_values(&[shop, kind, result]);
        }
    }

    /// Somebody asked for an erasure or an export.
    pub fn asked(&self, shop: &ShopId, kind: &str, result: &str) {
        self.requests.with_label_values(&[shop.as_str(), kind, result]).inc();
    }
}

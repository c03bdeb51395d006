//! What Prometheus sees of privacy requests: how many there were, and how they ended. Nothing of whom they were about.

use prometheus::IntCounterVec;

use super::maker::Maker;
use crate::domain::ShopId;

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

    /// Somebody asked for an erasure or an export.
    pub fn asked(&self, shop: &ShopId, kind: &str, result: &str) {
        self.requests.with_label_values(&[shop.as_str(), kind, result]).inc();
    }
}

//! What Prometheus sees of the webhooks that shop platforms send to us.

use prometheus::IntCounterVec;

use super::maker::Maker;
use crate::domain::ShopId;
use crate::domain::names::named;

named! {
    /// What became of a webhook.
    pub enum PlatformResult {
        /// All of it was taken.
        Applied = "applied",
        /// Taken, but for fields that could not be.
        Partly = "partly",
        /// It says nothing about a shopper's cart.
        Ignored = "ignored",
        /// Some of what it comes to could not be taken.
        Refused = "refused",
        /// Nobody knows who sent it.
        Unsigned = "unsigned",
    }
}

/// The metrics of platforms.
pub struct PlatformMetrics {
    events: IntCounterVec,
}

impl PlatformMetrics {
    pub(super) fn new(make: &Maker) -> Self {
        let labels = ["shop", "platform", "result"];
        Self {
            events: make.counters(
                "platform_events_total",
                "Webhooks of shop platforms, by what became of them.",
                &labels,
            ),
        }
    }

    /// Begins the series of a platform of a shop at zero.
    pub(super) fn expect(&self, shop: &str, platform: &str) {
        for result in PlatformResult::ALL {
            self.events.with_label_values(&[shop, platform, result.as_str()]);
        }
    }

    /// A webhook came.
    pub fn heard(&self, shop: &ShopId, platform: &str, result: PlatformResult) {
        self.events.with_label_values(&[shop.as_str(), platform, result.as_str()]).inc();
    }
}

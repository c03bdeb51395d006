//! Series that begin at zero: what the configuration lets happen is there before it happens, so that a rate sees the
//! first of it, and a dashboard shows a nought instead of a gap.
//!
//! Never here: series whose number follows from what shoppers send, such as currencies.

use std::sync::PoisonError;

use super::Metrics;
use crate::domain::{
    Attribution, EndpointName, OrderKind, OutcomeName, Program, ReasonCode, ReasonSource, ReminderResult, ShopId,
    Stage, StateName, Why,
};

/// What a checkout monitor watches (`deploy/prometheus/rules/shop.yml`).
const ERRORS: [ReasonCode; 2] = [ReasonCode::PaymentError, ReasonCode::TechnicalError];
/// Why a cart is no shopper's.
const SET_APART: [Why; 3] = [Why::Bot, Why::Staff, Why::TestCart];
/// How a store call can fail: the kinds of `cartwake_store_errors_total`.
const STORE_ERRORS: [&str; 5] = ["unavailable", "full", "corrupt", "unusable", "newer"];

/// A shop of the configuration, as far as its series are known before anything happens.
#[derive(Clone, Debug)]
pub struct ExpectedShop<'a> {
    pub id: &'a ShopId,
    pub program: &'a Program,
    pub endpoints: Vec<EndpointName>,
    /// The platforms whose webhooks are taken.
    pub platforms: Vec<&'static str>,
}

/// The shops and endpoints whose gauges read zero where the store knows nothing of them.
pub(super) type Known = Vec<(ShopId, Vec<EndpointName>)>;

impl Metrics {
    /// Begins the series of these shops at zero and leaves what was counted as it is: after a start, and after a reload.
    pub fn expect(&self, shops: &[ExpectedShop<'_>]) {
        for shop in shops {
            self.expect_carts(shop.id.as_str());
            self.reminders.expect(shop.id.as_str(), shop.program);
            if let Some(experiment) = &shop.program.experiment {
                self.experiments.expect(shop.id.as_str(), experiment);
            }
            for platform in &shop.platforms {
                self.platforms.expect(shop.id.as_str(), platform);
            }
            for endpoint in &shop.endpoints {
                self.expect_deliveries(shop.id.as_str(), endpoint.as_str());
            }
        }
        for lag in [&self.delivery_lag, &self.wake_lag] {
            lag.with_label_values::<&str>(&[]);
        }
        let known = shops.iter().map(|shop| (shop.id.clone(), shop.endpoints.clone())).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Begins the errors of these store calls at zero.
    pub fn expect_store_calls(&self, ops: &[&str]) {
        for (op, kind) in ops.iter().flat_map(|op| STORE_ERRORS.map(|kind| (op, kind))) {
            self.store_errors.with_label_values(&[op, kind]);
        }
    }

    fn expect_carts(&self, shop: &str) {
        for stage in Stage::ALL {
            self.stage_entered.with_label_values(&[shop, stage.as_str()]);
            self.abandonments.with_label_values(&[shop, stage.as_str()]);
            for code in ERRORS {
                self.checkout_errors.with_label_values(&[shop, stage.as_str(), code.as_str()]);
                self.reasons.expect(shop, *stage, code, ReasonSource::InferredHard);
            }
            self.reasons.expect(shop, *stage, ReasonCode::Unknown, ReasonSource::None);
        }
        for attribution in Attribution::ALL {
            self.conversions.with_label_values(&[shop, attribution.as_str()]);
        }
        for kind in OrderKind::ALL {
            self.orders.with_label_values(&[shop, kind.as_str()]);
        }
        self.reversions.with_label_values(&[shop]);
        self.trimmed.with_label_values(&[shop]);
        for why in SET_APART {
            self.set_apart.with_label_values(&[shop, why.as_str()]);
        }
        self.reasons.expect_sayings(shop);
        self.privacy.expect(shop);
    }

    fn expect_deliveries(&self, shop: &str, endpoint: &str) {
        for result in ReminderResult::ALL.iter().filter(|result| **result != ReminderResult::Decided) {
            self.deliveries.with_label_values(&[shop, endpoint, result.as_str()]);
        }
        for outcome in OutcomeName::ALL {
            self.attempts.with_label_values(&[shop, endpoint, outcome.as_str()]);
        }
        for why in [Why::EndpointGone, Why::EndpointFailing] {
            self.endpoint_disabled.with_label_values(&[shop, endpoint, why.as_str()]);
        }
    }

    /// Sets the gauges of what is configured to zero, before the store's own figures.
    pub(super) fn zero_gauges(&self) {
        for (shop, endpoints) in self.known.read().unwrap_or_else(PoisonError::into_inner).iter() {
            for state in StateName::ALL {
                self.carts.with_label_values(&[shop.as_str(), state.as_str()]).set(0);
            }
            for endpoint in endpoints {
                self.dead.with_label_values(&[shop.as_str(), endpoint.as_str()]).set(0);
            }
        }
    }
}

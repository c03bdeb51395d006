//! What Prometheus sees of reasons: found, judged, counted once, and the rules that are demoted.

use prometheus::{IntCounterVec, IntGaugeVec};

use super::maker::Maker;
use crate::domain::{Ending, PaymentClass, ReasonCode, ReasonSource, ShopId, Stage, Unmapped};

/// What happens to surveys.
const SHOWN: &str = "shown";
const ANSWERED: &str = "answered";

/// The metrics of reasons.
pub(super) struct ReasonMetrics {
    found: IntCounterVec,
    agreement: IntCounterVec,
    primary: IntCounterVec,
    demoted: IntGaugeVec,
    payment_failures: IntCounterVec,
    surveys: IntCounterVec,
    comments: IntCounterVec,
    unmapped: IntCounterVec,
}

impl ReasonMetrics {
    pub(super) fn new(make: &Maker) -> Self {
        Self {
            found: make.counters(
                "abandonment_reasons_total",
                "Reasons found or said; inferred ones once per abandonment.",
                &["shop", "stage", "reason", "source"],
            ),
            agreement: make.counters(
                "reason_agreement_total",
                "Inferred reasons that shoppers judged.",
                &["reason", "agreed"],
            ),
            primary: make.counters(
                "primary_reasons_total",
                "Abandoned carts that ended, each once, by the reason that counted.",
                &["shop", "reason", "source", "ending"],
            ),
            demoted: make.gauges(
                "rule_demoted",
                "Whether what the rules infer for a reason counts less, because shoppers keep disagreeing.",
                &["shop", "reason"],
            ),
            payment_failures: make.counters(
                "payment_failures_total",
                "Payments that failed, by class.",
                &["shop", "class"],
            ),
            surveys: make.counters("surveys_total", "Surveys shown and answered, once per cart.", &["shop", "event"]),
            comments: make.counters("reason_comments_total", "Comments made, kept or not.", &["shop", "source"]),
            unmapped: make.counters(
                "unmapped_total",
                "Kinds and codes that we have no name for, and took for the nearest.",
                &["shop", "what"],
            ),
        }
    }

    /// Begins this series at zero.
    pub(super) fn expect(&self, shop: &str, stage: Stage, code: ReasonCode, source: ReasonSource) {
        self.found.with_label_values(&[shop, stage.as_str(), code.as_str(), source.as_str()]);
    }

    /// Begins at zero what shoppers and their agents may say, and what payment providers may.
    pub(super) fn expect_sayings(&self, shop: &str) {
        for event in [SHOWN, ANSWERED] {
            self.surveys.with_label_values(&[shop, event]);
        }
        for source in [ReasonSource::Reported, ReasonSource::Agent] {
            self.comments.with_label_values(&[shop, source.as_str()]);
        }
        for what in Unmapped::ALL {
            self.unmapped.with_label_values(&[shop, what.as_str()]);
        }
        for class in PaymentClass::ALL {
            self.payment_failures.with_label_values(&[shop, class.as_str()]);
        }
    }

    /// A reason was found or said.
    pub(super) fn found(&self, shop: &str, stage: Stage, code: ReasonCode, source: ReasonSource) {
        self.found.with_label_values(&[shop, stage.as_str(), code.as_str(), source.as_str()]).inc();
    }

    /// A shopper judged what was inferred.
    pub(super) fn judged(&self, code: ReasonCode, agreed: bool) {
        self.agreement.with_label_values(&[code.as_str(), if agreed { "true" } else { "false" }]).inc();
    }

    /// An abandoned cart ended.
    pub(super) fn settled(&self, shop: &str, code: ReasonCode, source: ReasonSource, ending: Ending) {
        self.primary.with_label_values(&[shop, code.as_str(), source.as_str(), ending.as_str()]).inc();
    }

    /// A payment failed.
    pub(super) fn payment_failed(&self, shop: &str, class: PaymentClass) {
        self.payment_failures.with_label_values(&[shop, class.as_str()]).inc();
    }

    /// A survey was put before a shopper.
    pub(super) fn survey_shown(&self, shop: &str) {
        self.surveys.with_label_values(&[shop, SHOWN]).inc();
    }

    /// A shopper answered one.
    pub(super) fn survey_answered(&self, shop: &str) {
        self.surveys.with_label_values(&[shop, ANSWERED]).inc();
    }

    /// Somebody used their own words.
    pub(super) fn commented(&self, shop: &str, source: ReasonSource) {
        self.comments.with_label_values(&[shop, source.as_str()]).inc();
    }

    /// Outside has a name for something that we have not.
    pub(super) fn unmapped(&self, shop: &str, what: Unmapped) {
        self.unmapped.with_label_values(&[shop, what.as_str()]).inc();
    }

    /// Whether each judged reason of a shop is demoted.
    pub(super) fn demoted(&self, shop: &ShopId, code: ReasonCode, demoted: bool) {
        self.demoted.with_label_values(&[shop.as_str(), code.as_str()]).set(i64::from(demoted));
    }
}

//! Rules: from a cart and its signals to the reason it was left, and how sure of it a machine can be.
//!
//! Each rule is a pure function of one idle episode; it names its evidence, and says so too when it nearly held. Only
//! signals of the current episode count: last week's declined card says nothing about today. Thresholds, and which rules
//! are off or demoted, come from the shop's program (`rules/settings.rs`). The table below is the whole set; each file of
//! `rules/` is one group of it. Read next: `rules/episode.rs`, what a rule may look at.

mod cost;
mod episode;
mod friction;
mod intent;
mod logistics;
mod payment;
mod product;
mod service;
mod settings;
mod trust;

use std::cmp::Reverse;

use self::episode::{Episode, Judged};
pub use self::settings::RuleSettings;
use super::cart::Cart;
use super::names::named;
use super::reason::{Finding, ReasonCode, ReasonSource};

named! {
    /// A rule; most are named as the reason they find, where that reason has one rule.
    pub enum RuleName {
        PaymentDeclined = "payment_declined",
        PaymentFailed = "payment_failed",
        PaymentMethodUnsupported = "payment_method_unsupported",
        PaymentNeverReturned = "payment_never_returned",
        DeliveryUnavailable = "delivery_unavailable",
        OutOfStock = "out_of_stock",
        TechnicalError = "technical_error",
        AccountRequired = "account_required",
        ThinkLater = "think_later",
        CouponRejected = "coupon_rejected",
        UnexpectedTotal = "unexpected_total",
        SupportUnavailable = "support_unavailable",
        ShippingCost = "shipping_cost",
        DeliveryTime = "delivery_time",
        ReturnsPolicy = "returns_policy",
        PriceComparison = "price_comparison",
        PriceTooHigh = "price_too_high",
        ProductInfoUnclear = "product_info_unclear",
        CheckoutTooLong = "checkout_too_long",
        LimitedSelection = "limited_selection",
        TrustSecurity = "trust_security",
        PaymentMethodMissing = "payment_method_missing",
        OrderTracking = "order_tracking",
        JustBrowsing = "just_browsing",
    }
}

/// What a rule finds, how strong that is, and how it judges.
struct Rule {
    name: RuleName,
    code: ReasonCode,
    source: ReasonSource,
    judge: fn(&Episode<'_>) -> Judged,
}

const fn hard(name: RuleName, code: ReasonCode, judge: fn(&Episode<'_>) -> Judged) -> Rule {
    Rule { name, code, source: ReasonSource::InferredHard, judge }
}

const fn soft(name: RuleName, code: ReasonCode, judge: fn(&Episode<'_>) -> Judged) -> Rule {
    Rule { name, code, source: ReasonSource::InferredSoft, judge }
}

/// In order of precedence among equals.
const RULES: &[Rule] = &[
    hard(RuleName::PaymentDeclined, ReasonCode::PaymentDeclined, payment::declined),
    hard(RuleName::PaymentFailed, ReasonCode::PaymentError, payment::failed),
    hard(RuleName::PaymentMethodUnsupported, ReasonCode::PaymentMethodMissing, payment::method_unsupported),
    hard(RuleName::PaymentNeverReturned, ReasonCode::PaymentError, payment::never_returned),
    hard(RuleName::DeliveryUnavailable, ReasonCode::DeliveryUnavailable, logistics::delivery_unavailable),
    hard(RuleName::OutOfStock, ReasonCode::OutOfStock, product::out_of_stock),
    hard(RuleName::TechnicalError, ReasonCode::TechnicalError, friction::technical_error),
    hard(RuleName::AccountRequired, ReasonCode::AccountRequired, friction::account_required),
    hard(RuleName::ThinkLater, ReasonCode::ThinkLater, intent::think_later),
    hard(RuleName::CouponRejected, ReasonCode::CouponRejected, cost::coupon_rejected),
    hard(RuleName::UnexpectedTotal, ReasonCode::UnexpectedTotal, cost::unexpected_total),
    hard(RuleName::SupportUnavailable, ReasonCode::SupportUnavailable, service::support_unavailable),
    hard(RuleName::ShippingCost, ReasonCode::ShippingCost, cost::shipping_cost),
    soft(RuleName::DeliveryTime, ReasonCode::DeliveryTime, logistics::delivery_time),
    soft(RuleName::ReturnsPolicy, ReasonCode::ReturnsPolicy, trust::returns_policy),
    soft(RuleName::PriceComparison, ReasonCode::PriceComparison, cost::price_comparison),
    soft(RuleName::PriceTooHigh, ReasonCode::PriceTooHigh, cost::price_too_high),
    soft(RuleName::ProductInfoUnclear, ReasonCode::ProductInfoUnclear, product::product_info_unclear),
    soft(RuleName::CheckoutTooLong, ReasonCode::CheckoutTooLong, friction::checkout_too_long),
    soft(RuleName::LimitedSelection, ReasonCode::LimitedSelection, product::limited_selection),
    soft(RuleName::TrustSecurity, ReasonCode::TrustSecurity, trust::trust_security),
    soft(RuleName::PaymentMethodMissing, ReasonCode::PaymentMethodMissing, payment::method_missing),
    soft(RuleName::OrderTracking, ReasonCode::OrderTracking, logistics::order_tracking),
    soft(RuleName::JustBrowsing, ReasonCode::JustBrowsing, intent::just_browsing),
];

/// What a rule made of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    pub rule: RuleName,
    pub code: ReasonCode,
    /// How strong the rule is by itself; a demoted one gives a weaker finding.
    pub source: ReasonSource,
    /// Where shoppers keep denying the reason: how often they did agree, in percent.
    pub demoted: Option<u8>,
    pub outcome: Judgement,
}

/// Whether a rule held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Fired(Finding),
    /// Not quite; the evidence says what it had and what it lacked. Never personal.
    Near {
        evidence: String,
    },
    /// Nothing that it looks for was there.
    Not,
    /// Switched off by the shop.
    Off,
}

/// What every rule makes of the cart's current episode, in the order of the table.
#[must_use]
pub fn consider(cart: &Cart, settings: &RuleSettings) -> Vec<Considered> {
    let episode = Episode::of(cart, settings);
    let judge = |rule: &Rule| {
        let outcome = if settings.off.contains(&rule.name) {
            Judgement::Off
        } else {
            match (rule.judge)(&episode) {
                Judged::Holds { confidence, evidence } => Judgement::Fired(settings.weighed(Finding {
                    code: rule.code,
                    source: rule.source,
                    confidence,
                    evidence,
                })),
                Judged::Near(evidence) => Judgement::Near { evidence },
                Judged::No => Judgement::Not,
            }
        };
        let demoted = settings.demoted.get(&rule.code).copied();
        Considered { rule: rule.name, code: rule.code, source: rule.source, demoted, outcome }
    };
    RULES.iter().map(judge).collect()
}

/// Every reason that the cart's current episode gives, the one that counts first: hard before soft, demoted ones last,
/// then by confidence, then by the order of the table.
#[must_use]
pub fn infer(cart: &Cart, settings: &RuleSettings) -> Vec<Finding> {
    let fired = |considered: Considered| match considered.outcome {
        Judgement::Fired(finding) => Some(finding),
        Judgement::Near { .. } | Judgement::Not | Judgement::Off => None,
    };
    let mut findings: Vec<Finding> = consider(cart, settings).into_iter().filter_map(fired).collect();
    findings.sort_by_key(|finding| {
        (settings.demoted.contains_key(&finding.code), Reverse(finding.source), Reverse(finding.confidence))
    });
    findings
}

#[cfg(test)]
mod tests;

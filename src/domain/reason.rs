//! Why a shopper left: a closed taxonomy of codes, where each came from, and which one counts.
//!
//! The codes are those of `docs/reasons.md`; `unknown` is the absence of any. How they are inferred is in
//! `domain/rules.rs`.

use super::content::PersonalText;
use super::names::named;
use super::time::Moment;

named! {
    /// A reason to leave. Bounded, so it is safe as a metric label.
    pub enum ReasonCode {
        PriceTooHigh = "price_too_high",
        PriceComparison = "price_comparison",
        ShippingCost = "shipping_cost",
        UnexpectedTotal = "unexpected_total",
        CouponRejected = "coupon_rejected",
        DeliveryTime = "delivery_time",
        DeliveryUnavailable = "delivery_unavailable",
        OrderTracking = "order_tracking",
        ProductInfoUnclear = "product_info_unclear",
        ProductPresentation = "product_presentation",
        LimitedSelection = "limited_selection",
        OutOfStock = "out_of_stock",
        SupportUnavailable = "support_unavailable",
        TrustSecurity = "trust_security",
        ReturnsPolicy = "returns_policy",
        PaymentMethodMissing = "payment_method_missing",
        PaymentDeclined = "payment_declined",
        PaymentError = "payment_error",
        TechnicalError = "technical_error",
        AccountRequired = "account_required",
        CheckoutTooLong = "checkout_too_long",
        JustBrowsing = "just_browsing",
        ThinkLater = "think_later",
        Other = "other",
        Unknown = "unknown",
    }
}

named! {
    /// Where a reason came from, weakest first: a later member outranks an earlier one.
    pub enum ReasonSource {
        /// Nothing was known.
        None = "none",
        /// A heuristic.
        InferredSoft = "inferred_soft",
        /// A deterministic machine signal.
        InferredHard = "inferred_hard",
        /// A shopping agent's intent trace.
        Agent = "agent",
        /// The shopper's own word.
        Reported = "reported",
    }
}

impl ReasonCode {
    /// The code that stands for one of the Agentic Commerce Protocol's (RFC "Intent Traces", section 3.3).
    #[must_use]
    pub fn of_intent(code: &str) -> Option<Self> {
        Some(match code {
            "price_sensitivity" => Self::PriceTooHigh,
            "shipping_cost" => Self::ShippingCost,
            "shipping_speed" => Self::DeliveryTime,
            "product_fit" => Self::ProductInfoUnclear,
            "trust_security" => Self::TrustSecurity,
            "returns_policy" => Self::ReturnsPolicy,
            "payment_options" => Self::PaymentMethodMissing,
            "comparison" => Self::PriceComparison,
            "timing_deferred" => Self::ThinkLater,
            "other" => Self::Other,
            _ => return None,
        })
    }
}

/// What somebody said about why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub code: ReasonCode,
    pub source: ReasonSource,
    /// In their own words; kept only where the shop says so.
    pub comment: Option<PersonalText>,
    /// Answers a survey: which place, from 1, the answer had among the options that were shown; 0 for none of them.
    pub survey: Option<u8>,
}

impl Said {
    /// A code and nothing else.
    #[must_use]
    pub const fn new(code: ReasonCode, source: ReasonSource) -> Self {
        Self { code, source, comment: None, survey: None }
    }
}

/// A reason for leaving a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    pub code: ReasonCode,
    pub source: ReasonSource,
    /// 0 to 100.
    pub confidence: u8,
    /// When it was said or inferred.
    pub at: Moment,
}

impl Reason {
    /// What is recorded when nothing is known.
    #[must_use]
    pub const fn unknown(at: Moment) -> Self {
        Self { code: ReasonCode::Unknown, source: ReasonSource::None, confidence: 0, at }
    }
}

/// A rule that fired, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: ReasonCode,
    pub source: ReasonSource,
    /// 0 to 100.
    pub confidence: u8,
    /// Which signal, when, against what threshold; never personal.
    pub evidence: String,
}

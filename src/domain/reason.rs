//! Why a shopper left: a closed taxonomy of codes, where each came from, and which one counts.
//!
//! The codes are those of `docs/reasons.md`; `unknown` is the absence of any. How they are inferred is in
//! `domain/rules.rs`.

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

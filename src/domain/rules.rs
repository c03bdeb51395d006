//! The hard rules: from a cart and its signals to the reason it was left, when a machine can be sure of it.
//!
//! Each rule is a pure function of the idle episode; it names its evidence and its confidence. Thresholds come from the
//! shop's program. Only signals of the current episode count: last week's declined card says nothing about today.

use std::time::Duration;

use super::cart::{Cart, Stage};
use super::reason::{Finding, ReasonCode, ReasonSource};
use super::signal::{PaymentClass, Signal, SignalKind};

/// Thresholds of the rules, from the shop's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// Shipping counts as the reason from this share of the subtotal, in percent.
    pub shipping_cost_percent: u32,
    /// The total counts as unexpected when it grew by this much since it was first shown, in percent.
    pub unexpected_total_percent: u32,
    /// An error counts when it happened this long before the last activity, or later.
    pub error_window: Duration,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self { shipping_cost_percent: 15, unexpected_total_percent: 10, error_window: Duration::from_secs(60) }
    }
}

type Rule = fn(&Episode<'_>) -> Option<Finding>;

/// In order of precedence among equals in confidence.
const RULES: &[Rule] = &[
    payment_failed,
    payment_never_returned,
    delivery_unavailable,
    out_of_stock,
    technical_error,
    account_required,
    think_later,
    coupon_rejected,
    unexpected_total,
    support_unavailable,
    shipping_cost,
];

/// What the rules may look at.
struct Episode<'a> {
    cart: &'a Cart,
    signals: Vec<&'a Signal>,
    settings: &'a RuleSettings,
}

/// Every hard reason that the cart's current episode gives, surest first.
#[must_use]
pub fn infer(cart: &Cart, settings: &RuleSettings) -> Vec<Finding> {
    let signals = cart.signals.iter().filter(|s| s.at >= cart.episode_started_at).collect();
    let episode = Episode { cart, signals, settings };
    let mut findings: Vec<Finding> = RULES.iter().filter_map(|rule| rule(&episode)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.confidence));
    findings
}

impl Episode<'_> {
    fn newest(&self, accepts: fn(&SignalKind) -> bool) -> Option<&Signal> {
        self.signals.iter().rev().find(|s| accepts(&s.kind)).copied()
    }

    /// Whether the newest `bad` signal has no `good` one at or after it; gives the bad one.
    fn unanswered(&self, bad: fn(&SignalKind) -> bool, good: fn(&SignalKind) -> bool) -> Option<&Signal> {
        let bad = self.newest(bad)?;
        self.newest(good).is_none_or(|good| good.at < bad.at).then_some(bad)
    }
}

fn hard(code: ReasonCode, confidence: u8, evidence: String) -> Finding {
    Finding { code, source: ReasonSource::InferredHard, confidence, evidence }
}

fn payment_failed(episode: &Episode<'_>) -> Option<Finding> {
    let signal = episode.newest(|k| matches!(k, SignalKind::PaymentFailed { .. }))?;
    let SignalKind::PaymentFailed { class } = signal.kind else { return None };
    let code = match class {
        PaymentClass::Funds | PaymentClass::IssuerDeclined | PaymentClass::CardData | PaymentClass::FraudSuspected => {
            ReasonCode::PaymentDeclined
        }
        PaymentClass::Authentication | PaymentClass::Processing => ReasonCode::PaymentError,
        PaymentClass::MethodUnsupported => ReasonCode::PaymentMethodMissing,
        PaymentClass::ShopperCancelled => return None,
    };
    Some(hard(code, 95, format!("payment_failed class {class} at {}", signal.at)))
}

fn payment_never_returned(episode: &Episode<'_>) -> Option<Finding> {
    let redirected = episode.unanswered(
        |k| matches!(k, SignalKind::PaymentRedirected),
        |k| matches!(k, SignalKind::PaymentReturned | SignalKind::PaymentFailed { .. }),
    )?;
    Some(hard(
        ReasonCode::PaymentError,
        80,
        format!("payment_redirected at {} without payment_returned", redirected.at),
    ))
}

fn delivery_unavailable(episode: &Episode<'_>) -> Option<Finding> {
    let quoted = episode.newest(|k| matches!(k, SignalKind::ShippingQuoted { .. }))?;
    let SignalKind::ShippingQuoted { rates: Some(0), .. } = quoted.kind else { return None };
    Some(hard(ReasonCode::DeliveryUnavailable, 95, format!("shipping_quoted with no rate at {}", quoted.at)))
}

fn out_of_stock(episode: &Episode<'_>) -> Option<Finding> {
    let items = &episode.cart.content.items;
    if let Some(item) = items.iter().find(|item| item.in_stock == Some(false)) {
        return Some(hard(ReasonCode::OutOfStock, 90, format!("product {} is not in stock", item.product_id)));
    }
    let gone = episode.signals.iter().rev().find(|s| {
        let SignalKind::ItemUnavailable { product } = &s.kind else { return false };
        product.as_ref().is_none_or(|product| items.iter().any(|i| i.product_id == *product))
    })?;
    Some(hard(ReasonCode::OutOfStock, 90, format!("item_unavailable at {}", gone.at)))
}

fn technical_error(episode: &Episode<'_>) -> Option<Finding> {
    let error = episode.newest(|k| matches!(k, SignalKind::ErrorShown { .. }))?;
    let before = episode.cart.last_activity_at.since(error.at);
    (before <= episode.settings.error_window).then(|| {
        hard(ReasonCode::TechnicalError, 85, format!("error_shown {} s before the last activity", before.as_secs()))
    })
}

fn account_required(episode: &Episode<'_>) -> Option<Finding> {
    let gate = episode.newest(|k| matches!(k, SignalKind::AccountRequired))?;
    (gate.at >= episode.cart.last_activity_at)
        .then(|| hard(ReasonCode::AccountRequired, 85, format!("account_required was the last step, at {}", gate.at)))
}

fn think_later(episode: &Episode<'_>) -> Option<Finding> {
    let saved = episode.newest(|k| matches!(k, SignalKind::SavedForLater))?;
    Some(hard(ReasonCode::ThinkLater, 80, format!("saved_for_later at {}", saved.at)))
}

fn coupon_rejected(episode: &Episode<'_>) -> Option<Finding> {
    let rejected =
        episode.unanswered(|k| matches!(k, SignalKind::CouponRejected), |k| matches!(k, SignalKind::CouponApplied))?;
    Some(hard(ReasonCode::CouponRejected, 75, format!("coupon_rejected at {}, none applied later", rejected.at)))
}

fn unexpected_total(episode: &Episode<'_>) -> Option<Finding> {
    if episode.cart.stage != Stage::Payment {
        return None;
    }
    let shown = |s: &&Signal| {
        let SignalKind::TotalShown { total, .. } = s.kind else { return None };
        Some(total.get())
    };
    let first = episode.signals.iter().find_map(shown)?;
    let last = match episode.cart.content.totals.total {
        Some(total) => total.get(),
        None => episode.signals.iter().rev().find_map(shown)?,
    };
    let percent = u64::from(episode.settings.unexpected_total_percent);
    (first > 0 && last.saturating_mul(100) >= first.saturating_mul(100 + percent)).then(|| {
        hard(
            ReasonCode::UnexpectedTotal,
            75,
            format!("total {last} at payment, {first} when first shown, limit +{percent} %"),
        )
    })
}

fn support_unavailable(episode: &Episode<'_>) -> Option<Finding> {
    let opened =
        episode.unanswered(|k| matches!(k, SignalKind::ChatOpened), |k| matches!(k, SignalKind::ChatAnswered))?;
    Some(hard(ReasonCode::SupportUnavailable, 70, format!("chat_opened at {} without an answer", opened.at)))
}

fn shipping_cost(episode: &Episode<'_>) -> Option<Finding> {
    if episode.cart.stage != Stage::Shipping {
        return None;
    }
    let quoted = episode.newest(|k| matches!(k, SignalKind::ShippingQuoted { .. }))?;
    let SignalKind::ShippingQuoted { lowest: Some(lowest), .. } = quoted.kind else { return None };
    let subtotal = episode.cart.content.subtotal().get();
    let percent = u64::from(episode.settings.shipping_cost_percent);
    (subtotal > 0 && lowest.get().saturating_mul(100) >= subtotal.saturating_mul(percent)).then(|| {
        hard(
            ReasonCode::ShippingCost,
            70,
            format!("lowest rate {} of subtotal {subtotal}, limit {percent} %", lowest.get()),
        )
    })
}

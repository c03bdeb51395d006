//! Signals: machine-readable hints that a storefront sends while a shopper is in a cart.
//!
//! A closed list. They keep a cart alive (most of them) and feed the rules of `domain/rules.rs`; they never carry
//! personal data. Unknown kinds arrive as [`SignalKind::Other`].

use super::cart::Stage;
use super::id::ProductId;
use super::money::Minor;
use super::names::named;
use super::reason::ReasonCode;
use super::time::Moment;

/// How many signals one cart keeps; beyond it, older ones of a kind that has newer ones go first.
pub const SIGNALS_MAX: usize = 32;

named! {
    /// Why a payment failed, whatever the payment provider calls it.
    pub enum PaymentClass {
        Funds = "funds",
        IssuerDeclined = "issuer_declined",
        CardData = "card_data",
        Authentication = "authentication",
        MethodUnsupported = "method_unsupported",
        Processing = "processing",
        ShopperCancelled = "shopper_cancelled",
        FraudSuspected = "fraud_suspected",
    }
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalKind {
    ShippingQuoted {
        lowest: Option<Minor>,
        fastest_days: Option<u32>,
        rates: Option<u32>,
    },
    TotalShown {
        total: Minor,
        stage: Option<Stage>,
    },
    CouponRejected,
    CouponApplied,
    /// How many, where that is told.
    PaymentMethodsShown {
        count: Option<u32>,
    },
    PaymentAttempted,
    PaymentFailed {
        class: PaymentClass,
    },
    PaymentRedirected,
    PaymentReturned,
    /// With `slow_ms` and no `status` nothing broke; it took long.
    ErrorShown {
        status: Option<u16>,
        slow_ms: Option<u32>,
    },
    FieldRejected,
    AccountRequired,
    ItemRemoved {
        product: Option<ProductId>,
    },
    ItemUnavailable {
        product: Option<ProductId>,
    },
    VariantUnavailable {
        product: Option<ProductId>,
    },
    SearchEmpty,
    PageViewed {
        page: Page,
        product: Option<ProductId>,
    },
    ChatOpened,
    ChatAnswered,
    SavedForLater {
        remind_at: Option<Moment>,
    },
    ExitIntent,
    TabHidden,
    PageClosed,
    Other,
}

named! {
    /// A page that hints at a worry.
    pub enum Page {
        Product = "product",
        SizeGuide = "size_guide",
        Returns = "returns",
        ShippingInfo = "shipping_info",
        Tracking = "tracking",
        Privacy = "privacy",
        Contact = "contact",
        Comparison = "comparison",
    }
}

impl SignalKind {
    /// Names of the kinds, as the API spells them; [`SignalKind::name`] gives each its own.
    pub const NAMES: &'static [&'static str] = &[
        "shipping_quoted",
        "total_shown",
        "coupon_rejected",
        "coupon_applied",
        "payment_methods_shown",
        "payment_attempted",
        "payment_failed",
        "payment_redirected",
        "payment_returned",
        "error_shown",
        "field_rejected",
        "account_required",
        "item_removed",
        "item_unavailable",
        "variant_unavailable",
        "search_empty",
        "page_viewed",
        "chat_opened",
        "chat_answered",
        "saved_for_later",
        "exit_intent",
        "tab_hidden",
        "page_closed",
        "other",
    ];

    /// The kind's outside name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ShippingQuoted { .. } => "shipping_quoted",
            Self::TotalShown { .. } => "total_shown",
            Self::CouponRejected => "coupon_rejected",
            Self::CouponApplied => "coupon_applied",
            Self::PaymentMethodsShown { .. } => "payment_methods_shown",
            Self::PaymentAttempted => "payment_attempted",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::PaymentRedirected => "payment_redirected",
            Self::PaymentReturned => "payment_returned",
            Self::ErrorShown { .. } => "error_shown",
            Self::FieldRejected => "field_rejected",
            Self::AccountRequired => "account_required",
            Self::ItemRemoved { .. } => "item_removed",
            Self::ItemUnavailable { .. } => "item_unavailable",
            Self::VariantUnavailable { .. } => "variant_unavailable",
            Self::SearchEmpty => "search_empty",
            Self::PageViewed { .. } => "page_viewed",
            Self::ChatOpened => "chat_opened",
            Self::ChatAnswered => "chat_answered",
            Self::SavedForLater { .. } => "saved_for_later",
            Self::ExitIntent => "exit_intent",
            Self::TabHidden => "tab_hidden",
            Self::PageClosed => "page_closed",
            Self::Other => "other",
        }
    }

    /// What went wrong on the shop's side, if anything did: an error page, or a payment that failed through no fault of
    /// the shopper or the bank. The same words as the reason that it may become.
    #[must_use]
    pub fn error(&self) -> Option<ReasonCode> {
        if let Self::PaymentFailed { class } = self {
            let is_ours = matches!(class, PaymentClass::Authentication | PaymentClass::Processing);
            return is_ours.then_some(ReasonCode::PaymentError);
        }
        // Where only a duration is told, nothing broke.
        let is_error =
            matches!(self, Self::ErrorShown { status: Some(_), .. } | Self::ErrorShown { slow_ms: None, .. });
        is_error.then_some(ReasonCode::TechnicalError)
    }

    /// Whether this shows the shopper at work. Leaving is not activity, and neither is what we cannot name.
    #[must_use]
    pub const fn is_activity(&self) -> bool {
        !matches!(self, Self::ExitIntent | Self::TabHidden | Self::PageClosed | Self::Other)
    }
}

/// Something observed at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    pub kind: SignalKind,
    pub at: Moment,
}

/// Adds a signal in order of time and keeps at most [`SIGNALS_MAX`]: the oldest of the kind with the most entries goes
/// first, so that the newest of each kind stays.
pub fn keep(signals: &mut Vec<Signal>, signal: Signal) {
    let place = signals.partition_point(|s| s.at <= signal.at);
    signals.insert(place, signal);
    if signals.len() <= SIGNALS_MAX {
        return;
    }
    let count = |name: &str| signals.iter().filter(|s| s.kind.name() == name).count();
    let crowded = SignalKind::NAMES.iter().max_by_key(|name| count(name)).copied().unwrap_or("other");
    if let Some(oldest) = signals.iter().position(|s| s.kind.name() == crowded) {
        signals.remove(oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_never_pushes_out_the_newest_of_another() {
        let mut signals = Vec::new();
        keep(
            &mut signals,
            Signal { kind: SignalKind::PaymentFailed { class: PaymentClass::Funds }, at: Moment::from_millis(0) },
        );
        for n in 1..100 {
            keep(&mut signals, Signal { kind: SignalKind::FieldRejected, at: Moment::from_millis(n) });
        }
        assert_eq!(signals.len(), SIGNALS_MAX);
        assert_eq!(signals[0].kind.name(), "payment_failed");
        assert!(signals.is_sorted_by_key(|s| s.at));
        assert_eq!(signals[SIGNALS_MAX - 1].at, Moment::from_millis(99));
    }
}

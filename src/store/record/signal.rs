//! Signals as stored: a code, the moment, and the little that some kinds carry.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::{Coded, known};
use super::content::minor;
use crate::domain::{Minor, Moment, Page, PaymentClass, ProductId, Signal, SignalKind, Stage};

#[derive(Serialize, Deserialize)]
pub struct SignalRecord<'a> {
    /// The place of the kind in [`SignalKind::NAMES`]: append-only, pinned by a test.
    code: u8,
    at: i64,
    #[serde(default, borrow)]
    detail: Option<DetailRecord<'a>>,
}

/// What a kind carries; each kind reads only its own.
#[derive(Default, Serialize, Deserialize)]
struct DetailRecord<'a> {
    /// A payment class or a page.
    #[serde(default)]
    member: Option<u8>,
    #[serde(default)]
    amount: Option<u64>,
    #[serde(default)]
    stage: Option<u8>,
    /// Days, an HTTP status, or a count.
    #[serde(default)]
    number: Option<u32>,
    #[serde(default)]
    rates: Option<u32>,
    #[serde(default, borrow)]
    product: Option<Cow<'a, str>>,
    /// A duration in milliseconds.
    #[serde(default)]
    took: Option<u32>,
    /// A moment that the signal names beside its own.
    #[serde(default)]
    then: Option<i64>,
}

impl<'a> SignalRecord<'a> {
    pub fn of(signal: &'a Signal) -> Self {
        let name = signal.kind.name();
        let place = SignalKind::NAMES.iter().position(|known| *known == name);
        let code = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX);
        Self { code, at: signal.at.millis(), detail: DetailRecord::of(&signal.kind) }
    }

    pub fn into_signal(self) -> Option<Signal> {
        let name = SignalKind::NAMES.get(usize::from(self.code))?;
        let detail = self.detail.unwrap_or_default();
        Some(Signal { kind: detail.into_kind(name)?, at: Moment::from_millis(self.at) })
    }
}

impl<'a> DetailRecord<'a> {
    fn of(kind: &'a SignalKind) -> Option<Self> {
        let detail = Self::default();
        Some(match kind {
            SignalKind::ShippingQuoted { lowest, fastest_days, rates } => {
                Self { amount: lowest.map(Minor::get), number: *fastest_days, rates: *rates, ..detail }
            }
            SignalKind::TotalShown { total, stage } => {
                Self { amount: Some(total.get()), stage: stage.map(Coded::code), ..detail }
            }
            SignalKind::PaymentFailed { class } => Self { member: Some(class.code()), ..detail },
            SignalKind::ErrorShown { status, slow_ms } => {
                Self { number: status.map(u32::from), took: *slow_ms, ..detail }
            }
            SignalKind::ItemRemoved { product }
            | SignalKind::ItemUnavailable { product }
            | SignalKind::VariantUnavailable { product } => Self { product: named(product.as_ref()), ..detail },
            SignalKind::PageViewed { page, product } => {
                Self { member: Some(page.code()), product: named(product.as_ref()), ..detail }
            }
            SignalKind::PaymentMethodsShown { count } => Self { number: *count, ..detail },
            SignalKind::SavedForLater { remind_at } => Self { then: remind_at.map(Moment::millis), ..detail },
            SignalKind::CouponRejected
            | SignalKind::CouponApplied
            | SignalKind::PaymentAttempted
            | SignalKind::PaymentRedirected
            | SignalKind::PaymentReturned
            | SignalKind::FieldRejected
            | SignalKind::AccountRequired
            | SignalKind::SearchEmpty
            | SignalKind::ChatOpened
            | SignalKind::ChatAnswered
            | SignalKind::ExitIntent
            | SignalKind::TabHidden
            | SignalKind::PageClosed
            | SignalKind::Other => return None,
        })
    }

    fn into_kind(self, name: &str) -> Option<SignalKind> {
        Some(match name {
            "shipping_quoted" => SignalKind::ShippingQuoted {
                lowest: known(self.amount, minor)?,
                fastest_days: self.number,
                rates: self.rates,
            },
            "total_shown" => {
                SignalKind::TotalShown { total: minor(self.amount?)?, stage: known(self.stage, Stage::from_code)? }
            }
            "coupon_rejected" => SignalKind::CouponRejected,
            "coupon_applied" => SignalKind::CouponApplied,
            "payment_methods_shown" => SignalKind::PaymentMethodsShown { count: self.number },
            "payment_attempted" => SignalKind::PaymentAttempted,
            "payment_failed" => SignalKind::PaymentFailed { class: PaymentClass::from_code(self.member?)? },
            "payment_redirected" => SignalKind::PaymentRedirected,
            "payment_returned" => SignalKind::PaymentReturned,
            "error_shown" => SignalKind::ErrorShown {
                status: known(self.number, |number| u16::try_from(number).ok())?,
                slow_ms: self.took,
            },
            "field_rejected" => SignalKind::FieldRejected,
            "account_required" => SignalKind::AccountRequired,
            "item_removed" => SignalKind::ItemRemoved { product: known(self.product, product)? },
            "item_unavailable" => SignalKind::ItemUnavailable { product: known(self.product, product)? },
            "variant_unavailable" => SignalKind::VariantUnavailable { product: known(self.product, product)? },
            "search_empty" => SignalKind::SearchEmpty,
            "page_viewed" => {
                SignalKind::PageViewed { page: Page::from_code(self.member?)?, product: known(self.product, product)? }
            }
            "chat_opened" => SignalKind::ChatOpened,
            "chat_answered" => SignalKind::ChatAnswered,
            "saved_for_later" => SignalKind::SavedForLater { remind_at: self.then.map(Moment::from_millis) },
            "exit_intent" => SignalKind::ExitIntent,
            "tab_hidden" => SignalKind::TabHidden,
            "page_closed" => SignalKind::PageClosed,
            "other" => SignalKind::Other,
            _ => return None,
        })
    }
}

fn named(product: Option<&ProductId>) -> Option<Cow<'_, str>> {
    product.map(|product| Cow::Borrowed(product.as_str()))
}

#[expect(clippy::needless_pass_by_value, reason = "read as the part that it is")]
fn product(name: Cow<'_, str>) -> Option<ProductId> {
    ProductId::parse(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_signal_kind_ever_changes_its_code() {
        let names = "shipping_quoted total_shown coupon_rejected coupon_applied payment_methods_shown payment_attempted \
            payment_failed payment_redirected payment_returned error_shown field_rejected account_required item_removed \
            item_unavailable variant_unavailable search_empty page_viewed chat_opened chat_answered saved_for_later \
            exit_intent tab_hidden page_closed other";
        assert_eq!(SignalKind::NAMES.join(" "), names, "only append");
    }
}

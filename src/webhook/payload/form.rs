//! The outside form of a webhook's body: names and order of the fields, and nothing else.
//!
//! The order of fields is the order of declaration and does not change. A field without a value is left out, never null.
//! Never here: which event has which field (`webhook/payload.rs`), or what the fields mean (`docs/webhooks.md`).
//! Read next: `webhook/payload/content.rs`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::content::{ConsentForm, ItemForm, ShopperForm, TotalsForm};
use crate::domain::{
    Currency, Digest, Moment, Offer, OrderBrief, PENDING_INDEX, Reason, ReasonCode, ReminderMark, SERVICE_INDEX,
    StepBrief, Worth,
};

/// A moment as RFC 3339 in UTC.
pub(super) struct Stamp(pub(super) Moment);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
pub(super) struct Envelope<T> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub timestamp: Stamp,
    pub data: T,
}

#[derive(Serialize)]
pub(super) struct TestForm<'a> {
    pub shop: &'a str,
    pub endpoint: &'a str,
}

#[derive(Serialize)]
pub(super) struct NoticeForm<'a> {
    pub shop: &'a str,
    pub endpoint: &'a str,
    pub why: &'static str,
    pub disabled_at: Stamp,
}

#[derive(Default, Serialize)]
pub(super) struct Data<'a> {
    pub cart_id: &'a str,
    pub shop: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandonment: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'static str>,
    pub stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandoned_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandoned_value_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shopper: Option<ShopperForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<Vec<ConsentForm<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<ItemForm<'a>>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub items_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<TotalsForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_url_expires_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_not_after: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incentive: Option<IncentiveForm<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Experiment<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_reminders: Option<Vec<PreviousForm>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub attributes_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes_count: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Experiment<'a> {
    pub holdout: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arm: Option<&'a str>,
}

/// What a reminder offers. Nothing in it is personal: a code names nobody, and a thin body without it would be of no use.
#[derive(Serialize)]
pub(super) struct IncentiveForm<'a> {
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    code: &'a str,
    expires_at: Stamp,
}

impl<'a> IncentiveForm<'a> {
    pub(super) fn of(offer: &'a Offer) -> Self {
        let (value, value_minor, currency) = match offer.worth {
            Worth::Percent(percent) => (Some(percent), None, None),
            Worth::Amount(amount, currency) => (None, Some(amount.get()), Some(currency.code())),
            Worth::FreeShipping => (None, None, None),
        };
        Self {
            name: offer.incentive.as_str(),
            kind: offer.worth.kind(),
            value,
            value_minor,
            currency,
            code: offer.code.reveal(),
            expires_at: Stamp(offer.expires_at),
        }
    }
}

#[derive(Serialize)]
pub(super) struct StepForm<'a> {
    index: u32,
    of: u32,
    name: &'a str,
}

impl<'a> StepForm<'a> {
    /// Counted from 1 outside, so that it reads "1 of 3"; 0 is what is of no sequence: the service message, and the
    /// reminder of a payment.
    pub(super) fn of(step: &'a StepBrief) -> Self {
        Self { index: outside(step.index), of: step.of, name: step.name.as_str() }
    }
}

const fn outside(index: u32) -> u32 {
    if matches!(index, SERVICE_INDEX | PENDING_INDEX) { 0 } else { index.saturating_add(1) }
}

#[derive(Serialize)]
pub(super) struct PreviousForm {
    abandonment: u32,
    step: u32,
    decided_at: Stamp,
}

impl PreviousForm {
    pub(super) fn of(mark: &ReminderMark) -> Self {
        Self { abandonment: mark.abandonment, step: outside(mark.step), decided_at: Stamp(mark.decided_at) }
    }
}

#[derive(Serialize)]
pub(super) struct ReasonForm<'a> {
    code: &'static str,
    source: &'static str,
    confidence: u8,
    response: &'a str,
}

impl<'a> ReasonForm<'a> {
    /// With the shop's own word, where it has one.
    pub(super) fn of(reason: Reason, own: &'a [(ReasonCode, String)]) -> Self {
        let own = own.iter().find(|(code, _)| *code == reason.code).map(|(_, word)| word.as_str());
        Self {
            code: reason.code.as_str(),
            source: reason.source.as_str(),
            confidence: reason.confidence,
            response: own.unwrap_or_else(|| response(reason.code)),
        }
    }
}

/// What is known to answer a reason best, as a closed word for templates to branch on.
pub(super) const fn response(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::PriceTooHigh => "cheaper_option_hint",
        ReasonCode::PriceComparison => "show_advantages",
        ReasonCode::ShippingCost => "free_shipping_hint",
        ReasonCode::UnexpectedTotal => "show_total_breakdown",
        ReasonCode::CouponRejected => "explain_coupon",
        ReasonCode::DeliveryTime => "express_or_pickup",
        ReasonCode::DeliveryUnavailable => "offer_pickup",
        ReasonCode::OrderTracking => "promise_tracking",
        ReasonCode::ProductInfoUnclear => "answer_product_questions",
        ReasonCode::ProductPresentation => "show_customer_photos",
        ReasonCode::LimitedSelection => "show_alternatives",
        ReasonCode::OutOfStock => "hold_until_restock",
        ReasonCode::SupportUnavailable => "route_to_human",
        ReasonCode::TrustSecurity => "show_trust_marks",
        ReasonCode::ReturnsPolicy => "explain_returns",
        ReasonCode::PaymentMethodMissing => "list_payment_methods",
        ReasonCode::PaymentDeclined => "other_payment_method",
        ReasonCode::PaymentError => "retry_payment",
        ReasonCode::TechnicalError => "apologise_and_retry",
        ReasonCode::AccountRequired => "guest_checkout",
        ReasonCode::CheckoutTooLong => "saved_progress",
        ReasonCode::JustBrowsing => "no_incentive",
        ReasonCode::ThinkLater => "remind_later",
        ReasonCode::Other | ReasonCode::Unknown => "plain_reminder",
    }
}

/// What a day of a shop came to.
#[derive(Serialize)]
pub(super) struct DigestForm<'a> {
    shop: &'a str,
    day: String,
    abandonments: u64,
    reminders_delivered: u64,
    orders_recovered: u64,
    values: Vec<DayValueForm>,
    top_reasons: Vec<DayReasonForm>,
}

#[derive(Serialize)]
struct DayValueForm {
    currency: &'static str,
    abandoned_minor: u64,
    recovered_minor: u64,
}

#[derive(Serialize)]
struct DayReasonForm {
    code: &'static str,
    abandonments: u64,
}

impl<'a> DigestForm<'a> {
    pub(super) fn of(shop: &'a str, digest: &Digest) -> Self {
        let value = |(currency, left, back): &(Currency, u64, u64)| DayValueForm {
            currency: currency.code(),
            abandoned_minor: *left,
            recovered_minor: *back,
        };
        let reason = |(code, times): &(ReasonCode, u64)| DayReasonForm { code: code.as_str(), abandonments: *times };
        Self {
            shop,
            day: digest.day.to_string(),
            abandonments: digest.abandonments,
            reminders_delivered: digest.reminders,
            orders_recovered: digest.recovered,
            values: digest.values.iter().map(value).collect(),
            top_reasons: digest.reasons.iter().map(reason).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct OrderForm<'a> {
    id: &'a str,
    total_minor: u64,
    currency: &'static str,
    placed_at: Stamp,
}

impl<'a> OrderForm<'a> {
    pub(super) fn of(order: &'a OrderBrief) -> Self {
        Self {
            id: order.id.as_str(),
            total_minor: order.total.get(),
            currency: order.currency.code(),
            placed_at: Stamp(order.placed_at),
        }
    }
}

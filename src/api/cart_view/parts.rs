//! The parts of a cart as the API shows it, each in the fields of the body it came in.
//!
//! Amounts are minor units, moments RFC 3339. Read next: `api/cart_view.rs`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::openapi::{ChannelName, ConsentStatusName, ReasonName, SourceName, StageName};
use crate::api::receipt::{moment, moment_or_null};
use crate::domain::{
    Abandonment, Comment, Consent, Item, Minor, Moment, NextStep, OrderBrief, PersonalText, Reason, ReminderMark,
    Shopper, Signal, Totals, WebUrl,
};

/// One line.
#[derive(Serialize, ToSchema)]
pub struct ItemView<'a> {
    #[schema(value_type = Option<String>, required = true)]
    id: Option<&'a str>,
    #[schema(value_type = String)]
    product_id: &'a str,
    #[schema(value_type = Option<String>, required = true)]
    sku: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    title: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    variant: Option<&'a str>,
    quantity: u32,
    #[schema(required = true)]
    unit_price_minor: Option<u64>,
    #[schema(value_type = Option<String>, required = true)]
    url: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    image_url: Option<&'a str>,
    #[schema(required = true)]
    in_stock: Option<bool>,
}

impl<'a> ItemView<'a> {
    pub fn of(item: &'a Item) -> Self {
        Self {
            id: item.id.as_deref(),
            product_id: item.product_id.as_str(),
            sku: item.sku.as_deref(),
            title: item.title.as_deref(),
            variant: item.variant.as_deref(),
            quantity: item.quantity,
            unit_price_minor: item.unit_price.map(Minor::get),
            url: item.url.as_ref().map(WebUrl::as_str),
            image_url: item.image_url.as_ref().map(WebUrl::as_str),
            in_stock: item.in_stock,
        }
    }
}

/// The sums.
#[derive(Serialize, ToSchema)]
pub struct TotalsView {
    #[schema(required = true)]
    subtotal_minor: Option<u64>,
    #[schema(required = true)]
    discount_minor: Option<u64>,
    #[schema(required = true)]
    shipping_minor: Option<u64>,
    #[schema(required = true)]
    tax_minor: Option<u64>,
    #[schema(required = true)]
    total_minor: Option<u64>,
    #[schema(required = true)]
    tax_included: Option<bool>,
}

impl TotalsView {
    pub fn of(totals: Totals) -> Self {
        Self {
            subtotal_minor: totals.subtotal.map(Minor::get),
            discount_minor: totals.discount.map(Minor::get),
            shipping_minor: totals.shipping.map(Minor::get),
            tax_minor: totals.tax.map(Minor::get),
            total_minor: totals.total.map(Minor::get),
            tax_included: totals.tax_included,
        }
    }
}

/// The shopper.
#[derive(Serialize, ToSchema)]
pub struct ShopperView<'a> {
    #[schema(value_type = Option<String>, required = true)]
    email: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    phone: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    customer_id: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    anonymous_id: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    first_name: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    locale: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    time_zone: Option<&'a str>,
    #[schema(value_type = Option<String>, required = true)]
    country: Option<&'a str>,
    #[schema(required = true)]
    existing_customer: Option<bool>,
}

impl<'a> ShopperView<'a> {
    pub fn of(shopper: &'a Shopper) -> Self {
        let reveal = |text: &'a Option<PersonalText>| text.as_ref().map(PersonalText::reveal);
        Self {
            email: reveal(&shopper.email),
            phone: reveal(&shopper.phone),
            customer_id: reveal(&shopper.customer_id),
            anonymous_id: reveal(&shopper.anonymous_id),
            first_name: reveal(&shopper.first_name),
            locale: shopper.locale.as_deref(),
            time_zone: shopper.time_zone.as_deref(),
            country: shopper.country.as_deref(),
            existing_customer: shopper.existing_customer,
        }
    }
}

/// Consent for one channel.
#[derive(Serialize, ToSchema)]
pub struct ConsentView<'a> {
    #[schema(value_type = ChannelName)]
    channel: &'static str,
    #[schema(value_type = ConsentStatusName)]
    status: &'static str,
    #[schema(value_type = Option<String>, required = true)]
    basis: Option<&'a str>,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    at: Option<Moment>,
    #[schema(value_type = Option<String>, required = true)]
    source: Option<&'a str>,
}

impl<'a> ConsentView<'a> {
    pub fn of(consent: &'a Consent) -> Self {
        Self {
            channel: consent.channel.as_str(),
            status: consent.status.as_str(),
            basis: consent.basis.as_deref(),
            at: consent.at,
            source: consent.source.as_deref(),
        }
    }
}

/// A signal that is kept.
#[derive(Serialize, ToSchema)]
pub struct SignalView {
    #[schema(value_type = String)]
    kind: &'static str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl SignalView {
    pub const fn of(signal: &Signal) -> Self {
        Self { kind: signal.kind.name(), at: signal.at }
    }
}

/// A reason to leave.
#[derive(Serialize, ToSchema)]
pub struct ReasonView {
    #[schema(value_type = ReasonName)]
    code: &'static str,
    #[schema(value_type = SourceName)]
    source: &'static str,
    #[schema(maximum = 100)]
    confidence: u8,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl ReasonView {
    pub const fn of(reason: &Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            source: reason.source.as_str(),
            confidence: reason.confidence,
            at: reason.at,
        }
    }
}

/// Why, in somebody's own words.
#[derive(Serialize, ToSchema)]
pub struct CommentView<'a> {
    #[schema(value_type = SourceName)]
    source: &'static str,
    #[schema(value_type = String)]
    text: &'a str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl<'a> CommentView<'a> {
    pub fn of(comment: &'a Comment) -> Self {
        Self { source: comment.source.as_str(), text: comment.text.reveal(), at: comment.at }
    }
}

/// One idle episode.
#[derive(Serialize, ToSchema)]
pub struct AbandonmentView {
    /// From 1.
    number: u32,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    abandoned_at: Moment,
    #[schema(value_type = StageName)]
    stage: &'static str,
    value_minor: u64,
    reason: ReasonView,
}

impl AbandonmentView {
    pub const fn of(abandonment: &Abandonment) -> Self {
        Self {
            number: abandonment.number,
            abandoned_at: abandonment.abandoned_at,
            stage: abandonment.stage.as_str(),
            value_minor: abandonment.value.get(),
            reason: ReasonView::of(&abandonment.reason),
        }
    }
}

/// A reminder that was decided.
#[derive(Serialize, ToSchema)]
pub struct ReminderView {
    /// From 1; 0 before any.
    abandonment: u32,
    /// From 0; beyond the sequence 20 for the service message, 21 for the reminder of a payment.
    step: u32,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    decided_at: Moment,
}

impl ReminderView {
    pub const fn of(mark: &ReminderMark) -> Self {
        Self { abandonment: mark.abandonment, step: mark.step, decided_at: mark.decided_at }
    }
}

/// The reminder that comes next.
#[derive(Serialize, ToSchema)]
pub struct NextReminderView {
    /// From 0; beyond the sequence 20 for the service message, 21 for the reminder of a payment.
    step: u32,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    due_at: Moment,
    /// What holds it back; `due_at` is then when it is looked at again.
    #[schema(value_type = Option<String>, required = true)]
    held_by: Option<&'static str>,
    /// When it first came due.
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    held_since: Option<Moment>,
}

impl NextReminderView {
    pub fn of(step: NextStep) -> Self {
        Self {
            step: step.index,
            due_at: step.due_at,
            held_by: step.held.map(|held| held.why.as_str()),
            held_since: step.held.map(|held| held.since),
        }
    }
}

/// The order that settled the cart, or is about to.
#[derive(Serialize, ToSchema)]
pub struct OrderView<'a> {
    #[schema(value_type = String)]
    order_id: &'a str,
    #[schema(value_type = String)]
    currency: &'static str,
    total_minor: u64,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    placed_at: Moment,
}

impl<'a> OrderView<'a> {
    pub fn of(order: &'a OrderBrief) -> Self {
        Self {
            order_id: order.id.as_str(),
            currency: order.currency.code(),
            total_minor: order.total.get(),
            placed_at: order.placed_at,
        }
    }
}

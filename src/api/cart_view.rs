//! A cart as the API shows it: everything known, in the words and fields of the body it came in.
//!
//! For server and admin keys only, since it names the shopper. Never here: what a browser gets (`api/receipt.rs`).

mod parts;

pub use self::parts::ItemView;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use self::parts::{
    AbandonmentView, CommentView, ConsentView, NextReminderView, OrderView, ReasonView, ReminderView, ShopperView,
    SignalView, TotalsView,
};
use super::openapi::{AttributionName, StageName, StateNameSchema};
use super::receipt::{moment, moment_or_null};
use crate::domain::{Cart, Moment, Stage, State, WebUrl};

/// Everything known about a cart.
#[derive(Serialize, ToSchema)]
pub struct CartView<'a> {
    #[schema(value_type = String)]
    cart_id: &'a str,
    #[schema(value_type = String)]
    shop: &'a str,
    #[schema(value_type = StateNameSchema)]
    state: &'static str,
    /// Why a suppressed cart is never reminded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    why: Option<&'static str>,
    /// How a conversion came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AttributionName, required = false)]
    attribution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    merged_into: Option<&'a str>,
    #[schema(value_type = StageName)]
    stage: &'static str,
    /// Every stage the cart has been in.
    #[schema(value_type = Vec<StageName>)]
    stages: Vec<&'static str>,
    #[schema(value_type = String)]
    currency: &'static str,
    items: Vec<ItemView<'a>>,
    totals: TotalsView,
    shopper: ShopperView<'a>,
    consent: Vec<ConsentView<'a>>,
    #[schema(value_type = Option<String>, required = true)]
    checkout_url: Option<&'a str>,
    #[schema(value_type = Vec<String>)]
    coupons: &'a [String],
    #[schema(value_type = BTreeMap<String, String>)]
    attributes: &'a BTreeMap<String, String>,
    test: bool,
    signals: Vec<SignalView>,
    /// The reason that counts.
    #[schema(required = true)]
    reason: Option<ReasonView>,
    reasons: Vec<ReasonView>,
    /// In people's own words; empty unless the shop keeps comments.
    comments: Vec<CommentView<'a>>,
    /// How often the cart was abandoned.
    abandonments: u32,
    #[schema(required = true)]
    last_abandonment: Option<AbandonmentView>,
    reminders: Vec<ReminderView>,
    #[schema(required = true)]
    next_reminder: Option<NextReminderView>,
    #[schema(required = true)]
    order: Option<OrderView<'a>>,
    #[schema(value_type = Option<i64>, required = true, minimum = 0)]
    revision: Option<u64>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    last_activity_at: Moment,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    items_changed_at: Moment,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Moment,
    /// When silence becomes an abandonment.
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    stalls_at: Option<Moment>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    next_wake_at: Moment,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
}

impl<'a> CartView<'a> {
    /// The view of a cart.
    #[must_use]
    pub fn of(cart: &'a Cart) -> Self {
        let content = &cart.content;
        let (mut why, mut attribution, mut merged_into, mut stalls, mut next) = (None, None, None, None, None);
        match &cart.state {
            State::Active { stalls_at } => stalls = *stalls_at,
            State::Abandoned { next_step } | State::PaymentPending { next_step } => next = *next_step,
            State::Converted { attribution: how } => attribution = Some(how.as_str()),
            State::Suppressed { why: reason } => why = Some(reason.as_str()),
            State::MergedInto(other) => merged_into = Some(other.as_str()),
            State::Reverted | State::Dismissed | State::OptedOut | State::Expired | State::Erased => {}
        }
        Self {
            cart_id: cart.id.as_str(),
            shop: cart.shop.as_str(),
            state: cart.state.name().as_str(),
            why,
            attribution,
            merged_into,
            stage: cart.stage.as_str(),
            stages: Stage::ALL.iter().filter(|s| cart.stages.0 & (1 << **s as u8) != 0).map(|s| s.as_str()).collect(),
            currency: content.currency.code(),
            items: content.items.iter().map(ItemView::of).collect(),
            totals: TotalsView::of(content.totals),
            shopper: ShopperView::of(&content.shopper),
            consent: content.consent.iter().map(ConsentView::of).collect(),
            checkout_url: content.checkout_url.as_ref().map(WebUrl::as_str),
            coupons: &content.coupons,
            attributes: &content.attributes,
            test: content.test,
            signals: cart.signals.iter().map(SignalView::of).collect(),
            reason: cart.primary_reason().map(ReasonView::of),
            reasons: cart.reasons.iter().map(ReasonView::of).collect(),
            comments: cart.heard.comments.iter().map(CommentView::of).collect(),
            abandonments: cart.abandonments,
            last_abandonment: cart.last_abandonment.as_ref().map(AbandonmentView::of),
            reminders: cart.reminders.iter().map(ReminderView::of).collect(),
            next_reminder: next.map(NextReminderView::of),
            order: cart.order.as_ref().map(OrderView::of),
            revision: cart.revision,
            created_at: cart.created_at,
            last_activity_at: cart.last_activity_at,
            items_changed_at: cart.items_changed_at,
            occurred_at: cart.occurred_at,
            stalls_at: stalls,
            next_wake_at: cart.next_wake(),
            expires_at: cart.expires_at,
        }
    }
}

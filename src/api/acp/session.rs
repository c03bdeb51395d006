//! The Agentic Commerce Protocol's shapes: what an agent sends to cancel, and the session or error it is answered.
//!
//! Of a session only what a cart knows is filled; an agent has seen the rest from whoever serves its checkout.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Cart, Item, Minor, Unmapped};

/// The version of the protocol that the answers follow.
const VERSION: &str = "2026-04-17";

/// What an agent may send. Never refused for what it holds.
#[derive(ToSchema)]
#[schema(as = CancelSessionRequest)]
#[expect(dead_code, reason = "a description: the body is read field by field")]
pub struct CancelRequest {
    #[schema(required = false)]
    intent_trace: Option<IntentTrace>,
}

/// Why a shopper's agent gave up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description: the body is read field by field")]
pub struct IntentTrace {
    /// `price_sensitivity`, `shipping_cost`, `shipping_speed`, `product_fit`, `trust_security`, `returns_policy`,
    /// `payment_options`, `comparison`, `timing_deferred`, `other`; what is none of these is taken as `other`.
    #[schema(min_length = 1, max_length = 64)]
    reason_code: String,
    /// Kept only where the shop keeps comments.
    #[schema(max_length = 500, required = false)]
    trace_summary: Option<String>,
    /// Not looked at.
    #[schema(value_type = Object, required = false)]
    metadata: Option<()>,
}

/// A session that was canceled.
#[derive(Serialize, ToSchema)]
pub struct CheckoutSession<'a> {
    #[schema(value_type = String)]
    id: &'a str,
    #[schema(inline)]
    protocol: Protocol,
    #[schema(value_type = Object)]
    capabilities: Empty,
    #[schema(value_type = String)]
    status: &'static str,
    currency: String,
    line_items: Vec<LineItem<'a>>,
    totals: Vec<Total>,
    #[schema(value_type = Vec<Object>)]
    fulfillment_options: [Empty; 0],
    messages: Vec<Message>,
    #[schema(value_type = Vec<Object>)]
    links: [Empty; 0],
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize, ToSchema)]
struct Protocol {
    #[schema(value_type = String)]
    version: &'static str,
}

#[derive(Serialize, ToSchema)]
struct LineItem<'a> {
    id: String,
    item: ItemRef<'a>,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    unit_amount: Option<u64>,
    totals: Vec<Total>,
}

#[derive(Serialize, ToSchema)]
struct ItemRef<'a> {
    #[schema(value_type = String)]
    id: &'a str,
}

#[derive(Serialize, ToSchema)]
struct Total {
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    #[schema(value_type = String)]
    display_text: &'static str,
    amount: u64,
}

#[derive(Serialize, ToSchema)]
struct Message {
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    #[schema(value_type = String)]
    content_type: &'static str,
    #[schema(value_type = String)]
    content: &'static str,
}

/// An error of the protocol.
#[derive(Serialize, ToSchema)]
pub struct ProtocolError {
    /// `invalid_request`, `processing_error` or `service_unavailable`.
    #[serde(rename = "type")]
    kind: &'static str,
    code: String,
    message: &'static str,
}

impl ProtocolError {
    pub fn new(kind: &'static str, code: &str, message: &'static str) -> Self {
        Self { kind, code: code.to_owned(), message }
    }
}

fn total(kind: &'static str, display_text: &'static str, amount: Minor) -> Total {
    Total { kind, display_text, amount: amount.get() }
}

fn message(content: &'static str) -> Message {
    Message { kind: "info", content_type: "plain", content }
}

impl<'a> LineItem<'a> {
    fn of(place: usize, item: &'a Item) -> Self {
        let amount = item.unit_price.map(|price| price.get().saturating_mul(item.quantity.into()));
        let line = |amount| Total { kind: "subtotal", display_text: "Subtotal", amount };
        Self {
            id: item.id.clone().unwrap_or_else(|| format!("line-{}", place + 1)),
            item: ItemRef { id: item.product_id.as_str() },
            quantity: item.quantity,
            name: item.title.as_deref(),
            unit_amount: item.unit_price.map(Minor::get),
            totals: amount.map(line).into_iter().collect(),
        }
    }
}

impl<'a> CheckoutSession<'a> {
    /// A cart as the session that was canceled.
    pub fn of(cart: &'a Cart, unmapped: Option<Unmapped>) -> Self {
        let content = &cart.content;
        let totals = &content.totals;
        let shown = [
            Some(total("subtotal", "Subtotal", content.subtotal())),
            totals.discount.map(|amount| total("discount", "Discount", amount)),
            totals.shipping.map(|amount| total("fulfillment", "Shipping", amount)),
            totals.tax.map(|amount| total("tax", "Tax", amount)),
            Some(total("total", "Total", content.value())),
        ];
        let mut messages = vec![message("Session canceled.")];
        if unmapped == Some(Unmapped::IntentTrace) {
            messages.push(message("The intent trace could not be read and was not kept."));
        }
        Self {
            id: cart.id.as_str(),
            protocol: Protocol { version: VERSION },
            capabilities: Empty {},
            status: "canceled",
            currency: content.currency.code().to_ascii_lowercase(),
            line_items: content.items.iter().enumerate().map(|(place, item)| LineItem::of(place, item)).collect(),
            totals: shown.into_iter().flatten().collect(),
            fulfillment_options: [],
            messages,
            links: [],
        }
    }
}

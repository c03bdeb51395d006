//! What is shown of a delivery: its place, its status and why, and, one at a time, every attempt that is remembered.
//!
//! Nothing of the cart's content and nothing that signs is here. Read next: `api/deliveries.rs`.

use serde::Serialize;
use utoipa::ToSchema;

use super::receipt::{moment, moment_or_null};
use crate::domain::{Attempt, CartId, Moment, Reply, Why};
use crate::engine::status_parts;
use crate::store::Letter;

/// Whether attempts are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Yes,
    No,
}

#[derive(Serialize, ToSchema)]
pub struct DeliveryView<'a> {
    #[schema(value_type = String)]
    id: &'a str,
    #[schema(value_type = Option<String>)]
    shop: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    endpoint: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    cart_id: Option<&'a str>,
    /// `pending`, `delivered`, `dead` or `suppressed`.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = Option<String>)]
    why: Option<&'static str>,
    /// There is a record and it cannot be read; what follows is unknown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreadable: bool,
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    kind: Option<&'static str>,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Moment>,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Moment>,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    send_not_after: Option<Moment>,
    /// Since it was queued, or retried by hand.
    attempt_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptView<'a>>>,
}

#[derive(Serialize, ToSchema)]
struct AttemptView<'a> {
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    #[schema(value_type = String)]
    outcome: &'static str,
    status: Option<u16>,
    duration_ms: u32,
    request: RequestView<'a>,
    response: Option<ResponseView<'a>>,
}

#[derive(Serialize, ToSchema)]
struct RequestView<'a> {
    #[serde(rename = "webhook-id")]
    #[schema(value_type = String)]
    id: &'a str,
    #[serde(rename = "webhook-timestamp")]
    timestamp: i64,
}

/// The first of what a receiver answered.
#[derive(Serialize, ToSchema)]
pub struct ResponseView<'a> {
    #[serde(rename = "content-type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    content_type: Option<&'a str>,
    #[serde(rename = "retry-after", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    retry_after: Option<&'a str>,
    #[schema(value_type = String)]
    first_bytes: &'a str,
}

impl<'a> ResponseView<'a> {
    pub fn of(reply: &'a Reply) -> Self {
        Self {
            content_type: reply.content_type.as_deref(),
            retry_after: reply.retry_after.as_deref(),
            first_bytes: &reply.body,
        }
    }
}

impl<'a> DeliveryView<'a> {
    pub fn of(letter: &'a Letter, full: Full) -> Self {
        let (status, why) = status_parts(letter.status());
        let (id, delivery) = (letter.id.as_str(), letter.delivery.as_ref());
        let attempts = delivery.filter(|_| full == Full::Yes).map(|d| d.attempts.iter());
        Self {
            id,
            shop: letter.lane.as_ref().map(|lane| lane.shop.as_str()),
            endpoint: letter.lane.as_ref().map(|lane| lane.endpoint.as_str()),
            cart_id: letter.cart.as_ref().map(CartId::as_str),
            status,
            why: why.map(Why::as_str),
            unreadable: delivery.is_none(),
            kind: delivery.map(|d| d.event.kind.as_str()),
            created_at: delivery.map(|d| d.created_at),
            due_at: delivery.map(|d| d.due_at),
            send_not_after: delivery.map(|d| d.send_not_after),
            attempt_count: delivery.map(|d| d.attempt_count),
            attempts: attempts.map(|all| all.map(|attempt| AttemptView::of(id, attempt)).collect()),
        }
    }
}

impl<'a> AttemptView<'a> {
    fn of(id: &'a str, attempt: &'a Attempt) -> Self {
        Self {
            at: attempt.at,
            outcome: attempt.outcome.as_str(),
            status: attempt.status,
            duration_ms: attempt.duration_ms,
            request: RequestView { id, timestamp: attempt.at.millis().div_euclid(1_000) },
            response: attempt.reply.as_ref().map(ResponseView::of),
        }
    }
}

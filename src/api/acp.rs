//! The Agentic Commerce Protocol's cancel: a shopper's agent gives up a checkout, and may say why (`intent_trace`).
//!
//! By the protocol as of 2026-04-17 and its RFC "Intent Traces". A cancellation succeeds whatever the trace holds: what
//! cannot be read of it is left out, an unknown code is `other`, and both are counted. The trace is write-only; its
//! metadata is not even looked at. Answers, errors too, have the protocol's shapes (`api/acp/session.rs`). What a
//! cancellation makes of the cart is in `domain/draft/said.rs`.

mod session;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::Value;

pub use self::session::{CancelRequest, CheckoutSession, ProtocolError};
use super::body;
use super::call::{Call, IDEMPOTENCY_KEY};
use super::envelope::Envelope;
use super::fields::text;
use super::json::Text;
use super::problem::{Kind, Problem};
use crate::config::Role;
use crate::domain::{Applied, Cart, PersonalText, ReasonCode, ReasonSource, Said, Unmapped, What};

/// The protocol's header that names a request for people who look for it.
const REQUEST_ID: &str = "Request-Id";
/// Longest code that is looked at.
const CODE_MAX: usize = 64;
/// Longest summary, in characters, by the protocol.
const SUMMARY_MAX: usize = 500;

/// What a body says about why.
#[derive(Debug, PartialEq, Eq)]
enum Trace {
    /// Nothing.
    Silent,
    Said {
        said: Said,
        is_listed: bool,
    },
    /// There is one, and no reason can be read from it.
    Unreadable,
}

/// Reads what can be read. Never fails: a cancellation does not depend on it.
fn trace(bytes: &[u8]) -> Trace {
    if bytes.is_empty() {
        return Trace::Silent;
    }
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(bytes) else { return Trace::Unreadable };
    let trace = match body.get("intent_trace") {
        None | Some(Value::Null) => return Trace::Silent,
        Some(trace) => trace,
    };
    let code = trace.get("reason_code").and_then(Value::as_str).filter(|code| (1..=CODE_MAX).contains(&code.len()));
    let Some(code) = code else { return Trace::Unreadable };
    let summary = trace.get("trace_summary").and_then(Value::as_str).filter(|summary| !summary.trim().is_empty());
    let comment = summary.and_then(|summary| text::<SUMMARY_MAX>(Text(summary.into())).ok());
    let listed = ReasonCode::of_intent(code);
    let said = Said {
        comment: comment.map(|comment| PersonalText::new(&comment)),
        ..Said::new(listed.unwrap_or(ReasonCode::Other), ReasonSource::Agent)
    };
    Trace::Said { said, is_listed: listed.is_some() }
}

/// What a body tells a cart.
pub(super) fn told(bytes: &[u8]) -> (Envelope, What) {
    let (said, unmapped) = match trace(bytes) {
        Trace::Silent => (None, None),
        Trace::Said { said, is_listed: true } => (Some(said), None),
        Trace::Said { said, is_listed: false } => (Some(said), Some(Unmapped::ReasonCode)),
        Trace::Unreadable => (None, Some(Unmapped::IntentTrace)),
    };
    (Envelope { unmapped, ..Envelope::default() }, What::Cancel(said))
}

/// Cancels a checkout session: the shopper's agent gives up.
#[utoipa::path(post, path = "/acp/checkout_sessions/{cart_id}/cancel", tag = "agents",
    request_body(content = CancelRequest, description = "Optional, and never a reason to refuse."),
    responses(
        (status = 200, body = CheckoutSession, description = "Canceled; a repeat with the same key is answered alike."),
        (status = 405, body = ProtocolError, description = "Not cancelable: completed, or canceled before."),
    ))]
pub async fn cancel(req: HttpRequest, payload: Payload) -> HttpResponse {
    let mut response = match canceled(&req, payload).await {
        Ok(response) => response,
        Err(problem) => refused(&problem),
    };
    for name in [IDEMPOTENCY_KEY, REQUEST_ID] {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let Ok(name) = name
            && let Some(value) = req.headers().get(&name).filter(|value| value.len() <= 255)
        {
            response.headers_mut().insert(name, HeaderValue::clone(value));
        }
    }
    response
}

async fn canceled(req: &HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(req, Role::Server)?;
    let id = call.cart_id()?;
    let bytes = body::read_any(req, payload, call.state.body_bytes_max).await?;
    let (envelope, what) = told(&bytes);
    let unmapped = envelope.unmapped;
    let receipt = call.write(&id, envelope, what, &bytes).await?;
    if receipt.applied != Applied::Applied {
        let error = ProtocolError::new("invalid_request", "not_cancelable", "The session is completed or canceled.");
        let mut response = super::receipt::json(StatusCode::METHOD_NOT_ALLOWED, &error)?;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    let cart: Option<Cart> = call.state.engine.store().load(&call.shop.id, &id, None).await?.record.map(|r| *r.value);
    let cart = cart.ok_or_else(|| Problem::new(Kind::NoSuchCart, "The session has been deleted."))?;
    super::receipt::json(StatusCode::OK, &CheckoutSession::of(&cart, unmapped))
}

/// A problem in the protocol's shape.
fn refused(problem: &Problem) -> HttpResponse {
    let (status, slug, title) = problem.kind().parts();
    let kind = match status {
        503 => "service_unavailable",
        500 => "processing_error",
        _ => "invalid_request",
    };
    let code = if problem.kind() == Kind::IdempotencyKeyReused {
        "idempotency_conflict".to_owned()
    } else {
        slug.trim_start_matches("/problems/").replace('-', "_")
    };
    let ours = problem.error_response();
    let body = serde_json::to_vec(&ProtocolError::new(kind, &code, title)).unwrap_or_default();
    let mut response = HttpResponse::build(ours.status()).content_type("application/json").body(body);
    for name in [WWW_AUTHENTICATE, RETRY_AFTER] {
        if let Some(value) = ours.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> (ReasonCode, bool, Option<String>) {
        let trace = trace(body.as_bytes());
        let Trace::Said { said, is_listed } = trace else { panic!("{body}: {trace:?}") };
        (said.code, is_listed, said.comment.map(|comment| comment.reveal().to_owned()))
    }

    #[test]
    fn every_code_of_the_protocol_is_one_of_ours() {
        for (code, ours) in [
            ("price_sensitivity", ReasonCode::PriceTooHigh),
            ("shipping_cost", ReasonCode::ShippingCost),
            ("shipping_speed", ReasonCode::DeliveryTime),
            ("product_fit", ReasonCode::ProductInfoUnclear),
            ("trust_security", ReasonCode::TrustSecurity),
            ("returns_policy", ReasonCode::ReturnsPolicy),
            ("payment_options", ReasonCode::PaymentMethodMissing),
            ("comparison", ReasonCode::PriceComparison),
            ("timing_deferred", ReasonCode::ThinkLater),
            ("other", ReasonCode::Other),
        ] {
            assert_eq!(said(&format!(r#"{{"intent_trace":{{"reason_code":"{code}"}}}}"#)), (ours, true, None));
        }
    }

    #[test]
    fn a_trace_is_read_as_far_as_it_can_be() {
        let full = r#"{"intent_trace":{"reason_code":"comparison","trace_summary":"less elsewhere",
            "metadata":{"max_budget":8500,"nested":{"is":"not allowed"}}},"more":1}"#;
        assert_eq!(said(full), (ReasonCode::PriceComparison, true, Some("less elsewhere".to_owned())));
        let future = r#"{"intent_trace":{"reason_code":"brand_ethics","trace_summary":7}}"#;
        assert_eq!(said(future), (ReasonCode::Other, false, None));
        let long = format!(r#"{{"intent_trace":{{"reason_code":"other","trace_summary":"{}"}}}}"#, "x".repeat(501));
        assert_eq!(said(&long), (ReasonCode::Other, true, None));
        for silent in ["", "{}", r#"{"intent_trace":null}"#] {
            assert_eq!(trace(silent.as_bytes()), Trace::Silent, "{silent}");
        }
        for unreadable in ["nonsense", "[]", r#"{"intent_trace":"why"}"#, r#"{"intent_trace":{"reason_code":5}}"#] {
            assert_eq!(trace(unreadable.as_bytes()), Trace::Unreadable, "{unreadable}");
        }
    }
}

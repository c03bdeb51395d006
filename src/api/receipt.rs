//! The answers to writes: what became of them, and nothing about the person, so that a browser may read them.
//!
//! They come from the receipt that is kept with the write, so a repeated write gets the first answer word for word.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::domain::{Applied, CartId, Moment, OrderId, Receipt};
use crate::store::{InFlight, OrderReceipt};

/// The answer to a write of a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartReceipt)]
pub struct CartReceipt<'a> {
    #[schema(value_type = String)]
    cart_id: &'a str,
    /// False when the write changed nothing: it was older than the last one, or the cart has ended.
    applied: bool,
    /// Why it was not applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = super::openapi::NotAppliedName, required = false)]
    why: Option<&'static str>,
    #[schema(value_type = super::openapi::StateNameSchema)]
    state: &'static str,
    #[schema(value_type = super::openapi::StageName)]
    stage: &'static str,
    /// How often the cart was abandoned so far.
    abandonments: u32,
    /// The highest revision applied.
    revision: Option<u64>,
    /// When the cart is next looked at.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    next_wake_at: Moment,
}

/// The answer to an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderReceipt)]
pub struct OrderAnswer<'a> {
    #[schema(value_type = String)]
    order_id: &'a str,
    /// False when the order was known to be further on.
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = super::openapi::NotAppliedName, required = false)]
    why: Option<&'static str>,
    /// The carts that the order settled, reopened or reverted.
    #[schema(value_type = Vec<String>)]
    carts: Vec<&'a str>,
    /// Set once paid: whether the order owes anything to an abandonment.
    #[schema(value_type = Option<super::openapi::AttributionName>, required = true)]
    attribution: Option<&'static str>,
    /// Whether a reminder was on its way: `none` starts after this answer, one has `finished`, or one `possible`-y arrives.
    #[schema(value_type = super::openapi::InFlightName)]
    reminder_in_flight: &'static str,
}

/// Writes a moment by RFC 3339.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it by reference")]
pub fn moment<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

/// Writes a moment by RFC 3339, or `null`.
#[expect(clippy::ref_option, reason = "serde calls it by reference")]
pub fn moment_or_null<S: Serializer>(moment: &Option<Moment>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}

const fn why(applied: Applied) -> Option<&'static str> {
    match applied {
        Applied::Applied => None,
        Applied::Stale | Applied::Closed => Some(applied.as_str()),
    }
}

/// Any answer as JSON.
///
/// # Errors
/// Never for the types of this API.
pub fn json<T: Serialize>(status: StatusCode, answer: &T) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(answer).map_err(|_| Problem::internal())?;
    Ok(HttpResponse::build(status).content_type("application/json").body(body))
}

/// The answer to a write of a cart: 201 when it made the cart, 204 when it was applied and the caller wants no more.
///
/// A write that was not applied is always told with its reason, whatever the caller prefers.
///
/// # Errors
/// Never.
pub fn of_cart(headers: &HeaderMap, id: &CartId, receipt: &Receipt) -> Result<HttpResponse, Problem> {
    let is_applied = receipt.applied == Applied::Applied;
    if is_applied && prefers_minimal(headers) {
        return Ok(HttpResponse::NoContent().insert_header(("Preference-Applied", "return=minimal")).finish());
    }
    let (status, answer) = cart(id, receipt);
    json(status, &answer)
}

/// The receipt of a write of a cart, and the status that goes with it.
pub(super) fn cart<'a>(id: &'a CartId, receipt: &Receipt) -> (StatusCode, CartReceipt<'a>) {
    let status = if receipt.created { StatusCode::CREATED } else { StatusCode::OK };
    let answer = CartReceipt {
        cart_id: id.as_str(),
        applied: receipt.applied == Applied::Applied,
        why: why(receipt.applied),
        state: receipt.state.as_str(),
        stage: receipt.stage.as_str(),
        abandonments: receipt.abandonments,
        revision: receipt.revision,
        next_wake_at: receipt.next_wake_at,
    };
    (status, answer)
}

/// The answer to an order.
///
/// # Errors
/// Never.
pub fn of_order(id: &OrderId, receipt: &OrderReceipt) -> Result<HttpResponse, Problem> {
    json(StatusCode::OK, &order(id, receipt))
}

/// The receipt of an order.
pub(super) fn order<'a>(id: &'a OrderId, receipt: &'a OrderReceipt) -> OrderAnswer<'a> {
    OrderAnswer {
        order_id: id.as_str(),
        applied: receipt.applied == Applied::Applied,
        why: why(receipt.applied),
        carts: receipt.carts.iter().map(CartId::as_str).collect(),
        attribution: receipt.attribution.map(crate::domain::Attribution::as_str),
        reminder_in_flight: in_flight(receipt.in_flight),
    }
}

pub(super) const fn in_flight(in_flight: InFlight) -> &'static str {
    match in_flight {
        InFlight::None => "none",
        InFlight::Finished => "finished",
        InFlight::Possible => "possible",
    }
}

/// RFC 7240.
pub(super) fn prefers_minimal(headers: &HeaderMap) -> bool {
    let is_minimal = |text: &str| text.split([',', ';']).any(|p| p.trim().eq_ignore_ascii_case("return=minimal"));
    headers.get_all("prefer").any(|value| value.to_str().is_ok_and(is_minimal))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::domain::{Stage, StateName};

    fn receipt(applied: Applied) -> Receipt {
        Receipt {
            created: false,
            applied,
            state: StateName::Active,
            stage: Stage::Cart,
            abandonments: 0,
            revision: None,
            next_wake_at: Moment::from_millis(0),
        }
    }

    fn answer(prefer: &'static str, applied: Applied) -> HttpResponse {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static(prefer));
        let id = CartId::parse("c1").expect("a valid id");
        of_cart(&headers, &id, &receipt(applied)).expect("a receipt can be written")
    }

    #[test]
    fn who_wants_little_gets_no_body_for_what_was_applied() {
        for prefer in ["return=minimal", "respond-async, Return=Minimal"] {
            let answer = answer(prefer, Applied::Applied);
            assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{prefer}");
            assert!(answer.headers().contains_key("preference-applied"), "{prefer}");
        }
        assert_eq!(answer("return=representation", Applied::Applied).status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn what_was_not_applied_is_told_even_to_who_wants_little() {
        for applied in [Applied::Stale, Applied::Closed] {
            let answer = answer("return=minimal", applied);
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(!answer.headers().contains_key("preference-applied"));
            let bytes = to_bytes(answer.into_body()).await.expect("a body in memory");
            let body: serde_json::Value = serde_json::from_slice(&bytes).expect("valid JSON");
            assert_eq!((&body["applied"], &body["why"]), (&false.into(), &applied.as_str().into()));
        }
    }
}

//! Dismissal: the shopper says no to this cart. It ends, and nobody is reminded of it.
//!
//! The body is optional: it only says when, and names the write.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, FromBody};
use super::call::Call;
use super::envelope::Envelope;
use super::faults::Faults;
use super::json::{Given, Text};
use super::problem::Problem;
use super::receipt::{self, CartReceipt};
use crate::config::Role;
use crate::domain::What;

/// When the shopper said no.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Dismissal)]
pub struct DismissalBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0)]
    revision: Given<i64>,
    /// Names this write like the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,255}$")]
    event_id: Given<Text<'a>>,
}

impl FromBody for Envelope {
    type Body<'b> = DismissalBody<'b>;
    type Context = ();

    fn check(body: DismissalBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        Some(Self::check(body.occurred_at, body.revision, body.event_id, faults))
    }
}

/// Ends a cart because the shopper says no.
#[utoipa::path(post, path = "/v1/carts/{cart_id}/dismiss", tag = "carts", request_body = DismissalBody,
    responses((status = 200, body = CartReceipt, description = "Dismissed, or the cart has ended before."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = body::read_optional(&req, payload, call.state.body_bytes_max).await?.unwrap_or_default();
    let envelope = if bytes.is_empty() { Envelope::default() } else { body::parse(&bytes, &())? };
    let receipt = call.write(&id, envelope, What::Dismiss, &bytes).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}

//! A login merge: the cart before the login goes into the one after it.
//!
//! Lines of one product, variant and sku become one with the larger quantity; nothing is lost. A repeat changes nothing.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::envelope::Envelope;
use super::faults::{At, Fault, Faults};
use super::json::{Given, Text};
use super::problem::{Kind, Problem};
use super::receipt::{self, CartReceipt};
use crate::config::Role;
use crate::domain::CartId;

/// Which cart lives on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Merge)]
pub struct MergeBody<'a> {
    /// The cart that takes the content; one that is not known yet is made of it.
    #[serde(default, borrow)]
    #[schema(value_type = String, required = true, pattern = "^[A-Za-z0-9_.~:=-]{1,128}$")]
    into: Given<Text<'a>>,
    #[serde(default)]
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

struct Told {
    envelope: Envelope,
    into: CartId,
}

impl FromBody for Told {
    type Body<'b> = MergeBody<'b>;
    type Context = ();

    fn check(body: MergeBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let envelope = Envelope::check(body.occurred_at, body.revision, body.event_id, faults);
        let into = body.into.required(&At::Root.field("into"), faults, |text| {
            CartId::parse(&text.0).map_err(|error| error.to_string().into())
        });
        Some(Self { envelope, into: into? })
    }
}

/// Merges a cart into another one of the same shopper.
#[utoipa::path(post, path = "/v1/carts/{cart_id}/merge", tag = "carts", request_body = MergeBody,
    responses((status = 200, body = CartReceipt, description = "Merged; or not, as one of the two has ended before, or the first is ordered and its payment on its way."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = call.body(payload, JSON).await?;
    let Told { envelope, into } = body::parse(&bytes, &())?;
    if into == id {
        let detail = "must be another cart".into();
        return Err(Problem::with_faults(Kind::InvalidBody, vec![Fault { pointer: "/into".to_owned(), detail }]));
    }
    let engine = &call.state.engine;
    let once = call.once(envelope.event_id, &bytes)?;
    let at = envelope.occurred_at.unwrap_or_else(|| engine.now());
    let receipt = engine.merge(&call.shop.id, (&id, &into), at, once).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}

//! Stock: what can be had and for how much. It holds reminders of what cannot, and lets them go when it can again.

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::faults::{At, Faults};
use super::fields::{minor, moment, product};
use super::json::{Given, Text};
use super::problem::Problem;
use super::receipt;
use crate::config::Role;
use crate::domain::{Minor, Moment, ProductId, StockLevel};

/// What is known of a product.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Stock)]
pub struct StockBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = String, required = true, pattern = "^[!-~]{1,128}$")]
    product_id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = bool, required = true)]
    in_stock: Given<bool>,
    /// Of one; in the currency of the carts that hold it.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    price_minor: Given<i64>,
    /// Now when left out; older news never replaces newer.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Given<Text<'a>>,
}

pub(super) struct Told {
    product: ProductId,
    in_stock: bool,
    price: Option<Minor>,
    at: Option<Moment>,
}

impl FromBody for Told {
    type Body<'b> = StockBody<'b>;
    type Context = ();

    fn check(body: StockBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let product = body.product_id.required(&root.field("product_id"), faults, product);
        let in_stock = body.in_stock.required(&root.field("in_stock"), faults, Ok);
        let price = body.price_minor.optional(&root.field("price_minor"), faults, minor);
        let at = body.occurred_at.optional(&root.field("occurred_at"), faults, moment);
        Some(Self { product: product?, in_stock: in_stock?, price, at })
    }
}

/// What the news came to.
#[derive(Serialize, ToSchema)]
pub struct StockAnswer {
    /// Carts whose reminders waited for this product and wait no longer.
    resumed: usize,
}

/// Tells what can be had.
#[utoipa::path(post, path = "/v1/stock", tag = "stock", request_body = StockBody,
    responses((status = 200, body = StockAnswer, description = "Taken, or older than what is known.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let bytes = call.body(payload, JSON).await?;
    let resumed = tell(&call, body::parse(&bytes, &())?, None).await?;
    receipt::json(StatusCode::OK, &StockAnswer { resumed })
}

/// Tells the engine what can be had; at that moment, where the news does not say.
pub(super) async fn tell(call: &Call<'_>, told: Told, else_at: Option<Moment>) -> Result<usize, Problem> {
    let Told { product, in_stock, price, at } = told;
    let engine = &call.state.engine;
    let now = engine.now();
    let level = StockLevel { product, in_stock, price, at: at.or(else_at).unwrap_or(now).min(now) };
    Ok(engine.stock(&call.shop.id, level).await?)
}

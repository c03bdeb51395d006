//! Orders: what a storefront says about a purchase, from placed to refunded.
//!
//! An order closes every cart of its buyer whose lines it covers; how is the engine's matter (`engine/orders.rs`).

use std::time::Duration;

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::cart_body::{ITEMS_MAX, ItemBody, ShopperBody};
use super::cart_check::{item, shopper, whole_shopper};
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::{TEXT_MAX, currency, member, minor, moment, set, text};
use super::json::{Given, List, Object, Text};
use super::problem::Problem;
use super::receipt::{self, OrderAnswer};
use crate::config::Role;
use crate::domain::{
    CartId, Currency, Item, Minor, Moment, OrderId, OrderItem, OrderNews, OrderStatus, ReminderId, Shopper,
};
use crate::engine::Once;
use crate::links::{Purpose, Target, TokenError};
use crate::store::OrderReceipt;

/// An order placed further ahead of our clock than this would go on settling carts to come.
const CLOCK_AHEAD_MAX: Duration = Duration::from_mins(5);

/// What is known of an order.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Order)]
pub struct OrderBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = String, required = true, pattern = "^[A-Za-z0-9_.~:=#-]{1,128}$")]
    order_id: Given<Text<'a>>,
    /// The cart it came from, when known.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_.~:=-]{1,128}$")]
    cart_id: Given<Text<'a>>,
    /// Under which identifiers it was placed: carts of the same shopper are closed too.
    #[serde(default)]
    #[schema(value_type = Option<ShopperBody>)]
    shopper: Given<Object<ShopperBody<'a>>>,
    #[serde(default)]
    #[schema(value_type = super::openapi::OrderStatusName, required = true)]
    status: Given<Text<'a>>,
    /// ISO 4217.
    #[serde(default)]
    #[schema(value_type = super::openapi::CurrencyCode, required = true)]
    currency: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = i64, required = true, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    total_minor: Given<i64>,
    /// What was bought, in the fields of a cart's lines; left out, the order covers whatever was in the cart.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ItemBody>>, max_items = 200)]
    items: Given<List<Object<ItemBody<'a>>, ITEMS_MAX>>,
    /// `occurred_at`, else now, when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    placed_at: Given<Text<'a>>,
    /// `cw_ref` of the link the shopper came back by.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    recovery_ref: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Given<Text<'a>>,
    /// Taken as in every write; what is newer is told by the status, which only advances.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0)]
    revision: Given<i64>,
    /// Names this write like the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,255}$")]
    event_id: Given<Text<'a>>,
}

pub(super) struct Told {
    pub(super) envelope: Envelope,
    id: OrderId,
    cart: Option<CartId>,
    shopper: Shopper,
    status: OrderStatus,
    currency: Currency,
    total: Minor,
    items: Vec<OrderItem>,
    placed_at: Option<Moment>,
    recovery_ref: Option<String>,
}

impl FromBody for Told {
    type Body<'b> = OrderBody<'b>;
    type Context = ();

    fn check(body: OrderBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let envelope = Envelope::check(body.occurred_at, body.revision, body.event_id, faults);
        let id = body.order_id.required(&root.field("order_id"), faults, |text| {
            OrderId::parse(&text.0).map_err(|error| error.to_string().into())
        });
        let cart = body.cart_id.optional(&root.field("cart_id"), faults, |text| {
            CartId::parse(&text.0).map_err(|error| error.to_string().into())
        });
        let shopper = body.shopper.value().map(|Object(body)| shopper(body, &root.field("shopper"), faults));
        let statuses = member(OrderStatus::ALL, OrderStatus::parse);
        let status = body.status.required(&root.field("status"), faults, statuses);
        let currency = body.currency.required(&root.field("currency"), faults, currency);
        let total = body.total_minor.required(&root.field("total_minor"), faults, minor);
        let items = set(body.items.each(&root.field("items"), faults, item)).unwrap_or_default();
        let bought = |item: Item| OrderItem { product_id: item.product_id, quantity: item.quantity };
        let placed_at = body.placed_at.optional(&root.field("placed_at"), faults, moment).or(envelope.occurred_at);
        let recovery_ref = body.recovery_ref.optional(&root.field("recovery_ref"), faults, text::<TEXT_MAX>);
        Some(Self {
            envelope,
            id: id?,
            cart,
            shopper: whole_shopper(shopper.unwrap_or_default()),
            status: status?,
            currency: currency?,
            total: total?,
            items: items.into_iter().map(bought).collect(),
            placed_at,
            recovery_ref,
        })
    }
}

/// Takes an order, and closes the carts it covers.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = OrderBody,
    responses((status = 200, body = OrderAnswer, description = "Taken, or known to be further on.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let bytes = call.body(payload, JSON).await?;
    let told: Told = body::parse(&bytes, &())?;
    let once = call.once(told.envelope.event_id.clone(), &bytes)?;
    let (id, receipt) = tell(&call, told, once).await?;
    receipt::of_order(&id, &receipt)
}

/// Tells the engine of an order.
pub(super) async fn tell(call: &Call<'_>, told: Told, once: Option<Once>) -> Result<(OrderId, OrderReceipt), Problem> {
    let engine = &call.state.engine;
    if let Some(at) = told.placed_at {
        // A clock that follows events learns of this one before it is held against the clock.
        engine.observe(at);
    }
    let recovery = told.recovery_ref.as_deref().and_then(|text| recovery(call, text));
    let news = OrderNews { recovery, ..told.news(engine.now()) };
    let id = news.id.clone();
    let receipt = engine.order(&call.shop.id, news, once).await?;
    Ok((id, receipt))
}

/// The reminder that a reference names, also of a link that has ended since: the shopper came back by it all the same. An
/// order is never refused for what came with a link.
fn recovery(call: &Call<'_>, text: &str) -> Option<ReminderId> {
    let engine = &call.state.engine;
    let ticket = match engine.links().read(text, Purpose::Recover, engine.now()) {
        Ok(ticket) => ticket,
        Err(TokenError::Expired(ticket)) => *ticket,
        Err(TokenError::Unknown) => return None,
    };
    let Target::Recover(reminder) = ticket.target else { return None };
    (ticket.shop == call.shop.id).then(|| reminder.of(ticket.cart))
}

impl Told {
    /// The same, placed then and of this cart where it does not say when and of which.
    pub(super) fn or(self, at: Option<Moment>, cart: Option<&CartId>) -> Self {
        let envelope = Envelope { occurred_at: self.envelope.occurred_at.or(at), ..self.envelope };
        Self { placed_at: self.placed_at.or(at), cart: self.cart.or_else(|| cart.cloned()), envelope, ..self }
    }

    /// What the order says, held against our clock.
    pub(super) fn news(self, now: Moment) -> OrderNews {
        OrderNews {
            id: self.id,
            cart: self.cart,
            shopper: self.shopper,
            status: self.status,
            currency: self.currency,
            total: self.total,
            items: self.items,
            placed_at: self.placed_at.unwrap_or(now).min(now.plus(CLOCK_AHEAD_MAX)),
            said_at: self.envelope.occurred_at.map(|at| at.min(now.plus(CLOCK_AHEAD_MAX))),
            recovery: None,
        }
    }
}

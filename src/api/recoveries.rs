//! `POST /v1/recoveries`: the storefront tells that a shopper came back by a reminder, and gets the cart to restore.
//!
//! This is what counts as a click: it comes from a page that a person looks at. The answer is what was in the cart, and
//! nothing about whose it was: a reference logs nobody in. Read next: `docs/links.md`.

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::cart_view::ItemView;
use super::carts::private;
use super::check::no_such_link;
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::text;
use super::json::{Given, Text};
use super::problem::Problem;
use super::receipt::{self, moment};
use super::recover::{Destination, destination};
use crate::config::Role;
use crate::domain::{Cart, Moment};
use crate::engine::Followed;
use crate::links::{Purpose, TOKEN_CHARS_MAX, Target, Ticket, TokenError};

/// The reference that came with the shopper.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Recovery)]
pub struct RecoveryBody<'a> {
    /// `cw_ref` of the address that the shopper came by.
    #[serde(default, borrow)]
    #[schema(value_type = String, required = true, max_length = 320)]
    token: Given<Text<'a>>,
    /// Names this write like the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,255}$")]
    event_id: Given<Text<'a>>,
}

pub(super) struct CameBack {
    envelope: Envelope,
    token: String,
}

impl FromBody for CameBack {
    type Body<'b> = RecoveryBody<'b>;
    type Context = ();

    fn check(body: RecoveryBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let envelope = Envelope::check(Given::Absent, Given::Absent, body.event_id, faults);
        let token = body.token.required(&At::Root.field("token"), faults, text::<TOKEN_CHARS_MAX>);
        Some(Self { envelope, token: token? })
    }
}

/// What became of a recovery: `restored`, `partly` (some lines are not to be had), `expired`, `bought` (its payment
/// may be on its way), `emptied`, `dismissed`.
pub const OUTCOMES: [&str; 6] = ["restored", "partly", "expired", "bought", "emptied", "dismissed"];

/// What the shopper came back to.
#[derive(Serialize, ToSchema)]
pub struct RecoveryAnswer<'a> {
    #[schema(value_type = super::openapi::RecoveryOutcomeName)]
    outcome: &'static str,
    /// The reminder that brought the shopper back.
    reminder: ReminderOf,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
    /// What to restore, while there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    cart: Option<RestoredCart<'a>>,
    /// The code that the reminder gave, while it is good and there is a cart to put it into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    incentive: Option<OfferedCode>,
}

/// A code that a reminder gave.
#[derive(Serialize, ToSchema)]
pub struct OfferedCode {
    /// By the configuration.
    name: String,
    code: String,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
}

/// A reminder of a cart.
#[derive(Serialize, ToSchema)]
pub struct ReminderOf {
    abandonment: u32,
    /// From 0.
    step: u32,
}

/// What was in the cart.
#[derive(Serialize, ToSchema)]
pub struct RestoredCart<'a> {
    #[schema(value_type = String)]
    cart_id: &'a str,
    #[schema(value_type = String)]
    currency: &'static str,
    /// Lines whose `in_stock` is false are not to be had now.
    items: Vec<ItemView<'a>>,
    /// How many lines are not to be had.
    unavailable_count: usize,
    #[schema(value_type = Vec<String>)]
    coupons: &'a [String],
    #[schema(value_type = Option<String>, required = true)]
    checkout_url: Option<&'a str>,
}

/// Takes note that a shopper came back by a reminder, and gives the cart to restore.
#[utoipa::path(post, path = "/v1/recoveries", tag = "links", request_body = RecoveryBody,
    responses((status = 200, body = RecoveryAnswer, description = "What the shopper came back to.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let bytes = call.body(payload, JSON).await?;
    let CameBack { envelope, token } = body::parse(&bytes, &())?;
    let engine = &call.state.engine;
    let (ticket, is_over) = match engine.links().read(&token, Purpose::Recover, engine.now()) {
        Ok(ticket) => (ticket, false),
        Err(TokenError::Expired(ticket)) => (*ticket, true),
        Err(TokenError::Unknown) => return Err(no_such_link()),
    };
    if ticket.shop != call.shop.id {
        return Err(no_such_link());
    }
    let cart = if is_over {
        None
    } else {
        let once = call.once(envelope.event_id, &bytes)?;
        engine.follow_link(&ticket, Followed::Clicked, once).await?
    };
    let mut answer = RecoveryAnswer::of(&ticket, cart.as_ref(), &call.shop.checkout_hosts)?;
    if let Some(cart) = cart.as_ref().filter(|_| answer.cart.is_some()) {
        answer.incentive = engine.offer_of(&ticket, cart).await?.map(|(offer, _)| OfferedCode {
            name: offer.incentive.to_string(),
            code: offer.code.reveal().to_owned(),
            expires_at: offer.expires_at,
        });
    }
    Ok(private(receipt::json(StatusCode::OK, &answer)?))
}

impl<'a> RecoveryAnswer<'a> {
    fn of(ticket: &Ticket, cart: Option<&'a Cart>, hosts: &[String]) -> Result<Self, Problem> {
        let Target::Recover(reminder) = ticket.target else { return Err(Problem::internal()) };
        let found = cart.map(|cart| (cart, destination(cart, hosts)));
        let (outcome, cart) = match found {
            None => ("expired", None),
            Some((_, Destination::Ordered)) => ("bought", None),
            Some((_, Destination::Emptied)) => ("emptied", None),
            Some((_, Destination::Dismissed)) => ("dismissed", None),
            // A storefront can restore a cart that no link could lead to.
            Some((cart, Destination::Nowhere)) if cart.content.items.is_empty() => ("expired", None),
            Some((cart, Destination::Nowhere)) => restored(cart, None),
            Some((cart, Destination::Checkout(url))) => restored(cart, Some(url)),
        };
        let reminder = ReminderOf { abandonment: reminder.abandonment, step: reminder.step };
        Ok(Self { outcome, reminder, expires_at: ticket.expires_at(), cart, incentive: None })
    }
}

fn restored<'a>(cart: &'a Cart, checkout_url: Option<&'a str>) -> (&'static str, Option<RestoredCart<'a>>) {
    let content = &cart.content;
    let unavailable_count = content.items.iter().filter(|item| item.in_stock == Some(false)).count();
    let restored = RestoredCart {
        cart_id: cart.id.as_str(),
        currency: content.currency.code(),
        items: content.items.iter().map(ItemView::of).collect(),
        unavailable_count,
        coupons: &content.coupons,
        checkout_url,
    };
    (if unavailable_count == 0 { "restored" } else { "partly" }, Some(restored))
}

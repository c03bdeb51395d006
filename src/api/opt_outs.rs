//! `/v1/opt-outs`: a person wants no reminders, on one channel or on any; or wants them again.
//!
//! For preference pages, mailers and call centres. It holds for the person, whatever cart or device comes next, and also for
//! what is in the outbox already. Identifiers are used to find the person, and are not kept.

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, FromBody, JSON};
use super::call::Call;
use super::faults::{At, Faults};
use super::fields::{email, member, personal, phone};
use super::json::{Given, Text};
use super::problem::Problem;
use super::receipt::{self, in_flight};
use crate::config::Role;
use crate::domain::{CartId, Channel, Identifier, Shopper};

/// A person, by any identifier, and a channel.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OptOut)]
pub struct OptOutBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 254)]
    email: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 32)]
    phone: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    customer_id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    anonymous_id: Given<Text<'a>>,
    /// Left out: every channel.
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::ChannelName>)]
    channel: Given<Text<'a>>,
}

pub(super) struct Wish {
    pub(super) who: Vec<Identifier>,
    pub(super) channel: Option<Channel>,
}

impl FromBody for Wish {
    type Body<'b> = OptOutBody<'b>;
    type Context = ();

    fn check(body: OptOutBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let shopper = Shopper {
            email: body.email.optional(&root.field("email"), faults, email),
            phone: body.phone.optional(&root.field("phone"), faults, phone),
            customer_id: body.customer_id.optional(&root.field("customer_id"), faults, personal::<128>),
            anonymous_id: body.anonymous_id.optional(&root.field("anonymous_id"), faults, personal::<128>),
            ..Shopper::default()
        };
        let channel = body.channel.optional(&root.field("channel"), faults, member(Channel::ALL, Channel::parse));
        let who = Identifier::of(&shopper);
        if who.is_empty() && faults.is_empty() {
            faults.add(&root.field("email"), "is required, or phone, customer_id or anonymous_id");
        }
        Some(Self { who, channel })
    }
}

/// What an opt-out came to.
#[derive(Serialize, ToSchema)]
pub struct OptOutAnswer<'a> {
    /// The carts that will not be reminded of.
    #[schema(value_type = Vec<String>)]
    carts: Vec<&'a str>,
    /// Whether a reminder was on its way: `none` starts after this answer, one has `finished`, or one `possible`-y arrives.
    #[schema(value_type = super::openapi::InFlightName)]
    reminder_in_flight: &'static str,
}

/// Stops the reminders to a person.
#[utoipa::path(post, path = "/v1/opt-outs", tag = "opt-outs", request_body = OptOutBody,
    responses((status = 200, body = OptOutAnswer, description = "Stopped, now or before. No reminder starts after this answer.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let bytes = call.body(payload, JSON).await?;
    let Wish { who, channel } = body::parse(&bytes, &())?;
    let done = call.state.engine.opt_out(&call.shop.id, &who, channel).await?;
    let carts = done.carts.iter().map(CartId::as_str).collect();
    receipt::json(StatusCode::OK, &OptOutAnswer { carts, reminder_in_flight: in_flight(done.in_flight) })
}

/// Takes an opt-out back: that of the channel, or with no channel that of every channel. Consent is another matter.
#[utoipa::path(delete, path = "/v1/opt-outs", tag = "opt-outs", request_body = OptOutBody,
    responses((status = 204, description = "Taken back, or there was none.")))]
pub async fn delete(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let bytes = call.body(payload, JSON).await?;
    let Wish { who, channel } = body::parse(&bytes, &())?;
    call.state.engine.opt_in(&call.shop.id, &who, channel).await?;
    Ok(HttpResponse::NoContent().finish())
}

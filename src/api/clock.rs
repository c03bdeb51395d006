//! The clock of a server that replays recorded sessions: it follows the events, and this moves it where no event does.
//!
//! Not there at all on a server that goes by the machine's clock.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::auth::authenticate;
use super::body::{self, FromBody, JSON};
use super::call::state;
use super::faults::{At, Faults};
use super::fields::moment;
use super::json::{Given, Text};
use super::observe::not_found;
use super::problem::Problem;
use super::query::Query;
use crate::config::{ClockKind, Role};
use crate::domain::Moment;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockBody<'a> {
    #[serde(default, borrow)]
    at: Given<Text<'a>>,
}

struct Tick(Moment);

impl FromBody for Tick {
    type Body<'b> = ClockBody<'b>;
    type Context = ();

    fn check(body: ClockBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        body.at.required(&At::Root.field("at"), faults, moment).map(Self)
    }
}

/// Moves the clock forward to a moment.
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    if state.clock != ClockKind::Events {
        return not_found().await;
    }
    authenticate(&req, &state.access(), Role::Admin)?;
    Query::parse(req.query_string(), &[])?;
    let bytes = body::read(&req, payload, JSON, state.body_bytes_max).await?;
    let Tick(at) = body::parse(&bytes, &())?;
    state.engine.observe(at);
    Ok(HttpResponse::NoContent().finish())
}

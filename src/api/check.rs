//! `GET /v1/check/{token}`: whether a reminder is still right to send, for who sends it later than we told them.
//!
//! The same look that every attempt of ours begins with, from the state of now. It answers go, or stop and why, and nothing
//! about anybody; who has no token learns nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::call::state;
use super::carts::private;
use super::problem::{Kind, Problem};
use super::receipt::{self, moment_or_null};
use super::recover::token;
use crate::domain::{Moment, Why};
use crate::engine::StillRight;
use crate::links::{Purpose, TokenError};

/// Whether to send.
#[derive(Serialize, ToSchema)]
pub struct CheckAnswer {
    go: bool,
    /// Why not, in the words of `reminders_suppressed_total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = super::openapi::WhyName, required = false)]
    why: Option<&'static str>,
    /// Not now, but then: ask again.
    #[serde(serialize_with = "moment_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    until: Option<Moment>,
}

/// Whether this reminder is still right to send.
#[utoipa::path(get, path = "/v1/check/{token}", tag = "links",
    responses((status = 200, body = CheckAnswer, description = "Go, or stop and why.")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let engine = &state(&req)?.engine;
    let verdict = match engine.links().read(token(&req), Purpose::Check, engine.now()) {
        Ok(ticket) => engine.still_right(&ticket).await?,
        Err(TokenError::Expired(_)) => StillRight::never(Why::Stale),
        Err(TokenError::Unknown) => return Err(no_such_link()),
    };
    let answer = match verdict {
        StillRight::Go => CheckAnswer { go: true, why: None, until: None },
        StillRight::Stop { why, until } => CheckAnswer { go: false, why: Some(why.as_str()), until },
    };
    Ok(private(receipt::json(StatusCode::OK, &answer)?))
}

/// The token is none of ours, or for something else.
pub(super) fn no_such_link() -> Problem {
    Problem::new(Kind::NoSuchLink, "The token is not complete, or it is for something else.")
}

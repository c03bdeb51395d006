//! The endpoints that events are sent to: how they stand, and the switch to stop and start one.
//!
//! A stopped endpoint stays stopped over restarts. Their URLs and secrets are never shown.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Access, Entry, ShopAccess, Switched};
use super::auth::authenticate;
use super::call::state;
use super::carts::private;
use super::delivery_view::ResponseView;
use super::faults::{At, Faults};
use super::problem::{Kind, Problem};
use super::query::Query;
use super::receipt::{json, moment_or_null};
use crate::config::Role;
use crate::domain::{Moment, Why};
use crate::engine::Replayed;
use crate::store::{Lane, Pause};

/// How an endpoint stands.
#[derive(Serialize, ToSchema)]
struct EndpointView<'a> {
    #[schema(value_type = String)]
    shop: &'a str,
    #[schema(value_type = String)]
    name: &'a str,
    /// `active`, `paused`, or `disabled` by the configuration.
    #[schema(value_type = String)]
    status: &'static str,
    #[schema(value_type = Option<String>)]
    why: Option<&'static str>,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Deliveries that wait or are being sent.
    pending: u64,
    /// Deliveries that were given up.
    dead: u64,
}

#[derive(Serialize, ToSchema)]
struct Endpoints<'a> {
    endpoints: Vec<EndpointView<'a>>,
}

/// Every endpoint that the key may see.
#[utoipa::path(get, path = "/v1/endpoints", tag = "endpoints",
    responses((status = 200, body = Endpoints, description = "How each stands.")))]
pub async fn list(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let access = state.access();
    let entry = authenticate(&req, &access, Role::Admin)?;
    Query::parse(req.query_string(), &[])?;
    let store = state.engine.store();
    let paused: HashMap<Lane, Pause> = store.paused().await?.into_iter().map(|p| (p.lane.clone(), p)).collect();
    let counts = store.outbox_counts().await?;
    let count = |of: &[(Lane, u64)], lane: &Lane| of.iter().find(|(l, _)| l == lane).map_or(0, |(_, n)| *n);
    let mut endpoints = Vec::new();
    for shop in seen_by(&access, entry) {
        for (name, switched) in &shop.endpoints {
            let lane = Lane { shop: shop.id.clone(), endpoint: name.clone() };
            let pause = paused.get(&lane);
            endpoints.push(EndpointView {
                shop: shop.id.as_str(),
                name: name.as_str(),
                status: status(*switched, pause),
                why: pause.map(|pause| pause.why.as_str()),
                since: pause.map(|pause| pause.since),
                pending: count(&counts.pending, &lane),
                dead: count(&counts.dead, &lane),
            });
        }
    }
    json(StatusCode::OK, &Endpoints { endpoints })
}

const fn status(switched: Switched, pause: Option<&Pause>) -> &'static str {
    match (switched, pause) {
        (Switched::Off, _) => "disabled",
        (Switched::On, Some(_)) => "paused",
        (Switched::On, None) => "active",
    }
}

pub fn seen_by<'a>(access: &'a Access, entry: &'a Entry) -> impl Iterator<Item = &'a ShopAccess> {
    let is_seen = |shop: &ShopAccess| entry.shop.as_ref().is_none_or(|own| own.id == shop.id);
    access.shops().iter().map(|shop| &**shop).filter(move |shop| is_seen(shop))
}

/// Stops an endpoint: what is due for it waits until it is stale.
///
/// `POST /v1/endpoints/{shop}/{name}/pause`, without a body. 204 also when it was stopped before.
#[utoipa::path(post, path = "/v1/endpoints/{shop}/{name}/pause", tag = "endpoints",
    params(("shop" = String, Path, description = "The shop's id."), ("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 204, description = "It is stopped, or was.")))]
pub async fn pause(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let (state, (lane, _)) = (state(&req)?, lane(&req, &[])?);
    state.engine.store().pause(&Pause { lane, why: Why::EndpointPaused, since: state.engine.now() }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Starts an endpoint again, whatever stopped it.
///
/// `POST /v1/endpoints/{shop}/{name}/resume`, without a body. 204 also when it was not stopped.
#[utoipa::path(post, path = "/v1/endpoints/{shop}/{name}/resume", tag = "endpoints",
    params(("shop" = String, Path, description = "The shop's id."), ("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 204, description = "It is sent to, or was.")))]
pub async fn resume(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let (state, (lane, _)) = (state(&req)?, lane(&req, &[])?);
    state.engine.resume(&lane).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What became of a replay.
#[derive(Serialize, ToSchema)]
struct ReplayView {
    /// Due again.
    replayed: usize,
    /// Dead since then and left so: a stale reminder, or a record that cannot be read.
    left: usize,
    /// Where to go on when this was not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Makes every dead delivery that was last tried since a moment due again.
///
/// `POST /v1/endpoints/{shop}/{name}/replay?since=`, without a body.
#[utoipa::path(post, path = "/v1/endpoints/{shop}/{name}/replay", tag = "endpoints",
    params(("shop" = String, Path, description = "The shop's id."), ("name" = String, Path, description = "The endpoint's name."),
        ("since" = String, Query, description = "A time as in RFC 3339."), ("status" = Option<String>, Query, description = "`dead`."),
        ("cursor" = Option<String>, Query, description = "Where an earlier replay left off.")),
    responses((status = 200, body = ReplayView, description = "What is due again.")))]
pub async fn replay(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let (state, (lane, query)) = (state(&req)?, lane(&req, &["since", "status", "cursor"])?);
    let mut faults = Faults::none();
    let since = query.get("since").and_then(|text| Moment::parse(text).ok());
    if since.is_none() {
        faults.add(&At::Root.field("since"), "must be a time as in RFC 3339");
    }
    if query.get("status").is_some_and(|status| status != "dead") {
        faults.add(&At::Root.field("status"), "must be dead");
    }
    let Some(since) = since.filter(|_| faults.is_empty()) else { return Err(Query::refuse(faults)) };
    let Replayed { queued, kept, next } =
        state.engine.replay(&lane, since, query.get("cursor").map(str::to_owned)).await?;
    json(StatusCode::OK, &ReplayView { replayed: queued, left: kept, next_cursor: next })
}

/// What became of a test event.
#[derive(Serialize, ToSchema)]
struct TestView<'a> {
    #[schema(value_type = String)]
    outcome: &'static str,
    status: Option<u16>,
    #[schema(value_type = u64)]
    duration_ms: u128,
    response: Option<ResponseView<'a>>,
}

/// Sends an `endpoint.test` event now, also to a paused endpoint, and says what came of it.
///
/// `POST /v1/endpoints/{shop}/{name}/test`, without a body.
#[utoipa::path(post, path = "/v1/endpoints/{shop}/{name}/test", tag = "endpoints",
    params(("shop" = String, Path, description = "The shop's id."), ("name" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, body = TestView, description = "What came of it.")))]
pub async fn test(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let (state, (lane, _)) = (state(&req)?, lane(&req, &[])?);
    let gone = || Problem::new(Kind::NoSuchEndpoint, "The endpoint is no longer configured.");
    let outcome = state.engine.test_endpoint(&lane).await.ok_or_else(gone)?;
    let view = TestView {
        outcome: outcome.name.as_str(),
        status: outcome.status,
        duration_ms: outcome.duration.as_millis(),
        response: outcome.reply.as_ref().map(ResponseView::of),
    };
    Ok(private(json(StatusCode::OK, &view)?))
}

/// The endpoint that the path names, when it is configured and the key may see it.
fn lane(req: &HttpRequest, known: &[&str]) -> Result<(Lane, Query), Problem> {
    let access = state(req)?.access();
    let entry = authenticate(req, &access, Role::Admin)?;
    let query = Query::parse(req.query_string(), known)?;
    let part = |name| req.match_info().get(name).unwrap_or_default();
    let shop = seen_by(&access, entry).find(|shop| shop.id.as_str() == part("shop"));
    let found = shop.and_then(|shop| {
        let (name, _) = shop.endpoints.iter().find(|(name, _)| name.as_str() == part("name"))?;
        Some(Lane { shop: shop.id.clone(), endpoint: name.clone() })
    });
    let lane = found
        .ok_or_else(|| Problem::new(Kind::NoSuchEndpoint, "No such endpoint is configured for a shop of this key."))?;
    Ok((lane, query))
}

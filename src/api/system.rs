//! How the service does, for people: what `/readyz` and `/metrics` tell machines, in one answer and behind a key.
//!
//! It answers while the store is down, then without what only the store knows.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::authenticate;
use super::call::state;
use super::carts::private;
use super::endpoints::seen_by;
use super::ops::readiness;
use super::problem::Problem;
use super::query::Query;
use super::readiness::Check;
use super::receipt::{json, moment, moment_or_null};
use crate::config::Role;
use crate::domain::{Moment, ShopId, StateName};
use crate::store::Lane;

/// How the service does.
#[derive(Serialize, ToSchema)]
pub struct System {
    /// By the clock that decides.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    now: Moment,
    #[schema(value_type = String)]
    version: &'static str,
    /// `embedded` or `redis`.
    #[schema(value_type = String)]
    store: &'static str,
    ready: bool,
    checks: Vec<Check>,
    /// The shops that the key may see, and how many of their carts are in each state now.
    shops: Vec<ShopState>,
    /// Of the shops that the key may see; null while the store does not answer.
    #[schema(required = true)]
    outbox: Option<Outbox>,
}

/// A shop.
#[derive(Serialize, ToSchema)]
pub struct ShopState {
    #[schema(value_type = String)]
    id: String,
    /// By state; states without carts are left out.
    #[schema(value_type = BTreeMap<String, i64>)]
    carts: BTreeMap<&'static str, i64>,
}

/// What waits to be sent.
#[derive(Serialize, ToSchema)]
pub struct Outbox {
    pending: u64,
    dead: u64,
    /// When the most overdue cart or delivery of the whole server was due; null when nothing is overdue.
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    overdue_since: Option<Moment>,
}

/// How the service does, now.
#[utoipa::path(get, path = "/v1/system", tag = "system",
    responses((status = 200, body = System, description = "How it does; also while it is not ready.")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let access = state.access();
    let entry = authenticate(&req, &access, Role::Admin)?;
    Query::parse(req.query_string(), &[])?;
    let (store, now) = (state.engine.store(), state.engine.now());
    let report = readiness(state).await;
    let seen: Vec<&ShopId> = seen_by(&access, entry).map(|shop| &shop.id).collect();
    // What the store cannot tell is left out: its check says that it did not answer.
    let census = store.census().await.unwrap_or_default();
    let outbox = store.outbox_counts().await.ok().map(|counts| {
        let sum = |of: &[(Lane, u64)]| of.iter().filter(|(lane, _)| seen.contains(&&lane.shop)).map(|(_, n)| n).sum();
        Outbox {
            pending: sum(&counts.pending),
            dead: sum(&counts.dead),
            overdue_since: counts.oldest_due.filter(|due| *due < now),
        }
    });
    let shops = seen.iter().map(|id| ShopState { id: id.to_string(), carts: states(&census, id) }).collect();
    let system = System {
        now,
        version: env!("CARGO_PKG_VERSION"),
        store: store.name(),
        ready: report.ready,
        checks: report.checks,
        shops,
        outbox,
    };
    Ok(private(json(StatusCode::OK, &system)?))
}

fn states(census: &[(ShopId, StateName, i64)], shop: &ShopId) -> BTreeMap<&'static str, i64> {
    census.iter().filter(|(id, _, _)| id == shop).map(|(_, state, count)| (state.as_str(), *count)).collect()
}

//! `POST /v1/exports`: one document with everything held of a person, a page of carts at a time.
//!
//! For an admin key: it names the person. It is never complete in silence: `next_cursor` and `limits` say what is not in
//! it. Read next: `engine/exports.rs`.

mod parts;

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use self::parts::{ExposureView, GrantView, HeldCartView, HeldOrderView, OptOutView, PurchaseView, RemindedView};
use super::carts::private;
use super::faults::{At, Faults};
use super::privacy::{PersonBody, Request, ask};
use super::problem::Problem;
use super::query::Query;
use super::receipt::{json, moment};
use crate::domain::{CartId, Moment};
use crate::engine::{Held, Limit};

/// How many carts a page has at most: each may be large.
const LIMIT_MAX: usize = 50;
const LIMIT_DEFAULT: usize = 20;

/// Everything held of a person.
#[derive(Serialize, ToSchema)]
struct Export<'a> {
    #[schema(value_type = String)]
    shop: &'a str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// How many identifiers it was looked for under, those in the body among them. Indexes hold them as keyed hashes.
    identifiers: usize,
    /// As in an erasure's receipt; not empty: there may be more than this and the next pages tell.
    #[schema(value_type = Vec<String>)]
    limits: Vec<&'static str>,
    opt_outs: Vec<OptOutView>,
    /// Orders as remembered on the person's identifiers.
    purchases: Vec<PurchaseView<'a>>,
    /// Orders as recorded.
    orders: Vec<HeldOrderView<'a>>,
    /// Reminders that were sent, or began to be.
    reminders: Vec<RemindedView<'a>>,
    experiments: Vec<ExposureView<'a>>,
    incentives: Vec<GrantView<'a>>,
    /// This page of the person's carts, in the order of their ids.
    carts: Vec<HeldCartView<'a>>,
    /// For the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next_cursor: Option<&'a str>,
}

impl<'a> Export<'a> {
    fn of(shop: &'a str, held: &'a Held) -> Self {
        let person = &held.person;
        Self {
            shop,
            at: held.at,
            identifiers: held.identifiers,
            limits: held.limits.iter().copied().map(Limit::as_str).collect(),
            opt_outs: person.opt_outs.iter().map(OptOutView::of).collect(),
            purchases: person.marks.iter().map(PurchaseView::of).collect(),
            orders: held.orders.iter().map(HeldOrderView::of).collect(),
            reminders: person.reminded.iter().map(RemindedView::of).collect(),
            experiments: person.exposures.iter().map(ExposureView::of).collect(),
            incentives: person.granted.iter().map(GrantView::of).collect(),
            carts: held.carts.iter().map(HeldCartView::of).collect(),
            next_cursor: held.next.as_ref().map(CartId::as_str),
        }
    }
}

/// Tells what is held of a person.
#[utoipa::path(post, path = "/v1/exports", tag = "privacy", request_body = PersonBody,
    params(("shop" = Option<String>, Query, description = "For a key of the whole server with several shops."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 50, description = "How many carts; 20 when it is not said."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before.")),
    responses((status = 200, body = Export, description = "All that is known of the person, and a page of their carts.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let Request { state, shop, whom, query } = ask(&req, payload, &["shop", "limit", "cursor"]).await?;
    let (after, limit) = page(&query)?;
    let held = state.engine.held_of(&shop.id, &whom, after.as_ref(), limit).await?;
    Ok(private(json(StatusCode::OK, &Export::of(shop.id.as_str(), &held))?))
}

fn page(query: &Query) -> Result<(Option<CartId>, usize), Problem> {
    let mut faults = Faults::none();
    let limit = query.get("limit").map(|text| text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)));
    if limit == Some(None) {
        faults.add(&At::Root.field("limit"), "must be from 1 to 50");
    }
    let after = query.get("cursor").map(CartId::parse);
    if matches!(after, Some(Err(_))) {
        faults.add(&At::Root.field("cursor"), "must be the next_cursor of an earlier page");
    }
    if !faults.is_empty() {
        return Err(Query::refuse(faults));
    }
    Ok((after.and_then(Result::ok), limit.flatten().unwrap_or(LIMIT_DEFAULT)))
}

//! `POST /v1/erasures`: everything held of a person goes, and the receipt says what went, what stays, and why.
//!
//! Nothing in the receipt is personal, so that it can be filed. A repeat is harmless, and finishes what broke off. Never
//! here: what is erased, and in which order; that is `engine/erasure.rs`.

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::carts::private;
use super::privacy::{PersonBody, Request, ask};
use super::problem::Problem;
use super::receipt::{in_flight, json, moment, moment_or_null};
use crate::domain::Moment;
use crate::engine::{Erased, Limit};

/// What an erasure came to.
#[derive(Serialize, ToSchema)]
struct ErasureReceipt<'a> {
    /// Of this call; the log names it too.
    #[schema(value_type = String)]
    id: &'a str,
    #[schema(value_type = String)]
    shop: &'a str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// False when something could not be got at; `limits` says what.
    complete: bool,
    /// `identifiers`: more are linked than are followed, name them. `carts`: more than one call erases, repeat it.
    /// `unreadable`: something stored cannot be read.
    #[schema(value_type = Vec<String>)]
    limits: Vec<&'static str>,
    /// Whether a reminder was on its way: `none` starts after this answer, one has `finished`, or one `possible`-y arrives.
    #[schema(value_type = super::openapi::InFlightName)]
    reminder_in_flight: &'static str,
    found: FoundView,
    erased: ErasedView,
    kept: Vec<KeptView>,
    backups: BackupsView,
}

/// How much was found.
#[derive(Serialize, ToSchema)]
struct FoundView {
    /// Those in the body among them.
    identifiers: usize,
    /// Also those that had been erased before.
    carts: usize,
    orders: usize,
}

/// How much was erased, by class.
#[derive(Serialize, ToSchema)]
struct ErasedView {
    carts: usize,
    /// Sent, waiting, or not sent on purpose.
    deliveries: usize,
    dead_letters: usize,
    /// Answers kept for repeated writes.
    answers: usize,
    /// Purchases, reminders, experiments and links, each on each identifier.
    notes: usize,
    /// Carts that stood under an identifier, or under a product they waited for.
    index_entries: usize,
}

/// What stays, and why.
#[derive(Serialize, ToSchema)]
struct KeptView {
    /// `opt_outs`, `orders`, `cart_ids`, `answers` or `counts`.
    #[schema(value_type = String)]
    what: &'static str,
    /// Not there where nobody can count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    count: Option<usize>,
    #[schema(value_type = String)]
    why: &'static str,
    /// `null`: for good.
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
}

/// What copies of the store hold.
#[derive(Serialize, ToSchema)]
struct BackupsView {
    #[schema(value_type = String)]
    hold: &'static str,
    /// By `[shop.program.retention] backups`.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    until: Moment,
}

const IN_BACKUPS: &str = "Copies of the store that were made before hold what was erased, until they are deleted.";
const SEALED_IN_BACKUPS: &str = "Copies of the store that were made before hold contact data sealed with keys that are gone; only copies \
                                 of the keyring from before could open it.";
const OPT_OUTS: &str = "So that they go on being honoured: each as a keyed hash of one identifier, tied to no other.";
const ORDERS: &str = "So that an order is counted once whatever its platform repeats: id, status and sum, tied to no cart \
                      and no identifier.";
const CART_IDS: &str = "So that a late event cannot bring a cart back: its id and state.";
const ANSWERS: &str = "With Redis, answers to writes of the last day lie under one-way hashes: a state and counts, nobody's \
                       data.";
const COUNTS: &str = "The counts of the reports: by day, of nobody.";

/// Erases a person.
#[utoipa::path(post, path = "/v1/erasures", tag = "privacy", request_body = PersonBody,
    params(("shop" = Option<String>, Query, description = "For a key of the whole server with several shops.")),
    responses((status = 200, body = ErasureReceipt, description = "Erased, now or before. No reminder from what was held starts after this answer.")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let Request { state, shop, whom, .. } = ask(&req, payload, &["shop"]).await?;
    let erased = state.engine.erase(&shop.id, &whom).await?;
    let receipt = ErasureReceipt {
        id: &erased.id,
        shop: shop.id.as_str(),
        at: erased.at,
        complete: erased.limits.is_empty(),
        limits: erased.limits.iter().copied().map(Limit::as_str).collect(),
        reminder_in_flight: in_flight(erased.in_flight),
        found: FoundView { identifiers: erased.identifiers, carts: erased.found, orders: erased.orders },
        erased: ErasedView {
            carts: erased.carts,
            deliveries: erased.deliveries,
            dead_letters: erased.dead_letters,
            answers: erased.answers,
            notes: erased.notes,
            index_entries: erased.entries,
        },
        kept: kept(&erased),
        backups: BackupsView {
            hold: if erased.is_sealed { SEALED_IN_BACKUPS } else { IN_BACKUPS },
            until: erased.backups_until,
        },
    };
    Ok(private(json(StatusCode::OK, &receipt)?))
}

fn kept(erased: &Erased) -> Vec<KeptView> {
    let class = |what, count, why, until| KeptView { what, count, why, until };
    vec![
        class("opt_outs", Some(erased.opt_outs), OPT_OUTS, erased.opt_outs_until),
        class("orders", Some(erased.orders), ORDERS, Some(erased.orders_until)),
        class("cart_ids", Some(erased.found), CART_IDS, Some(erased.tombstones_until)),
        class("answers", None, ANSWERS, Some(erased.answers_until)),
        class("counts", None, COUNTS, None),
    ]
}

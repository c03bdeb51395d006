//! Whom an erasure or an export is about: the body that both take.
//!
//! Identifiers are used to find the person, and are neither kept nor logged. Never in a path or a query: those end up in
//! logs. Read next: `api/erasures.rs`, `api/exports.rs`.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Payload;
use serde::Deserialize;
use utoipa::ToSchema;

use super::ApiState;
use super::access::ShopAccess;
use super::auth::{authenticate, shop_of};
use super::body::{self, FromBody, JSON};
use super::call::state;
use super::faults::{At, Faults};
use super::fields::{email, personal, phone, text};
use super::json::{Given, Text};
use super::problem::{Kind, Problem};
use super::query::Query;
use crate::config::Role;
use crate::domain::{Identifier, Shopper};
use crate::engine::{Reach, Whom};

/// A person of a shop, by any identifiers.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Person)]
pub struct PersonBody<'a> {
    /// For a key of the whole server with several shops; or as `?shop=` or in the header `Cartwake-Shop`.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9_-]{1,32}$")]
    shop: Given<Text<'a>>,
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
    /// Left out: true. False: only what lies under these identifiers, and not what is known to be the same person's.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    follow_links: Given<bool>,
}

/// A body that was read.
struct Asked {
    shop: Option<String>,
    whom: Whom,
}

impl FromBody for Asked {
    type Body<'b> = PersonBody<'b>;
    type Context = ();

    fn check(body: PersonBody<'_>, (): &(), faults: &mut Faults) -> Option<Self> {
        let root = At::Root;
        let shopper = Shopper {
            email: body.email.optional(&root.field("email"), faults, email),
            phone: body.phone.optional(&root.field("phone"), faults, phone),
            customer_id: body.customer_id.optional(&root.field("customer_id"), faults, personal::<128>),
            anonymous_id: body.anonymous_id.optional(&root.field("anonymous_id"), faults, personal::<128>),
            ..Shopper::default()
        };
        let identifiers = Identifier::of(&shopper);
        if identifiers.is_empty() && faults.is_empty() {
            faults.add(&root.field("email"), "is required, or phone, customer_id or anonymous_id");
        }
        let shop = body.shop.optional(&root.field("shop"), faults, text::<32>);
        let reach = if body.follow_links.value() == Some(false) { Reach::Given } else { Reach::Linked };
        Some(Self { shop, whom: Whom { identifiers, reach } })
    }
}

/// A call that was let in, and whom it is about.
pub(super) struct Request<'r> {
    pub state: &'r ApiState,
    pub shop: Arc<ShopAccess>,
    pub whom: Whom,
    pub query: Query,
}

/// Lets a call in and reads whom it is about; the key comes before the body.
///
/// # Errors
/// 401, 403, 404 for an unknown shop, 400 and 422 for what cannot be read.
pub(super) async fn ask<'r>(
    req: &'r HttpRequest,
    payload: Payload,
    parameters: &[&str],
) -> Result<Request<'r>, Problem> {
    let state = state(req)?;
    let access = state.access();
    let entry = authenticate(req, &access, Role::Admin)?;
    let query = Query::parse(req.query_string(), parameters)?;
    let bytes = body::read(req, payload, JSON, state.body_bytes_max).await?;
    let Asked { shop, whom } = body::parse(&bytes, &())?;
    let shop = match (query.get("shop"), shop.as_deref()) {
        (Some(query), Some(body)) if query != body => {
            return Err(Problem::new(Kind::ShopRequired, "The query and the body name two different shops."));
        }
        (query, body) => query.or(body),
    };
    let shop = shop_of(req, &access, entry, shop)?;
    Ok(Request { state, shop, whom, query })
}

//! Carts: put, patch, read, list, delete.
//!
//! Reads go to the store and writes through the engine. Read next: `api/cart_check.rs` for what is let in,
//! `api/cart_view.rs` for what is shown.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{self, JSON, MERGE_PATCH};
use super::call::Call;
use super::cart_body::CartBody;
use super::cart_check::{Patch, Snapshot};
use super::cart_view::CartView;
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::names;
use super::problem::{Kind, Problem};
use super::query::Query;
use super::receipt::{self, CartReceipt};
use crate::config::Role;
use crate::domain::{Cart, ReasonCode, Stage, State, StateName, What};

/// How many carts one page looks at: a rare filter gets a short page and a cursor, never a long wait.
const EXAMINED_MAX: usize = 1000;
/// How many carts are read from the store at a time.
const READ_MAX: usize = 100;
/// How long a page is when nothing is said.
const LIMIT_DEFAULT: usize = 20;
/// Longest cursor that is one of ours.
const CURSOR_BYTES_MAX: usize = 1024;

/// Replaces a cart by what it is now.
#[utoipa::path(put, path = "/v1/carts/{cart_id}", tag = "carts", request_body = CartBody,
    responses((status = 200, body = CartReceipt, description = "The cart was known."),
        (status = 201, body = CartReceipt, description = "The cart is new."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn put(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = call.body(payload, JSON).await?;
    let Snapshot { envelope, stage, content } = body::parse(&bytes, call.shop.checkout_hosts.as_slice())?;
    let receipt = call.write(&id, envelope, What::Snapshot { stage, content }, &bytes).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}

/// Merges what changed into a cart (RFC 7396): objects merge, lists are replaced, `null` removes.
#[utoipa::path(patch, path = "/v1/carts/{cart_id}", tag = "carts",
    request_body(content((super::openapi::CartPatchBody = "application/merge-patch+json"),
        (super::openapi::CartPatchBody = "application/json"))),
    responses((status = 200, body = CartReceipt, description = "Merged, or older than the last write."),
        (status = 204, description = "Applied; asked for by `Prefer: return=minimal`.")))]
pub async fn patch(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Browser)?;
    let id = call.cart_id()?;
    let bytes = call.body(payload, MERGE_PATCH).await?;
    let Patch { envelope, patch } = body::parse(&bytes, call.shop.checkout_hosts.as_slice())?;
    let receipt = call.write(&id, envelope, What::Patch(patch), &bytes).await?;
    receipt::of_cart(req.headers(), &id, &receipt)
}

/// Erases a cart: only its name is left, so that a late event cannot bring it back.
#[utoipa::path(delete, path = "/v1/carts/{cart_id}", tag = "carts",
    responses((status = 204, description = "Erased, now or before.")))]
pub async fn delete(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let id = call.cart_id()?;
    call.write(&id, Envelope::default(), What::Delete, &[]).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Everything that is known about a cart.
#[utoipa::path(get, path = "/v1/carts/{cart_id}", tag = "carts",
    responses((status = 200, body = CartView, description = "The cart.")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let call = Call::open(&req, Role::Server)?;
    let id = call.cart_id()?;
    let loaded = call.state.engine.store().load(&call.shop.id, &id, None).await?;
    let cart = loaded.record.map(|stored| stored.value).filter(|cart| cart.state != State::Erased);
    let cart = cart.ok_or_else(|| Problem::new(Kind::NoSuchCart, "It was never put, or it was erased."))?;
    Ok(private(receipt::json(StatusCode::OK, &CartView::of(&cart))?))
}

/// A page of carts.
#[derive(Serialize, ToSchema)]
pub struct CartPage<'a> {
    #[schema(value_type = Vec<CartView>)]
    carts: Vec<CartView<'a>>,
    /// Where the next page begins; absent on the last one. A page may be short, even empty, and still have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next_cursor: Option<&'a str>,
}

/// The carts of a shop, in the order of their next wake.
#[utoipa::path(get, path = "/v1/carts", tag = "carts",
    params(("state" = Option<super::openapi::StateNameSchema>, Query), ("stage" = Option<super::openapi::StageName>, Query),
        ("reason" = Option<super::openapi::ReasonName>, Query),
        ("limit" = Option<u8>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, min_length = 1, max_length = 1024, pattern = "^[!-~]+$", description = "`next_cursor` of the page before.")),
    responses((status = 200, body = CartPage, description = "A page of carts.")))]
pub async fn list(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let call = Call::open_with(&req, Role::Server, &["shop", "state", "stage", "reason", "limit", "cursor"])?;
    let wanted = Wanted::parse(&call.query)?;
    let (carts, next) = collect(&call, &wanted).await?;
    let page = CartPage { carts: carts.iter().map(CartView::of).collect(), next_cursor: next.as_deref() };
    Ok(private(receipt::json(StatusCode::OK, &page)?))
}

/// No cache on the way may keep what names a person.
pub fn private(mut response: HttpResponse) -> HttpResponse {
    let value = actix_web::http::header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, value);
    response
}

/// What a list is asked for.
pub(super) struct Wanted {
    state: Option<StateName>,
    stage: Option<Stage>,
    reason: Option<ReasonCode>,
    limit: usize,
    cursor: Option<String>,
}

impl Wanted {
    pub(super) fn parse(query: &Query) -> Result<Self, Problem> {
        let mut faults = Faults::none();
        let limit = query.get("limit").map(|text| text.parse().ok().filter(|n| (1..=READ_MAX).contains(n)));
        if limit == Some(None) {
            faults.add(&At::Root.field("limit"), "must be from 1 to 100");
        }
        let cursor = query.get("cursor").map(str::to_owned);
        let is_ours =
            |c: &String| !c.is_empty() && c.len() <= CURSOR_BYTES_MAX && c.bytes().all(|b| b.is_ascii_graphic());
        if cursor.as_ref().is_some_and(|c| !is_ours(c)) {
            faults.add(&At::Root.field("cursor"), "must be the next_cursor of an earlier page");
        }
        let wanted = Self {
            state: one_of(query, "state", StateName::ALL, StateName::parse, &mut faults),
            stage: one_of(query, "stage", Stage::ALL, Stage::parse, &mut faults),
            reason: one_of(query, "reason", ReasonCode::ALL, ReasonCode::parse, &mut faults),
            limit: limit.flatten().unwrap_or(LIMIT_DEFAULT),
            cursor,
        };
        if faults.is_empty() { Ok(wanted) } else { Err(Query::refuse(faults)) }
    }

    fn takes(&self, cart: &Cart) -> bool {
        let reason =
            || cart.primary_reason().map(|reason| reason.code).or(cart.last_abandonment.map(|a| a.reason.code));
        cart.state != State::Erased
            && self.state.is_none_or(|state| cart.state.name() == state)
            && self.stage.is_none_or(|stage| cart.stage == stage)
            && self.reason.is_none_or(|code| reason() == Some(code))
    }
}

fn one_of<T: Copy + ToString>(
    query: &Query,
    name: &str,
    all: &[T],
    parse: fn(&str) -> Option<T>,
    faults: &mut Faults,
) -> Option<T> {
    let text = query.get(name)?;
    let member = parse(text);
    if member.is_none() {
        faults.add(&At::Root.field(name), format!("must be one of {}", names(all)));
    }
    member
}

/// Reads on until the page is full, the carts are at an end, or enough were looked at.
async fn collect(call: &Call<'_>, wanted: &Wanted) -> Result<(Vec<Cart>, Option<String>), Problem> {
    let store = call.state.engine.store();
    let is_wanted = |cart: &Cart| cart.shop == call.shop.id && wanted.takes(cart);
    let (mut found, mut cursor, mut examined) = (Vec::new(), wanted.cursor.clone(), 0);
    let mut read = wanted.limit;
    loop {
        let page = store.list_carts(cursor.as_deref(), read).await?;
        let room = wanted.limit - found.len();
        // A cursor points behind a whole read, so a read with too many is done again, up to the last that fits.
        let mut places = page.carts.iter().enumerate().filter(|(_, cart)| is_wanted(cart)).map(|(place, _)| place);
        if let (Some(last), Some(_)) = (places.nth(room - 1), places.next())
            && last + 1 < read
        {
            read = last + 1;
            continue;
        }
        if page.unreadable > 0 {
            tracing::error!(carts = page.unreadable, "carts that cannot be read are left out of a list");
        }
        examined += (page.carts.len() + page.unreadable).max(1);
        found.extend(page.carts.into_iter().filter(is_wanted));
        cursor = page.next;
        if cursor.is_none() || found.len() >= wanted.limit || examined >= EXAMINED_MAX {
            return Ok((found, cursor));
        }
        read = READ_MAX;
    }
}

//! Deliveries for operators: what waits, what is dead, what became of one, and the wish to send it again.
//!
//! The bytes a receiver answered are shown here and nowhere else; signatures and secrets are not kept, so they cannot be
//! shown. Never here: what may be sent again (`domain/resend.rs`). Read next: `api/endpoints.rs`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Access, Entry, ShopAccess};
use super::auth::{authenticate, shop_of};
use super::call::state;
use super::carts::private;
use super::delivery_view::{DeliveryView, Full};
use super::faults::{At, Faults};
use super::problem::{Kind, Problem};
use super::query::Query;
use super::receipt::json;
use crate::config::Role;
use crate::domain::{AsItIs, CartId, DeliveryId};
use crate::engine::{Retried, status_parts};
use crate::store::{Lane, Letter, LetterPage, Shelf};

const LIMIT_MAX: usize = 100;
const LIMIT_DEFAULT: usize = 20;
const KNOWN: &[&str] = &["status", "endpoint", "shop", "cart_id", "cursor", "limit"];

#[derive(Serialize, ToSchema)]
struct Deliveries<'a> {
    deliveries: Vec<DeliveryView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What a list is asked for.
struct Wanted {
    status: Option<String>,
    endpoint: Option<String>,
    cart: Option<CartId>,
    cursor: Option<(String, Option<String>)>,
    limit: usize,
}

impl Wanted {
    fn parse(query: &Query) -> Result<Self, Problem> {
        let mut faults = Faults::none();
        let mut check = |name: &str, is_good: bool, detail: &'static str| {
            if !is_good {
                faults.add(&At::Root.field(name), detail);
            }
        };
        let status = query.get("status").map(str::to_owned);
        let of_a_cart = query.get("cart_id").is_some();
        let listed = match status.as_deref() {
            Some("pending" | "dead") => true,
            Some("delivered" | "suppressed") | None => of_a_cart,
            Some(_) => false,
        };
        check("status", listed, "must be pending or dead; with a cart_id also delivered, suppressed or nothing");
        let cart = query.get("cart_id").map(CartId::parse);
        check("cart_id", !matches!(cart, Some(Err(_))), "must be the id of a cart");
        let limit = query.get("limit").map(|text| text.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)));
        check("limit", limit != Some(None), "must be from 1 to 100");
        let cursor = query.get("cursor").map(|text| text.split_once('/'));
        check(
            "cursor",
            cursor != Some(None) && !(of_a_cart && cursor.is_some()),
            "must be the next_cursor of an earlier page",
        );
        if !faults.is_empty() {
            return Err(Query::refuse(faults));
        }
        let behind = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Self {
            status,
            endpoint: query.get("endpoint").map(str::to_owned),
            cart: cart.and_then(Result::ok),
            cursor: cursor.flatten().map(|(endpoint, rest)| (endpoint.to_owned(), behind(rest))),
            limit: limit.flatten().unwrap_or(LIMIT_DEFAULT),
        })
    }

    fn shelf(&self) -> Shelf {
        if self.status.as_deref() == Some("dead") { Shelf::Dead } else { Shelf::Pending }
    }

    fn takes(&self, letter: &Letter) -> bool {
        let endpoint = letter.lane.as_ref().map(|lane| lane.endpoint.as_str());
        self.status.as_deref().is_none_or(|wanted| status_parts(letter.status()).0 == wanted)
            && self.endpoint.as_deref().is_none_or(|wanted| endpoint == Some(wanted))
    }
}

/// A page of deliveries: what waits or what is dead, endpoint by endpoint; of a cart, whatever became of it.
#[utoipa::path(get, path = "/v1/deliveries", tag = "deliveries",
    params(("shop" = Option<String>, Query, description = "For a key of the whole server with several shops."),
        ("status" = Option<String>, Query, description = "`pending` or `dead`; with a cart also `delivered` and `suppressed`."),
        ("endpoint" = Option<String>, Query, description = "Of this endpoint alone."),
        ("cart_id" = Option<String>, Query, description = "Of this cart alone."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Deliveries, description = "A page.")))]
pub async fn list(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let access = state.access();
    let entry = authenticate(&req, &access, Role::Admin)?;
    let query = Query::parse(req.query_string(), KNOWN)?;
    let wanted = Wanted::parse(&query)?;
    let shop = shop_of(&req, &access, entry, query.get("shop"))?;
    let page = match &wanted.cart {
        Some(cart) => {
            let letters = state.engine.deliveries_of(&shop.id, cart).await?;
            let letters = letters.ok_or_else(|| Problem::new(Kind::NoSuchCart, "It was never put, or it is gone."))?;
            LetterPage { letters: letters.into_iter().filter(|one| wanted.takes(one)).collect(), next: None }
        }
        None => page(&**state.engine.store(), &shop, &wanted).await?,
    };
    let deliveries = page.letters.iter().map(|letter| DeliveryView::of(letter, Full::No)).collect();
    Ok(private(json(StatusCode::OK, &Deliveries { deliveries, next_cursor: page.next })?))
}

/// Lane after lane until the page is full; the cursor names the lane it is in.
async fn page(store: &dyn crate::store::Store, shop: &ShopAccess, wanted: &Wanted) -> Result<LetterPage, Problem> {
    let mut lanes: Vec<Lane> = store.lanes().await?.into_iter().filter(|lane| lane.shop == shop.id).collect();
    lanes.sort();
    lanes.retain(|lane| wanted.endpoint.as_deref().is_none_or(|name| name == lane.endpoint.as_str()));
    let mut page = LetterPage::default();
    for lane in lanes {
        let name = lane.endpoint.as_str();
        let behind = match &wanted.cursor {
            Some((at, _)) if name < at.as_str() => continue,
            Some((at, behind)) if name == at => behind.as_deref(),
            Some(_) | None => None,
        };
        let room = wanted.limit - page.letters.len();
        if room == 0 {
            page.next = Some(format!("{name}/"));
            break;
        }
        let LetterPage { letters, next } = store.list_deliveries(&lane, wanted.shelf(), behind, room).await?;
        page.letters.extend(letters);
        if let Some(next) = next {
            page.next = Some(format!("{name}/{next}"));
            break;
        }
    }
    Ok(page)
}

/// Everything about one delivery.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "deliveries",
    params(("id" = String, Path, pattern = "^dlv_[0-9a-f]{32}$")),
    responses((status = 200, body = DeliveryView, description = "With its attempts.")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let letter = letter(&req).await?;
    Ok(private(json(StatusCode::OK, &DeliveryView::of(&letter, Full::Yes))?))
}

/// The answer to a retry.
#[derive(Serialize, ToSchema)]
struct RetryView<'a> {
    /// False when it stays as it is; `reason` says why.
    retried: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<&'static str>,
    delivery: DeliveryView<'a>,
}

/// Makes a delivery due again now, under the same `webhook-id` and with a fresh ladder of retries.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "deliveries",
    params(("id" = String, Path, pattern = "^dlv_[0-9a-f]{32}$")),
    responses((status = 200, body = RetryView, description = "Due again, or why not.")))]
pub async fn retry(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let mut letter = letter(&req).await?;
    let reason = match state.engine.retry(&letter).await? {
        Retried::Queued(delivery) => {
            letter = Letter { delivery: Some(*delivery), has_ended: false, ..letter };
            None
        }
        Retried::AsItIs(AsItIs::Pending) => Some("pending"),
        Retried::AsItIs(AsItIs::JustDelivered) => Some("just_delivered"),
        Retried::AsItIs(AsItIs::Stays(why)) => Some(why.as_str()),
        Retried::Unreadable => Some("unreadable"),
    };
    let view = RetryView { retried: reason.is_none(), reason, delivery: DeliveryView::of(&letter, Full::No) };
    Ok(private(json(StatusCode::OK, &view)?))
}

/// The delivery that the path names, when the key may see it. One of which nothing is known is for the whole server's.
async fn letter(req: &HttpRequest) -> Result<Letter, Problem> {
    let state = state(req)?;
    let access = state.access();
    let entry = authenticate(req, &access, Role::Admin)?;
    Query::parse(req.query_string(), &[])?;
    let id = req.match_info().get("id").and_then(DeliveryId::parse);
    let id = id.ok_or_else(|| Problem::new(Kind::InvalidPath, "A delivery's id is dlv_ and 32 hexadecimal digits."))?;
    let found = state.engine.store().find_delivery(&id).await?.filter(|letter| is_seen(&access, entry, letter));
    found.ok_or_else(|| Problem::new(Kind::NoSuchDelivery, "It was never made, or its time is over."))
}

fn is_seen(access: &Access, entry: &Entry, letter: &Letter) -> bool {
    match (&entry.shop, &letter.lane) {
        (Some(own), Some(lane)) => own.id == lane.shop,
        (Some(_), None) => access.only_shop().is_some(),
        (None, _) => true,
    }
}

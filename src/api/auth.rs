//! Who is calling, and about which shop: a bearer key, its role, and the origin it may be used from.
//!
//! An unknown key is 401 and a weak one 403, before any of the body is read. Never here: what a key is compared with
//! (`api/access.rs`).

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, ORIGIN};

use super::access::{Access, Entry, ShopAccess};
use super::problem::{Kind, Problem};
use crate::config::Role;

/// Names the shop for a key of the whole server.
pub const SHOP_HEADER: &str = "Cartwake-Shop";
/// Longest key looked at.
pub const KEY_BYTES_MAX: usize = 512;

/// The key's entry, when its role is at least this and it may be used from where it is.
///
/// # Errors
/// 401 without a known key, 403 with one that is too weak or used from elsewhere.
pub fn authenticate<'a>(req: &HttpRequest, access: &'a Access, least: Role) -> Result<&'a Entry, Problem> {
    let refuse = || Problem::new(Kind::Unauthenticated, "Send a key as `Authorization: Bearer KEY`.");
    let entry = bearer(req).and_then(|key| access.find(key)).ok_or_else(refuse)?;
    if entry.role < least {
        return Err(Problem::new(Kind::Forbidden, "The role of this key is too weak for this call."));
    }
    if entry.role == Role::Browser && !origin_of(req).is_some_and(|origin| entry.allows_origin(origin)) {
        return Err(wrong_origin());
    }
    Ok(entry)
}

/// The origin of the page that calls, when any browser key may be used from there.
///
/// # Errors
/// 403 from anywhere else.
pub fn check_origin<'r>(req: &'r HttpRequest, access: &Access) -> Result<&'r str, Problem> {
    origin_of(req).filter(|origin| access.knows_origin(origin)).ok_or_else(wrong_origin)
}

/// The shop of a browser key that came in a body, from a page of this origin. A key that may do more has no business in
/// a page, and is turned away there so that it is noticed.
///
/// # Errors
/// 401 for a key that is not known, 403 for one of another role or from elsewhere.
pub fn authenticate_page(key: &str, origin: &str, access: &Access) -> Result<Arc<ShopAccess>, Problem> {
    let entry = access.find(key).ok_or_else(|| Problem::new(Kind::Unauthenticated, "Send a browser key as `key`."))?;
    match (entry.role, &entry.shop) {
        (Role::Browser, Some(shop)) if entry.allows_origin(origin) => Ok(Arc::clone(shop)),
        (Role::Browser, _) => Err(wrong_origin()),
        (Role::Server | Role::Admin, _) => {
            Err(Problem::new(Kind::Forbidden, "Only a browser key is taken here: any other must never be in a page."))
        }
    }
}

fn origin_of(req: &HttpRequest) -> Option<&str> {
    req.headers().get(ORIGIN)?.to_str().ok()
}

fn wrong_origin() -> Problem {
    Problem::new(Kind::OriginNotAllowed, "A browser key works from its allowed_origins only.")
}

fn bearer(req: &HttpRequest) -> Option<&str> {
    let (scheme, key) = req.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty() && key.len() <= KEY_BYTES_MAX).then_some(key)
}

/// The shop a call is about: the key's own, or the one that a key of the whole server names.
///
/// # Errors
/// 400 when it is not said or said twice, 403 for another shop than the key's, 404 for an unknown one.
pub fn shop_of(
    req: &HttpRequest,
    access: &Access,
    entry: &Entry,
    in_query: Option<&str>,
) -> Result<Arc<ShopAccess>, Problem> {
    let in_header = match req.headers().get(SHOP_HEADER) {
        Some(value) => {
            let refuse = |_| Problem::new(Kind::InvalidHeader, "Cartwake-Shop must be the id of a shop.");
            Some(value.to_str().map_err(refuse)?)
        }
        None => None,
    };
    let named = match (in_query, in_header) {
        (Some(a), Some(b)) if a != b => {
            return Err(Problem::new(Kind::ShopRequired, "The query and the header name two different shops."));
        }
        (query, header) => query.or(header),
    };
    match (&entry.shop, named) {
        (Some(own), None) => Ok(Arc::clone(own)),
        (Some(own), Some(named)) if own.id.as_str() == named => Ok(Arc::clone(own)),
        (Some(_), Some(_)) => Err(Problem::new(Kind::Forbidden, "This key belongs to another shop.")),
        (None, Some(named)) => access
            .shop(named)
            .cloned()
            .ok_or_else(|| Problem::new(Kind::NoSuchShop, "No shop of this name is configured.")),
        (None, None) => access
            .only_shop()
            .cloned()
            .ok_or_else(|| Problem::new(Kind::ShopRequired, "Name the shop as ?shop= or in the header Cartwake-Shop.")),
    }
}

#[cfg(test)]
mod tests;

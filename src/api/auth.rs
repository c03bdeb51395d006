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
const KEY_BYTES_MAX: usize = 512;

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
    if entry.role == Role::Browser {
        let origin = req.headers().get(ORIGIN).and_then(|v| v.to_str().ok());
        if !origin.is_some_and(|origin| entry.allows_origin(origin)) {
            return Err(Problem::new(Kind::OriginNotAllowed, "A browser key works from its allowed_origins only."));
        }
    }
    Ok(entry)
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

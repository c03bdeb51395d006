//! Cross-origin requests: a storefront's page may call from the origins that its browser key allows.
//!
//! A preflight bears no key, so it passes for an origin that any browser key allows; the call itself is then held to
//! its own key's origins in `api/auth.rs`.

use std::sync::PoisonError;

use actix_cors::Cors;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::SharedAccess;
use super::auth::SHOP_HEADER;
use super::call::IDEMPOTENCY_KEY;

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_KEPT: usize = 3600;

/// The rules for browsers, always those of the access in force.
pub fn cors(access: SharedAccess) -> Cors {
    Cors::default()
        .allowed_origin_fn(move |origin, _| {
            let access = access.read().unwrap_or_else(PoisonError::into_inner);
            origin.to_str().is_ok_and(|origin| access.knows_origin(origin))
        })
        .allowed_methods(["PUT", "PATCH", "POST"])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE])
        .allowed_headers([IDEMPOTENCY_KEY, "Prefer", SHOP_HEADER])
        .expose_headers(["Retry-After", "Preference-Applied"])
        .block_on_origin_mismatch(false)
        .max_age(PREFLIGHT_KEPT)
}

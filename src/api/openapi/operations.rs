//! The OpenAPI document of operations: what the dashboard reads, and anybody else may.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use utoipa::OpenApi;

use super::shared::Shared;
use crate::api::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(title = "cartwake operations", description = "Reports, and how the service does. With an admin key."),
    paths(
        crate::api::reports::funnel, crate::api::reports::reasons, crate::api::reports::recovery,
        crate::api::reports::lift, crate::api::system::get, crate::api::carts::list, crate::api::carts::get,
        get,
    ),
    components(schemas(crate::api::problem::ProblemBody, crate::api::faults::Fault)),
    modifiers(&Shared),
)]
struct Document;

/// The OpenAPI document of operations.
#[must_use]
pub fn operations_json() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "documents",
    responses((status = 200, body = Object, description = "The OpenAPI document.")))]
pub async fn get() -> Result<HttpResponse, Problem> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| Bytes::from(operations_json())).clone();
    Ok(HttpResponse::Ok().content_type("application/json").body(document))
}

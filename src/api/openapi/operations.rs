//! The OpenAPI document of operations, on their own port: endpoints, deliveries, health, reports.
//!
//! Never here: what storefronts call. Read next: `api/openapi.rs`.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use utoipa::openapi::OpenApi as Built;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::shared::{add_parameters, add_period, add_problems, bound_text, operations};
use crate::api::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(title = "cartwake operations", description = "How deliveries and endpoints stand, what can be done about them, and what the counts of a period add up to."),
    paths(
        crate::api::ops::healthz, crate::api::ops::readyz, crate::api::ops::metrics, crate::api::endpoints::list,
        crate::api::endpoints::pause, crate::api::endpoints::resume, crate::api::endpoints::replay,
        crate::api::endpoints::test, crate::api::deliveries::list, crate::api::deliveries::get,
        crate::api::deliveries::retry, crate::api::reports::funnel, crate::api::reports::reasons,
        crate::api::reports::recovery, crate::api::reports::lift, crate::api::system::get, crate::api::carts::list,
        crate::api::carts::get, crate::api::explain::get, crate::api::erasures::post, crate::api::exports::post, get,
    ),
    components(schemas(crate::api::problem::ProblemBody, crate::api::faults::Fault)),
    modifiers(&Common),
)]
struct Document;

/// What may be asked without a key: the port is not for the public.
const OPEN: &[&str] = &["/healthz", "/readyz", "/metrics", "/openapi.json"];

/// Adds the key and the problems.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Built) {
        for (path, item) in &mut document.paths.paths {
            for (kind, operation) in operations(item) {
                if OPEN.contains(&path.as_str()) {
                    add_problems(operation, &[405, 500]);
                } else {
                    add_problems(operation, &[400, 401, 403, 404, 405, 500, 503]);
                    if operation.request_body.is_some() {
                        add_problems(operation, &[408, 413, 415, 422]);
                    }
                    if path.starts_with("/v1/reports/") {
                        add_period(operation);
                    } else if path.starts_with("/v1/carts") {
                        add_parameters(operation, kind, path);
                    }
                    operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
                }
            }
        }
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.schemas.values_mut().for_each(bound_text);
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// The document.
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

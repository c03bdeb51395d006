//! The OpenAPI document, made from the code: bodies and calls describe themselves, and what all calls share is added here.
//!
//! A fuzzer holds the server to it, so every status that a call can answer is listed. Closed sets come from the domain's
//! own lists. Operations have a document of their own. Read next: `api.rs` for the routes.

mod names;
mod operations;
mod shared;

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use utoipa::OpenApi;

pub use self::names::{
    AttributionName, BatchOpName, ChannelName, ConsentStatusName, CurrencyCode, ImportOpName, InFlightName,
    NotAppliedName, OrderStatusName, PageName, PaymentClassName, PlatformName, ReasonName, RecoveryOutcomeName,
    ReportableReasonName, ReportingSourceName, SourceName, StageName, StateNameSchema, StoryName, VerdictName,
    WakeName, WhyName,
};
pub use self::operations::get as get_operations;
use self::shared::Shared;
pub use self::shared::{Attributes, CartPatchBody, Coupon};
use super::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(title = "cartwake", description = "Tracks carts, notices stalled checkouts, counts why shoppers leave."),
    paths(
        super::carts::put, super::carts::patch, super::carts::get, super::carts::delete, super::carts::list,
        super::signals::post, super::reasons::post, super::dismiss::post, super::merges::post, super::orders::post,
        super::stock::post, super::batch::post, super::platforms::post,
        super::acp::cancel, super::recoveries::post, super::recover::get, super::check::get,
        super::unsubscribe::get, super::unsubscribe::post, super::opt_outs::post, super::opt_outs::delete,
        super::explain::get, super::browser::post, super::widget::get, super::widget::survey, get,
    ),
    components(schemas(
        super::problem::ProblemBody, super::faults::Fault, StageName, StateNameSchema, ReasonName, PlatformName,
        CartPatchBody,
    )),
    modifiers(&Shared),
)]
struct Document;

/// The OpenAPI document of the cart API.
#[must_use]
pub fn openapi_json() -> String {
    Document::openapi().to_pretty_json().unwrap_or_default()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "documents",
    responses((status = 200, body = Object, description = "The OpenAPI document.")))]
pub async fn get() -> Result<HttpResponse, Problem> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| Bytes::from(openapi_json())).clone();
    Ok(HttpResponse::Ok().content_type("application/json").body(document))
}

#[cfg(test)]
mod tests;

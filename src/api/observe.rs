//! Around every request: its duration and status for the metrics, and a problem in place of the framework's bare errors.
//!
//! Named by route pattern, never by path: paths bear ids. At most one log line a request, at debug.

use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse, ResponseError};

use super::ApiState;
use super::problem::{Kind, Problem};

/// The pattern of a route, for metrics and logs.
#[derive(Clone, Copy, Debug)]
pub struct Route(pub &'static str);

/// Serves a request and takes note of it.
///
/// # Errors
/// Whatever the framework fails with before a route is reached.
pub async fn observe<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    #[expect(clippy::disallowed_methods, reason = "measures how long a request takes; nothing is decided by it")]
    let started_at = Instant::now();
    let response = next.call(req).await?;
    let took = started_at.elapsed();
    let req = response.request();
    let route = req.app_data::<Route>().map_or("unmatched", |route| route.0);
    let (method, status) = (method_name(req.method()), response.status());
    if let Some(state) = req.app_data::<Data<ApiState>>() {
        state.metrics.http_request(route, method, status.as_u16(), took);
    }
    tracing::debug!(route, method, status = status.as_u16(), took_us = took.as_micros(), "served");
    if (status.is_client_error() || status.is_server_error()) && is_bare(&response) {
        return Ok(response.into_response(Problem::of_status(status).error_response()).map_into_right_body());
    }
    Ok(response.map_into_left_body())
}

/// Whether an error has only the framework's words, or none.
fn is_bare<B>(response: &ServiceResponse<B>) -> bool {
    let given = response.headers().get(CONTENT_TYPE);
    // Pages are for people, and say themselves what is wrong.
    given.is_none_or(|value| {
        !value.as_bytes().starts_with(b"application/") && !value.as_bytes().starts_with(b"text/html")
    })
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}

/// The answer where nothing is.
///
/// # Errors
/// Always.
pub async fn not_found() -> Result<HttpResponse, Problem> {
    let detail = "No such path. /openapi.json lists the paths of this port.";
    Err(Problem::new(Kind::NotFound, detail))
}

/// The answer to a method that a path does not take.
///
/// # Errors
/// Always.
pub fn method_not_allowed(allow: &'static str) -> Result<HttpResponse, Problem> {
    Err(Problem::method_not_allowed(allow))
}

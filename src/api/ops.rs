//! Health, readiness and metrics, for whoever runs the process. No key: the listener is not for the public.
//!
//! `/healthz` says that the process answers, `/readyz` whether it can do its work, with each check beside.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::call::state;
use super::problem::Problem;
use super::readiness::Report;
use super::receipt::json;
use crate::clock::{Clock, SystemClock};

/// The media type that Prometheus reads.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Serialize, ToSchema)]
struct Alive {
    #[schema(value_type = String)]
    status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Alive, description = "It answers.")))]
pub async fn healthz() -> Result<HttpResponse, Problem> {
    json(StatusCode::OK, &Alive { status: "ok" })
}

/// The process can do its work, or what is in the way.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Report, description = "It can do its work."),
        (status = 503, body = Report, description = "What is in the way.")))]
pub async fn readyz(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let report = readiness(state(&req)?).await;
    json(if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &report)
}

/// Everything that readiness rests on, the store included.
pub async fn readiness(state: &ApiState) -> Report {
    let mut report = state.readiness.report(SystemClock.now());
    let store = state.engine.store();
    match store.check().await {
        Ok(health) => report.add_good("store", &detail(store.name(), &health.notes)),
        Err(error) => {
            tracing::warn!(error = %error, "the store failed its check");
            report.add_bad("store", &format!("{}: {error}", store.name()));
        }
    }
    let used_up = state.engine.incentive_notes();
    if !used_up.is_empty() {
        // Reminders go out all the same, so nothing is in the way.
        report.add_good("incentives", &used_up.join("; "));
    }
    report
}

fn detail(name: &str, notes: &[String]) -> String {
    if notes.is_empty() { name.to_owned() } else { format!("{name}: {}", notes.join("; ")) }
}

/// Everything counted, for Prometheus: also while the store is down, then without what only the store knows.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, body = String, content_type = "text/plain", description = "For Prometheus.")))]
pub async fn metrics(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let text = match state.metrics.scrape(&**state.engine.store(), state.engine.now()).await {
        Ok(text) => text,
        // An outage is when the counters are needed most; its own count must be in them.
        Err(error) => {
            tracing::warn!(error = %error, "the store could not be asked for its gauges");
            state.metrics.render()
        }
    };
    Ok(HttpResponse::Ok().content_type(METRICS_TEXT).body(text))
}

//! The way in by HTTP: carts, signals, reasons and orders on one listener, operations on another.
//!
//! - Writes go through the engine, reads straight to the store. Nothing here knows a rule of the state machine.
//! - A caller is known before its body is read; a body is read within bounds; what is invalid ends in a list of faults.
//! - Every error is a problem (`api/problem.rs`), the framework's own included.
//!
//! The tables below are the whole surface. Read next: `api/carts.rs`, then `api/body.rs`.

mod access;
mod acp;
mod auth;
mod batch;
mod body;
mod browser;
mod call;
mod cart_body;
mod cart_check;
mod cart_view;
mod carts;
mod check;
mod clock;
mod cors;
mod dashboard;
mod deliveries;
mod delivery_view;
mod dismiss;
mod endpoints;
mod envelope;
mod erasures;
mod explain;
mod exports;
mod faults;
mod fields;
mod json;
mod merges;
#[cfg(any(test, fuzzing))]
pub mod noise;
mod observe;
mod openapi;
mod ops;
mod opt_outs;
mod orders;
mod page;
mod platforms;
mod privacy;
mod problem;
mod query;
mod readiness;
mod reasons;
mod receipt;
mod recover;
mod recoveries;
mod reports;
mod signals;
mod stock;
mod system;
mod unsubscribe;
mod widget;

use std::sync::{Arc, PoisonError, RwLock};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::{Data, ServiceConfig, delete, get, head, patch, post, put, resource, to};
use actix_web::{App, Error, Resource};

pub use self::access::Access;
pub use self::faults::Fault;
pub use self::openapi::openapi_json;
pub use self::problem::{Kind, PROBLEM_JSON, Problem};
pub use self::readiness::{Beat, Check, Readiness, Report};
use crate::config::{ClockKind, Role};
use crate::engine::Engine;
use crate::metrics::Metrics;

/// What all handlers share. Made once, outside the server factory, which runs for every worker.
pub struct ApiState {
    pub engine: Arc<Engine>,
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
    /// Replaced whole on a reload.
    pub access: SharedAccess,
    pub body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub client_timeout: std::time::Duration,
    pub clock: ClockKind,
}

/// The access in force.
pub type SharedAccess = Arc<RwLock<Arc<Access>>>;

impl ApiState {
    /// The access in force now.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another access in force.
    pub fn set_access(&self, access: Access) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }
}

/// The routes of the cart API.
pub fn configure_api(routes: &mut ServiceConfig) {
    routes
        .service(at("/v1/carts", "GET").route(get().to(carts::list)))
        .service(
            at("/v1/carts/{cart_id}", "GET, PUT, PATCH, DELETE")
                .route(put().to(carts::put))
                .route(patch().to(carts::patch))
                .route(get().to(carts::get))
                .route(delete().to(carts::delete)),
        )
        .service(at("/v1/carts/{cart_id}/explain", "GET").route(get().to(explain::get)))
        .service(at("/v1/carts/{cart_id}/signals", "POST").route(post().to(signals::post)))
        .service(at("/v1/carts/{cart_id}/reasons", "POST").route(post().to(reasons::post)))
        .service(at("/v1/carts/{cart_id}/dismiss", "POST").route(post().to(dismiss::post)))
        .service(at("/acp/checkout_sessions/{cart_id}/cancel", "POST").route(post().to(acp::cancel)))
        .service(at("/v1/carts/{cart_id}/merge", "POST").route(post().to(merges::post)))
        .service(at("/v1/stock", "POST").route(post().to(stock::post)))
        .service(at("/v1/orders", "POST").route(post().to(orders::post)))
        .service(at("/v1/batch", "POST").route(post().to(batch::post)))
        .service(at("/v1/recoveries", "POST").route(post().to(recoveries::post)))
        .service(
            at("/v1/opt-outs", "POST, DELETE").route(post().to(opt_outs::post)).route(delete().to(opt_outs::delete)),
        )
        .service(
            at("/u/{token}", "GET, HEAD, POST")
                .route(get().to(unsubscribe::get))
                .route(head().to(unsubscribe::get))
                .route(post().to(unsubscribe::post)),
        )
        .service(at("/r/{token}", "GET, HEAD").route(get().to(recover::get)).route(head().to(recover::get)))
        .service(at("/v1/check/{token}", "GET, HEAD").route(get().to(check::get)).route(head().to(check::get)))
        .service(at("/in/{platform}/{shop}", "POST").route(post().to(platforms::post)))
        .service(at("/v1/browser", "POST").route(post().to(browser::post)))
        .service(at("/widget.js", "GET, HEAD").route(get().to(widget::get)).route(head().to(widget::get)))
        .service(at("/widget/survey.js", "GET, HEAD").route(get().to(widget::survey)).route(head().to(widget::survey)))
        .service(at("/openapi.json", "GET, HEAD").route(get().to(openapi::get)).route(head().to(openapi::get)))
        .default_service(to(observe::not_found));
}

/// The routes of operations.
pub fn configure_ops(routes: &mut ServiceConfig) {
    routes
        .service(at("/healthz", "GET, HEAD").route(get().to(ops::healthz)).route(head().to(ops::healthz)))
        .service(at("/readyz", "GET, HEAD").route(get().to(ops::readyz)).route(head().to(ops::readyz)))
        .service(at("/metrics", "GET, HEAD").route(get().to(ops::metrics)).route(head().to(ops::metrics)))
        .service(at("/v1/endpoints", "GET").route(get().to(endpoints::list)))
        .service(at("/v1/endpoints/{shop}/{name}/pause", "POST").route(post().to(endpoints::pause)))
        .service(at("/v1/endpoints/{shop}/{name}/resume", "POST").route(post().to(endpoints::resume)))
        .service(at("/v1/endpoints/{shop}/{name}/replay", "POST").route(post().to(endpoints::replay)))
        .service(at("/v1/endpoints/{shop}/{name}/test", "POST").route(post().to(endpoints::test)))
        .service(at("/v1/deliveries", "GET").route(get().to(deliveries::list)))
        .service(at("/v1/deliveries/{id}", "GET").route(get().to(deliveries::get)))
        .service(at("/v1/deliveries/{id}/retry", "POST").route(post().to(deliveries::retry)))
        .service(at("/v1/carts", "GET").route(get().to(carts::list)))
        .service(at("/v1/carts/{cart_id}", "GET").route(get().to(carts::get)))
        .service(at("/v1/carts/{cart_id}/explain", "GET").route(get().to(explain::get)))
        .service(at("/v1/erasures", "POST").route(post().to(erasures::post)))
        .service(at("/v1/exports", "POST").route(post().to(exports::post)))
        .service(at("/v1/reports/funnel", "GET").route(get().to(reports::funnel)))
        .service(at("/v1/reports/reasons", "GET").route(get().to(reports::reasons)))
        .service(at("/v1/reports/recovery", "GET").route(get().to(reports::recovery)))
        .service(at("/v1/reports/lift", "GET").route(get().to(reports::lift)))
        .service(at("/v1/system", "GET").route(get().to(system::get)))
        .service(at("/dashboard", "GET, HEAD").route(get().to(dashboard::page)).route(head().to(dashboard::page)))
        .service(
            at("/dashboard/{file}", "GET, HEAD").route(get().to(dashboard::part)).route(head().to(dashboard::part)),
        )
        .service(at("/v1/clock", "POST").route(post().to(clock::post)))
        .service(
            at("/openapi.json", "GET, HEAD")
                .route(get().to(openapi::get_operations))
                .route(head().to(openapi::get_operations)),
        )
        .default_service(to(observe::not_found));
}

/// A path, and the methods it takes: the pattern is its name in metrics and logs.
fn at(path: &'static str, allow: &'static str) -> Resource {
    resource(path)
        .app_data(observe::Route(path))
        .default_service(to(move || std::future::ready(observe::method_not_allowed(allow))))
}

/// The application that serves the cart API.
pub fn api_app(
    state: Data<ApiState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let cors = cors::cors(Arc::clone(&state.access));
    App::new()
        .app_data(state)
        .configure(configure_api)
        .wrap(cors)
        .wrap(actix_web::middleware::from_fn(observe::observe))
}

/// The application that serves operations.
pub fn ops_app(
    state: Data<ApiState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let least = call::Least(Role::Admin);
    App::new()
        .app_data(state)
        .app_data(least)
        .configure(configure_ops)
        .wrap(actix_web::middleware::from_fn(observe::observe))
}

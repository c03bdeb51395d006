//! cartwake brings abandoned carts back: it tracks carts with expirations, notices stalled checkouts, sends signed
//! webhook reminders, counts why shoppers leave, and shows all of it to Prometheus.
//!
//! The tour, in reading order. Arrows point down only: app -> api -> engine -> store, webhook, links -> domain.

/// The cart API and operations, over HTTP.
pub mod api;
/// From configuration to a running service.
pub mod app;
/// The core: pure decisions about carts and deliveries. Begin here.
pub mod domain;
/// Where decisions meet effects: inbox, scheduler, dispatcher.
pub mod engine;
/// The links in a reminder: back to the cart, out of reminders, still right to send.
pub mod links;
/// Where carts, what is due and the counts live: one contract, two backends.
pub mod store;
/// The promise to receivers: one signed POST for each attempt.
pub mod webhook;

/// What time it is; the only place that knows.
pub mod clock;
/// The configuration, complete and checked.
pub mod config;
/// API keys and their hashes.
pub mod keys;
/// What Prometheus sees.
pub mod metrics;
/// What the tallies of a period add up to.
pub mod platforms;
pub mod reports;
/// Logs.
pub mod telemetry;

/// The small commands.
pub mod admin;
/// `cartwake demo`: a simulated shop, as a client of the API.
pub mod demo;
/// Keys for a start without configuration.
pub mod first_start;
/// `cartwake replay`: recorded sessions, as a client of the API.
pub mod replay;
/// `cartwake serve`.
pub mod serve;

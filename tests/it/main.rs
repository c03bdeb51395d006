//! Every test that needs more than one room, in one binary.
//!
//! - `store.rs`: the conformance suite that every store runs;
//! - `stories.rs`: a storefront, the service and a receiver, over HTTP, on every store;
//! - `arithmetic.rs`: money, time and jitter at the ends of their ranges, and noise for every public parser;
//! - `doors.rs`: the listeners against clients that are slow, many or speak no HTTP;
//! - `stopping.rs`: a service that is told to stop in the middle of its work;
//! - `model.rs`: the domain against a naive model of it; `memory.rs`: a naive store, in the suite like the others;
//! - `redis_only.rs`: what only Redis can do to its store; `attendance.rs`: several processes on one; `idle.rs`: what it
//!   costs when there is nothing to do; `expiry.rs`: what it ends by itself;
//! - `unfit.rs`: servers that are not as they must be, or full;
//! - `failover.rs`: servers that die, and slots that move, under load;
//! - `stories.rs`: the whole service over HTTP, with `shop.rs` as storefront and `receiver.rs` at the other end;
//! - `prometheus.rs`: the metrics, their labels, and the alert rules, before `promtool`;
//! - `lift.rs`: the lift estimate against shops whose truth is known;
//! - `tidy.rs`, `policy.rs`: the house rules, for the source and for what it depends on.
//!
//! `samples.rs` gives values, `servers.rs` and `groups.rs` private redis-servers. No test sleeps but to wait for a process.

#![expect(clippy::disallowed_methods, reason = "tests own the processes and receivers that they start and wait for")]

mod arithmetic;
mod attendance;
mod doors;
mod expiry;
mod failover;
mod groups;
mod guards;
mod idle;
mod lift;
mod memory;
mod model;
mod policy;
mod prometheus;
mod receiver;
mod redis_only;
mod samples;
mod sealing;
mod servers;
mod shop;
mod sim;
mod stopping;
mod store;
mod stories;
mod tidy;
mod unfit;

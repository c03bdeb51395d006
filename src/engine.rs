//! Where decisions meet effects: every write goes through here, and so does everything that is due.
//!
//! - `engine/inbox.rs`: load, decide, commit; again on a conflict. The way in for a cart event.
//! - `engine/orders.rs`: an order, in the sequence of writes that keeps "never remind a buyer" true.
//! - `engine/persons.rs`: who the person behind some identifiers is.
//! - `engine/stock.rs`: what can be had, and who waits for it.
//! - `engine/merges.rs`: two carts of one shopper become one.
//! - `engine/scheduler.rs`: carts whose wake has come.
//! - `engine/dispatcher.rs`: deliveries that are due, lane by lane.
//! - `engine/incentives.rs`: whose a code is.
//! - `engine/vetting.rs`: the last look before a send; `engine/opt_outs.rs`: who wants no reminders.
//! - `engine/deed.rs`: a decision of it on its way into the store and the lanes; `engine/doors.rs`: what is decided goes straight into a lane that has a place for it.
//! - `engine/lane.rs`: the loop of one lane; `engine/endpoints.rs`: which of them are sent to.
//! - `engine/letters.rs`: what people do with deliveries: retry, replay, test.
//! - `engine/calibration.rs`: which inferred reasons shoppers keep denying.
//! - `engine/explain.rs`: why a shopper was or was not reminded.
//! - `engine/traces.rs`: what is held of a person; `engine/exports.rs` tells it, `engine/erasure.rs` erases it.
//! - `engine/links.rs`: what follows from a link of a reminder.
//! - `engine/observed.rs`: the store, with every call timed.
//! - `engine/pulse.rs`: the loop shell around the last two; the only place that sleeps.
//!
//! Never here: HTTP frameworks, JSON, the rules of the state machine.

mod answers;
mod calibration;
mod deed;
mod digests;
mod dispatcher;
mod doors;
mod endpoints;
mod erasure;
mod explain;
mod exports;
mod identity;
mod inbox;
mod incentives;
mod lane;
mod leftovers;
mod letters;
mod links;
mod merges;
mod observed;
mod opt_outs;
mod orders;
mod persons;
mod policies;
mod pulse;
mod scheduler;
mod stock;
mod traces;
mod unreadable;
mod vetting;

pub use calibration::run_calibration;
pub use dispatcher::{DispatchSettings, Dispatched, Dispatcher, Looked, Ready, Sent};
pub use doors::{Handed, Offer};
pub use erasure::Erased;
pub use explain::{Explanation, Outlook, StepOutlook};
pub use exports::{Held, HeldCart};
pub use inbox::{Engine, Once, WriteError};
pub use letters::{Replayed, Retried, status_parts};
pub use links::{Followed, StillRight};
pub use opt_outs::OptedOut;
pub use policies::{EndpointPolicy, Policies, ShopPolicy};
pub use pulse::{Heartbeat, run_dispatcher, run_lookout, run_scheduler};
pub use scheduler::{Scheduler, Woken};
pub use traces::{Limit, Reach, Whom};

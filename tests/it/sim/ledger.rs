//! The ledger: what truly happened, written down as it happens, and held against what was promised.
//!
//! It stands beside the store in memory and sees each step of it in the order they took place, which no process does.
//! Each invariant is a function of its own with the promise as its first line; the first that is broken ends the seed.
//!
//! - `ledger/purchases.rs`: no reminder starts for what an acknowledged order covers;
//! - `ledger/records.rs`: nothing acknowledged is lost, nothing counts twice or not at all;
//! - `ledger/payments.rs`: what is promised of a payment on its way;
//! - `ledger/outbox.rs`: leases, sends, ends;
//! - `ledger/persons.rs`: opt-outs, holdout, caps;
//! - `ledger/incentives.rs`: whose a code is; `ledger/money.rs`: what was recovered, and by which arm.

mod incentives;
mod money;
mod outbox;
mod payments;
mod persons;
mod purchases;
mod records;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use cartwake::domain::{
    Cart, CartId, DeliveryId, EndpointName, Exposure, IdentifierHash, Moment, OrderId, OrderStatus, PurchaseMark,
    ReminderId, Status,
};
use cartwake::engine::Dispatched;

use money::Worth;
use outbox::Send;
use purchases::{Acknowledged, Cover};

/// How much of the end of a trace a failing seed shows.
const TAIL: usize = 120;

/// Everything that happened in one seed.
#[derive(Default)]
pub struct Ledger {
    /// Counts what happened; orders any two things.
    step: u64,
    hash: u64,
    tail: VecDeque<String>,
    broken: Option<String>,
    /// Names of what was seen: facts, verdicts, whys, outcomes.
    pub seen: BTreeSet<String>,
    /// Sends that started after an order whose answer said that this may be.
    pub possible: u64,
    /// What happened how often, for whoever wonders whether a seed did anything.
    pub counts: BTreeMap<&'static str, u64>,

    orders: BTreeMap<OrderId, Acknowledged>,
    failed: BTreeSet<OrderId>,
    /// Who an order itself says that it is by.
    buyers: BTreeMap<OrderId, BTreeSet<String>>,
    /// Purchases left on their buyers, and when.
    marked: BTreeMap<OrderId, (u64, PurchaseMark)>,
    /// When each was last written.
    orders_written: BTreeMap<OrderId, u64>,
    /// By an order, and whether it was paid by then.
    covered: BTreeMap<(CartId, OrderId, bool), Cover>,
    /// Since when it is known on its buyers that an order is paid.
    marked_paid: BTreeMap<OrderId, u64>,
    /// Who was reminded of which payment.
    payments: BTreeMap<(String, OrderId), ReminderId>,

    /// Whose opt-out was answered, and when.
    opted_out: BTreeMap<String, u64>,
    /// To whom reminders started, and when.
    reminded: BTreeMap<String, Vec<(ReminderId, Moment)>>,
    /// Under which hashes each cart was enrolled, what was linked to them, and who came into which arm.
    hashes: BTreeMap<CartId, BTreeSet<IdentifierHash>>,
    linked: BTreeMap<IdentifierHash, BTreeSet<IdentifierHash>>,
    exposed: BTreeMap<IdentifierHash, Vec<Exposure>>,
    /// Whose carts were when they came into an arm.
    exposed_as: BTreeMap<CartId, BTreeSet<String>>,

    marks_seen: BTreeMap<CartId, BTreeSet<String>>,
    keys_used: BTreeMap<String, u64>,
    paid: BTreeMap<OrderId, OrderStatus>,
    postponed: BTreeSet<CartId>,
    tallies: BTreeMap<String, i64>,
    worth: BTreeMap<OrderId, Worth>,

    /// Whose each code is, and which code each reminder has.
    codes: BTreeMap<String, String>,
    grants: BTreeMap<String, String>,

    decided: BTreeMap<(CartId, i64, u32, u32, EndpointName), DeliveryId>,
    queued: BTreeMap<DeliveryId, String>,
    leases: BTreeMap<DeliveryId, Moment>,
    /// When each last began, and the cart as it was then.
    begun: BTreeMap<DeliveryId, (u64, Option<Cart>)>,
    sends: Vec<Send>,
    ended: BTreeMap<DeliveryId, Status>,
}

impl Ledger {
    /// Writes one line of the trace.
    pub fn note(&mut self, now: Moment, what: &dyn fmt::Display) {
        self.step += 1;
        let line = format!("{:>9} {what}", now.millis() - super::world::START.millis());
        for byte in line.bytes() {
            // FNV-1a: order and content, and nothing of the machine.
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// The first broken promise stands; what follows from it says nothing new.
    pub fn broke(&mut self, promise: &str, how: &dyn fmt::Display) {
        if self.broken.is_none() {
            self.broken = Some(format!("{promise}: {how}"));
            self.tail.push_back(format!("          BROKEN {promise}: {how}"));
        }
    }

    pub const fn broken(&self) -> Option<&String> {
        self.broken.as_ref()
    }

    pub const fn trace_hash(&self) -> u64 {
        self.hash
    }

    pub fn trace_tail(&self) -> String {
        self.tail.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    pub fn saw(&mut self, kind: &str, name: &dyn fmt::Display) {
        self.seen.insert(format!("{kind} {name}"));
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn dispatched(&mut self, process: usize, now: Moment, done: Dispatched) {
        self.note(now, &format_args!("p{process} {done:?}"));
        let name = match done {
            Dispatched::Attempted(_) => "attempted",
            Dispatched::Suppressed(_) => "suppressed",
            Dispatched::Held(_) => "held",
            Dispatched::Released => "released",
            Dispatched::Lost => "lost",
            Dispatched::Buried => "buried",
        };
        self.saw("dispatched", &name);
        self.count(name);
    }
}

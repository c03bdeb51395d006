//! The world of one seed: one store, some processes, a storefront, receivers, and time that passes only when all wait.
//!
//! One thread and tokio's paused clock: whatever waits for a moment is woken in the order of moments, so a seed has one
//! trace. Never here: what is promised (`ledger.rs`), what the storefront does (`traffic.rs`).

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cartwake::clock::Clock;
use cartwake::domain::{Delivery, IdentifierHash, Moment, Outcome};
use cartwake::engine::Policies;
use cartwake::metrics::Metrics;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::dice::Dice;
use super::faults::Weather;
use super::ledger::Ledger;
use super::process::Process;
use super::receivers::Receivers;
use super::shop::Shop;
use crate::memory::{Book, MemoryStore};

/// 2026-03-01T08:00:00Z: where the time of every seed begins.
pub const START: Moment = Moment::from_millis(1_772_352_000_000);

/// What changes.
pub struct Inner {
    pub dice: Dice,
    pub ledger: Ledger,
    pub weather: Weather,
    /// Until when the store answers nobody.
    pub away_until: Moment,
    /// Hashes whose part of the store answers nobody.
    pub dark: HashSet<IdentifierHash>,
    pub receivers: Receivers,
    pub processes: Vec<Arc<Process>>,
    /// Whether shoppers buy at the very moment at which they are about to be reminded.
    pub rushes: bool,
    /// Processes whose next look at a person takes long to come back: the narrowest place of the purchase race.
    pub lingers: BTreeSet<usize>,
}

/// The world.
pub struct World {
    pub store: Arc<MemoryStore>,
    pub metrics: Arc<Metrics>,
    /// Rings when something may have become due earlier.
    pub bell: Notify,
    shop: Shop,
    began: Instant,
    inner: Mutex<Inner>,
}

/// The clock of every process: they agree, as the design asks of machines that share a store.
struct WorldClock(Instant);

impl Clock for WorldClock {
    fn now(&self) -> Moment {
        START.plus(self.0.elapsed())
    }
}

/// Of each seed another: whose arm is which follows from it.
fn identity_key(seed: u64) -> [u8; 32] {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    key
}

impl World {
    pub fn new(seed: u64) -> Arc<Self> {
        static METRICS: OnceLock<Arc<Metrics>> = OnceLock::new();
        let mut dice = Dice::new(seed);
        let weather = Weather::of(&mut dice);
        let receivers = Receivers::of(&mut dice);
        let shop = Shop::of(&mut dice);
        Arc::new(Self {
            store: Arc::new(MemoryStore::new(identity_key(seed))),
            metrics: Arc::clone(METRICS.get_or_init(|| Arc::new(Metrics::new("0", "simulation")))),
            bell: Notify::new(),
            shop,
            began: Instant::now(),
            inner: Mutex::new(Inner {
                dice,
                ledger: Ledger::default(),
                weather,
                away_until: START,
                dark: HashSet::new(),
                receivers,
                processes: Vec::new(),
                rushes: true,
                lingers: BTreeSet::new(),
            }),
        })
    }

    pub fn now(&self) -> Moment {
        START.plus(self.began.elapsed())
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(WorldClock(self.began))
    }

    pub fn policies(&self, variant: usize) -> Policies {
        self.shop.policies(variant)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of the world. The store's lock comes after this one.
    pub fn with<T>(&self, step: impl FnOnce(&mut Inner) -> T) -> T {
        step(&mut self.lock())
    }

    /// Waits until the moment that this view of the store gives has come.
    pub async fn wait_for(&self, next: impl Fn(&Book) -> Option<Moment>) {
        loop {
            let rings = self.bell.notified();
            let (due, now) = (self.store.with(|book| next(book)), self.now());
            match due {
                Some(due) if due <= now => return,
                Some(due) => drop(timeout(due.since(now), rings).await),
                None => rings.await,
            }
        }
    }

    pub async fn idle_up_to(&self, millis: u64) {
        let wait = self.with(|inner| 1 + inner.dice.below(millis));
        sleep(Duration::from_millis(wait)).await;
    }

    /// One POST: what comes back, after as long as it takes.
    pub async fn post(&self, delivery: &Delivery, limit: Duration) -> Outcome {
        let outcome = self.with(|inner| inner.receivers.answer(&mut inner.dice, delivery, limit));
        sleep(outcome.duration).await;
        outcome
    }

    /// A process, if any lives.
    pub fn some_process(&self) -> Option<Arc<Process>> {
        let mut inner = self.lock();
        if inner.processes.is_empty() {
            return None;
        }
        let count = inner.processes.len();
        let index = inner.dice.index(count);
        Some(Arc::clone(&inner.processes[index]))
    }
}

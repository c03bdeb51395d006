//! One process: an engine, a scheduler and a dispatcher with their loops, that can be stopped, woken and killed.
//!
//! Its loops stand for those of `engine/pulse.rs`, which choose at random and make real POSTs: they do the same calls in
//! the same order, and look when something is due instead of many times a second. A stopped process is polled by nobody
//! while time goes on; a killed one loses its futures wherever they stood.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cartwake::domain::Moment;
use cartwake::engine::{DispatchSettings, Dispatched, Dispatcher, Engine, Handed, Looked, Ready, Scheduler, Sent};
use cartwake::store::{Begun, Claim, Lane, StoreResult};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::faults::Line;
use super::rush;
use super::shop::ENDPOINTS;
use super::world::World;
use crate::samples::{endpoint, shop};

/// Sends at a time in a lane.
const CONCURRENCY: usize = 4;

pub const SETTINGS: DispatchSettings = DispatchSettings {
    lease: Duration::from_secs(15),
    start_within: Duration::from_secs(2),
    disable_after: None,
    keep: Duration::from_secs(7 * 86_400),
};

/// Closed while the process is stopped.
#[derive(Default)]
struct Gate {
    is_closed: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// A future of a process: it goes on only while the gate is open.
struct Gated<F> {
    gate: Arc<Gate>,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.gate.is_closed.load(Ordering::Relaxed) {
            self.gate.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(cx.waker().clone());
            return Poll::Pending;
        }
        self.inner.as_mut().poll(cx)
    }
}

/// A process.
pub struct Process {
    pub id: usize,
    pub engine: Arc<Engine>,
    dispatcher: Arc<Dispatcher>,
    world: Arc<World>,
    gate: Arc<Gate>,
    tasks: Mutex<JoinSet<()>>,
    sending: Mutex<BTreeMap<Lane, usize>>,
}

impl Process {
    pub fn start(world: &Arc<World>, id: usize, policies: usize) -> Arc<Self> {
        let line = Arc::new(Line { world: Arc::clone(world), process: id });
        let engine = Arc::new(Engine::new(line, world.clock(), Arc::clone(&world.metrics)));
        engine.set_policies(world.policies(policies));
        let this = Arc::new(Self {
            id,
            dispatcher: Arc::new(Dispatcher::new(Arc::clone(&engine), SETTINGS)),
            engine,
            world: Arc::clone(world),
            gate: Arc::default(),
            tasks: Mutex::default(),
            sending: Mutex::default(),
        });
        this.spawn(Arc::clone(&this).look_after_carts());
        this.spawn(Arc::clone(&this).look_after_deliveries());
        this
    }

    /// Runs something inside this process.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = Gated { gate: Arc::clone(&self.gate), inner: Box::pin(task) };
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    pub fn stop(&self) {
        self.gate.is_closed.store(true, Ordering::Relaxed);
    }

    pub fn go_on(&self) {
        self.gate.is_closed.store(false, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.gate.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ends every future of the process where it stands.
    pub fn kill(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    async fn look_after_carts(self: Arc<Self>) {
        let scheduler = Scheduler::new(Arc::clone(&self.engine), 20);
        loop {
            self.world.wait_for(crate::memory::Book::next_wake).await;
            self.world.idle_up_to(250).await;
            self.offer();
            let woken = scheduler.run_once().await;
            self.let_in();
            match woken {
                Ok(woken) if woken.decided > 0 => {}
                Ok(_) => self.world.idle_up_to(500).await,
                Err(_) => sleep(Duration::from_millis(400)).await,
            }
        }
    }

    async fn look_after_deliveries(self: Arc<Self>) {
        let mut lanes = Vec::new();
        let mut read_at = Moment::from_millis(i64::MIN);
        loop {
            self.world
                .wait_for(|book| book.deliveries.values().filter(|r| r.is_pending()).map(|r| r.look_at).min())
                .await;
            self.world.idle_up_to(100).await;
            let now = self.world.now();
            if now.since(read_at) >= Duration::from_secs(1) {
                let Ok(known) = self.dispatcher.refresh().await else {
                    sleep(Duration::from_millis(400)).await;
                    continue;
                };
                (lanes, read_at) = (known.into_iter().collect(), now);
            }
            let mut claimed = 0;
            for lane in &lanes {
                claimed += self.fill(lane).await;
            }
            if claimed == 0 {
                sleep(Duration::from_millis(200)).await;
            }
        }
    }

    /// Offers places in the lanes, now and then.
    fn offer(&self) {
        for lane in every_lane() {
            let places = self.world.with(|inner| if inner.dice.chance(600) { inner.dice.index(4) } else { 0 });
            self.dispatcher.offer(&lane, if self.dispatcher.is_stopped(&lane) { 0 } else { places });
        }
    }

    /// Starts what was handed over to the lanes.
    fn let_in(self: &Arc<Self>) {
        for Handed { begun, at } in every_lane().flat_map(|lane| self.dispatcher.handed(&lane)) {
            let this = Arc::clone(self);
            self.spawn(async move { this.handle_begun(begun, at).await });
        }
    }

    /// Starts what is due in a lane, as far as there are free places.
    async fn fill(self: &Arc<Self>, lane: &Lane) -> usize {
        let busy = self.sending().get(lane).copied().unwrap_or_default();
        let room = CONCURRENCY.saturating_sub(busy);
        let is_due = self.world.store.with(|book| book.next_due(lane)).is_some_and(|due| due <= self.engine.now());
        if room == 0 || !is_due || self.dispatcher.is_stopped(lane) {
            return 0;
        }
        let limit = room.min(1 + self.world.with(|inner| inner.dice.index(4)));
        let claims = self.dispatcher.claim(lane, limit).await.unwrap_or_default();
        let count = claims.len();
        for claim in claims {
            *self.sending().entry(lane.clone()).or_default() += 1;
            let this = Arc::clone(self);
            self.spawn(async move {
                let lane = claim.lane.clone();
                this.handle(claim).await;
                *this.sending().entry(lane).or_default() -= 1;
            });
        }
        count
    }

    fn sending(&self) -> std::sync::MutexGuard<'_, BTreeMap<Lane, usize>> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One claim to its end. It may wait for its turn, longer than its lease even.
    async fn handle(&self, claim: Claim) {
        rush::rush(&self.world, self.id, &claim);
        rush::disturb(&self.world, &claim);
        let waits = self.world.with(|inner| if inner.dice.chance(60) { inner.dice.below(20_000) } else { 0 });
        if waits > 0 {
            sleep(Duration::from_millis(waits)).await;
        }
        if claim.until <= self.engine.now() {
            return;
        }
        let looked = self.dispatcher.look(&claim.lane, std::slice::from_ref(&claim)).await;
        self.go_on_from(looked).await;
    }

    /// What was handed over to its end; it may wait, too.
    async fn handle_begun(&self, begun: Begun, at: Moment) {
        let claim = begun.claim.clone();
        rush::rush(&self.world, self.id, &claim);
        rush::disturb(&self.world, &claim);
        let waits = self.world.with(|inner| if inner.dice.chance(60) { inner.dice.below(20_000) } else { 0 });
        if waits > 0 {
            sleep(Duration::from_millis(waits)).await;
        }
        let looked = self.dispatcher.look_at(&claim.lane, vec![begun], at).await;
        self.go_on_from(looked).await;
    }

    async fn go_on_from(&self, looked: Vec<StoreResult<Looked>>) {
        let ended = match looked.into_iter().next().expect("one claim, one look") {
            Ok(Looked::Done(done)) => Ok(done),
            Ok(Looked::Ready(ready)) => self.send(ready).await,
            Err(error) => Err(error),
        };
        let now = self.world.now();
        self.world.with(|inner| match ended {
            Ok(done) => inner.ledger.dispatched(self.id, now, done),
            Err(_) => inner.ledger.note(now, &format_args!("p{} left a delivery to its lease", self.id)),
        });
    }

    async fn send(&self, ready: Box<Ready>) -> StoreResult<Dispatched> {
        let Some(started_at) = self.dispatcher.start(&ready) else { return self.dispatcher.give_back(ready).await };
        let (claim, delivery) = (&ready.claim, &ready.delivery);
        let send = self
            .world
            .with(|inner| inner.ledger.send_starts(self.id, started_at, ready.endpoint.timeout, claim, delivery));
        let outcome = self.world.post(&ready.delivery, ready.endpoint.timeout).await;
        let now = self.world.now();
        self.world.with(|inner| inner.ledger.send_ends(send, now, &outcome));
        let finished = self.dispatcher.finish(vec![Sent { ready, started_at, outcome }]).await;
        finished.into_iter().next().expect("one attempt, one record")
    }
}

fn every_lane() -> impl Iterator<Item = Lane> {
    ENDPOINTS.iter().map(|name| Lane { shop: shop(), endpoint: endpoint(name) })
}

//! One seed from its first second to the end of time.
//!
//! Some minutes of traffic and trouble; then calm, until every cart and every delivery has ended. Bounded at each step.

use std::sync::Arc;
use std::time::Duration;

use cartwake::domain::{Moment, Why};
use cartwake::store::{Lane, Pause, Store};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::dice::Dice;
use super::faults::Weather;
use super::ledger::Ledger;
use super::logs::Errors;
use super::process::Process;
use super::receivers::MOODS;
use super::shop::{ENDPOINTS, VERSIONS};
use super::traffic::{Storefront, tell};
use super::world::World;
use crate::samples::{endpoint, secs, shop};

/// How long the end of time is waited for, in steps of this length.
const CALM_STEPS: u32 = 300;
const CALM_STEP: Duration = Duration::from_secs(86_400);

/// What a seed came to.
pub struct Report {
    pub seed: u64,
    pub ledger: Ledger,
}

/// Runs one seed.
pub fn run(seed: u64) -> Report {
    let errors = Errors::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    let mut ledger = tracing::subscriber::with_default(errors.clone(), || {
        let ledger = runtime.block_on(live(seed));
        drop(runtime);
        ledger
    });
    if let Some(line) = errors.all().first() {
        ledger.broke("nothing is logged as an error", line);
    }
    Report { seed, ledger }
}

async fn live(seed: u64) -> Ledger {
    let world = World::new(seed);
    let mut clients = JoinSet::new();
    let mut director = Director::of(&world);
    director.replicas();
    director.trouble(&mut clients).await;
    director.calm().await;
    while clients.join_next().await.is_some() {}
    director.end().await;
    for process in world.with(|inner| std::mem::take(&mut inner.processes)) {
        process.kill();
    }
    world.with(|inner| std::mem::take(&mut inner.ledger))
}

/// Decides what goes wrong when.
struct Director {
    world: Arc<World>,
    dice: Dice,
    storefront: Storefront,
    started: usize,
    replicas_max: u64,
    /// Out of a thousand steps.
    trouble: u64,
}

impl Director {
    fn of(world: &Arc<World>) -> Self {
        world.with(|inner| {
            let mut dice = Dice::new(inner.dice.roll());
            let storefront = Storefront::new(&mut dice);
            let (replicas_max, trouble) = (1 + dice.below(4), *dice.pick(&[0, 60, 200, 400]));
            Self { world: Arc::clone(world), dice, storefront, started: 0, replicas_max, trouble }
        })
    }

    fn start(&mut self, version: usize) {
        let process = Process::start(&self.world, self.started, version);
        self.started += 1;
        self.world.with(|inner| inner.processes.push(process));
    }

    fn replicas(&mut self) {
        for _ in 0..=self.dice.below(self.replicas_max) {
            self.start(0);
        }
    }

    fn is_broken(&self) -> bool {
        self.world.with(|inner| inner.ledger.broken().is_some())
    }

    fn note(&self, what: &dyn std::fmt::Display) {
        let now = self.world.now();
        self.world.with(|inner| inner.ledger.note(now, what));
    }

    /// The part in which something happens.
    async fn trouble(&mut self, clients: &mut JoinSet<()>) {
        let gap = *self.dice.pick(&[1_500, 5_000, 12_000]);
        for _ in 0..30 + self.dice.below(70) {
            if self.is_broken() {
                return;
            }
            let wait = if self.dice.chance(30) { 150_000 } else { gap };
            sleep(Duration::from_millis(self.dice.below(wait))).await;
            let told = self.storefront.next(self.world.now());
            if self.dice.chance(40) {
                // Two clients at once, or one that does not wait.
                clients.spawn(tell(Arc::clone(&self.world), told.clone()));
            }
            clients.spawn(tell(Arc::clone(&self.world), told));
            if self.dice.chance(self.trouble) {
                self.something_goes_wrong();
            }
            self.check();
        }
    }

    fn something_goes_wrong(&mut self) {
        let Some(process) = self.world.some_process() else { return self.start(0) };
        let lane = Lane { shop: shop(), endpoint: endpoint(ENDPOINTS[self.dice.index(ENDPOINTS.len())]) };
        match self.dice.below(10) {
            0 => {
                self.note(&format_args!("p{} is killed", process.id));
                process.kill();
                self.world.with(|inner| inner.processes.retain(|other| other.id != process.id));
                let world = Arc::clone(&self.world);
                let is_last = world.with(|inner| inner.processes.is_empty());
                if is_last || self.dice.chance(500) {
                    self.start(0);
                }
            }
            1 | 2 => {
                let span = Duration::from_millis({
                    let most = *self.dice.pick(&[3_000, 20_000, 60_000]);
                    self.dice.below(most)
                });
                self.note(&format_args!("p{} stops for {} ms", process.id, span.as_millis()));
                process.stop();
                self.later(span, move |_| process.go_on());
            }
            3 => {
                if self.world.with(|inner| inner.processes.len() < 4) {
                    self.start(0);
                }
            }
            4 => {
                let until = self.world.now().plus(Duration::from_millis(self.dice.below(30_000)));
                self.note(&format_args!("the store is away until {until}"));
                self.world.with(|inner| inner.away_until = until);
            }
            5 | 6 => {
                let mood = *self.dice.pick(MOODS);
                self.note(&format_args!("{} is {mood:?}", lane.endpoint));
                self.world.with(|inner| inner.receivers.change(lane.endpoint, mood));
            }
            7 => {
                let version = if self.dice.chance(300) { 1 } else { self.dice.index(VERSIONS) };
                self.note(&format_args!("p{} reloads version {version}", process.id));
                process.engine.set_policies(self.world.policies(version));
                let span = secs(self.dice.below(300));
                self.later(span, move |world| process.engine.set_policies(world.policies(0)));
            }
            8 => {
                self.note(&format_args!("{} is paused", lane.endpoint));
                let pause = Pause { lane: lane.clone(), why: Why::EndpointPaused, since: self.world.now() };
                self.world.store.with(|book| book.pauses.insert(lane.clone(), pause));
                let span = secs(self.dice.below(200));
                self.later(span, move |world| drop(world.store.with(|book| book.pauses.remove(&lane))));
            }
            _ => {
                let weather = Weather::of(&mut self.dice);
                self.note(&format_args!("{weather:?}"));
                self.world.with(|inner| inner.weather = weather);
            }
        }
    }

    /// Undoes something after a while.
    fn later(&self, span: Duration, undo: impl FnOnce(&World) + Send + 'static) {
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            sleep(span).await;
            undo(&world);
            world.bell.notify_waiters();
        });
    }

    fn check(&self) {
        self.world.with(|inner| {
            let ledger = &mut inner.ledger;
            self.world.store.with(|book| ledger.the_views_agree(book));
        });
    }

    /// Everything works again.
    async fn calm(&mut self) {
        // What was begun is undone first: the longest trouble is shorter than this.
        sleep(secs(330)).await;
        self.storefront.forget();
        self.world.with(|inner| inner.rushes = false);
        self.note(&"calm");
        self.world.with(|inner| {
            inner.weather = Weather::default();
            inner.away_until = Moment::from_millis(0);
            inner.receivers.repair();
        });
        self.world.store.with(|book| book.pauses.clear());
        if self.world.with(|inner| inner.processes.is_empty()) {
            self.start(0);
        }
        self.world.bell.notify_waiters();
    }

    /// Until nothing is left, or for long enough.
    async fn end(&mut self) {
        for _ in 0..CALM_STEPS {
            self.check();
            let is_over = |book: &mut crate::memory::Book| {
                book.carts.is_empty() && book.deliveries.values().all(|row| !row.is_pending())
            };
            if self.is_broken() || self.world.store.with(is_over) {
                break;
            }
            sleep(CALM_STEP).await;
        }
        let now = self.world.now();
        self.world.with(|inner| {
            let ledger = &mut inner.ledger;
            self.world.store.with(|book| {
                ledger.the_views_agree(book);
                ledger.no_order_was_lost(book);
                ledger.everything_has_ended(book);
                ledger.the_arms_are_told();
            });
        });
        if self.dice.chance(500) {
            drop(self.world.store.sweep(now.plus(secs(30 * 86_400))).await);
        }
    }
}

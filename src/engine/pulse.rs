//! The loop shell: the only place that waits. Everything it calls does one bounded piece of work and returns.
//!
//! Poll is the truth, a nudge is speed: a nudge carries no data, a lost one costs at most one poll interval, and no
//! error ends a loop.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::dispatcher::Dispatcher;
use super::inbox::Engine;
use super::lane::LaneLoop;
use super::scheduler::Scheduler;
use crate::clock::{Clock, SystemClock};
use crate::domain::Moment;
use crate::store::{Lane, StoreResult};

/// How long a loop waits after an error, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often lanes and pauses are read anew.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// How often what has expired is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// When a loop last showed that it is alive, by the machine's clock, whatever clock decides; readable from any thread.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Arc<AtomicI64>);

impl Heartbeat {
    /// Shows life.
    pub fn beat(&self, now: Moment) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }

    /// The last sign of life.
    #[must_use]
    pub fn last(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Doubles with each error in a row.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const fn new() -> Self {
        Self(BACKOFF.0)
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(BACKOFF.1);
        wait
    }
}

/// Decides due carts until it is told to stop.
pub async fn run_scheduler(
    scheduler: Scheduler,
    engine: Arc<Engine>,
    poll: Duration,
    pulse: Heartbeat,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        let wait = match look(&scheduler, &engine, poll).await {
            Ok(wait) => {
                pulse.beat(SystemClock.now());
                backoff = Backoff::new();
                wait
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "the scheduler could not use the store");
                backoff.next()
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = engine.sooner.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

/// One look at what is due; how long there is nothing to do after it.
async fn look(scheduler: &Scheduler, engine: &Engine, poll: Duration) -> StoreResult<Duration> {
    let woken = scheduler.run_once().await?;
    if woken.found > 0 {
        // Carts that others decide, or that are set aside, must not make this a busy loop.
        return Ok(if woken.decided > 0 { Duration::ZERO } else { Duration::from_millis(10) });
    }
    let next = scheduler.next().await?;
    let now = engine.now();
    let wait = next.map_or(poll, |next| next.since(now).clamp(Duration::from_millis(1), poll));
    *engine.waits_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.plus(wait));
    Ok(wait)
}

/// Runs every lane side by side until it is told to stop; then lets sends in flight end.
pub async fn run_dispatcher(dispatcher: Arc<Dispatcher>, poll: Duration, pulse: Heartbeat, stop: CancellationToken) {
    let mut running: HashSet<Lane> = HashSet::new();
    let mut lanes = JoinSet::new();
    let mut backoff = Backoff::new();
    let mut swept_at = dispatcher.engine.now();
    while !stop.is_cancelled() {
        let wait = match dispatcher.refresh().await {
            Ok(known) => {
                for lane in known {
                    if running.insert(lane.clone()) {
                        lanes.spawn(LaneLoop::new(Arc::clone(&dispatcher), lane, poll).run(stop.clone()));
                    }
                }
                let now = dispatcher.engine.now();
                pulse.beat(SystemClock.now());
                if now.since(swept_at) >= SWEEP_EVERY {
                    swept_at = now;
                    sweep(&dispatcher.engine, now).await;
                }
                backoff = Backoff::new();
                REFRESH_EVERY
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "the dispatcher could not use the store");
                backoff.next()
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(wait) => {}
        }
    }
    while lanes.join_next().await.is_some() {}
}

async fn sweep(engine: &Engine, now: Moment) {
    if let Err(error) = engine.store.sweep(now).await {
        warn!(error = &error as &dyn std::error::Error, "what has expired could not be swept; tried again later");
    }
}

//! The loop shell: the only place that waits. Everything it calls does one bounded piece of work and returns.
//!
//! Poll is the truth, a nudge is speed: a nudge carries no data, a lost one costs at most one poll interval, and no
//! error ends a loop.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::dispatcher::{Dispatched, Dispatcher};
use super::inbox::Engine;
use super::scheduler::Scheduler;
use crate::clock::{Clock, SystemClock};
use crate::domain::Moment;
use crate::store::{BATCH_MAX, Claim, Lane, StoreResult};

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
struct Backoff(Duration);

impl Backoff {
    const fn new() -> Self {
        Self(BACKOFF.0)
    }

    fn next(&mut self) -> Duration {
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
                        lanes.spawn(run_lane(Arc::clone(&dispatcher), lane, poll, stop.clone()));
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

/// The state of one lane's loop.
struct LaneLoop {
    dispatcher: Arc<Dispatcher>,
    lane: Lane,
    /// Claimed and waiting for a free place; a claim that waits too long is void and nothing is lost.
    claimed: VecDeque<Claim>,
    sending: JoinSet<StoreResult<Dispatched>>,
    /// Set while the endpoint has a rate limit: the limit, and its ticks.
    pace: Option<(u32, Interval)>,
}

async fn run_lane(dispatcher: Arc<Dispatcher>, lane: Lane, poll: Duration, stop: CancellationToken) {
    let bell = dispatcher.engine.lane_bell(&lane);
    let mut backoff = Backoff::new();
    let mut this = LaneLoop { dispatcher, lane, claimed: VecDeque::new(), sending: JoinSet::new(), pace: None };
    while !stop.is_cancelled() {
        let wait = match this.fill(poll, &stop).await {
            Ok(wait) => {
                backoff = Backoff::new();
                wait
            }
            Err(error) => {
                error!(lane = ?this.lane, error = &error as &dyn std::error::Error, "a lane could not use the store");
                backoff.next()
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = this.sending.join_next(), if !this.sending.is_empty() => this.note(ended),
            () = bell.notified(), if this.has_room() => {}
            () = sleep(wait), if this.has_room() => {}
        }
    }
    while let Some(ended) = this.sending.join_next().await {
        this.note(ended);
    }
}

impl LaneLoop {
    fn has_room(&self) -> bool {
        self.sending.len() < self.dispatcher.settings.concurrency
    }

    /// Starts what is due in the free places; how long there is nothing more to start.
    async fn fill(&mut self, poll: Duration, stop: &CancellationToken) -> StoreResult<Duration> {
        while self.has_room() && !stop.is_cancelled() {
            let Some(claim) = self.claimed.pop_front() else {
                let claims = self.dispatcher.claim(&self.lane, self.claim_max()).await?;
                if claims.is_empty() {
                    let next = self.dispatcher.engine.store.next_due(&self.lane).await?;
                    let now = self.dispatcher.engine.now();
                    return Ok(next.map_or(poll, |next| next.since(now).clamp(Duration::from_millis(1), poll)));
                }
                self.claimed.extend(claims);
                continue;
            };
            if claim.until <= self.dispatcher.engine.now() {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.keep_pace() => {}
            }
            let dispatcher = Arc::clone(&self.dispatcher);
            self.sending.spawn(async move { dispatcher.handle(claim).await });
        }
        Ok(poll)
    }

    /// No more than can be started while the claim holds.
    fn claim_max(&self) -> usize {
        let Some(rate) = self.rate_limit() else { return BATCH_MAX };
        let within_lease = self.dispatcher.settings.lease.as_secs() / 2 * u64::from(rate);
        usize::try_from(within_lease).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX)
    }

    fn rate_limit(&self) -> Option<u32> {
        self.dispatcher.engine.policies().endpoint(&self.lane).and_then(|endpoint| endpoint.rate_limit)
    }

    async fn keep_pace(&mut self) {
        let limit = self.rate_limit();
        if self.pace.as_ref().map(|(limit, _)| *limit) != limit {
            self.pace = limit.filter(|limit| *limit > 0).map(|limit| {
                let mut ticks = interval(Duration::from_secs(1) / limit);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                (limit, ticks)
            });
        }
        if let Some((_, ticks)) = &mut self.pace {
            ticks.tick().await;
        }
    }

    fn note(&self, ended: Result<StoreResult<Dispatched>, tokio::task::JoinError>) {
        match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                error!(lane = ?self.lane, error = &error as &dyn std::error::Error, "a delivery could not use the store");
            }
            Err(error) => error!(lane = ?self.lane, %error, "a delivery ended abnormally; its lease will run out"),
        }
    }
}

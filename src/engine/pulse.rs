//! The loop shell: the only place that waits. Everything it calls does one bounded piece of work and returns.
//!
//! Poll is the truth, a nudge is speed: a nudge carries no data, a lost one costs at most one poll interval, and no
//! error ends a loop.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::{Id, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::dispatcher::Dispatcher;
use super::inbox::Engine;
use super::lane::LaneLoop;
use super::scheduler::{Scheduler, Woken};
use crate::clock::{Clock, SystemClock};
use crate::domain::Moment;
use crate::store::{Lane, StoreResult};

/// How often carts are looked for whatever is known of the next wake: another process's part may have been left alone.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks at what is due that are under way at a time, while there is much.
const LOOKS_AT_ONCE: usize = 8;
/// How many follow each other before the loop shows life and hears whether to stop.
const LOOKS_IN_A_ROW: usize = 16;
/// How often it is seen whether another server has taken over.
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(500);
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

/// How long a loop waits after an error: doubles with each in a row.
pub(super) struct Backoff(Duration);

impl Backoff {
    const MIN: Duration = Duration::from_millis(100);
    pub(super) const MAX: Duration = Duration::from_secs(5);

    pub(super) const fn new() -> Self {
        Self(Self::MIN)
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::MAX);
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
    let (mut is_behind, mut looked_at) = (false, engine.now());
    while !stop.is_cancelled() {
        let now = engine.now();
        // Also behind a clock that jumped ahead and came back.
        let must_look = is_behind || now.since(looked_at) >= LOOK_EVERY || looked_at > now;
        if must_look {
            looked_at = now;
        }
        let wait = match look(&scheduler, &engine, poll, must_look, &mut is_behind).await {
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

/// One look at what is due, or several in a row while there is more than one look holds; how long there is nothing to do
/// after it.
async fn look(
    scheduler: &Scheduler,
    engine: &Engine,
    poll: Duration,
    must_look: bool,
    is_behind: &mut bool,
) -> StoreResult<Duration> {
    if !must_look {
        let next = scheduler.next().await?;
        let now = engine.now();
        if next.is_none_or(|next| next > now) {
            let wait = next.map_or(poll, |next| next.since(now).clamp(Duration::from_millis(1), poll));
            *engine.waits_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.plus(wait));
            return Ok(wait);
        }
    }
    let Woken { found, decided, is_all } = look_on(scheduler, if *is_behind { LOOKS_IN_A_ROW } else { 1 }).await?;
    *is_behind = !is_all;
    // Carts that others decide, or that are set aside, must not make this a busy loop.
    Ok(if decided > 0 || found == 0 { Duration::ZERO } else { Duration::from_millis(10) })
}

/// So many looks, or fewer when one finds nothing more to decide. Several are under way at a time, and one that ends is
/// followed by the next: what one waits for, the others use.
async fn look_on(scheduler: &Scheduler, most: usize) -> StoreResult<Woken> {
    let mut under_way = FuturesUnordered::new();
    let (mut left, mut sum, mut failure) = (most, Woken::default(), None);
    loop {
        while left > 0 && under_way.len() < LOOKS_AT_ONCE {
            left -= 1;
            under_way.push(scheduler.run_once());
        }
        match under_way.next().await {
            None => return failure.map_or(Ok(sum), Err),
            Some(Ok(woken)) => {
                if woken.is_all || woken.decided == 0 {
                    left = 0;
                }
                sum.found += woken.found;
                sum.decided += woken.decided;
                sum.is_all |= woken.is_all;
            }
            Some(Err(error)) => {
                left = 0;
                failure = Some(error);
            }
        }
    }
}

/// Has the store see whether another server has taken over, apart from all that may hang on the old one.
pub async fn run_lookout(engine: Arc<Engine>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = engine.store.look_around().await {
            warn!(error = &error as &dyn std::error::Error, "the store could not look around");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(LOOK_AROUND_EVERY) => {}
        }
    }
}

/// Runs every lane side by side until it is told to stop; then lets sends in flight end. Lanes look when they are told that
/// something is due: one look at the store tells that of all of them.
pub async fn run_dispatcher(dispatcher: Arc<Dispatcher>, poll: Duration, pulse: Heartbeat, stop: CancellationToken) {
    let mut lanes = Lanes { dispatcher: &dispatcher, running: HashMap::new(), loops: JoinSet::new(), stop: &stop };
    let mut backoff = Backoff::new();
    let (mut refreshed_at, mut swept_at) = (None, dispatcher.engine.now());
    while !stop.is_cancelled() {
        let now = dispatcher.engine.now();
        let is_fresh = refreshed_at.is_some_and(|at| now.since(at) < REFRESH_EVERY && at <= now);
        let wait = match lanes.turn(!is_fresh, poll).await {
            Ok(wait) => {
                pulse.beat(SystemClock.now());
                backoff = Backoff::new();
                wait
            }
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "the dispatcher could not use the store");
                backoff.next()
            }
        };
        if !is_fresh {
            refreshed_at = Some(now);
        }
        if now.since(swept_at) >= SWEEP_EVERY || swept_at > now {
            swept_at = now;
            sweep(&dispatcher.engine, now).await;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(wait) => {}
        }
    }
    while lanes.loops.join_next().await.is_some() {}
}

/// The lanes that run.
struct Lanes<'a> {
    dispatcher: &'a Arc<Dispatcher>,
    running: HashMap<Lane, Id>,
    loops: JoinSet<()>,
    stop: &'a CancellationToken,
}

impl Lanes<'_> {
    /// Tells the lanes that have something due, and learns now and then which lanes there are; how long nothing is due.
    async fn turn(&mut self, refresh: bool, poll: Duration) -> StoreResult<Duration> {
        // Where that cannot be learnt, lanes that run go on: they may be in another part of the store.
        let refreshed = if refresh { self.refresh().await } else { Ok(()) };
        let engine = &self.dispatcher.engine;
        let due = engine.store.due_lanes(engine.now()).await?;
        for lane in due.lanes {
            engine.nudge(&lane);
            self.run(lane);
        }
        refreshed?;
        Ok(due.next.map_or(poll, |next| next.since(engine.now()).clamp(Duration::from_millis(1), poll)))
    }

    async fn refresh(&mut self) -> StoreResult<()> {
        self.forget_ended();
        self.dispatcher.engine.store.attend(self.dispatcher.engine.now()).await?;
        for lane in self.dispatcher.refresh().await? {
            self.run(lane);
        }
        Ok(())
    }

    fn run(&mut self, lane: Lane) {
        if let Entry::Vacant(place) = self.running.entry(lane) {
            let lane = LaneLoop::new(Arc::clone(self.dispatcher), place.key().clone());
            place.insert(self.loops.spawn(lane.run(self.stop.clone())).id());
        }
    }

    /// A lane that ended by a panic is run again when it is next seen; what it had begun falls due as the leases end.
    fn forget_ended(&mut self) {
        while let Some(ended) = self.loops.try_join_next_with_id() {
            let (id, error) = match ended {
                Ok((id, ())) => (id, None),
                Err(error) => (error.id(), Some(error)),
            };
            let lane = self.running.iter().find(|(_, running)| **running == id).map(|(lane, _)| lane.clone());
            if let (Some(lane), Some(error)) = (lane, error) {
                error!(?lane, %error, "a lane ended abnormally; it is started again");
                self.running.remove(&lane);
            }
        }
    }
}

async fn sweep(engine: &Engine, now: Moment) {
    if let Err(error) = engine.store.sweep(now).await {
        warn!(error = &error as &dyn std::error::Error, "what has expired could not be swept; tried again later");
    }
}

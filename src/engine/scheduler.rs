//! Carts whose wake has come: load, decide, commit. No lease: a race with another process ends in a conflict, and the
//! loser lets go, for the winner has decided. Read next: `engine/scheduler/waking.rs`, what is asked before a decision.

mod found;
mod waking;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tracing::warn;

use self::found::{Found, Taken};
use self::waking::Missed;
use super::deed::Deed;
use super::inbox::Engine;
use crate::domain::{CartId, Moment, ShopId};
use crate::store::{Committed, DUE_MAX, StoreError, StoreResult};

/// When a cart that cannot be read, or whose shop is unknown, is looked at again.
pub(super) const SET_ASIDE: Duration = Duration::from_secs(600);

/// So many batches a look finds at once while more is due than it holds.
const LOOK_AHEAD: usize = 2;

/// Looks after carts that are due.
pub struct Scheduler {
    engine: Arc<Engine>,
    batch: usize,
    /// Counts the looks.
    turn: AtomicUsize,
    /// One look at the store at a time.
    looking: tokio::sync::Mutex<()>,
    found: Found,
    /// Carts that were found and not decided on yet.
    undecided: AtomicUsize,
    /// When nothing was due: what was due before and is found later was told to us later.
    clear_at: AtomicI64,
}

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Carts found due.
    pub found: usize,
    /// Of those, decided by us.
    pub decided: usize,
    /// Whether the look was not full: there is hardly more.
    pub is_all: bool,
}

/// How many of some carts were decided by us, and why not all.
struct Decided {
    count: usize,
    failure: Option<StoreError>,
}

/// Carts that may want a place in a lane and have not taken it yet.
struct Undecided<'a> {
    all: &'a AtomicUsize,
    these: usize,
}

impl Drop for Undecided<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.these, Ordering::Relaxed);
    }
}

impl Scheduler {
    /// Decides up to `batch` carts at a time.
    #[must_use]
    pub fn new(engine: Arc<Engine>, batch: usize) -> Self {
        let clear_at = AtomicI64::new(i64::MIN);
        Self {
            engine,
            batch,
            turn: AtomicUsize::default(),
            looking: tokio::sync::Mutex::default(),
            found: Found::default(),
            undecided: AtomicUsize::default(),
            clear_at,
        }
    }

    /// Decides what is due now, one batch. Two at once are about different carts.
    ///
    /// # Errors
    /// When the store cannot be asked, or only about others than those that are due.
    pub async fn run_once(&self) -> StoreResult<Woken> {
        let now = self.engine.clock.now();
        let (taken, undecided) = self.take(now).await?;
        let found = taken.carts.len();
        let Decided { count, failure } = self.wake_all(&taken.carts, undecided, now).await;
        match failure {
            Some(error) if count == 0 => return Err(error),
            Some(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "some carts that are due could not be decided on; they are looked at again in seconds");
            }
            None => {}
        }
        self.engine.metrics.scheduler_ran(now);
        Ok(Woken { found, decided: count, is_all: taken.is_all })
    }

    /// What is due and not being decided on.
    async fn take(&self, now: Moment) -> StoreResult<(Taken<'_>, Undecided<'_>)> {
        // As long as one look finds all that is due, nobody waits for the places of somebody else's lane.
        let room = if self.found.is_behind() {
            self.engine.doors.room(self.undecided.load(Ordering::Relaxed)).await
        } else {
            usize::MAX
        };
        if self.found.runs_out(self.batch) {
            // Whoever finds some waiting uses them while another looks.
            let one =
                if self.found.is_empty() { Some(self.looking.lock().await) } else { self.looking.try_lock().ok() };
            if one.is_some() && self.found.runs_out(self.batch) {
                self.look(now).await?;
            }
        }
        let taken = self.found.take(self.batch.min(room));
        self.undecided.fetch_add(taken.carts.len(), Ordering::Relaxed);
        let undecided = Undecided { all: &self.undecided, these: taken.carts.len() };
        Ok((taken, undecided))
    }

    /// Looks what is due in the store.
    async fn look(&self, now: Moment) -> StoreResult<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let ahead = if self.found.is_behind() { LOOK_AHEAD } else { 1 };
        let known = self.found.begin_look();
        let limit = (known + ahead * self.batch).min(DUE_MAX);
        let carts = self.engine.store.due_carts(now, limit, turn).await?;
        if carts.is_empty() {
            self.found_nothing(now);
        }
        let is_behind = carts.len() >= limit;
        self.found.end_look(carts, is_behind);
        Ok(())
    }

    fn found_nothing(&self, now: Moment) {
        self.clear_at.store(now.millis(), Ordering::Relaxed);
        self.engine.metrics.scheduler_ran(now);
    }

    /// The earliest moment at which a cart is due.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn next(&self) -> StoreResult<Option<Moment>> {
        let now = self.engine.clock.now();
        let next = self.engine.store.next_wake().await?;
        if next.is_none_or(|next| next > now) {
            self.found_nothing(now);
        }
        Ok(next)
    }

    /// Decides about these carts. What cannot be asked about stays due and takes nobody else with it.
    async fn wake_all(&self, due: &[(ShopId, CartId)], undecided: Undecided<'_>, now: Moment) -> Decided {
        let engine = &self.engine;
        let mut missed = Missed::default();
        let mut deeds = self.deeds(due, &mut missed, now).await;
        let begun_at = engine.clock.now();
        for deed in &mut deeds {
            deed.take_places(&engine.doors, begun_at);
        }
        drop(undecided);
        let committed = engine.store.commit_all(deeds.iter().map(|deed| deed.commit(now)).collect()).await;
        let mut count = 0;
        for (deed, committed) in deeds.into_iter().zip(committed) {
            match committed {
                Ok(Committed::Done) => {
                    self.became_true(&deed);
                    deed.hand_over(&engine.doors, begun_at);
                    count += 1;
                }
                Ok(Committed::DoneNotBegun) => {
                    self.became_true(&deed);
                    deed.leave(&engine.doors);
                    count += 1;
                }
                Ok(Committed::Duplicate(_) | Committed::Conflict) => engine.metrics.commit_conflict(),
                Err(error) => missed.failure = Some(error),
            }
        }
        // Where nobody could be asked about, it is the store, and the loop waits.
        if count > 0 {
            self.put_off(missed.carts, now).await;
        }
        Decided { count, failure: missed.failure }
    }

    fn became_true(&self, deed: &Deed<'_>) {
        self.engine.became_true(deed.shop, deed.id, &deed.decision);
        let could_be_known = deed.due_at.max(Moment::from_millis(self.clear_at.load(Ordering::Relaxed)));
        self.engine.metrics.woke(self.engine.clock.now().since(could_be_known));
    }
}

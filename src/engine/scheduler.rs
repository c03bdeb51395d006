//! Carts whose wake has come: load, decide, commit. No lease: a race with another process ends in a conflict, and the
//! loser lets go, for the winner has decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tracing::error;

use super::inbox::Engine;
use crate::domain::{self, CartId, Moment, Person, ShopId, State};
use crate::store::{Commit, Committed, StoreError, StoreResult};

/// How many due carts are decided at the same time.
const AT_ONCE: usize = 32;
/// When a cart that cannot be decided on is looked at again.
const SET_ASIDE: Duration = Duration::from_secs(600);

/// Looks after carts that are due.
pub struct Scheduler {
    engine: Arc<Engine>,
    batch: usize,
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
}

impl Scheduler {
    /// Decides up to `batch` carts of a shard at a time.
    #[must_use]
    pub const fn new(engine: Arc<Engine>, batch: usize) -> Self {
        Self { engine, batch, clear_at: AtomicI64::new(i64::MIN) }
    }

    /// Decides what is due now, one batch.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn run_once(&self) -> StoreResult<Woken> {
        let now = self.engine.clock.now();
        let due = self.engine.store.due_carts(now, self.batch).await?;
        let found = due.len();
        if found == 0 {
            self.clear_at.store(now.millis(), Ordering::Relaxed);
        }
        let decided = stream::iter(due)
            .map(|(shop, id)| async move { self.wake(&shop, &id, now).await })
            .buffer_unordered(AT_ONCE)
            .fold(Ok(0), |sum: StoreResult<usize>, one| async move { Ok(sum? + usize::from(one?)) })
            .await?;
        self.engine.metrics.scheduler_ran(now);
        Ok(Woken { found, decided })
    }

    /// The earliest moment at which a cart is due.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn next(&self) -> StoreResult<Option<Moment>> {
        self.engine.store.next_wake().await
    }

    /// True when this cart was decided by us.
    async fn wake(&self, shop: &ShopId, id: &CartId, now: Moment) -> StoreResult<bool> {
        let engine = &self.engine;
        let loaded = match engine.store.load(shop, id, None).await {
            Err(StoreError::Corrupt { what }) => {
                error!(shop = %shop, cart.id = %id, what, "a stored record cannot be read; set aside");
                engine.store.postpone(shop, id, now.plus(SET_ASIDE)).await?;
                return Ok(false);
            }
            other => other?,
        };
        let Some(stored) = loaded.record else {
            // The record went by its own expiry while no process ran for long: its wake goes too.
            engine.store.commit(Commit::removal(shop, id, now)).await?;
            return Ok(false);
        };
        let Ok(policy) = engine.shop(shop) else {
            engine.store.postpone(shop, id, now.plus(SET_ASIDE)).await?;
            return Ok(false);
        };
        let person = match stored.value.state {
            State::Active { .. } | State::Abandoned { .. } => match engine.person_of(shop, &stored.value, now).await {
                Err(StoreError::Corrupt { what }) => {
                    error!(shop = %shop, cart.id = %id, what, "a stored record cannot be read; set aside");
                    engine.store.postpone(shop, id, now.plus(SET_ASIDE)).await?;
                    return Ok(false);
                }
                other => other?,
            },
            State::PaymentPending
            | State::Converted { .. }
            | State::Reverted
            | State::Dismissed
            | State::OptedOut
            | State::Suppressed { .. }
            | State::MergedInto(_)
            | State::Expired
            | State::Erased => Person::nobody(),
        };
        let wake_at = stored.value.next_wake();
        let Some(decision) = domain::on_wake(stored.value, &person, now, &policy.program) else { return Ok(false) };
        match engine.commit(shop, id, stored.version, &decision, None, now).await? {
            Committed::Done { .. } => {
                let could_be_known = wake_at.max(Moment::from_millis(self.clear_at.load(Ordering::Relaxed)));
                engine.metrics.woke(engine.clock.now().since(could_be_known));
                Ok(true)
            }
            Committed::Duplicate(_) | Committed::Conflict => {
                engine.metrics.commit_conflict();
                Ok(false)
            }
        }
    }
}

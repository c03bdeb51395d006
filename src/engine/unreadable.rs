//! Deliveries that cannot be read, or decided on because something about their cart or person cannot: buried when it is
//! damaged, set aside when a newer version wrote it.
//!
//! A store may or may not have renewed the lease before it found that it cannot read what is behind it, so both leases are
//! tried. Read next: `engine/dispatcher.rs`, which finds them.

use std::time::Duration;

use tracing::{error, warn};

use super::dispatcher::{Dispatched, Dispatcher, Looked};
use crate::domain::{self, EventKind, Fact, Moment, ReminderResult, Why};
use crate::store::{Burial, Claim, Settled, StoreError, StoreResult};

/// How long what a newer version wrote is left to processes of that version.
const NEWER_WAIT: Duration = Duration::from_secs(600);

impl Dispatcher {
    /// What becomes of a claim behind which something cannot be read; any other failure stays one.
    pub(super) async fn unread(
        &self,
        claim: &Claim,
        error: StoreError,
        now: Moment,
        span: Duration,
    ) -> StoreResult<Looked> {
        let done = match error {
            StoreError::Corrupt { what } => {
                error!(delivery.id = %claim.delivery, what, "a stored record cannot be read; moved to the dead");
                self.bury(claim, now, span).await
            }
            StoreError::Newer { what } => {
                warn!(delivery.id = %claim.delivery, what, "a record of a newer version; left to a process of that version");
                self.set_aside(claim, now, span).await
            }
            other @ (StoreError::Unavailable(_) | StoreError::Full | StoreError::Unusable(_)) => return Err(other),
        };
        done.map(Looked::Done)
    }

    async fn set_aside(&self, claim: &Claim, now: Moment, span: Duration) -> StoreResult<Dispatched> {
        let renewed = Claim { until: now.plus(span), ..claim.clone() };
        let released = self.release(&renewed, now.plus(NEWER_WAIT)).await?;
        if released == Dispatched::Lost {
            return self.release(claim, now.plus(NEWER_WAIT)).await;
        }
        Ok(released)
    }

    async fn bury(&self, claim: &Claim, now: Moment, span: Duration) -> StoreResult<Dispatched> {
        let ended = Fact::DeliveryEnded {
            endpoint: claim.lane.endpoint.clone(),
            event: if claim.delivery.is_reminder() { EventKind::Reminder } else { EventKind::Abandoned },
            result: ReminderResult::Dead,
            why: Some(Why::Unreadable),
        };
        let facts = [ended];
        let tallies = domain::tallies(&facts, now.day());
        let keep_until = now.plus(self.settings.keep);
        for until in [now.plus(span), claim.until] {
            let claim = Claim { until, ..claim.clone() };
            if self.engine.store.bury(Burial { claim: &claim, keep_until, tallies: &tallies }).await? == Settled::Done {
                self.engine.publish(&claim.lane.shop, &claim.cart, &facts);
                return Ok(Dispatched::Buried);
            }
        }
        Ok(Dispatched::Lost)
    }
}

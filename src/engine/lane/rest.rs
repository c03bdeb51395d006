//! When a lane does nothing, and when it comes back by itself: after a store that stumbled, for a stopped endpoint, between two
//! sends of a limited one, and before a probe.

use std::time::Duration;

use tokio::time::Instant;

use super::{LaneLoop, instant};
use crate::domain::Moment;
use crate::engine::pulse::Backoff;
use crate::store::StoreError;

/// How often the oldest that waits for a stopped endpoint is looked at: what is too old ends there, too.
const STOPPED_LOOK: Duration = Duration::from_secs(3_600);
/// A lane that is told nothing looks at itself now and then, without asking the store.
const IDLE_MAX: Duration = Duration::from_secs(1);

impl LaneLoop {
    /// Whether nothing is claimed or looked at now.
    pub(super) fn is_resting(&self) -> bool {
        self.rests_over_at() > instant()
    }

    fn rests_over_at(&self) -> Instant {
        let is_later = self.looks_again_at > self.rests_until && self.looks_again_at > instant();
        if is_later && self.dispatcher.is_stopped(&self.lane) { self.looks_again_at } else { self.rests_until }
    }

    /// Something was looked at that waits until its endpoint is started: so does what is not as old. The lane is told of it
    /// all the time, for it stays due.
    pub(super) fn wait_for_its_endpoint(&mut self) {
        self.looks_again_at = instant() + STOPPED_LOOK;
    }

    pub(super) fn note_answer(&mut self, failed: Option<StoreError>) {
        if let Some(error) = failed {
            self.tell(&error);
            self.may_be_due = true;
            self.rests_until = self.rests_until.max(instant() + self.backoff.next());
        } else {
            self.backoff = Backoff::new();
        }
    }

    /// When to come back by ourselves, after all was done that could be at `at`.
    pub(super) fn until(&self, at: Moment) -> Instant {
        let now = instant();
        let has_ready = !self.ready.is_empty();
        let is_waited_for = self.may_be_due || !self.claimed.is_empty();
        let probe_at = self.breaker.probe_at().map(|probe_at| now + probe_at.since(at));
        earliest(
            now,
            [
                has_ready.then_some(self.start_at),
                is_waited_for.then(|| self.rests_over_at()),
                probe_at.filter(|_| has_ready || is_waited_for),
            ],
        )
    }
}

/// The first of these that is to come. What is over was done, or waits for something else.
fn earliest(now: Instant, moments: [Option<Instant>; 3]) -> Instant {
    moments.into_iter().flatten().filter(|at| *at > now).fold(now + IDLE_MAX, Instant::min)
}

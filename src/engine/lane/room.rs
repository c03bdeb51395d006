//! How much a lane may hold at a time, and what it offers to those who decide.

use std::sync::Arc;

use super::{AT_ONCE_MAX, LaneLoop, TOGETHER_MAX, TOGETHER_MIN, instant};
use crate::engine::doors::Offer;
use crate::engine::policies::EndpointPolicy;
use crate::store::BATCH_MAX;

/// The most that are begun ahead of those on their way.
const BEGUN_AHEAD_MAX: usize = 2_048;
/// The most that are claimed ahead of those begun.
const CLAIMED_AHEAD_MAX: usize = 1_024;

impl LaneLoop {
    /// Where it is sent to, if anywhere now.
    pub(super) fn endpoint(&self) -> Option<Arc<EndpointPolicy>> {
        self.dispatcher.open_endpoint(&self.lane)
    }

    /// How many may have begun at a time: on their way, and ready for it.
    pub(super) fn begun_max(&self) -> usize {
        if self.sent.len() >= AT_ONCE_MAX * TOGETHER_MAX {
            return 0;
        }
        let Some(endpoint) = self.endpoint() else { return TOGETHER_MAX };
        let allowed = self.breaker.allows(self.dispatcher.engine.now(), endpoint.concurrency);
        if self.breaker.probe_at().is_some() || allowed == 0 {
            return allowed;
        }
        let ahead = self.pace.in_a_while().min(BEGUN_AHEAD_MAX);
        with_limit(allowed + ahead, self.sending.len(), endpoint.rate_limit)
    }

    /// How many may be held at a time: begun, and claimed ahead of that.
    pub(super) fn held_max(&self) -> usize {
        let begun = self.begun_max();
        if self.endpoint().is_none() || self.breaker.probe_at().is_some() {
            return begun;
        }
        begun + (4 * self.pace.in_a_while()).min(CLAIMED_AHEAD_MAX)
    }

    /// How many have begun, or are about to.
    pub(super) fn begun(&self) -> usize {
        self.sending.len() + self.ready.len() + self.looked_at + self.handed.len()
    }

    /// Offers what places there are, as long as nothing waits that came before.
    pub(super) fn offer(&self) {
        let is_waited_for = self.may_be_due || !self.claimed.is_empty() || !self.claiming.is_empty();
        let is_open = !self.is_resting() && self.breaker.probe_at().is_none() && self.endpoint().is_some();
        let is_fast = is_open && self.pace.of_late(instant()) >= TOGETHER_MIN;
        let places =
            if is_open && (is_fast || !is_waited_for) { self.begun_max().saturating_sub(self.begun()) } else { 0 };
        self.door.offer(Offer { places, span: self.dispatcher.send_span(&self.lane), is_fast });
    }
}

/// Of an endpoint with a limit, no more than a second takes have begun and not started; how long those on their way take
/// is no matter.
fn with_limit(most: usize, on_their_way: usize, rate_limit: Option<u32>) -> usize {
    let Some(limit) = rate_limit.and_then(|limit| usize::try_from(limit).ok()) else { return most };
    most.min(on_their_way.saturating_add(limit))
}

/// Whether a claim that wanted so many may have left something: shards are uneven, so also one that is not quite full.
pub(super) fn may_have_left_some(claimed: usize, wanted: usize) -> bool {
    2 * claimed >= wanted.min(BATCH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_bounds_what_waits_and_not_what_is_on_its_way() {
        assert_eq!(with_limit(40, 0, None), 40);
        assert_eq!(with_limit(40, 0, Some(5)), 5);
        assert_eq!(
            with_limit(40, 10, Some(5)),
            15,
            "an endpoint that takes two seconds gets five a second all the same"
        );
        assert_eq!(with_limit(40, 39, Some(5)), 40);
    }

    #[test]
    fn a_claim_that_is_as_large_as_claims_are_may_have_left_something() {
        assert!(may_have_left_some(BATCH_MAX, 5_000), "before, a long queue was drained at 100 in each quarter second");
        assert!(may_have_left_some(4, 8));
        assert!(!may_have_left_some(3, 8));
        assert!(!may_have_left_some(0, 4));
    }
}

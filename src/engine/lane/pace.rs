//! How fast an endpoint takes what it is sent: so many are held ready for it, and no more.

use std::time::Duration;

use tokio::time::Instant;

/// A while.
const WHILE: Duration = Duration::from_millis(100);
/// How long a pause is no end of the pace: a store may stumble that long.
const LATELY: Duration = Duration::from_secs(1);

/// Counts what ended, while by while.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    now: usize,
    before: usize,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, now: 0, before: 0 }
    }

    /// One more has ended.
    pub(super) fn note(&mut self, at: Instant) {
        let passed = at.saturating_duration_since(self.since);
        if passed >= WHILE {
            self.before = if passed < LATELY { self.now } else { 0 };
            (self.since, self.now) = (at, 0);
        }
        self.now += 1;
    }

    /// How many end in a tenth of a second, as far as the last ones tell.
    pub(super) fn in_a_while(&self) -> usize {
        self.now.max(self.before)
    }

    /// The same, and nothing where the last one ended long ago.
    pub(super) fn of_late(&self, at: Instant) -> usize {
        if at.saturating_duration_since(self.since) < LATELY { self.in_a_while() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pace_is_that_of_the_last_while_and_a_pause_ends_it() {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut at = |ms: u64| {
            pace.note(start + Duration::from_millis(ms));
            pace.in_a_while()
        };
        assert_eq!([at(0), at(10), at(90)], [1, 2, 3]);
        assert_eq!([at(110), at(120)], [3, 3], "the while before still tells");
        assert_eq!([at(900), at(901)], [2, 2], "a stumble ends nothing");
        assert_eq!([at(2_000), at(2_001)], [1, 2]);
        let of_late = |ms: u64| pace.of_late(start + Duration::from_millis(ms));
        assert_eq!([of_late(2_900), of_late(3_100)], [2, 0]);
    }
}

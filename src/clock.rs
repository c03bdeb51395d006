//! What time it is: the one place that reads the machine's clock. Everybody else is told.
//!
//! A running server takes the machine's time; a replay of recorded sessions takes the newest moment it has seen; tests
//! and the demo set it by hand. Read next: `domain/time.rs`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::Moment;

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Moment;

    /// Tells the clock that something happened at this moment; only a clock that lives on events listens.
    fn observe(&self, _at: Moment) {}
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Moment {
        Moment::from_millis(Timestamp::now().as_millisecond())
    }
}

/// The newest moment observed: never goes back, and stands still between events.
#[derive(Debug, Default)]
pub struct EventClock(AtomicI64);

impl EventClock {
    /// Stands at `start` until something later is observed. [`EventClock::default`] starts at the Unix epoch.
    #[must_use]
    pub const fn new(start: Moment) -> Self {
        Self(AtomicI64::new(start.millis()))
    }
}

impl Clock for EventClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::Acquire))
    }

    fn observe(&self, at: Moment) {
        self.0.fetch_max(at.millis(), Ordering::AcqRel);
    }
}

/// Stands where it was last put.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `start`.
    #[must_use]
    pub const fn new(start: Moment) -> Self {
        Self(AtomicI64::new(start.millis()))
    }

    /// Puts the clock to a moment, earlier ones included.
    pub fn set(&self, at: Moment) {
        self.0.store(at.millis(), Ordering::Release);
    }

    /// Moves the clock on and gives the new time.
    pub fn advance(&self, span: Duration) -> Moment {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Moment::from_millis(self.0.fetch_add(millis, Ordering::AcqRel)).plus(span)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_clock_follows_the_newest_event_and_never_goes_back() {
        let clock = EventClock::default();
        assert_eq!(clock.now(), Moment::from_millis(0));
        clock.observe(Moment::from_millis(900));
        clock.observe(Moment::from_millis(400));
        assert_eq!(clock.now(), Moment::from_millis(900));
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = ManualClock::new(Moment::from_millis(5));
        clock.observe(Moment::from_millis(1_000));
        assert_eq!(clock.now(), Moment::from_millis(5));
        assert_eq!(clock.advance(Duration::from_secs(1)), Moment::from_millis(1_005));
        clock.set(Moment::from_millis(1));
        assert_eq!(clock.now(), Moment::from_millis(1));
    }

    #[test]
    fn the_system_clock_is_in_this_century() {
        assert!(SystemClock.now() > Moment::parse("2025-01-01T00:00:00Z").expect("valid"));
    }
}

//! A breaker for each endpoint: how many sends may be on their way to it now.
//!
//! Pure, and in memory only: each process learns by itself, within a few sends. While it is open what is due waits in
//! its lane and uses up none of its retries; one probe at a time finds out when the endpoint is back, and then it gets
//! twice as many with each answer, not its whole backlog at once. Read next: `engine/lane.rs`.

use std::time::Duration;

use super::send::{Outcome, OutcomeName};
use super::time::Moment;

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 5;
/// The wait before the first probe, and the longest between two.
const PROBE_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What one endpoint can take, as far as its answers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// Sends at a time while closed; grows from 1 after it was open.
    width: usize,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    since: Moment,
    probe_at: Moment,
    wait: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, width: usize::MAX, open: None }
    }
}

impl Breaker {
    /// How many sends may be on their way at `now`; `full` is what the endpoint is configured to take.
    #[must_use]
    pub fn allows(&self, now: Moment, full: usize) -> usize {
        match self.open {
            Some(open) if now < open.probe_at => 0,
            Some(_) => 1,
            None => self.width.min(full),
        }
    }

    /// When the next probe may start, while it is open.
    #[must_use]
    pub fn probe_at(&self) -> Option<Moment> {
        self.open.map(|open| open.probe_at)
    }

    /// Takes what a send that started at `sent_at` came to.
    pub fn note(&mut self, outcome: &Outcome, sent_at: Moment, now: Moment) {
        if !is_failure(outcome.name) {
            self.failures = 0;
            self.width = if self.open.take().is_some() { 2 } else { self.width.saturating_mul(2) };
            return;
        }
        let asked = outcome.retry_after.map(|asked| asked.min(PROBE_WAIT.1));
        match self.open {
            // It was on its way before we knew; it tells nothing new.
            Some(open) if sent_at < open.since => {}
            Some(open) => self.stay_open(open.since, (open.wait * 2).min(PROBE_WAIT.1), asked, now),
            None => {
                self.failures += 1;
                self.width = (self.width / 2).max(1);
                if self.failures >= FAILURES_MAX || asked.is_some() {
                    self.stay_open(now, PROBE_WAIT.0, asked, now);
                }
            }
        }
    }

    fn stay_open(&mut self, since: Moment, wait: Duration, asked: Option<Duration>, now: Moment) {
        self.width = 1;
        self.open = Some(Open { since, probe_at: now.plus(asked.map_or(wait, |asked| asked.max(wait))), wait });
    }
}

/// Whether the endpoint itself is in trouble; a refusal of one message, or its end, is an answer like any other.
#[must_use]
pub const fn is_failure(outcome: OutcomeName) -> bool {
    match outcome {
        OutcomeName::Success | OutcomeName::Rejected | OutcomeName::Gone => false,
        OutcomeName::Throttled
        | OutcomeName::ServerError
        | OutcomeName::Redirected
        | OutcomeName::TimedOut
        | OutcomeName::ConnectFailed
        | OutcomeName::TlsFailed
        | OutcomeName::AddressRefused
        | OutcomeName::ConnectionLost => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: usize = 32;

    fn at(ms: i64) -> Moment {
        Moment::from_millis(ms)
    }

    fn outcome(name: OutcomeName) -> Outcome {
        Outcome { name, status: None, retry_after: None, duration: Duration::ZERO, reply: None }
    }

    fn failed(breaker: &mut Breaker, times: usize, now: i64) {
        for _ in 0..times {
            breaker.note(&outcome(OutcomeName::ServerError), at(now), at(now));
        }
    }

    #[test]
    fn a_healthy_endpoint_gets_all_it_is_configured_to_take() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.allows(at(0), FULL), FULL);
        failed(&mut breaker, 1, 0);
        breaker.note(&outcome(OutcomeName::Success), at(1), at(1));
        assert_eq!(breaker.allows(at(1), FULL), FULL);
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_probe_at_a_time_goes_out() {
        let mut breaker = Breaker::default();
        failed(&mut breaker, 5, 0);
        assert_eq!(breaker.allows(at(999), FULL), 0);
        assert_eq!(breaker.allows(at(1_000), FULL), 1);
        assert_eq!(breaker.probe_at(), Some(at(1_000)));
        // Each failed probe doubles the wait, to a minute.
        let mut now = 1_000;
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            failed(&mut breaker, 1, now);
            now += seconds * 1_000;
            assert_eq!(breaker.probe_at(), Some(at(now)));
        }
    }

    #[test]
    fn what_was_on_its_way_before_it_opened_does_not_count_twice() {
        let mut breaker = Breaker::default();
        failed(&mut breaker, 5, 100);
        breaker.note(&outcome(OutcomeName::TimedOut), at(50), at(900));
        assert_eq!(breaker.probe_at(), Some(at(1_100)));
    }

    #[test]
    fn an_endpoint_that_is_back_gets_its_backlog_in_a_ramp() {
        let mut breaker = Breaker::default();
        failed(&mut breaker, 5, 0);
        let mut widths = Vec::new();
        for n in 0..6 {
            breaker.note(&outcome(OutcomeName::Success), at(2_000 + n), at(2_000 + n));
            widths.push(breaker.allows(at(2_000 + n), FULL));
        }
        assert_eq!(widths, [2, 4, 8, 16, 32, 32]);
    }

    #[test]
    fn what_the_receiver_asks_for_is_waited_for_within_bounds() {
        let mut breaker = Breaker::default();
        let asked =
            |seconds| Outcome { retry_after: Some(Duration::from_secs(seconds)), ..outcome(OutcomeName::Throttled) };
        breaker.note(&asked(7), at(0), at(0));
        assert_eq!(breaker.probe_at(), Some(at(7_000)));
        breaker.note(&asked(86_400), at(7_000), at(7_000));
        assert_eq!(breaker.probe_at(), Some(at(67_000)));
    }

    #[test]
    fn a_refusal_of_one_message_is_no_failure_of_the_endpoint() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker.note(&outcome(OutcomeName::Rejected), at(0), at(0));
        }
        assert_eq!(breaker, Breaker::default());
    }
}

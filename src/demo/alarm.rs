//! The demo's ops: rings when payments fail, as Prometheus does by `deploy/prometheus/rules/shop.yml`.
//!
//! A mirror of the alert `CartwakePaymentErrors` (severity critical) for a show without Prometheus: the same limit over
//! the last hour and the last day, from the service's own counts, in the shop's time. What is usual in a shop is
//! learned in its first week, which is longer than the show; until then two errors in a hundred steps are.
//! `scripts/proof/incidents.py` shows the real rule.

use std::collections::VecDeque;

use super::visit::{HOUR_MS, MINUTE_MS};

/// The alert that is mirrored.
pub const ALERT: &str = "CartwakePaymentErrors";
const DAY_MS: i64 = 24 * HOUR_MS;
const READ_EVERY_MS: i64 = 5 * MINUTE_MS;
/// `for` of the alert.
const HELD_MS: i64 = 5 * MINUTE_MS;
/// The share of steps with an error that is taken for usual in the first week.
const USUAL_AT_FIRST: f64 = 0.02;

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at_ms: i64,
    errors: i64,
    steps: i64,
}

/// An alarm that rang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub rang_at_ms: i64,
    pub over_at_ms: Option<i64>,
    /// How many carts could not pay, at its height.
    pub carts: i64,
}

/// What a reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Rings { carts: i64 },
    Over,
}

/// Reads the counts every five minutes and judges them.
#[derive(Debug)]
pub struct Watch {
    next_ms: i64,
    readings: VecDeque<Reading>,
    hot_since_ms: Option<i64>,
    pub alarms: Vec<Alarm>,
}

impl Watch {
    pub fn new(from_ms: i64) -> Self {
        let first = Reading { at_ms: from_ms, ..Reading::default() };
        Self {
            next_ms: from_ms + READ_EVERY_MS,
            readings: VecDeque::from([first]),
            hot_since_ms: None,
            alarms: Vec::new(),
        }
    }

    /// Whether it is time to read.
    pub const fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.next_ms
    }

    /// Whether it rings now.
    pub fn rings(&self) -> bool {
        self.alarms.last().is_some_and(|alarm| alarm.over_at_ms.is_none())
    }

    /// Reads the service's counts as they are now.
    pub fn read(&mut self, now_ms: i64, tallies: &[(String, i64)]) -> Option<News> {
        let sum =
            |fits: fn(&str) -> bool| tallies.iter().filter(|(key, _)| fits(key)).map(|(_, count)| count).sum::<i64>();
        let now = Reading {
            at_ms: now_ms,
            errors: sum(|key| key.starts_with("checkout_errors/") && key.ends_with("/payment_error")),
            steps: sum(|key| key.starts_with("stage_entered/") && key != "stage_entered/browse"),
        };
        self.next_ms = now_ms + READ_EVERY_MS;
        let hour = self.since(now, HOUR_MS);
        let day = self.since(now, DAY_MS);
        let is_hot = [hour, day].into_iter().any(|(errors, steps)| number(errors) > limit(steps));
        self.remember(now);
        self.judge(now_ms, is_hot, hour.0.max(day.0))
    }

    fn judge(&mut self, now_ms: i64, is_hot: bool, carts: i64) -> Option<News> {
        let hot_since_ms = if is_hot { *self.hot_since_ms.get_or_insert(now_ms) } else { i64::MAX };
        match (self.alarms.last_mut().filter(|alarm| alarm.over_at_ms.is_none()), is_hot) {
            (Some(alarm), true) => alarm.carts = alarm.carts.max(carts),
            (Some(alarm), false) => {
                self.hot_since_ms = None;
                alarm.over_at_ms = Some(now_ms);
                return Some(News::Over);
            }
            (None, true) if now_ms - hot_since_ms >= HELD_MS => {
                self.alarms.push(Alarm { rang_at_ms: now_ms, over_at_ms: None, carts });
                return Some(News::Rings { carts });
            }
            (None, true) => {}
            (None, false) => self.hot_since_ms = None,
        }
        None
    }

    /// Errors and steps of this last span.
    fn since(&self, now: Reading, span_ms: i64) -> (i64, i64) {
        let before = self.readings.iter().rev().find(|reading| reading.at_ms <= now.at_ms - span_ms);
        let before = before.copied().unwrap_or_default();
        (now.errors - before.errors, now.steps - before.steps)
    }

    fn remember(&mut self, now: Reading) {
        self.readings.push_back(now);
        while self.readings.get(1).is_some_and(|second| second.at_ms <= now.at_ms - DAY_MS) {
            self.readings.pop_front();
        }
    }
}

/// From how many on it is no chance: what is usual, four standard deviations, and four.
fn limit(steps: i64) -> f64 {
    let expected = USUAL_AT_FIRST * number(steps);
    4.0_f64.mul_add(expected.sqrt(), expected) + 4.5
}

/// A count, where fractions are needed.
fn number(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(errors: i64, steps: i64) -> Vec<(String, i64)> {
        vec![("checkout_errors/payment/payment_error".to_owned(), errors), ("stage_entered/cart".to_owned(), steps)]
    }

    #[test]
    fn five_carts_in_a_quiet_shop_ring_and_four_do_not() {
        let mut watch = Watch::new(0);
        for n in 1..=12 {
            assert_eq!(watch.read(n * READ_EVERY_MS, &counts(4, 0)), None);
        }
        assert_eq!(watch.read(13 * READ_EVERY_MS, &counts(5, 0)), None, "not held yet");
        assert_eq!(watch.read(14 * READ_EVERY_MS, &counts(5, 0)), Some(News::Rings { carts: 5 }));
        assert!(watch.rings());
        assert_eq!(watch.read(26 * HOUR_MS, &counts(5, 0)), Some(News::Over));
    }

    #[test]
    fn what_is_usual_does_not_ring() {
        let mut watch = Watch::new(0);
        for n in 1..=1_000 {
            assert_eq!(watch.read(n * READ_EVERY_MS, &counts(n / 10, n * 10)), None, "at {n}");
        }
    }
}

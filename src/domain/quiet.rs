//! Quiet hours: when nobody wants to hear from a shop, by the clock on the shopper's wall.
//!
//! What comes due in them is held until the window opens, and spread over the minutes after it: a whole night's
//! reminders at nine sharp would be a burst. Across the nights when clocks change: an opening that the clock jumps over
//! is the moment of the jump, and of one that comes twice the first counts.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::AmbiguousOffset;

use super::time::Moment;
use super::zone::Zone;

/// How long after the opening what was held is spread.
pub const SPREAD: Duration = Duration::from_secs(600);
/// A window that must be open in several zones is looked for this often; two zones need at most two looks a day.
const LOOKS_MAX: usize = 8;

const DAY_MINUTES: u16 = 24 * 60;

/// A time of day, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTime(u16);

impl ClockTime {
    /// From hours and minutes of a day.
    #[must_use]
    pub const fn new(hour: u16, minute: u16) -> Self {
        Self((hour * 60 + minute) % DAY_MINUTES)
    }

    /// Reads `21:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str, max: u16| {
            let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|number| is_plain && *number <= max)
        };
        Some(Self::new(number(hour, 23)?, number(minute, 59)?))
    }

    pub(super) fn civil(self) -> Time {
        let part = |number: u16| i8::try_from(number).unwrap_or_default();
        Time::new(part(self.0 / 60), part(self.0 % 60), 0, 0).unwrap_or(Time::midnight())
    }
}

impl std::fmt::Display for ClockTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// From when to when it is quiet, on the shopper's clock; the end may be on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    pub from: ClockTime,
    pub to: ClockTime,
}

impl std::fmt::Display for QuietHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl QuietHours {
    /// Reads `21:00-09:00`; the two ends differ.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let hours = Self { from: ClockTime::parse(from)?, to: ClockTime::parse(to)? };
        (hours.from != hours.to).then_some(hours)
    }

    /// When the window opens next in all of these zones at once; nothing when it is open in all of them now.
    #[must_use]
    pub fn open_at(self, zones: &[Zone], now: Moment) -> Option<Moment> {
        let mut at = now;
        for _ in 0..LOOKS_MAX {
            let Some(later) = zones.iter().filter_map(|zone| self.opens_in(zone, at)).max() else { break };
            at = later;
        }
        (at > now).then_some(at)
    }

    fn opens_in(self, zone: &Zone, at: Moment) -> Option<Moment> {
        let local = Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(zone.rules().clone()).datetime();
        let minute = ClockTime::new(u16::try_from(local.hour()).ok()?, u16::try_from(local.minute()).ok()?).0;
        let over_night = self.from.0 > self.to.0;
        let is_quiet = if over_night {
            minute >= self.from.0 || minute < self.to.0
        } else {
            minute >= self.from.0 && minute < self.to.0
        };
        if !is_quiet {
            return None;
        }
        let date = if minute < self.to.0 { local.date() } else { local.date().tomorrow().ok()? };
        instant(date.to_datetime(self.to.civil()), zone, at)
    }
}

/// The first moment after `after` at which a wall clock in this zone shows that time, or jumps over it.
fn instant(shown: DateTime, zone: &Zone, after: Moment) -> Option<Moment> {
    let shown = zone.rules().to_ambiguous_timestamp(shown);
    let offset = shown.offset();
    let stamp = match offset {
        AmbiguousOffset::Unambiguous { .. } => shown.compatible().ok()?,
        AmbiguousOffset::Gap { .. } => {
            let behind = shown.later().ok()?;
            zone.rules().preceding(behind).next().map_or(behind, |jump| jump.timestamp())
        }
        AmbiguousOffset::Fold { .. } => {
            let first = shown.earlier().ok()?;
            if first.as_millisecond() > after.millis() { first } else { shown.later().ok()? }
        }
    };
    Some(Moment::from_millis(stamp.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).expect("a literal time")
    }

    fn zones(names: &[&str]) -> Vec<Zone> {
        names.iter().map(|name| Zone::parse(name).expect("known")).collect()
    }

    fn opening(hours: &str, names: &[&str], now: &str) -> Option<String> {
        let hours = QuietHours::parse(hours).expect("literal hours");
        hours.open_at(&zones(names), at(now)).map(|at| at.to_string())
    }

    #[test]
    fn what_comes_at_night_is_held_until_the_morning_of_the_shopper() {
        let berlin = |now| opening("21:00-09:00", &["Europe/Berlin"], now);
        assert_eq!(berlin("2026-11-22T19:59:59Z"), None);
        assert_eq!(berlin("2026-11-22T20:00:00Z").as_deref(), Some("2026-11-23T08:00:00Z"));
        assert_eq!(berlin("2026-11-23T02:00:00Z").as_deref(), Some("2026-11-23T08:00:00Z"));
        assert_eq!(berlin("2026-11-23T08:00:00Z"), None);
        assert_eq!(opening("12:00-14:30", &["UTC"], "2026-11-23T12:10:00Z").as_deref(), Some("2026-11-23T14:30:00Z"));
    }

    #[test]
    fn the_night_when_clocks_go_forward_is_an_hour_shorter() {
        let berlin = |hours, now| opening(hours, &["Europe/Berlin"], now);
        let in_summer_time = berlin("21:00-09:00", "2027-03-27T22:00:00Z");
        assert_eq!(in_summer_time.as_deref(), Some("2027-03-28T07:00:00Z"));
        // 02:30 is jumped over: it opens when the clock jumps, at 03:00.
        assert_eq!(berlin("21:00-02:30", "2027-03-27T22:00:00Z").as_deref(), Some("2027-03-28T01:00:00Z"));
    }

    #[test]
    fn the_night_when_clocks_go_back_is_an_hour_longer_and_an_hour_that_comes_twice_opens_once() {
        let berlin = |hours, now| opening(hours, &["Europe/Berlin"], now);
        assert_eq!(berlin("21:00-09:00", "2026-10-24T20:00:00Z").as_deref(), Some("2026-10-25T08:00:00Z"));
        assert_eq!(berlin("21:00-02:30", "2026-10-24T20:00:00Z").as_deref(), Some("2026-10-25T00:30:00Z"));
        assert_eq!(berlin("21:00-02:30", "2026-10-25T00:40:00Z"), None);
        assert_eq!(berlin("21:00-02:30", "2026-10-25T01:10:00Z").as_deref(), Some("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn a_country_of_several_zones_is_open_when_all_of_it_is() {
        let us = |now| opening("21:00-09:00", &["America/New_York", "America/Los_Angeles"], now);
        assert_eq!(us("2026-11-22T15:00:00Z").as_deref(), Some("2026-11-22T17:00:00Z"));
        assert_eq!(us("2026-11-22T18:00:00Z"), None);
        assert_eq!(us("2026-11-23T02:30:00Z").as_deref(), Some("2026-11-23T17:00:00Z"));
    }

    #[test]
    fn hours_are_read_exactly() {
        for bad in ["21-9", "21:00", "21:00-21:00", "24:00-09:00", "9:00-10:00", "21:60-09:00", "+1:00-09:00"] {
            assert_eq!(QuietHours::parse(bad), None, "{bad}");
        }
    }
}

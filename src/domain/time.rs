//! Moments and days. All time in the core is UTC milliseconds and arrives as an argument; nothing here reads a clock.
//!
//! Spans are `std::time::Duration`. Read next: `clock.rs`, the one place that says what time it is.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use thiserror::Error;

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// Why a text is not a moment.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("must be an RFC 3339 time such as 2026-11-22T06:00:00Z")]
pub struct TimeError;

/// Why a text is not a day.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("must be a day such as 2026-11-22")]
pub struct DayError;

impl Moment {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time with an offset; below a millisecond is cut off.
    ///
    /// # Errors
    /// When the text is no RFC 3339 time.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let stamp: Timestamp = text.parse().map_err(|_| TimeError)?;
        Ok(Self(stamp.as_millisecond()))
    }

    /// This moment and a span later; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment and a span earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC calendar day this moment is in.
    #[must_use]
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(86_400_000)).unwrap_or(i32::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A UTC calendar day, as days since 1970-01-01: the grain of the tallies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// Reads a date such as 2026-11-22.
    ///
    /// # Errors
    /// When there is no such day.
    pub fn parse(text: &str) -> Result<Self, DayError> {
        let is_plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let date: Date = text.parse().ok().filter(|_| is_plain).ok_or(DayError)?;
        let since = date.since(Date::constant(1970, 1, 1)).map_err(|_| DayError)?;
        Ok(Self(since.get_days()))
    }

    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The first moment of the day.
    #[must_use]
    pub fn starts_at(self) -> Moment {
        Moment(i64::from(self.0) * 86_400_000)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.starts_at().to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_and_writes_rfc_3339() {
        let moment = Moment::parse("2026-11-22T07:00:00.250+01:00").expect("valid");
        assert_eq!(moment.to_string(), "2026-11-22T06:00:00.25Z");
        assert_eq!(moment.day().to_string(), "2026-11-22");
        assert_eq!(Moment::parse("2026-11-22 06:00"), Err(TimeError));
    }

    #[test]
    fn a_day_reads_as_it_is_written() {
        for text in ["2026-11-22", "1970-01-01", "1969-12-31", "2024-02-29"] {
            assert_eq!(Day::parse(text).map(|day| day.to_string()).as_deref(), Ok(text));
        }
        for text in ["2026-02-30", "2026-1-1", "20261122", "2026-11-22T00:00", "", "-26-11-22Z"] {
            assert_eq!(Day::parse(text), Err(DayError), "{text}");
        }
    }

    #[test]
    fn a_day_before_the_epoch_is_rounded_down() {
        assert_eq!(Moment::from_millis(-1).day(), Day::from_number(-1));
    }

    #[test]
    fn spans_never_wrap() {
        let end = Moment::from_millis(i64::MAX).plus(Duration::from_secs(1));
        assert_eq!(end.millis(), i64::MAX);
        assert_eq!(Moment::from_millis(5).since(Moment::from_millis(9)), Duration::ZERO);
    }
}

//! How long something took, as a bucket that a day can count: a median without keeping every span.
//!
//! Four buckets for each doubling, from one second to 48 days. The bucket's middle (the geometric mean of its ends) is
//! within 2^(1/8) - 1 = 9.1 % of every span in it, and so is a median that is taken from buckets. Integers only, so that
//! every machine counts alike.

use std::collections::BTreeMap;
use std::time::Duration;

/// 2^(0/4), 2^(1/4), 2^(2/4), 2^(3/4), in 1/65536.
const QUARTERS: [u64; 4] = [65_536, 77_936, 92_682, 110_218];
/// The last doubling that is told apart begins at 2^21 seconds, 24 days.
const OCTAVE_LAST: u32 = 21;

/// One of [`SpanBucket::COUNT`] ranges of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanBucket(u8);

impl SpanBucket {
    /// How many there are: below a second, and four for each of 22 doublings. The last one is open above.
    pub const COUNT: u8 = 89;
    /// How far a median may be from the true one, relative; below a second, half a second.
    pub const ERROR: f64 = 0.0906;

    /// The bucket of a span.
    #[must_use]
    pub fn of(span: Duration) -> Self {
        let whole = span.as_secs();
        if whole == 0 {
            return Self(0);
        }
        let octave = whole.ilog2();
        if octave > OCTAVE_LAST {
            return Self(Self::COUNT - 1);
        }
        // At most 2^22 seconds in milliseconds, times 2^16: far from the end of a u64.
        let millis = whole * 1_000 + u64::from(span.subsec_millis());
        let scaled = (millis << 16) / (1_000 << octave);
        let quarter = QUARTERS.iter().filter(|floor| **floor <= scaled).count();
        Self(u8::try_from(octave * 4).unwrap_or(0) + u8::try_from(quarter).unwrap_or(4))
    }

    /// Reads the number that stands in a tally's name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number < Self::COUNT).map(Self)
    }

    /// The number that stands in a tally's name.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What stands for every span in it, in seconds.
    #[must_use]
    pub fn middle_seconds(self) -> f64 {
        if self.0 == 0 { 0.5 } else { ((f64::from(self.0) - 0.5) / 4.0).exp2() }
    }
}

/// The lower median of counted spans, in seconds; within [`SpanBucket::ERROR`] of the true one.
#[must_use]
pub fn median_seconds(counts: &BTreeMap<SpanBucket, i64>) -> Option<f64> {
    let total: i64 = counts.values().sum();
    let rank = (total + 1) / 2;
    let mut below = 0;
    for (bucket, count) in counts {
        below += count;
        if rank > 0 && below >= rank {
            return Some(bucket.middle_seconds());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_the_range_have_buckets() {
        assert_eq!(SpanBucket::of(Duration::ZERO).number(), 0);
        assert_eq!(SpanBucket::of(Duration::from_millis(999)).number(), 0);
        assert_eq!(SpanBucket::of(Duration::from_secs(1)).number(), 1);
        assert_eq!(SpanBucket::of(Duration::from_secs((1 << 22) - 1)).number(), SpanBucket::COUNT - 1);
        assert_eq!(SpanBucket::of(Duration::MAX).number(), SpanBucket::COUNT - 1);
        assert_eq!(SpanBucket::parse("89"), None);
        assert_eq!(median_seconds(&BTreeMap::new()), None);
    }

    proptest! {
        #[test]
        fn a_median_is_as_near_as_promised(spans in proptest::collection::vec(1_000_u64..4_000_000_000, 1..50)) {
            let mut counts = BTreeMap::new();
            for span in &spans {
                *counts.entry(SpanBucket::of(Duration::from_millis(*span))).or_default() += 1;
            }
            let mut sorted = spans;
            sorted.sort_unstable();
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let exact = sorted[(sorted.len() - 1) / 2] as f64 / 1_000.0;
            let found = median_seconds(&counts).expect("there are spans");
            prop_assert!((found / exact - 1.0).abs() <= SpanBucket::ERROR, "{found} for {exact}");
        }
    }
}

//! Spans as the configuration writes them: `"250ms"`, `"20m"`, `"7d"`.

use std::time::Duration;

const UNITS: &[(&str, u128)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// Reads a span with its unit, to the millisecond.
pub(super) fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|span| span.subsec_nanos() % 1_000_000 == 0)
}

/// Writes a span in the largest unit that it is a whole number of.
pub(super) fn text(span: Duration) -> String {
    let millis = span.as_millis();
    let unit = UNITS.iter().find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_what_it_writes() {
        for written in ["0ms", "250ms", "75s", "90m", "4h", "7d", "180d"] {
            assert_eq!(text(parse(written).expect("a span")), written);
        }
        assert_eq!(parse("1h 30m"), Some(Duration::from_mins(90)));
        assert_eq!(text(Duration::from_hours(72)), "3d");
        for bad in ["", "5", "off", "-1s", "1 lightyear", "5us"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

//! Reading the head of an answer: which outcome it is, and how long the receiver asks us to wait.
//!
//! Never here: what follows from an outcome (`domain/send.rs`). The rules are those of Standard Webhooks and RFC 9110.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::domain::{Moment, OutcomeName, REPLY_BYTES_MAX, Reply};

/// Longer waits are read as this; the engine postpones by far less.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(7 * 24);

/// How much of a header is kept.
const HEADER_CHARS_MAX: usize = 64;

/// What is kept of the head of an answer.
pub(in crate::webhook) fn reply(headers: &HeaderMap) -> Reply {
    let text = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.chars().take(HEADER_CHARS_MAX).collect())
    };
    Reply { content_type: text(CONTENT_TYPE), retry_after: text(RETRY_AFTER), body: String::new() }
}

/// The first of a body as text, within its bound: what is no UTF-8 is replaced by a longer sign.
pub(in crate::webhook) fn text(first: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(first).into_owned();
    text.truncate(text.floor_char_boundary(REPLY_BYTES_MAX));
    text
}

/// The outcome that an answer means.
pub(in crate::webhook) fn name(status: u16, retry_after: Option<Duration>) -> OutcomeName {
    match status {
        200..=299 => OutcomeName::Success,
        300..=399 => OutcomeName::Redirected,
        410 => OutcomeName::Gone,
        429 => OutcomeName::Throttled,
        503 if retry_after.is_some() => OutcomeName::Throttled,
        408 => OutcomeName::ServerError,
        400..=499 => OutcomeName::Rejected,
        _ => OutcomeName::ServerError,
    }
}

/// What `Retry-After` asks for: seconds, or an HTTP date, which is taken against `now`. Anything else is no wish.
pub(in crate::webhook) fn retry_after(headers: &HeaderMap, now: Moment) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let at = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()?;
    Some(Moment::from_millis(at.as_millisecond()).since(now).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn every_status_has_an_outcome() {
        let wait = Some(Duration::from_secs(1));
        let rows = [
            (200, None, OutcomeName::Success),
            (204, wait, OutcomeName::Success),
            (299, None, OutcomeName::Success),
            (301, None, OutcomeName::Redirected),
            (304, None, OutcomeName::Redirected),
            (308, None, OutcomeName::Redirected),
            (400, None, OutcomeName::Rejected),
            (404, wait, OutcomeName::Rejected),
            (408, None, OutcomeName::ServerError),
            (410, None, OutcomeName::Gone),
            (429, None, OutcomeName::Throttled),
            (429, wait, OutcomeName::Throttled),
            (499, None, OutcomeName::Rejected),
            (500, wait, OutcomeName::ServerError),
            (503, None, OutcomeName::ServerError),
            (503, wait, OutcomeName::Throttled),
            (504, wait, OutcomeName::ServerError),
            (101, None, OutcomeName::ServerError),
            (999, None, OutcomeName::ServerError),
        ];
        for (status, retry_after, expected) in rows {
            assert_eq!(name(status, retry_after), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = Moment::parse("1994-11-06T08:49:00Z").expect("a time");
        let rows = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999999", Some(7 * 86_400)),
            ("Fri, 31 Dec 9998 23:59:59 GMT", Some(7 * 86_400)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (text, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").expect("bytes that are no text"));
        assert_eq!(retry_after(&headers, now), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}

//! Bytes from outside, read as what comes back from a receiver, and as an address and a signature. Whatever they are,
//! nothing panics, and what is read is within its bounds.
//!
//! In no build but that of the tests and of the fuzz targets (`fuzz/`).

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::sender::answer;
use super::{AddressPolicy, Secret, verify};
use crate::domain::{Moment, REPLY_BYTES_MAX};

/// Reads a `Retry-After` and the outcome that it makes of every status, and keeps the bytes as a body.
///
/// # Panics
/// When the wait is longer than may be asked for, or more is kept than may be.
pub fn retry_after(bytes: &[u8], now: Moment) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers: HeaderMap = [(RETRY_AFTER, value)].into_iter().collect();
    let wait = answer::retry_after(&headers, now);
    assert!(wait.is_none_or(|wait| wait <= Duration::from_hours(7 * 24)), "{wait:?}");
    drop(answer::reply(&headers));
    assert!(answer::text(bytes).len() <= REPLY_BYTES_MAX);
    for status in [0, 200, 301, 410, 429, 503, u16::MAX] {
        let _outcome = answer::name(status, wait);
    }
}

/// Vets a text as the address of an endpoint.
///
/// # Panics
/// When an address of this machine would be dialled.
pub fn endpoint(text: &str) {
    let Ok(url) = Url::parse(text) else { return };
    let vetted = AddressPolicy::default().vet_literal(&url);
    let host = url.host_str().unwrap_or_default();
    assert!(!(host.starts_with("127.") && host.parse::<std::net::Ipv4Addr>().is_ok() && vetted.is_ok()), "{text:?}");
    drop(vetted.map_err(|refused| refused.to_string()));
}

/// Verifies a text as the signature of nothing.
///
/// # Panics
/// When it is taken for one.
pub fn signature(text: &str, now: Moment) {
    let secrets = [Secret::generate([7; 32]), Secret::generate([8; 32])];
    let (id, header) = text.split_once('\n').unwrap_or((text, text));
    let seconds = (now.millis() / 1_000).to_string();
    for timestamp in [id, seconds.as_str()] {
        assert!(verify(&secrets, id, timestamp, header, b"{}", now, Duration::from_mins(5)).is_err(), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn noise_never_panics(text in "\\PC{0,60}", likely in "[A-Z0-9a-z:/@.\\[\\], +-]{0,40}") {
            let now = Moment::from_millis(1_800_000_000_000);
            for noise in [text, likely.clone(), format!("http://{likely}"), format!("v1,{likely}")] {
                retry_after(noise.as_bytes(), now);
                endpoint(&noise);
                signature(&noise, now);
            }
        }
    }
}

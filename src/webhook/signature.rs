//! Standard Webhooks signatures: the secret, the signing of an attempt, and its verification.
//!
//! The signed content is `{id}.{timestamp}.{body}`, byte for byte; the key is what the base64 of a `whsec_` secret
//! decodes to, never its text. Every current secret signs, so that one can be replaced without a gap.
//! Never here: a clock, or a secret in any message. Rules: <https://www.standardwebhooks.com>.
//! Read next: `webhook/sender.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::domain::Moment;

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1";
const KEY_BYTES_MIN: usize = 24;
const KEY_BYTES_MAX: usize = 64;

/// A key that an endpoint and we share: 24 to 64 bytes. `Debug` hides it.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

/// Why a text is no secret. Never contains the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be `whsec_` followed by the standard base64, with padding, of 24 to 64 random bytes; `cartwake keys new` makes one"
)]
pub struct SecretError;

impl Secret {
    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// When the prefix is missing, the rest is not standard base64 with padding, or the key is too short or too long.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        let key = STANDARD.decode(encoded).map_err(|_| SecretError)?;
        if (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) { Ok(Self(Arc::from(key))) } else { Err(SecretError) }
    }

    /// A secret of bytes drawn by the caller; they must come from the system's random source.
    #[must_use]
    pub fn generate(bytes: [u8; 32]) -> Self {
        Self(Arc::from(bytes))
    }

    /// The `whsec_` text: to be shown once to whoever sets up the receiver, and never logged.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The `webhook-signature` of an attempt: one `v1,` entry for each secret, separated by one space.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let entry = |secret: &Secret| format!("{VERSION},{}", STANDARD.encode(secret.mac(id, &timestamp, body)));
    secrets.iter().map(entry).collect::<Vec<_>>().join(" ")
}

/// Why a webhook is not to be trusted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    /// The timestamp is not a whole number of seconds since 1970.
    #[error("webhook-timestamp is not a number of seconds")]
    BadTimestamp,
    /// Signed longer ago than the tolerance: perhaps a replay.
    #[error("webhook-timestamp is too old")]
    TooOld,
    /// Signed further ahead than the tolerance: one of the clocks is wrong.
    #[error("webhook-timestamp is in the future")]
    TooNew,
    /// No entry was made with one of these secrets over these bytes.
    #[error("no entry of webhook-signature matches")]
    NoMatch,
}

/// Holds when any entry of the signature header was made by any of the secrets over exactly these bytes, and the
/// timestamp is within the tolerance of `now`. Signatures are compared in constant time.
///
/// # Errors
/// When one of these does not hold.
pub fn verify(
    secrets: &[Secret],
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: Moment,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let seconds: i64 = timestamp.parse().map_err(|_| VerifyError::BadTimestamp)?;
    let signed_at = Moment::from_millis(seconds.checked_mul(1_000).ok_or(VerifyError::BadTimestamp)?);
    if now.since(signed_at) > tolerance {
        return Err(VerifyError::TooOld);
    }
    if signed_at.since(now) > tolerance {
        return Err(VerifyError::TooNew);
    }
    let entries: Vec<Vec<u8>> = signature
        .split(' ')
        .filter_map(|entry| entry.strip_prefix(VERSION)?.strip_prefix(','))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        .collect();
    let mut found = Choice::from(0);
    for secret in secrets {
        let expected = secret.mac(id, timestamp, body);
        for entry in &entries {
            found |= expected.as_slice().ct_eq(entry);
        }
    }
    if found.into() { Ok(()) } else { Err(VerifyError::NoMatch) }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const TOLERANCE: Duration = Duration::from_mins(5);

    fn published() -> Secret {
        Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("the secret of the published vector")
    }

    fn check(secrets: &[Secret], signature: &str, body: &[u8], seconds_later: i64) -> Result<(), VerifyError> {
        let now = Moment::from_millis((AT + seconds_later) * 1_000);
        verify(secrets, ID, &AT.to_string(), signature, body, now, TOLERANCE)
    }

    #[test]
    fn the_published_vector_is_signed_and_verified() {
        assert_eq!(sign(&[published()], ID, AT, BODY), SIGNATURE);
        assert_eq!(check(&[published()], SIGNATURE, BODY, 0), Ok(()));
    }

    #[test]
    fn a_secret_survives_being_shown_and_hides_in_debug() {
        let secret = Secret::generate([7; 32]);
        assert_eq!(Secret::parse(&secret.reveal()).expect("our own text").0, secret.0);
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[test]
    fn only_one_form_of_secret_is_accepted() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![1; bytes]));
        assert!(Secret::parse(&of(24)).is_ok());
        assert!(Secret::parse(&of(64)).is_ok());
        let unpadded = of(25).trim_end_matches('=').to_owned();
        let url_safe = "whsec_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_".to_owned();
        let versioned = format!("v1,{}", of(32));
        let bare = STANDARD.encode([1; 32]);
        let spaced = format!("{}\n", of(32));
        for bad in ["", "whsec_", &of(23), &of(65), &unpadded, &url_safe, &versioned, &bare, &spaced] {
            let error = Secret::parse(bad).expect_err("not a secret").to_string();
            assert!(error.contains("24 to 64") && (bad.len() < 7 || !error.contains(bad)), "{error}");
        }
    }

    #[test]
    fn both_secrets_sign_during_a_rotation() {
        let (old, new, other) = (published(), Secret::generate([1; 32]), Secret::generate([2; 32]));
        let both = sign(&[old.clone(), new.clone()], ID, AT, BODY);
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.starts_with(SIGNATURE));
        assert_eq!(check(&[old], &both, BODY, 0), Ok(()));
        assert_eq!(check(&[new], &both, BODY, 0), Ok(()));
        assert_eq!(check(&[other], &both, BODY, 0), Err(VerifyError::NoMatch));
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        for index in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[index] ^= 1;
            assert_eq!(check(&[published()], SIGNATURE, &body, 0), Err(VerifyError::NoMatch), "body byte {index}");
        }
        for index in 0..SIGNATURE.len() {
            let mut bytes = SIGNATURE.as_bytes().to_vec();
            bytes[index] ^= 1;
            let signature = String::from_utf8(bytes).expect("still ASCII");
            assert_eq!(check(&[published()], &signature, BODY, 0), Err(VerifyError::NoMatch), "signature byte {index}");
        }
        let now = Moment::from_millis(AT * 1_000);
        let moved = verify(&[published()], ID, "1614265331", SIGNATURE, BODY, now, TOLERANCE);
        assert_eq!(moved, Err(VerifyError::NoMatch));
        let renamed = verify(&[published()], "msg_x", &AT.to_string(), SIGNATURE, BODY, now, TOLERANCE);
        assert_eq!(renamed, Err(VerifyError::NoMatch));
        assert_eq!(check(&[published()], "", BODY, 0), Err(VerifyError::NoMatch));
        assert_eq!(check(&[], SIGNATURE, BODY, 0), Err(VerifyError::NoMatch));
    }

    #[test]
    fn the_tolerance_holds_both_ways() {
        for (later, expected) in
            [(300, Ok(())), (301, Err(VerifyError::TooOld)), (-300, Ok(())), (-301, Err(VerifyError::TooNew))]
        {
            assert_eq!(check(&[published()], SIGNATURE, BODY, later), expected, "{later} s later");
        }
        for bad in ["", "soon", "1.5", "9223372036854775807"] {
            let verdict = verify(&[published()], ID, bad, SIGNATURE, BODY, Moment::from_millis(0), TOLERANCE);
            assert_eq!(verdict, Err(VerifyError::BadTimestamp), "{bad}");
        }
    }

    #[test]
    fn the_official_library_accepts_what_we_sign_and_we_what_it_signs() {
        let (old, new) = (Secret::generate([3; 32]), Secret::generate([4; 32]));
        #[expect(clippy::disallowed_methods, reason = "the official library compares with the machine's clock")]
        let now_s = jiff::Timestamp::now().as_second();
        let body = r#"{"type":"cart.reminder","data":{"title":"Grüße 🛒"}}"#.as_bytes();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "dlv_1".parse().expect("a header value"));
        headers.insert("webhook-timestamp", now_s.into());
        let signature = sign(&[old.clone(), new.clone()], "dlv_1", now_s, body);
        headers.insert("webhook-signature", signature.parse().expect("a header value"));
        for secret in [&old, &new] {
            let official = standardwebhooks::Webhook::new(&secret.reveal()).expect("a secret it accepts");
            official.verify(body, &headers).expect("it verifies what we signed");
            assert!(official.verify(b"{}", &headers).is_err());
            let theirs = official.sign("dlv_1", now_s, body).expect("it signs");
            let now = Moment::from_millis(now_s * 1_000);
            let ours = verify(&[old.clone(), new.clone()], "dlv_1", &now_s.to_string(), &theirs, body, now, TOLERANCE);
            assert_eq!(ours, Ok(()));
        }
    }
}

//! Who sent a webhook: each platform's signature over the bytes as they came, and the headers that say what it is about.
//!
//! Any secret of the shop's may have signed, so that one can be exchanged. Comparisons take constant time. Rules:
//! <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>,
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks>, <https://docs.stripe.com/webhooks/signature>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{Platform, PlatformSecret};
use crate::domain::Moment;

/// How far the time that Stripe signs may be from ours.
const TOLERANCE: Duration = Duration::from_mins(5);
/// Most signatures looked at.
const SIGNATURES_MAX: usize = 16;

/// The headers of a request, by their names in lower case.
pub type Headers<'h> = &'h dyn Fn(&str) -> Option<&'h str>;

fn header<'h>(headers: Headers<'h>, names: &[&str]) -> Option<&'h str> {
    names.iter().find_map(|name| headers(name))
}

/// What a webhook is about, where the platform says it in a header.
pub(super) fn topic(platform: Platform, headers: Headers<'_>) -> &str {
    let names: &[&str] = match platform {
        Platform::Shopify => &["x-shopify-topic", "shopify-topic"],
        Platform::WooCommerce => &["x-wc-webhook-topic"],
        Platform::Stripe => &[],
    };
    header(headers, names).unwrap_or_default()
}

/// What WooCommerce sends unsigned, to see whether anybody is there, when a webhook is set up: `webhook_id=5`.
#[must_use]
pub fn is_ping(platform: Platform, body: &[u8]) -> bool {
    let id = body.strip_prefix(b"webhook_id=");
    platform == Platform::WooCommerce && id.is_some_and(|id| id.iter().all(u8::is_ascii_digit))
}

/// Whether the platform signed this body, with one of these secrets.
#[must_use]
pub fn is_signed(
    (platform, secrets): (Platform, &[PlatformSecret]),
    headers: Headers<'_>,
    body: &[u8],
    now: Moment,
) -> bool {
    match platform {
        Platform::Shopify => {
            is_of_body(secrets, header(headers, &["x-shopify-hmac-sha256", "shopify-hmac-sha256"]), body)
        }
        Platform::WooCommerce => is_of_body(secrets, header(headers, &["x-wc-webhook-signature"]), body),
        Platform::Stripe => {
            let stamped = header(headers, &["stripe-signature"]).and_then(stamped);
            stamped.is_some_and(|stamped| is_of_stamped(secrets, &stamped, body, now))
        }
    }
}

/// Looks at every secret, whichever matches.
fn any(secrets: &[PlatformSecret], is_of: impl Fn(&PlatformSecret) -> bool) -> bool {
    secrets.iter().fold(false, |found, secret| found | is_of(secret))
}

fn is_of_body(secrets: &[PlatformSecret], given: Option<&str>, body: &[u8]) -> bool {
    let given = given.and_then(|text| STANDARD.decode(text.trim()).ok());
    given.is_some_and(|given| any(secrets, |secret| mac(secret, &[body]).ct_eq(&given).into()))
}

fn is_of_stamped(secrets: &[PlatformSecret], stamped: &Stamped<'_>, body: &[u8], now: Moment) -> bool {
    let is_recent = now.since(stamped.at).max(stamped.at.since(now)) <= TOLERANCE;
    let is_of = |secret: &PlatformSecret| {
        let right = in_hex(&mac(secret, &[stamped.at_text.as_bytes(), b".", body]));
        let is_right = |given: &&str| bool::from(right.as_bytes().ct_eq(given.as_bytes()));
        stamped.signatures.iter().fold(false, |found, given| found | is_right(given))
    };
    is_recent && any(secrets, is_of)
}

/// What Stripe's header says: `t=1492774577,v1=…,v1=…`.
struct Stamped<'h> {
    at: Moment,
    at_text: &'h str,
    signatures: Vec<&'h str>,
}

fn stamped(header: &str) -> Option<Stamped<'_>> {
    let entries = || header.split(',').filter_map(|entry| entry.trim().split_once('='));
    let (_, at_text) = entries().find(|(name, _)| *name == "t")?;
    let at = Moment::from_millis(at_text.parse::<i64>().ok()?.checked_mul(1_000)?);
    let signatures = entries().filter(|(name, _)| *name == "v1").map(|(_, value)| value).take(SIGNATURES_MAX);
    Some(Stamped { at, at_text, signatures: signatures.collect() })
}

fn mac(secret: &PlatformSecret, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.as_bytes()).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn in_hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":1}"#;
    const NOW: Moment = Moment::from_millis(1_792_000_000_000);

    fn secrets(texts: &[&str]) -> Vec<PlatformSecret> {
        texts.iter().map(|text| PlatformSecret::parse(text).expect("a secret")).collect()
    }

    fn is_right(platform: Platform, secrets: &[PlatformSecret], (name, value): (&str, &str), body: &[u8]) -> bool {
        is_signed((platform, secrets), &|asked| (asked == name).then_some(value), body, NOW)
    }

    // Made with `openssl dgst -sha256 -hmac SECRET -binary | base64`, so that we are not held against ourselves.
    #[test]
    fn a_signature_of_either_secret_is_right_and_no_other() {
        const SIGNED: &str = "nbCdkjaiUmqKiGA8EqZk1fXIuVrHwVTy1A+Pbh6pOIc=";
        let both = secrets(&["another secret of it", "a secret of the shop"]);
        for name in ["x-shopify-hmac-sha256", "shopify-hmac-sha256"] {
            let signed = (name, SIGNED);
            assert!(is_right(Platform::Shopify, &both, signed, BODY));
            assert!(!is_right(Platform::Shopify, &both, signed, br#"{"id":2}"#), "of another body");
            assert!(!is_right(Platform::Shopify, &both[..1], signed, BODY), "of another secret");
        }
        assert!(is_right(Platform::WooCommerce, &both, ("x-wc-webhook-signature", SIGNED), BODY));
        for header in
            [("x-shopify-hmac-sha256", SIGNED), ("x-wc-webhook-signature", ""), ("x-wc-webhook-signature", "%")]
        {
            assert!(!is_right(Platform::WooCommerce, &both, header, BODY), "{header:?}");
        }
    }

    #[test]
    fn stripes_signature_is_over_the_time_too_and_grows_old() {
        const SIGNED: &str = "f70ac769a67b389969475303dd6c2dbf92e3ceead8e1b1ab968a0f63f7026964";
        let secrets = secrets(&["a secret of the shop"]);
        let right = |value: &str| is_right(Platform::Stripe, &secrets, ("stripe-signature", value), BODY);
        assert!(right(&format!("t=1792000000,v1={SIGNED}")));
        assert!(right(&format!("t=1792000000,v1=00,v1={SIGNED},v0=x")), "one of several");
        for (value, why) in [
            (format!("t=1792000001,v1={SIGNED}"), "another time"),
            (format!("v1={SIGNED}"), "no time"),
            (format!("t=1792000000,v0={SIGNED}"), "another scheme"),
            ("t=1792000000".to_owned(), "no signature"),
            ("t=99999999999999999999,v1=00".to_owned(), "no time at all"),
        ] {
            assert!(!right(&value), "{why}");
        }
        let value = format!("t=1792000000,v1={SIGNED}");
        let after = |seconds| {
            let now = NOW.plus(Duration::from_secs(seconds));
            is_signed((Platform::Stripe, &secrets), &|_| Some(value.as_str()), BODY, now)
        };
        assert_eq!((after(300), after(301)), (true, false));
    }

    #[test]
    fn only_the_ping_needs_no_signature() {
        assert!(is_ping(Platform::WooCommerce, b"webhook_id=12"));
        assert!(!is_ping(Platform::WooCommerce, b"webhook_id=12&order=1"));
        assert!(!is_ping(Platform::Shopify, b"webhook_id=12"));
    }
}

//! Names of things. Each is a type of its own, valid by construction, and safe in keys, URLs, labels and logs.
//!
//! Delivery ids are derived, never drawn: deciding twice gives the same id, and receivers can deduplicate by it.
//! Never here: contact details (see `domain/person.rs`).

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::delivery::EventKind;

/// Why a text is no valid id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("must be 1 to {max} characters of {allowed}")]
pub struct IdError {
    max: usize,
    allowed: &'static str,
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $max:literal, $allowed:literal, $accepts:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest accepted length in bytes.
            pub const MAX: usize = $max;

            /// # Errors
            /// When the text is empty, too long, or has a character outside the allowed set.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let accepts: fn(char) -> bool = $accepts;
                if text.is_empty() || text.len() > $max || !text.chars().all(accepts) {
                    return Err(IdError { max: $max, allowed: $allowed });
                }
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

fn is_slug(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':' | '=')
}

text_id!(
    /// A shop (tenant). From the configuration only, so it is safe as a metric label.
    ShopId, 32, "a-z 0-9 - _", is_slug
);
text_id!(
    /// An endpoint within its shop. From the configuration only, so it is safe as a metric label.
    EndpointName, 32, "a-z 0-9 - _", is_slug
);
text_id!(
    /// A step of a program. From the configuration only, so it is safe as a metric label.
    StepName, 32, "a-z 0-9 - _", is_slug
);
text_id!(
    /// An incentive of a program. From the configuration only, so it is safe as a metric label.
    IncentiveName, 32, "a-z 0-9 - _", is_slug
);
text_id!(
    /// An experiment of a program. From the configuration only, so it is safe as a metric label.
    ExperimentName, 32, "a-z 0-9 - _", is_slug
);
text_id!(
    /// An arm of an experiment. From the configuration only, so it is safe as a metric label.
    ArmName, 32, "a-z 0-9 - _", is_slug
);
text_id!(
    /// A cart, named by the storefront. No `@` and no space, so that no mail address can hide in it.
    CartId, 128, "A-Z a-z 0-9 - _ . ~ : =", is_token
);
text_id!(
    /// An order, named by the storefront.
    OrderId, 128, "A-Z a-z 0-9 - _ . ~ : = #", |c| is_token(c) || c == '#'
);
text_id!(
    /// A product, named by the storefront: printable ASCII.
    ProductId, 128, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);
text_id!(
    /// What a caller names one write by, to be able to repeat it: `Idempotency-Key` or `event_id`.
    EventKey, 255, "printable ASCII without spaces", |c| c.is_ascii_graphic()
);

/// One event to one endpoint; the `webhook-id` of its every attempt.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(Arc<str>);

impl DeliveryId {
    /// The id that follows from what the delivery is about: the same parts always give the same id.
    /// `about` tells events of one cart apart, for example `cart.reminder/2/1`. The first bit tells reminders apart from
    /// the rest, so that who holds an id knows whether a shopper is about to be reminded.
    #[must_use]
    pub fn derive(kind: EventKind, shop: &ShopId, cart: &CartId, about: &str, endpoint: &EndpointName) -> Self {
        let mut hash = digest(&[shop.as_str(), cart.as_str(), about, endpoint.as_str()]);
        let first_bit = if matches!(kind, EventKind::Reminder) { 0x80 } else { 0 };
        hash[0] = (hash[0] & 0x7f) | first_bit;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self::from_bytes(bytes)
    }

    /// Reads an id written by [`DeliveryId::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("dlv_")?;
        let well_formed = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        well_formed.then(|| Self(Arc::from(text)))
    }

    /// The id that these bytes stand for.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let mut text = String::with_capacity(36);
        text.push_str("dlv_");
        for byte in bytes {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        Self(Arc::from(text))
    }

    /// The bytes that stand for the id.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        let digits = self.0.as_bytes().get(4..).unwrap_or_default();
        let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit.wrapping_sub(b'a') + 10 };
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (value(pair[0]) << 4) | value(pair[1]);
        }
        bytes
    }

    /// The id as text; never contains a `.`, which Standard Webhooks reserves.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the delivery of a reminder.
    #[must_use]
    pub fn is_reminder(&self) -> bool {
        self.0.as_bytes().get(4).is_some_and(|digit| *digit >= b'8')
    }

    /// A number in 0..1 that belongs to this id and attempt: jitter without dice.
    #[must_use]
    pub fn fraction(&self, attempt: u32) -> f64 {
        let hash = digest(&[self.as_str(), &attempt.to_string()]);
        let head = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        f64::from(head) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 over length-prefixed parts, so that no two lists of parts share an input.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_could_hide_an_address_or_break_a_key() {
        for bad in ["", "a b", "joe@example.com", "a/b", "a{b}", "ü", "a|b", &"x".repeat(129)] {
            assert!(CartId::parse(bad).is_err(), "{bad}");
        }
        assert!(CartId::parse("cart-1_A.b~c:d=").is_ok());
        assert!(ShopId::parse("Shop").is_err());
    }

    #[test]
    fn the_same_parts_give_the_same_delivery_id_and_others_do_not() {
        let shop = ShopId::parse("s").expect("valid");
        let cart = CartId::parse("c").expect("valid");
        let name = EndpointName::parse("mail").expect("valid");
        let derive = |kind, about| DeliveryId::derive(kind, &shop, &cart, about, &name);
        let id = derive(EventKind::Reminder, "reminder/1/0");
        assert_eq!(id, derive(EventKind::Reminder, "reminder/1/0"));
        assert_ne!(id, derive(EventKind::Reminder, "reminder/1/1"));
        assert!(id.is_reminder());
        assert!(!derive(EventKind::Abandoned, "abandoned/1").is_reminder());
        assert_eq!(DeliveryId::parse(id.as_str()), Some(id.clone()));
        assert!(!id.as_str().contains('.'));
        assert!((0.0..1.0).contains(&id.fraction(3)));
    }
}

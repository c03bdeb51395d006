//! What links are signed with: secrets of the configuration, and the key that derives from the store's own.
//!
//! A key is named by four bytes of a hash of it, so that the right one of several is found; the name tells nothing of the
//! key. Never here: what is signed (`links/token.rs`).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

const PREFIX: &str = "cwlink_";
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;
/// Separates what is made with these keys from all else that is ever made with the same secret.
const SIGNS: &[u8] = b"cartwake links v1 token";
const NAMES: &[u8] = b"cartwake links v1 key id";
const DERIVES: &[u8] = b"cartwake links v1 key of the store";

/// How many bytes of a MAC a token bears: half of it, as RFC 2104 allows, and more than can be guessed.
pub(super) const TAG_BYTES: usize = 16;
pub(super) const ID_BYTES: usize = 4;

/// A secret of `[links] secrets`: 24 to 64 bytes. `Debug` hides it.
#[derive(Clone)]
pub struct LinkSecret(Arc<[u8]>);

/// Why a text is no secret for links. Never contains the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be `cwlink_` followed by the standard base64, with padding, of 24 to 64 random bytes; `cartwake keys new` makes one"
)]
pub struct LinkSecretError;

impl LinkSecret {
    /// Reads `cwlink_…`.
    ///
    /// # Errors
    /// When the prefix is missing, the rest is not standard base64 with padding, or the secret is too short or too long.
    pub fn parse(text: &str) -> Result<Self, LinkSecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(LinkSecretError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| LinkSecretError)?;
        let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len());
        fits.then(|| Self(Arc::from(bytes))).ok_or(LinkSecretError)
    }

    /// A secret of bytes drawn by the caller; they must come from the system's random source.
    #[must_use]
    pub fn generate(bytes: [u8; 32]) -> Self {
        Self(Arc::from(bytes))
    }

    /// The `cwlink_` text: to be shown once to whoever configures it, and never logged.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    pub(super) fn key(&self) -> Key {
        Key::new(&self.0)
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A key, prepared.
pub(super) struct Key {
    pub id: [u8; ID_BYTES],
    keyed: Hmac<Sha256>,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let keyed = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        let mut name = keyed.clone();
        name.update(NAMES);
        let name: [u8; 32] = name.finalize().into_bytes().into();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&name[..ID_BYTES]);
        Self { id, keyed }
    }

    /// A key that follows from the store's, and from which that one does not.
    pub(super) fn derived(store_key: &[u8; 32]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(store_key).expect("HMAC takes a key of any length");
        mac.update(DERIVES);
        let secret: [u8; 32] = mac.finalize().into_bytes().into();
        Self::new(&secret)
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; TAG_BYTES] {
        let whole: [u8; 32] = self.mac(bytes).finalize().into_bytes().into();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&whole[..TAG_BYTES]);
        tag
    }

    /// Whether this tag is of these bytes; takes the same time for every wrong one.
    pub(super) fn signed(&self, bytes: &[u8], tag: &[u8]) -> bool {
        tag.len() == TAG_BYTES && self.mac(bytes).verify_truncated_left(tag).is_ok()
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(SIGNS);
        mac.update(bytes);
        mac
    }
}

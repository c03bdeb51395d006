//! API keys: how one is made, and the hash that is kept of it.
//!
//! A key is 32 random bytes, so a plain SHA-256 of it cannot be guessed back: no salt, no slow hash. The key itself is
//! shown once and kept nowhere. Never here: dice (the caller brings them), who may do what (`api/auth.rs`).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Publishable: writes carts, signals and reasons; reads nothing.
    Browser,
    /// The cart API.
    Server,
    /// Everything.
    Admin,
}

/// SHA-256 of a key. The key itself is nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

/// Why a text is not the hash of a key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be `sha256:` and 64 hex digits, as `cartwake keys new` prints it")]
pub struct KeyHashError;

/// A new key, to be shown once, and its hash, to be configured. The same bytes give the same key.
#[must_use]
pub fn generate(role: Role, random: [u8; 32]) -> (String, KeyHash) {
    let key = format!("cw_{role}_{}", URL_SAFE_NO_PAD.encode(random));
    let hash = hash(&key);
    (key, hash)
}

/// The hash of a key as a caller presents it.
#[must_use]
pub fn hash(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key.as_bytes()).into())
}

impl Role {
    /// The name used in keys and in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Server => "server",
            Self::Admin => "admin",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Browser, Self::Server, Self::Admin].into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl KeyHash {
    /// Reads `sha256:` and 64 hex digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, KeyHashError> {
        let hex = text.strip_prefix("sha256:").ok_or(KeyHashError)?.as_bytes();
        let mut bytes = [0; 32];
        if hex.len() != 2 * bytes.len() {
            return Err(KeyHashError);
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn digit(hex: u8) -> Result<u8, KeyHashError> {
    let value = char::from(hex).to_digit(16).ok_or(KeyHashError)?;
    u8::try_from(value).map_err(|_| KeyHashError)
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_role_and_its_hash_is_found_again() {
        let (key, kept) = generate(Role::Server, [7; 32]);
        assert_eq!(key, "cw_server_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        assert_eq!(hash(&key), kept);
        assert_ne!(hash("cw_server_"), kept);
    }

    #[test]
    fn a_hash_reads_back_what_it_writes() {
        // The digest of "abc" is the example of FIPS 180-4.
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc").to_string(), text);
        assert_eq!(KeyHash::parse(text), Ok(hash("abc")));
        assert_eq!(KeyHash::parse(&text.to_uppercase().replace("SHA", "sha")), Ok(hash("abc")));
    }

    #[test]
    fn anything_else_is_no_hash() {
        for bad in ["", "sha256:", "sha256:00", "md5:00", &format!("sha256:{}", "g".repeat(64)), &"ü".repeat(32)] {
            assert_eq!(KeyHash::parse(bad), Err(KeyHashError), "{bad}");
        }
    }
}

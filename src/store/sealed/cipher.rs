//! The sealed form: `[version][keyring][kept until][nonce]`, then AES-256-GCM over the personal part and its tag.
//!
//! What stands before the nonce and the name of the key are authenticated too, so that a part cannot be moved to another
//! cart. A key seals one cart's versions, each with a random nonce: far below the 2^32 of NIST SP 800-38D, 8.3.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::domain::{Moment, Sealed};
use crate::store::{KeyName, SealKey, StoreError, StoreResult};

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 17;
const BROKEN: StoreError = StoreError::Corrupt { what: "key" };

/// A sealed form, taken apart.
pub(super) struct Blob<'a> {
    pub keyring: [u8; 8],
    pub until: Moment,
    head: &'a [u8],
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

/// What opening came to.
pub(super) enum Opened {
    Open(Vec<u8>),
    /// It was sealed with another key, or is damaged.
    OtherKey,
}

pub(super) fn seal(
    keyring: [u8; 8],
    (name, key, until): (KeyName, SealKey, Moment),
    mut personal: Vec<u8>,
    random: [u8; 32],
) -> StoreResult<Sealed> {
    let mut blob = vec![VERSION];
    blob.extend(keyring);
    blob.extend(until.millis().to_be_bytes());
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&random[..NONCE_LEN]);
    let beside = Aad::from([&blob[..], &name.0].concat());
    let sealing = cipher(key).ok_or(BROKEN)?;
    let sealed = sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), beside, &mut personal);
    sealed.map_err(|_| BROKEN)?;
    blob.extend(nonce);
    blob.extend(personal);
    Ok(Sealed::new(blob))
}

impl<'a> Blob<'a> {
    pub(super) fn parse(sealed: &'a Sealed) -> Option<Self> {
        let (head, rest) = sealed.bytes().split_at_checked(HEAD_BYTES)?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let (version, named) = head.split_first()?;
        let (keyring, until) = named.split_first_chunk()?;
        let until = Moment::from_millis(i64::from_be_bytes(until.try_into().ok()?));
        (*version == VERSION).then_some(Self { keyring: *keyring, until, head, nonce: *nonce, sealed })
    }

    pub(super) fn open(&self, name: KeyName, key: SealKey) -> Opened {
        let beside = Aad::from([self.head, &name.0].concat());
        let mut bytes = self.sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let opened = cipher(key).and_then(|key| Some(key.open_in_place(nonce, beside, &mut bytes).ok()?.len()));
        opened.map_or(Opened::OtherKey, |length| {
            bytes.truncate(length);
            Opened::Open(bytes)
        })
    }
}

fn cipher(key: SealKey) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &key.0).ok().map(LessSafeKey::new)
}

//! The keyring: a random key for each life of a cart with personal data, kept apart from the store.
//!
//! A copy of the store is worth nothing without it: what is deleted here can be read nowhere any more. Keys have names
//! that say nothing, and an end of their own, should nobody delete them. Under one name there may be several keys for a
//! moment: that of a cart which is being removed, and that of the one which takes its id. Never here: what is sealed
//! (`store/sealed.rs`).

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::StoreResult;
use crate::domain::{CartId, Moment, ShopId};

/// How long a key's name is, in bytes.
const NAME_BYTES: usize = 16;

/// Under what a key lies: a one-way hash of a shop and a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyName(pub [u8; NAME_BYTES]);

impl KeyName {
    /// Of this cart.
    #[must_use]
    pub fn of(shop: &ShopId, cart: &CartId) -> Self {
        let hash: [u8; 32] = Sha256::digest(format!("{shop}/{cart}")).into();
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(&hash[..NAME_BYTES]);
        Self(name)
    }
}

/// A key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealKey(pub [u8; 32]);

impl SealKey {
    /// Keys as they lie under one name, one after the other.
    pub(super) fn parse_all(bytes: &[u8]) -> Option<Vec<Self>> {
        let (keys, rest) = bytes.as_chunks();
        rest.is_empty().then(|| keys.iter().copied().map(Self).collect())
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

/// A key that is wanted.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: KeyName,
    pub fresh: SealKey,
    /// Kept at least until then, with all under its name.
    pub until: Moment,
    /// Whether it is for a cart that was not there: then it is another than those there are.
    pub is_first: bool,
}

/// The most keys under one name; with these there, a new cart gets the last one.
pub const KEYS_MAX: usize = 8;

/// A place that keeps keys.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// Tells this keyring from any other: random, made with it.
    fn id(&self) -> [u8; 8];
    /// The newest key under each name, on disk when this returns; the fresh one where there was none, or it is to be another.
    async fn ensure(&self, wanted: Vec<NewKey>, now: Moment) -> StoreResult<Vec<SealKey>>;
    /// The keys that there are under each name, in the order in which they came.
    async fn find(&self, names: &[KeyName]) -> StoreResult<Vec<Vec<SealKey>>>;
    /// Deletes all keys under these names for good; gives how many names had one.
    async fn shred(&self, names: &[KeyName]) -> StoreResult<usize>;
    /// Deletes these keys, and no others under their names.
    async fn shred_keys(&self, keys: &[(KeyName, SealKey)]) -> StoreResult<()>;
    /// Deletes what nobody deleted in time.
    async fn sweep(&self, now: Moment) -> StoreResult<()>;
}

//! The keyring: one random key for each cart with personal data, kept apart from the store.
//!
//! A copy of the store is worth nothing without it: what is deleted here can be read nowhere any more. Keys have names
//! that say nothing, and an end of their own, should nobody delete them. Never here: what is sealed (`store/sealed.rs`).

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

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

/// A key for where there is none yet.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: KeyName,
    pub fresh: SealKey,
    /// Kept at least until then, also when there was one.
    pub until: Moment,
}

/// A place that keeps keys.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// Tells this keyring from any other: random, made with it.
    fn id(&self) -> [u8; 8];
    /// The key under each name, on disk when this returns; a fresh one where there was none.
    async fn ensure(&self, wanted: Vec<NewKey>, now: Moment) -> StoreResult<Vec<SealKey>>;
    /// The keys that there are.
    async fn find(&self, names: &[KeyName]) -> StoreResult<Vec<Option<SealKey>>>;
    /// Deletes keys for good; gives how many there were.
    async fn shred(&self, names: &[KeyName]) -> StoreResult<usize>;
    /// Deletes what nobody deleted in time.
    async fn sweep(&self, now: Moment) -> StoreResult<()>;
}

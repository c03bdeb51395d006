//! What finds and removes all that is held of a person: the rare calls, beside those that carts live by.
//!
//! Each is idempotent, so that an erasure that broke off is finished by its repeat. None is in the way of a write: what
//! has no index is looked for in small steps. Never here: who the person is, and what of them may stay; that is
//! `engine/erasure.rs`.

use async_trait::async_trait;

use super::{Letter, StoreResult};
use crate::domain::{CartId, IdentifierHash, NoteKey, OrderId, ShopId};

/// What [`super::Store::carts_of`] gives at most.
pub const CARTS_OF_MAX: usize = 200;

/// The part of a [`super::Store`] that finds and removes.
#[async_trait]
pub trait Erase: Send + Sync {
    /// Every delivery of these carts that waits or is dead; of those that have ended otherwise, what can be found.
    async fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<Vec<Letter>>;
    /// Removes deliveries, whatever became of them since: who holds a lease has lost it. Gives how many there were.
    async fn expunge(&self, letters: &[Letter]) -> StoreResult<usize>;
    /// Removes the answers kept for these carts and orders, where they lie under their names. Those that lie under a one-way
    /// hash are not found; they hold nobody's data and end by themselves.
    async fn forget_answers(&self, shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> StoreResult<usize>;
    /// Takes these carts from under each hash; gives how many entries there were.
    async fn withdraw(&self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> StoreResult<usize>;
    /// Makes what copies of the store hold of these carts unreadable; whether they are sealed, so that this can be.
    async fn shred(&self, _shop: &ShopId, _carts: &[CartId]) -> StoreResult<bool> {
        Ok(false)
    }
    /// Takes every note off each hash, also what is firm or cannot be read, but for those with these keys; gives how many.
    async fn forget(&self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> StoreResult<usize>;
}

//! Carts of a shop that is not configured any more: kept for it, should it come back, and removed when their retention is
//! over, for what is held of people ends whether or not anybody remembers the shop.
//!
//! Read next: `engine/scheduler.rs`, which finds them.

use super::inbox::Engine;
use super::scheduler::SET_ASIDE;
use crate::domain::{self, Cart, CartId, Moment, ShopId};
use crate::store::{Commit, StoreResult, Stored};

impl Engine {
    /// Removes such a cart when its time is over, with its counts and its key; until then it is put off.
    pub(super) async fn look_after_leftover(
        &self,
        shop: &ShopId,
        id: &CartId,
        cart: Stored<Cart>,
        now: Moment,
    ) -> StoreResult<()> {
        let Stored { value: cart, version } = cart;
        let again_at = now.plus(SET_ASIDE).min(cart.expires_at);
        let Some(decision) = domain::on_left_behind(*cart, now) else {
            return self.store.postpone(shop, id, now, again_at).await;
        };
        let (tallies, census) = (domain::tallies(&decision.facts, now.day()), domain::census(&decision.facts));
        let end = Commit { expected: version, tallies: &tallies, census: &census, ..Commit::removal(shop, id, now) };
        if self.store.commit(end).await?.is_done() {
            self.became_true(shop, id, &decision);
        } else {
            self.metrics.commit_conflict();
        }
        Ok(())
    }
}

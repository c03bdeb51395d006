//! A login merge: two writes, in the order in which nothing can be lost.
//!
//! The target takes what the source holds; only then does the source end. A crash in between leaves both, and the repeat
//! finishes: the target takes a cart once. What does not go together is refused before anything is written.

use std::collections::BTreeSet;

use super::inbox::{Engine, Once, WriteError};
use crate::domain::{Applied, CartId, Input, Moment, Receipt, Refusal, ShopId, Shopper, State, What};

impl Engine {
    /// Merges a cart into another one, once. The receipt is the source's: `applied` when it ended with it.
    ///
    /// # Errors
    /// When there is no such cart, the two do not go together, or the store cannot take it now.
    pub async fn merge(
        &self,
        shop: &ShopId,
        (source, target): (&CartId, &CartId),
        at: Moment,
        once: Option<Once>,
    ) -> Result<Receipt, WriteError> {
        let Some(stored) = self.store.load(shop, source, None).await?.record else {
            return Err(Refusal::NoSuchCart.into());
        };
        let cart = stored.value;
        if matches!(cart.state, State::Active { .. } | State::Abandoned { .. }) {
            self.link_both(shop, &cart.content.shopper, target).await?;
            let kept = Receipt {
                created: false,
                applied: Applied::Closed,
                state: cart.state.name(),
                stage: cart.stage,
                abandonments: cart.abandonments,
                revision: cart.revision,
                next_wake_at: cart.next_wake(),
            };
            let content = Box::new(cart.content);
            let what = What::Absorb { from: source.clone(), stage: cart.stage, content };
            let taken = self.write(shop, target, Input { at, revision: None, what, unmapped: None }, None).await?;
            if taken.applied != Applied::Applied {
                // The target has ended, so the source lives on.
                return Ok(kept);
            }
        }
        let what = What::MergeInto(target.clone());
        self.write(shop, source, Input { at, revision: None, what, unmapped: None }, once).await
    }

    /// Who logs in is known by the names of both carts.
    async fn link_both(&self, shop: &ShopId, shopper: &Shopper, target: &CartId) -> Result<(), WriteError> {
        let Some(other) = self.store.load(shop, target, None).await?.record else { return Ok(()) };
        let (ours, theirs) = (self.by_name(shop, shopper), self.by_name(shop, &other.value.content.shopper));
        if ours.is_empty() || ours == theirs {
            return Ok(());
        }
        let all: BTreeSet<_> = ours.into_iter().chain(theirs).collect();
        let all: Vec<_> = all.into_iter().collect();
        let now = self.clock.now();
        let until = now.plus(self.shop(shop)?.program.retention.converted);
        Ok(self.link(shop, &all, until, now).await?)
    }
}

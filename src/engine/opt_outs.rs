//! Opting out, and in again: of a person, on one channel or on all.
//!
//! The note on every identifier comes first: from then on the last look before a send stops every reminder, also of what
//! is in the outbox already. Then the carts say so, and a send in flight is waited out as for an order.

use std::collections::BTreeSet;

use super::inbox::{Engine, WriteError};
use crate::domain::{
    Applied, CartId, Channel, Identifier, IdentifierHash, Input, Moment, Note, NoteKey, OptOut, ShopId, What,
};
use crate::store::InFlight;

/// What an opt-out came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptedOut {
    /// The carts that ended with it.
    pub carts: Vec<CartId>,
    /// Whether a reminder was on its way.
    pub in_flight: InFlight,
}

impl Engine {
    /// The person behind these identifiers wants no reminders on this channel, or on none. When this returns, no reminder
    /// to them will start.
    ///
    /// # Errors
    /// When the store cannot take it now: then it is to be repeated.
    pub async fn opt_out(
        &self,
        shop: &ShopId,
        identifiers: &[Identifier],
        channel: Option<Channel>,
    ) -> Result<OptedOut, WriteError> {
        let hashes: Vec<_> = identifiers.iter().map(|identifier| self.identity.hash(shop, identifier)).collect();
        self.opt_out_of(shop, &hashes, channel).await
    }

    /// The same for the person behind a cart: who follows the link in a reminder. Nothing when there is no such cart.
    ///
    /// # Errors
    /// When the store cannot take it now: then it is to be repeated.
    pub async fn opt_out_by_cart(
        &self,
        shop: &ShopId,
        cart: &CartId,
        channel: Option<Channel>,
    ) -> Result<Option<OptedOut>, WriteError> {
        let Some(stored) = self.store.load(shop, cart, None).await?.record else { return Ok(None) };
        let hashes = self.identity.hashes(shop, &stored.value.content.shopper);
        self.opt_out_of(shop, &hashes, channel).await.map(Some)
    }

    pub(super) async fn opt_out_of(
        &self,
        shop: &ShopId,
        hashes: &[IdentifierHash],
        channel: Option<Channel>,
    ) -> Result<OptedOut, WriteError> {
        let policy = self.shop(shop)?;
        let now = self.clock.now();
        let (_, hashes) = self.person_behind(shop, hashes, now).await?;
        let note = Note::OptedOut(OptOut { channel, at: now });
        let until = now.plus(policy.program.retention.opt_out);
        self.store.note(shop, &hashes, &note, until, now).await?;
        let (mut carts, mut in_flight) = (BTreeSet::new(), InFlight::None);
        for cart in self.store.carts_of(shop, &hashes, now).await? {
            if self.tell_of_opt_out(shop, &cart, now).await? {
                carts.insert(cart.clone());
            }
            in_flight = in_flight.worst(self.wait_out_cart(shop, &cart).await?);
        }
        Ok(OptedOut { carts: carts.into_iter().collect(), in_flight })
    }

    /// Whether the cart ended with it.
    async fn tell_of_opt_out(&self, shop: &ShopId, cart: &CartId, now: Moment) -> Result<bool, WriteError> {
        let input = Input { at: now, revision: None, what: What::OptOut, unmapped: None };
        match self.apply(shop, cart, &input, None, |cart| cart.is_some_and(|cart| cart.state.is_open())).await {
            Ok(Some(written)) => Ok(written.receipt.applied == Applied::Applied),
            Ok(None) | Err(WriteError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The person wants reminders again on this channel, or wherever no other opt-out says otherwise. Consent is another
    /// matter: without it nothing is sent.
    ///
    /// # Errors
    /// When the store cannot take it now: then it is to be repeated.
    pub async fn opt_in(
        &self,
        shop: &ShopId,
        identifiers: &[Identifier],
        channel: Option<Channel>,
    ) -> Result<(), WriteError> {
        self.shop(shop)?;
        let hashes: Vec<_> = identifiers.iter().map(|identifier| self.identity.hash(shop, identifier)).collect();
        let (_, hashes) = self.person_behind(shop, &hashes, self.clock.now()).await?;
        self.store.unnote(shop, &hashes, &NoteKey::opt_out(channel)).await?;
        Ok(())
    }

    /// From what the person behind these identifiers opted out.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn opt_outs(&self, shop: &ShopId, identifiers: &[Identifier]) -> Result<Vec<OptOut>, WriteError> {
        let hashes: Vec<_> = identifiers.iter().map(|identifier| self.identity.hash(shop, identifier)).collect();
        Ok(self.person_behind(shop, &hashes, self.clock.now()).await?.0.opt_outs)
    }
}

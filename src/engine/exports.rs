//! Telling a person what is held of them: their carts whole, with what was sent, and what their identifiers are known for.
//!
//! A page at a time, in the order of the carts' ids; it changes nothing. A device that was not named is left out, for
//! what lies there and names nobody may be somebody else's. Never here: how it is written down (`api/exports.rs`).

use std::collections::BTreeSet;

use tracing::info;

use super::inbox::{Engine, WriteError};
use super::traces::{Devices, Limit, Whom, readable};
use crate::domain::{Cart, CartId, Moment, Order, Person, ShopId};
use crate::store::Letter;

/// What is held of a person: all of what is known of them, and a page of their carts.
pub struct Held {
    pub at: Moment,
    /// How many identifiers it was looked for under.
    pub identifiers: usize,
    pub person: Person,
    pub orders: Vec<Order>,
    pub carts: Vec<HeldCart>,
    /// The last cart of this page, when there are more.
    pub next: Option<CartId>,
    pub limits: BTreeSet<Limit>,
}

/// A cart, and what was or will be sent about it.
pub struct HeldCart {
    pub cart: Cart,
    pub letters: Vec<Letter>,
}

impl Engine {
    /// What is held of a person, with at most `limit` carts behind `after`.
    ///
    /// # Errors
    /// When the identifiers are several people's, or the store cannot be asked.
    pub async fn held_of(
        &self,
        shop: &ShopId,
        whom: &Whom,
        after: Option<&CartId>,
        limit: usize,
    ) -> Result<Held, WriteError> {
        let result = self.gather(shop, whom, after, limit).await;
        let label = match &result {
            Ok(held) if held.limits.is_empty() => "done",
            Ok(_) => "partial",
            Err(error) => error.label(),
        };
        self.metrics.privacy.asked(shop, "export", label);
        if let Ok(held) = &result {
            info!(%shop, carts = held.carts.len(), result = label, "what is held of a person was exported");
        }
        result
    }

    async fn gather(
        &self,
        shop: &ShopId,
        whom: &Whom,
        after: Option<&CartId>,
        limit: usize,
    ) -> Result<Held, WriteError> {
        self.shop(shop)?;
        let now = self.clock.now();
        let traces = self.trace(shop, whom, Devices::Leave, now).await?;
        let mut limits = traces.limits.clone();
        let mut orders = Vec::new();
        for id in traces.orders() {
            let loaded = readable(self.store.load_order(shop, &id, None).await, &mut limits)?;
            orders.extend(loaded.and_then(|loaded| loaded.record).map(|stored| *stored.value));
        }
        let mut rest = traces.carts.into_iter().filter(|(id, _)| after.is_none_or(|after| id > after));
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let next = if rest.next().is_some() { page.last().map(|(id, _)| id.clone()) } else { None };
        let ids: Vec<CartId> = page.iter().map(|(id, _)| id.clone()).collect();
        let mut about = self.store.letters_about(shop, &ids).await?;
        let mut carts = Vec::with_capacity(page.len());
        for (id, cart) in page {
            let mut letters = self.deliveries_of(shop, &id).await?.unwrap_or_default();
            let more = about.extract_if(.., |letter| letter.cart.as_ref() == Some(&id));
            for letter in more {
                if !letters.iter().any(|known| known.id == letter.id) {
                    letters.push(letter);
                }
            }
            carts.push(HeldCart { cart, letters });
        }
        let person = traces.notes.into_iter().collect();
        Ok(Held { at: now, identifiers: traces.hashes.len(), person, orders, carts, next, limits })
    }
}

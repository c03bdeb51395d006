//! What can be had: news of it, and the carts that wait for it.
//!
//! A product's level is a note on the product, and a cart that is held for it is enrolled there, in one step with a look
//! at the note: of a restock and a hold at the same time at least one sees the other. A shop that never told of stock
//! costs no look at all; that it did is learnt within seconds by every process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::inbox::{Engine, WriteError};
use crate::domain::{Applied, Cart, IdentifierHash, Input, Moment, Note, ShopId, Stock, StockLevel, What};
use crate::store::{Asked, StoreResult};

/// How long after its last news a product's level is believed.
const LEVEL_KEPT: Duration = Duration::from_hours(24 * 400);
/// How often it is asked whether a shop tells of stock, that did not so far.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Products of one cart that are asked about: those of its first lines.
const PRODUCTS_MAX: usize = 50;

/// Which shops tell of stock.
#[derive(Default)]
pub struct StockShops(Mutex<HashMap<ShopId, Told>>);

#[derive(Clone, Copy)]
enum Told {
    Ever,
    NotYet { asked_at: Moment },
}

impl StockShops {
    fn note(&self, shop: &ShopId, told: Told) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shop.clone(), told);
    }

    fn known(&self, shop: &ShopId, now: Moment) -> Option<bool> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(shop)? {
            Told::Ever => Some(true),
            Told::NotYet { asked_at } => (now.since(*asked_at) < ASK_AGAIN).then_some(false),
        }
    }
}

impl Engine {
    /// Takes news of a product; gives how many carts wait no longer.
    ///
    /// # Errors
    /// When the store cannot take it now: then it is to be repeated.
    pub async fn stock(&self, shop: &ShopId, level: StockLevel) -> Result<usize, WriteError> {
        self.shop(shop)?;
        let now = self.clock.now();
        let until = now.plus(LEVEL_KEPT);
        let product = [self.identity.product(shop, &level.product)];
        let note = Note::Stock(level.clone());
        self.store.note(shop, &[self.identity.stock_shop(shop)], &note, until, now).await?;
        self.stock_shops.note(shop, Told::Ever);
        let known: Stock = self.store.note(shop, &product, &note, until, now).await?.into_iter().collect();
        if !known.of(&level.product).is_some_and(|known| known.in_stock) {
            return Ok(0);
        }
        let mut resumed = 0;
        for cart in self.store.carts_of(shop, &product, now).await? {
            let input = Input { at: now, revision: None, what: What::Restocked, unmapped: None };
            match self.apply(shop, &cart, &input, None, |cart| cart.is_some_and(|cart| cart.state.is_open())).await {
                Ok(Some(written)) => resumed += usize::from(written.receipt.applied == Applied::Applied),
                Ok(None) | Err(WriteError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(resumed)
    }

    /// What is known of the lines of each of these carts.
    pub(super) async fn stocks(&self, carts: &[Option<&Cart>], now: Moment) -> Vec<StoreResult<Stock>> {
        // Once for each shop: where the answer does not come, each more would wait as long for it.
        let mut tells: HashMap<&ShopId, bool> = HashMap::new();
        for cart in carts.iter().flatten() {
            if !tells.contains_key(&cart.shop) {
                tells.insert(&cart.shop, self.tells_of_stock(&cart.shop, now).await);
            }
        }
        let asked: Vec<_> = carts
            .iter()
            .map(|cart| {
                let cart = cart.filter(|cart| tells.get(&cart.shop).copied().unwrap_or_default())?;
                Some(Asked::look(&cart.shop, self.products(cart)))
            })
            .collect();
        let looks: Vec<_> = asked.iter().flatten().cloned().collect();
        if looks.is_empty() {
            return carts.iter().map(|_| Ok(Stock::unknown())).collect();
        }
        let mut found = self.store.notes_all(&looks, now).await.into_iter();
        let each = asked.iter().map(|asked| match asked {
            Some(_) => found.next().map_or(Ok(Stock::unknown()), |notes| Ok(notes?.into_iter().collect())),
            None => Ok(Stock::unknown()),
        });
        each.collect()
    }

    /// Enrols a cart that is held under its products, and gives what is known of them from then on.
    pub(super) async fn await_stock(&self, cart: &Cart, until: Moment) -> StoreResult<Stock> {
        let products = self.products(cart);
        Ok(self.store.enroll(&cart.shop, &products, &cart.id, until).await?.into_iter().collect())
    }

    pub(super) fn products(&self, cart: &Cart) -> Vec<IdentifierHash> {
        let lines = cart.content.items.iter().take(PRODUCTS_MAX);
        let mut products: Vec<_> = lines.map(|item| self.identity.product(&cart.shop, &item.product_id)).collect();
        products.sort();
        products.dedup();
        products
    }

    /// A store that cannot be asked is not asked more: the look at the notes will say what is wrong with it.
    async fn tells_of_stock(&self, shop: &ShopId, now: Moment) -> bool {
        if let Some(known) = self.stock_shops.known(shop, now) {
            return known;
        }
        let notes = self.store.notes(shop, &[self.identity.stock_shop(shop)], now).await;
        let told = match notes {
            Ok(notes) if notes.is_empty() => Told::NotYet { asked_at: now },
            Ok(_) => Told::Ever,
            Err(_) => return true,
        };
        self.stock_shops.note(shop, told);
        matches!(told, Told::Ever)
    }
}

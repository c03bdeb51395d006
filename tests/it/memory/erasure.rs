//! Finding and removing all that is held of a person, in the store in memory.

use async_trait::async_trait;
use cartwake::domain::{CartId, IdentifierHash, NoteKey, OrderId, ShopId};
use cartwake::store::{Erase, Letter, StoreResult};

use super::{About, Book, MemoryStore};

#[async_trait]
impl Erase for MemoryStore {
    async fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<Vec<Letter>> {
        Ok(self.with(|book| book.letters_about(shop, carts)))
    }

    async fn expunge(&self, letters: &[Letter]) -> StoreResult<usize> {
        Ok(self.with(|book| book.expunge(letters)))
    }

    async fn forget_answers(&self, shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> StoreResult<usize> {
        Ok(self.with(|book| book.forget_answers(shop, carts, orders)))
    }

    async fn withdraw(&self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> StoreResult<usize> {
        Ok(self.with(|book| book.withdraw(shop, hashes, carts)))
    }

    async fn forget(&self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> StoreResult<usize> {
        Ok(self.with(|book| book.forget(shop, hashes, keep)))
    }
}

impl Book {
    pub fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> Vec<Letter> {
        let of_them = self.deliveries.values().map(|row| &row.delivery);
        let of_them = of_them.filter(|delivery| delivery.shop == *shop && carts.contains(&delivery.cart));
        of_them.filter_map(|delivery| self.letter(&delivery.id)).collect()
    }

    pub fn expunge(&mut self, letters: &[Letter]) -> usize {
        letters.iter().filter(|letter| self.deliveries.remove(&letter.id).is_some()).count()
    }

    pub fn forget_answers(&mut self, shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> usize {
        let before = self.answers.len();
        self.answers.retain(|(of, about, _), _| {
            let is_meant = match about {
                About::Cart(cart) => carts.contains(cart),
                About::Order(order) => orders.contains(order),
            };
            of != shop || !is_meant
        });
        before - self.answers.len()
    }

    pub fn withdraw(&mut self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> usize {
        let mut gone = 0;
        for hash in hashes {
            if let Some(known) = self.enrolled.get_mut(&(shop.clone(), *hash)) {
                gone += carts.iter().filter(|cart| known.remove(cart).is_some()).count();
            }
        }
        gone
    }

    pub fn forget(&mut self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> usize {
        let mut gone = 0;
        for hash in hashes {
            if let Some(notes) = self.notes.get_mut(&(shop.clone(), *hash)) {
                let before = notes.len();
                notes.retain(|key, _| keep.contains(key));
                gone += before - notes.len();
            }
        }
        gone
    }
}

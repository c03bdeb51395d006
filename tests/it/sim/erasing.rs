//! The rare calls through a bad line: each may be refused, or forget to answer, like any other.

use async_trait::async_trait;
use cartwake::domain::{CartId, IdentifierHash, NoteKey, OrderId, ShopId};
use cartwake::store::{Erase, Letter, StoreResult};

use super::faults::Line;

#[async_trait]
impl Erase for Line {
    async fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<Vec<Letter>> {
        self.call("letters_about", |book, _| book.letters_about(shop, carts)).await
    }

    async fn expunge(&self, letters: &[Letter]) -> StoreResult<usize> {
        self.call("expunge", |book, _| book.expunge(letters)).await
    }

    async fn forget_answers(&self, shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> StoreResult<usize> {
        self.call("forget_answers", |book, _| book.forget_answers(shop, carts, orders)).await
    }

    async fn withdraw(&self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> StoreResult<usize> {
        self.call("withdraw", |book, _| book.withdraw(shop, hashes, carts)).await
    }

    async fn forget(&self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> StoreResult<usize> {
        self.call("forget", |book, _| book.forget(shop, hashes, keep)).await
    }
}

//! Finding and removing all that is held of a person, in tables.
//!
//! Deliveries have no index by cart, which every write would pay for: they are walked through by their ids, some at a
//! time, beside the writer. Read next: `store/erasure.rs`.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::lanes::collect;
use super::outbox::{DEAD, PENDING};
use super::people::Hashes;
use super::schema::limit_of;
use super::worker::Batch;
use super::{EmbeddedStore, letters};
use crate::domain::{CartId, DeliveryId, IdentifierHash, NoteKey, OrderId, ShopId};
use crate::store::{Erase, Lane, Letter, StoreResult};

/// How many deliveries one step of the walk looks at: a few milliseconds.
const STEP: usize = 10_000;

#[async_trait]
impl Erase for EmbeddedStore {
    async fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<Vec<Letter>> {
        if carts.is_empty() {
            return Ok(Vec::new());
        }
        let (mut found, mut after) = (Vec::new(), Some(String::new()));
        while let Some(from) = after {
            let wanted: HashSet<String> = carts.iter().map(|cart| cart.as_str().to_owned()).collect();
            let shop = shop.clone();
            let (some, next) = self.surveys.run(move |db| walk(db, &shop, &wanted, &from)).await?;
            found.extend(some);
            after = next;
        }
        Ok(found)
    }

    async fn expunge(&self, letters: &[Letter]) -> StoreResult<usize> {
        let ids: Vec<DeliveryId> = letters.iter().map(|letter| letter.id.clone()).collect();
        self.writer.run(move |db| expunge(db, &ids)).await
    }

    async fn forget_answers(&self, shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> StoreResult<usize> {
        let carts = carts.iter().map(|cart| ("c", cart.as_str().to_owned()));
        let orders = orders.iter().map(|order| ("o", order.as_str().to_owned()));
        let (shop, about): (_, Vec<_>) = (shop.clone(), carts.chain(orders).collect());
        let work = move |db: &Batch<'_>| {
            let mut forget = db.prepare_cached("DELETE FROM answers WHERE shop = ? AND about = ? AND id = ?")?;
            let mut gone = 0;
            for (about, id) in &about {
                gone += forget.execute([shop.as_str(), about, id])?;
            }
            Ok(gone)
        };
        self.writer.run(work).await
    }

    async fn withdraw(&self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> StoreResult<usize> {
        let (hashes, carts) = (Hashes::of(shop, hashes), carts.to_vec());
        self.writer.run(move |db| Ok(hashes.withdraw(db, &carts)?)).await
    }

    async fn forget(&self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> StoreResult<usize> {
        let (hashes, keep) = (Hashes::of(shop, hashes), keep.to_vec());
        self.writer.run(move |db| hashes.forget(db, &keep)).await
    }
}

/// The deliveries of these carts among the next few, and behind which to go on.
fn walk(
    db: &Connection,
    shop: &ShopId,
    carts: &HashSet<String>,
    after: &str,
) -> Result<(Vec<Letter>, Option<String>), Fault> {
    let mut statement = db.prepare_cached("SELECT id, shop, cart FROM deliveries WHERE id > ? ORDER BY id LIMIT ?")?;
    let mut rows = statement.query(params![after, limit_of(STEP)])?;
    let (mut seen, mut last, mut found) = (0, None, Vec::new());
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        seen += 1;
        if row.get_ref(1)?.as_str().is_ok_and(|of| of == shop.as_str())
            && row.get_ref(2)?.as_str().is_ok_and(|cart| carts.contains(cart))
        {
            found.extend(DeliveryId::parse(&id));
        }
        last = Some(id);
    }
    let mut letters = Vec::new();
    for id in &found {
        letters.extend(letters::find(db, id)?);
    }
    Ok((letters, last.filter(|_| seen == STEP)))
}

/// Removes deliveries, and what their lanes counted of them.
fn expunge(db: &Batch<'_>, ids: &[DeliveryId]) -> Result<usize, Fault> {
    let mut place = db.prepare_cached("SELECT shop, endpoint, status FROM deliveries WHERE id = ?")?;
    let mut delete = db.prepare_cached("DELETE FROM deliveries WHERE id = ?")?;
    let mut gone = 0;
    for id in ids {
        let found: Option<(String, String, i64)> =
            place.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((shop, endpoint, status)) = found else { continue };
        gone += delete.execute([id.as_str()])?;
        let lane = ShopId::parse(&shop).ok().zip(crate::domain::EndpointName::parse(&endpoint).ok());
        if let Some((shop, endpoint)) = lane {
            let (pending, dead) = (-i64::from(status == PENDING), -i64::from(status == DEAD));
            db.counts.move_lane(&Lane { shop, endpoint }, pending, dead);
        }
    }
    Ok(gone)
}

impl Hashes {
    /// Takes these carts from under each.
    fn withdraw(&self, db: &Connection, carts: &[CartId]) -> Result<usize, rusqlite::Error> {
        let mut take = db.prepare_cached("DELETE FROM identifiers WHERE shop = ? AND hash = ? AND cart = ?")?;
        let mut gone = 0;
        for hash in &self.hashes {
            for cart in carts {
                gone += take.execute(params![self.shop.as_str(), hash.0, cart.as_str()])?;
            }
        }
        Ok(gone)
    }

    /// Takes every note off each, but for some.
    fn forget(&self, db: &Connection, keep: &[NoteKey]) -> Result<usize, Fault> {
        let mut known = db.prepare_cached("SELECT key FROM notes WHERE shop = ? AND hash = ?")?;
        let mut take = db.prepare_cached("DELETE FROM notes WHERE shop = ? AND hash = ? AND key = ?")?;
        let mut gone = 0;
        for hash in &self.hashes {
            let keys: Vec<String> =
                collect(&mut known.query(params![self.shop.as_str(), hash.0])?, |row| Ok(row.get(0)?))?;
            for key in keys.iter().filter(|key| !keep.iter().any(|kept| kept.as_str() == *key)) {
                gone += take.execute(params![self.shop.as_str(), hash.0, key])?;
            }
        }
        Ok(gone)
    }
}

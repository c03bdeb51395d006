//! What is known under the hashes of a shopper's identifiers: the purchases, and the carts.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::schema::limit_of;
use crate::domain::{CartId, IdentifierHash, Moment, OrderId, Person, PurchaseMark, ShopId};
use crate::store::{StoreError, record};

/// The most carts that one look gives.
const CARTS_MAX: usize = 200;

/// A cart's identifiers in a shop.
pub struct Hashes {
    shop: ShopId,
    hashes: Vec<IdentifierHash>,
}

impl Hashes {
    pub fn of(shop: &ShopId, hashes: &[IdentifierHash]) -> Self {
        Self { shop: shop.clone(), hashes: hashes.to_vec() }
    }

    /// Notes a cart under each; a later end wins.
    pub fn enroll(&self, db: &Connection, cart: &CartId, until: Moment) -> Result<(), rusqlite::Error> {
        let mut enroll = db.prepare_cached(
            "INSERT INTO identifiers VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET until = excluded.until WHERE excluded.until > until",
        )?;
        for hash in &self.hashes {
            enroll.execute(params![self.shop.as_str(), hash.0, cart.as_str(), until.millis()])?;
        }
        Ok(())
    }

    /// The purchases under any of them, each once.
    pub fn person(&self, db: &Connection, now: Moment) -> Result<Person, Fault> {
        let mut statement =
            db.prepare_cached("SELECT record FROM marks WHERE shop = ? AND hash = ? AND until > ? ORDER BY order_id")?;
        let mut person = Person::nobody();
        for hash in &self.hashes {
            let mut rows = statement.query(params![self.shop.as_str(), hash.0, now.millis()])?;
            while let Some(row) = rows.next()? {
                for mark in record::decode_marks(&row.get::<_, Vec<u8>>(0)?)? {
                    if !person.marks.contains(&mark) {
                        person.marks.push(mark);
                    }
                }
            }
        }
        Ok(person)
    }

    /// Leaves a purchase on each, where it is not known to be paid already.
    pub fn mark(&self, db: &Connection, mark: &PurchaseMark, until: Moment) -> Result<(), Fault> {
        let bytes = record::encode_marks(std::slice::from_ref(mark));
        let mut leave = db.prepare_cached("REPLACE INTO marks VALUES (?, ?, ?, ?, ?)")?;
        for hash in &self.hashes {
            if !mark.paid && self.is_paid(db, hash, &mark.order)? {
                continue;
            }
            leave.execute(params![self.shop.as_str(), hash.0, mark.order.as_str(), until.millis(), bytes])?;
        }
        Ok(())
    }

    /// Takes the purchase of this order off each, unless it was paid.
    pub fn unmark(&self, db: &Connection, order: &OrderId) -> Result<(), Fault> {
        let mut take = db.prepare_cached("DELETE FROM marks WHERE shop = ? AND hash = ? AND order_id = ?")?;
        for hash in &self.hashes {
            if !self.is_paid(db, hash, order)? {
                take.execute(params![self.shop.as_str(), hash.0, order.as_str()])?;
            }
        }
        Ok(())
    }

    fn is_paid(&self, db: &Connection, hash: &IdentifierHash, order: &OrderId) -> Result<bool, Fault> {
        let known: Option<Vec<u8>> = db
            .prepare_cached("SELECT record FROM marks WHERE shop = ? AND hash = ? AND order_id = ?")?
            .query_row(params![self.shop.as_str(), hash.0, order.as_str()], |row| row.get(0))
            .optional()?;
        let marks = known.map(|bytes| record::decode_marks(&bytes)).transpose()?.unwrap_or_default();
        Ok(marks.iter().any(|mark| mark.paid))
    }

    /// The carts under any of them, each once.
    pub fn carts(&self, db: &Connection, now: Moment) -> Result<Vec<CartId>, Fault> {
        let mut statement = db.prepare_cached(
            "SELECT cart FROM identifiers WHERE shop = ? AND hash = ? AND until > ? ORDER BY until DESC LIMIT ?",
        )?;
        let mut carts = Vec::new();
        for hash in &self.hashes {
            let mut rows = statement.query(params![self.shop.as_str(), hash.0, now.millis(), limit_of(CARTS_MAX)])?;
            while let Some(row) = rows.next()? {
                let id = CartId::parse(&row.get::<_, String>(0)?);
                let id = id.map_err(|_| StoreError::Corrupt { what: "key" })?;
                if carts.len() < CARTS_MAX && !carts.contains(&id) {
                    carts.push(id);
                }
            }
        }
        Ok(carts)
    }
}

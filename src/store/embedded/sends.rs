//! Reminders on their way: which have begun, and which ended without an answer.
//!
//! Both are what an order asks for. Never here: who may send (`embedded/outbox.rs`).

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::lanes::collect;
use crate::domain::{CartId, DeliveryId, Moment, ShopId, Status};
use crate::store::{Claim, Sends, Settlement};

/// How a send ended, as far as its cart has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not made, or a receiver answered it.
    Unsent,
    /// The receiver has it, so that an earlier request of the same delivery is a repeat.
    Delivered,
    /// Nobody answered it: it may still arrive.
    Unanswered(Moment),
}

impl Fate {
    pub fn of(settlement: &Settlement<'_>) -> Self {
        match (settlement.unanswered_at, settlement.delivery.status) {
            (Some(at), _) => Self::Unanswered(at),
            (None, Status::Delivered) => Self::Delivered,
            (None, Status::Pending | Status::Dead(_) | Status::Suppressed(_)) => Self::Unsent,
        }
    }
}

/// A send begins. One that began before and was not settled has ended without an answer.
pub fn begin(
    db: &Connection,
    (shop, cart, delivery): (&ShopId, &CartId, &DeliveryId),
    until: Moment,
) -> Result<(), rusqlite::Error> {
    let (shop, cart, delivery) = (shop.as_str(), cart.as_str(), delivery.as_str());
    db.prepare_cached("REPLACE INTO unanswered SELECT * FROM sends WHERE shop = ? AND cart = ? AND delivery = ?")?
        .execute([shop, cart, delivery])?;
    db.prepare_cached("REPLACE INTO sends VALUES (?, ?, ?, ?)")?.execute(params![
        shop,
        cart,
        delivery,
        until.millis()
    ])?;
    Ok(())
}

/// The send of a claim is over. One that another worker began and left is not: nobody knows how that ended.
pub fn end(db: &Connection, claim: &Claim, fate: Fate) -> Result<(), rusqlite::Error> {
    let (shop, cart, delivery) = names(claim);
    db.prepare_cached("DELETE FROM sends WHERE shop = ? AND cart = ? AND delivery = ? AND until = ?")?
        .execute(params![shop, cart, delivery, claim.until.millis()])?;
    match fate {
        Fate::Unsent => {}
        Fate::Delivered => {
            db.prepare_cached("DELETE FROM unanswered WHERE shop = ? AND cart = ? AND delivery = ?")?
                .execute([shop, cart, delivery])?;
        }
        Fate::Unanswered(at) => {
            db.prepare_cached("REPLACE INTO unanswered VALUES (?, ?, ?, ?)")?.execute(params![
                shop,
                cart,
                delivery,
                at.millis()
            ])?;
        }
    }
    Ok(())
}

/// What is known of the sends of a cart.
pub fn of(db: &Connection, shop: &ShopId, cart: &CartId, now: Moment) -> Result<Sends, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT until FROM sends WHERE shop = ?1 AND cart = ?2
         UNION ALL SELECT min(at, ?3) FROM unanswered WHERE shop = ?1 AND cart = ?2",
    )?;
    let ends = collect(&mut statement.query(params![shop.as_str(), cart.as_str(), now.millis()])?, |row| {
        Ok(Moment::from_millis(row.get(0)?))
    })?;
    Ok(Sends::of(ends, now))
}

fn names(claim: &Claim) -> (&str, &str, &str) {
    (claim.lane.shop.as_str(), claim.cart.as_str(), claim.delivery.as_str())
}

//! Letters in tables: pages of what waits and of what is dead, one delivery, and what people do with them.
//!
//! What is dead has an index of its own, by the end of its time. Read next: `store/letters.rs`.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;
use super::lanes::collect;
use super::outbox::{DEAD, PENDING};
use super::schema::limit_of;
use super::sends::{self, Fate};
use super::worker::Batch;
use crate::domain::{CartId, Delivery, DeliveryId, EndpointName, Moment, ShopId, Tally};
use crate::store::letters::Mark;
use crate::store::{Burial, Claim, Lane, Letter, LetterPage, Revival, Settled, Shelf, record};

const COLUMNS: &str = "id, shop, endpoint, cart, status, record";

/// `None` where a name in the row cannot be one of ours.
fn letter(row: &Row<'_>) -> Result<Option<Letter>, Fault> {
    let text = |place| row.get::<_, String>(place);
    let Some(id) = DeliveryId::parse(&text(0)?) else { return Ok(None) };
    let lane = ShopId::parse(&text(1)?).ok().zip(EndpointName::parse(&text(2)?).ok());
    let stored: Vec<u8> = row.get(5)?;
    Ok(Some(Letter {
        id,
        lane: lane.map(|(shop, endpoint)| Lane { shop, endpoint }),
        cart: CartId::parse(&text(3)?).ok(),
        delivery: record::decode_delivery(&stored).ok(),
        has_ended: row.get::<_, i64>(4)? != PENDING,
        stored,
    }))
}

/// A page of a lane.
pub fn page(
    db: &Connection,
    lane: &Lane,
    shelf: Shelf,
    mark: Option<&Mark>,
    limit: usize,
) -> Result<LetterPage, Fault> {
    let (status, at) = match shelf {
        Shelf::Pending => ("status = 0", "due_at"),
        Shelf::Dead => ("status = 2", "purge_at"),
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, {at} FROM deliveries WHERE shop = ? AND endpoint = ? AND {status}
         AND {at} >= ?3 AND ({at} > ?3 OR id > ?4) ORDER BY {at}, id LIMIT ?5"
    ))?;
    let (from, id) = mark.map_or((i64::MIN, ""), |mark| (mark.at, mark.id.as_str()));
    let (shop, endpoint, more) = (lane.shop.as_str(), lane.endpoint.as_str(), limit_of(limit.saturating_add(1)));
    let mut found = collect(&mut statement.query(params![shop, endpoint, from, id, more])?, |row| {
        Ok((letter(row)?, row.get::<_, i64>(6)?))
    })?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).and_then(|(letter, at)| {
        let letter = letter.as_ref()?;
        Some(Mark { at: *at, id: letter.id.clone(), cart: letter.cart.clone()? }.to_string())
    });
    Ok(LetterPage { letters: found.into_iter().filter_map(|(letter, _)| letter).collect(), next })
}

/// One delivery.
pub fn find(db: &Connection, id: &DeliveryId) -> Result<Option<Letter>, Fault> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM deliveries WHERE id = ?"))?;
    Ok(collect(&mut statement.query([id.as_str()])?, letter)?.pop().flatten())
}

/// Those of these ids that belong to the cart.
pub fn of_cart(db: &Connection, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> Result<Vec<Letter>, Fault> {
    let mut letters = Vec::new();
    for id in ids {
        let found = find(db, id)?;
        let is_its =
            |one: &Letter| one.cart.as_ref() == Some(cart) && one.lane.as_ref().is_some_and(|l| l.shop == *shop);
        letters.extend(found.filter(is_its));
    }
    Ok(letters)
}

/// A revival, encoded and ready to be written.
pub struct Reviving {
    id: DeliveryId,
    lane: Lane,
    due_at: Moment,
    stored: Vec<u8>,
    bytes: Vec<u8>,
}

impl Reviving {
    pub fn of(revival: &Revival) -> Self {
        let delivery: &Delivery = &revival.delivery;
        Self {
            id: delivery.id.clone(),
            lane: Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() },
            due_at: delivery.due_at,
            stored: revival.letter.stored.clone(),
            bytes: record::encode_delivery(delivery),
        }
    }

    /// Whether it was as it was read, and is due again.
    pub fn apply(&self, db: &Batch<'_>) -> Result<bool, rusqlite::Error> {
        let status: Option<i64> = db
            .prepare_cached("SELECT status FROM deliveries WHERE id = ? AND status != 0 AND record = ?")?
            .query_row(params![self.id.as_str(), self.stored], |row| row.get(0))
            .optional()?;
        let Some(status) = status else { return Ok(false) };
        db.prepare_cached(
            "UPDATE deliveries SET status = 0, due_at = ?, is_leased = 0, purge_at = NULL, record = ?, is_repeat = 0
             WHERE id = ?",
        )?
        .execute(params![self.due_at.millis(), self.bytes, self.id.as_str()])?;
        db.counts.move_lane(&self.lane, 1, -i64::from(status == DEAD));
        Ok(true)
    }
}

/// A burial, ready to be written.
pub struct Burying {
    claim: Claim,
    keep_until: Moment,
    tallies: Vec<Tally>,
}

impl Burying {
    pub fn of(burial: &Burial<'_>) -> Self {
        let Burial { claim, keep_until, tallies } = *burial;
        Self { claim: claim.clone(), keep_until, tallies: tallies.to_vec() }
    }

    pub fn apply(&self, db: &Batch<'_>) -> Result<Settled, rusqlite::Error> {
        let claim = &self.claim;
        let buried = db
            .prepare_cached(
                "UPDATE deliveries SET status = 2, is_leased = 0, purge_at = ?
                 WHERE id = ? AND status = 0 AND is_leased = 1 AND due_at = ?",
            )?
            .execute(params![self.keep_until.millis(), claim.delivery.as_str(), claim.until.millis()])?;
        if buried == 0 {
            return Ok(Settled::Lost);
        }
        sends::end(db, claim, Fate::Unsent)?;
        db.counts.move_lane(&claim.lane, -1, 1);
        db.counts.add_tallies(&claim.lane.shop, &self.tallies);
        Ok(Settled::Done)
    }
}

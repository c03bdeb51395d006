//! The outbox in tables: deliveries by lane and due moment, leases.
//!
//! A lease is the due moment of a pending row that is marked as leased; only who names that moment may begin, settle or
//! release. Read next: `embedded/sends.rs` for what is on its way, `embedded/lanes.rs` for a lane as a whole.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::lanes::collect;
use super::schema::limit_of;
use super::sends;
use super::sends::Fate;
use super::worker::Batch;
use crate::domain::{CartId, Delivery, DeliveryId, Moment, ShopId, Status, Tally};
use crate::store::{Begun, Claim, Lane, Queue, Settled, Settlement, StoreError, record};

pub const PENDING: i64 = 0;
const DELIVERED: i64 = 1;
pub const DEAD: i64 = 2;
const SUPPRESSED: i64 = 3;

const fn code(status: Status) -> i64 {
    match status {
        Status::Pending => PENDING,
        Status::Delivered => DELIVERED,
        Status::Dead(_) => DEAD,
        Status::Suppressed(_) => SUPPRESSED,
    }
}

/// A delivery on its way into the outbox, encoded.
pub struct NewDelivery {
    id: DeliveryId,
    lane: Lane,
    cart: CartId,
    status: Status,
    due_at: Moment,
    /// Of one that begins with its commit.
    begun_until: Option<Moment>,
    /// Only of one that has ended before it began.
    purge_at: Option<Moment>,
    bytes: Vec<u8>,
}

impl NewDelivery {
    pub fn of(delivery: &Delivery, begun_until: Option<Moment>) -> Self {
        Self {
            id: delivery.id.clone(),
            lane: Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() },
            cart: delivery.cart.clone(),
            status: delivery.status,
            due_at: begun_until.unwrap_or(delivery.due_at),
            begun_until,
            purge_at: delivery.status.is_final().then_some(delivery.send_not_after),
            bytes: record::encode_delivery(delivery),
        }
    }

    pub const fn begins(&self) -> bool {
        self.begun_until.is_some()
    }

    /// Puts it into the outbox; one that is known is left alone, and false.
    pub fn insert(&self, db: &Batch<'_>) -> Result<bool, rusqlite::Error> {
        let inserted = db
            .prepare_cached("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)")?
            .execute(params![
                self.id.as_str(),
                self.lane.shop.as_str(),
                self.lane.endpoint.as_str(),
                self.cart.as_str(),
                code(self.status),
                self.due_at.millis(),
                self.begins(),
                self.purge_at.map(Moment::millis),
                self.bytes,
            ])?;
        if inserted == 0 {
            return Ok(false);
        }
        if let Some(until) = self.begun_until.filter(|_| self.id.is_reminder()) {
            sends::begin(db, (&self.lane.shop, &self.cart, &self.id), until)?;
        }
        let pending = i64::from(code(self.status) == PENDING);
        let dead = i64::from(code(self.status) == DEAD);
        db.counts.move_lane(&self.lane, pending, dead);
        Ok(true)
    }
}

/// Leases what is due in a lane.
pub fn claim(db: &Connection, lane: &Lane, now: Moment, limit: usize, until: Moment) -> Result<Vec<Claim>, Fault> {
    let mut first = due(db, lane, Queue::First, now, limit, until)?;
    let mut again = due(db, lane, Queue::Again, now, limit, until)?;
    let places = Queue::places(first.len(), again.len(), limit);
    first.truncate(places.0);
    again.truncate(places.1);
    let mut claims = [first, again].concat();
    claims.sort_by_key(|&(due_at, _)| due_at);
    let claims: Vec<Claim> = claims.into_iter().map(|(_, claim)| claim).collect();
    let mut lease = db.prepare_cached("UPDATE deliveries SET due_at = ?, is_leased = 1 WHERE id = ?")?;
    for claim in &claims {
        lease.execute(params![until.millis(), claim.delivery.as_str()])?;
    }
    Ok(claims)
}

fn due(
    db: &Connection,
    lane: &Lane,
    queue: Queue,
    now: Moment,
    limit: usize,
    until: Moment,
) -> Result<Vec<(i64, Claim)>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT id, cart, due_at FROM deliveries
         WHERE shop = ? AND endpoint = ? AND is_repeat = ? AND status = 0 AND due_at <= ? ORDER BY due_at LIMIT ?",
    )?;
    let (shop, endpoint) = (lane.shop.as_str(), lane.endpoint.as_str());
    let mut rows = statement.query(params![shop, endpoint, queue == Queue::Again, now.millis(), limit_of(limit)])?;
    collect(&mut rows, |row| {
        let (id, cart): (String, String) = (row.get(0)?, row.get(1)?);
        let delivery = DeliveryId::parse(&id).ok_or(CORRUPT)?;
        let cart = CartId::parse(&cart).map_err(|_| CORRUPT)?;
        Ok((row.get(2)?, Claim { lane: lane.clone(), delivery, cart, queue, until }))
    })
}

/// The record behind a claim that still holds.
fn held(db: &Connection, claim: &Claim) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    db.prepare_cached("SELECT record FROM deliveries WHERE id = ? AND status = 0 AND is_leased = 1 AND due_at = ?")?
        .query_row(params![claim.delivery.as_str(), claim.until.millis()], |row| row.get(0))
        .optional()
}

/// The moment of sending: a new lease, a send in flight, and what is to be sent.
pub fn begin(db: &Connection, claim: &Claim, until: Moment) -> Result<Option<Begun>, Fault> {
    let Some(bytes) = held(db, claim)? else { return Ok(None) };
    let delivery = record::decode_delivery(&bytes)?;
    let shop = &claim.lane.shop;
    let cart: Option<Vec<u8>> = db
        .prepare_cached("SELECT record FROM carts WHERE shop = ? AND id = ?")?
        .query_row([shop.as_str(), claim.cart.as_str()], |row| row.get(0))
        .optional()?;
    let cart = cart.map(|bytes| record::decode_cart(shop, &claim.cart, &bytes).map(Box::new)).transpose()?;
    db.prepare_cached("UPDATE deliveries SET due_at = ? WHERE id = ?")?
        .execute(params![until.millis(), claim.delivery.as_str()])?;
    if claim.delivery.is_reminder() {
        sends::begin(db, (shop, &claim.cart, &claim.delivery), until)?;
    }
    let claim = Claim { until, ..claim.clone() };
    Ok(Some(Begun { claim, delivery, cart }))
}

/// Gives a claim back.
pub fn release(db: &Connection, claim: &Claim, due_at: Moment) -> Result<Settled, rusqlite::Error> {
    let released = db
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?, is_leased = 0 WHERE id = ? AND status = 0 AND is_leased = 1 AND due_at = ?",
        )?
        .execute(params![due_at.millis(), claim.delivery.as_str(), claim.until.millis()])?;
    if released == 0 {
        return Ok(Settled::Lost);
    }
    sends::end(db, claim, Fate::Unsent)?;
    Ok(Settled::Done)
}

/// A settlement, encoded and ready to be written.
pub struct Settling {
    claim: Claim,
    status: Status,
    due_at: Moment,
    purge_at: Option<Moment>,
    bytes: Vec<u8>,
    tallies: Vec<Tally>,
    fate: Fate,
}

impl Settling {
    pub fn of(settlement: &Settlement<'_>) -> Self {
        let delivery = settlement.delivery;
        Self {
            claim: settlement.claim.clone(),
            status: delivery.status,
            due_at: delivery.due_at,
            purge_at: delivery.status.is_final().then_some(settlement.keep_until),
            bytes: record::encode_delivery(delivery),
            tallies: settlement.tallies.to_vec(),
            fate: Fate::of(settlement),
        }
    }

    pub fn apply(&self, db: &Batch<'_>) -> Result<Settled, rusqlite::Error> {
        let claim = &self.claim;
        let settled = db
            .prepare_cached(
                "UPDATE deliveries SET status = ?, due_at = ?, is_leased = 0, purge_at = ?, record = ?, is_repeat = 1
                 WHERE id = ? AND status = 0 AND is_leased = 1 AND due_at = ?",
            )?
            .execute(params![
                code(self.status),
                self.due_at.millis(),
                self.purge_at.map(Moment::millis),
                self.bytes,
                claim.delivery.as_str(),
                claim.until.millis(),
            ])?;
        if settled == 0 {
            return Ok(Settled::Lost);
        }
        sends::end(db, claim, self.fate)?;
        if self.status.is_final() {
            db.counts.move_lane(&claim.lane, -1, i64::from(code(self.status) == DEAD));
        }
        db.counts.add_tallies(&claim.lane.shop, &self.tallies);
        Ok(Settled::Done)
    }
}

/// The earliest due moment in a lane after this one.
pub fn next_due(db: &Connection, lane: &Lane, after: Moment) -> Result<Option<Moment>, rusqlite::Error> {
    let mut earliest = db.prepare_cached(
        "SELECT min(due_at) FROM deliveries
         WHERE shop = ? AND endpoint = ? AND is_repeat = ? AND status = 0 AND due_at > ?",
    )?;
    let mut next: Option<i64> = None;
    for queue in Queue::ALL {
        let of_queue: Option<i64> = earliest.query_row(
            params![lane.shop.as_str(), lane.endpoint.as_str(), queue == Queue::Again, after.millis()],
            |row| row.get(0),
        )?;
        next = next.into_iter().chain(of_queue).min();
    }
    Ok(next.map(Moment::from_millis))
}

/// One delivery of a cart.
pub fn find(
    db: &Connection,
    shop: &ShopId,
    cart: &CartId,
    id: &DeliveryId,
) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    db.prepare_cached("SELECT record FROM deliveries WHERE id = ? AND shop = ? AND cart = ?")?
        .query_row([id.as_str(), shop.as_str(), cart.as_str()], |row| row.get(0))
        .optional()
}

/// Deletes up to `limit` ended deliveries whose time is over.
pub fn purge(db: &Connection, now: Moment, limit: usize) -> Result<usize, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT id, shop, endpoint, status FROM deliveries WHERE purge_at IS NOT NULL AND purge_at <= ? LIMIT ?",
    )?;
    let ended = collect(&mut statement.query(params![now.millis(), limit_of(limit)])?, |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut delete = db.prepare_cached("DELETE FROM deliveries WHERE id = ?")?;
    let mut uncount = db.prepare_cached("UPDATE lanes SET dead = dead - 1 WHERE shop = ? AND endpoint = ?")?;
    for (id, shop, endpoint, status) in &ended {
        delete.execute([id])?;
        if *status == DEAD {
            uncount.execute([shop, endpoint])?;
        }
    }
    Ok(ended.len())
}

const CORRUPT: StoreError = StoreError::Corrupt { what: "delivery" };

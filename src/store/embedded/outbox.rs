//! The outbox in tables: deliveries by lane and due moment, leases, sends in flight, pauses.
//!
//! A lease is the due moment of a pending row that is marked as leased; only who names that moment may begin, settle or
//! release. What waits and what is dead is counted beside the lane as it changes, so that counting costs nothing.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::counts;
use super::fault::Fault;
use super::schema::limit_of;
use crate::domain::{CartId, Delivery, DeliveryId, EndpointName, Moment, ShopId, Status, Tally, Why};
use crate::store::{Begun, Claim, Lane, OutboxCounts, Pause, Settled, Settlement, StoreError, StoreResult, record};

const PENDING: i64 = 0;
const DELIVERED: i64 = 1;
const DEAD: i64 = 2;
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
    /// Only of one that has ended before it began.
    purge_at: Option<Moment>,
    bytes: Vec<u8>,
}

impl NewDelivery {
    pub fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.clone(),
            lane: Lane { shop: delivery.shop.clone(), endpoint: delivery.endpoint.clone() },
            cart: delivery.cart.clone(),
            status: delivery.status,
            due_at: delivery.due_at,
            purge_at: delivery.status.is_final().then_some(delivery.send_not_after),
            bytes: record::encode_delivery(delivery),
        }
    }

    /// Puts it into the outbox; one that is known is left alone.
    pub fn insert(&self, db: &Connection) -> Result<(), rusqlite::Error> {
        let inserted = db
            .prepare_cached("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)")?
            .execute(params![
                self.id.as_str(),
                self.lane.shop.as_str(),
                self.lane.endpoint.as_str(),
                self.cart.as_str(),
                code(self.status),
                self.due_at.millis(),
                self.purge_at.map(Moment::millis),
                self.bytes,
            ])?;
        if inserted == 0 {
            return Ok(());
        }
        let pending = i64::from(code(self.status) == PENDING);
        let dead = i64::from(code(self.status) == DEAD);
        count(db, &self.lane, pending, dead)
    }
}

fn count(db: &Connection, lane: &Lane, pending: i64, dead: i64) -> Result<(), rusqlite::Error> {
    db.prepare_cached(
        "INSERT INTO lanes VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET pending = pending + ?3, dead = dead + ?4",
    )?
    .execute(params![lane.shop.as_str(), lane.endpoint.as_str(), pending, dead])?;
    Ok(())
}

/// Every lane that ever had a delivery.
pub fn lanes(db: &Connection) -> Result<Vec<Lane>, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint FROM lanes")?;
    collect(&mut statement.query([])?, |row| Ok(lane(row)?))
}

/// Leases what is due in a lane.
pub fn claim(db: &Connection, lane: &Lane, now: Moment, limit: usize, until: Moment) -> Result<Vec<Claim>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT id, cart FROM deliveries WHERE shop = ? AND endpoint = ? AND status = 0 AND due_at <= ?
         ORDER BY due_at LIMIT ?",
    )?;
    let mut rows =
        statement.query(params![lane.shop.as_str(), lane.endpoint.as_str(), now.millis(), limit_of(limit)])?;
    let claims = collect(&mut rows, |row| {
        let (id, cart): (String, String) = (row.get(0)?, row.get(1)?);
        let delivery = DeliveryId::parse(&id).ok_or(CORRUPT)?;
        let cart = CartId::parse(&cart).map_err(|_| CORRUPT)?;
        Ok(Claim { lane: lane.clone(), delivery, cart, until })
    })?;
    let mut lease = db.prepare_cached("UPDATE deliveries SET due_at = ?, is_leased = 1 WHERE id = ?")?;
    for claim in &claims {
        lease.execute(params![until.millis(), claim.delivery.as_str()])?;
    }
    Ok(claims)
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
    let cart = cart.map(|bytes| record::decode_cart(shop, &claim.cart, &bytes)).transpose()?;
    db.prepare_cached("UPDATE deliveries SET due_at = ? WHERE id = ?")?
        .execute(params![until.millis(), claim.delivery.as_str()])?;
    db.prepare_cached("REPLACE INTO sends VALUES (?, ?, ?, ?)")?.execute(params![
        shop.as_str(),
        claim.cart.as_str(),
        claim.delivery.as_str(),
        until.millis()
    ])?;
    let claim = Claim { until, ..claim.clone() };
    Ok(Some(Begun { claim, delivery, cart }))
}

/// When the last begun send of a cart is over.
pub fn in_flight_until(
    db: &Connection,
    shop: &ShopId,
    cart: &CartId,
    now: Moment,
) -> Result<Option<Moment>, rusqlite::Error> {
    let until: Option<i64> = db
        .prepare_cached("SELECT max(until) FROM sends WHERE shop = ? AND cart = ? AND until > ?")?
        .query_row(params![shop.as_str(), cart.as_str(), now.millis()], |row| row.get(0))?;
    Ok(until.map(Moment::from_millis))
}

fn land(db: &Connection, claim: &Claim) -> Result<(), rusqlite::Error> {
    db.prepare_cached("DELETE FROM sends WHERE shop = ? AND cart = ? AND delivery = ?")?.execute([
        claim.lane.shop.as_str(),
        claim.cart.as_str(),
        claim.delivery.as_str(),
    ])?;
    Ok(())
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
    land(db, claim)?;
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
        }
    }

    pub fn apply(&self, db: &Connection) -> Result<Settled, rusqlite::Error> {
        let claim = &self.claim;
        let settled = db
            .prepare_cached(
                "UPDATE deliveries SET status = ?, due_at = ?, is_leased = 0, purge_at = ?, record = ?
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
        land(db, claim)?;
        if self.status.is_final() {
            count(db, &claim.lane, -1, i64::from(code(self.status) == DEAD))?;
        }
        counts::add_tallies(db, claim.lane.shop.as_str(), &self.tallies)?;
        Ok(Settled::Done)
    }
}

/// The earliest due moment in a lane.
pub fn next_due(db: &Connection, lane: &Lane) -> Result<Option<Moment>, rusqlite::Error> {
    let earliest: Option<i64> = db
        .prepare_cached("SELECT min(due_at) FROM deliveries WHERE shop = ? AND endpoint = ? AND status = 0")?
        .query_row([lane.shop.as_str(), lane.endpoint.as_str()], |row| row.get(0))?;
    Ok(earliest.map(Moment::from_millis))
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

/// Stops an endpoint.
pub fn pause(db: &Connection, pause: &Pause) -> Result<(), rusqlite::Error> {
    let (shop, endpoint) = (pause.lane.shop.as_str(), pause.lane.endpoint.as_str());
    db.prepare_cached("REPLACE INTO pauses VALUES (?, ?, ?, ?)")?.execute(params![
        shop,
        endpoint,
        pause.why.as_str(),
        pause.since.millis()
    ])?;
    Ok(())
}

/// Starts an endpoint again.
pub fn resume(db: &Connection, lane: &Lane) -> Result<(), rusqlite::Error> {
    db.prepare_cached("DELETE FROM pauses WHERE shop = ? AND endpoint = ?")?
        .execute([lane.shop.as_str(), lane.endpoint.as_str()])?;
    Ok(())
}

/// Every stopped endpoint.
pub fn paused(db: &Connection) -> Result<Vec<Pause>, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint, why, since FROM pauses")?;
    collect(&mut statement.query([])?, |row| {
        let why = Why::parse(&row.get::<_, String>(2)?).ok_or(StoreError::Corrupt { what: "pause" })?;
        Ok(Pause { lane: lane(row)?, why, since: Moment::from_millis(row.get(3)?) })
    })
}

/// What waits, what is dead, and what has waited longest; lanes with nothing are left out.
pub fn counts(db: &Connection) -> Result<OutboxCounts, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint, pending, dead FROM lanes")?;
    let lanes = collect(&mut statement.query([])?, |row| {
        let of = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok((lane(row)?, of(row.get(2)?), of(row.get(3)?)))
    })?;
    let mut oldest_due = super::carts::next_wake(db)?;
    let mut counts = OutboxCounts::default();
    for (lane, pending, dead) in lanes {
        oldest_due = oldest_due.into_iter().chain(next_due(db, &lane)?).min();
        if pending > 0 {
            counts.pending.push((lane.clone(), pending));
        }
        if dead > 0 {
            counts.dead.push((lane, dead));
        }
    }
    Ok(OutboxCounts { oldest_due, ..counts })
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

fn lane(row: &Row<'_>) -> Result<Lane, Fault> {
    let (shop, endpoint): (String, String) = (row.get(0)?, row.get(1)?);
    let corrupt = |_| StoreError::Corrupt { what: "lane" };
    let parse = || -> StoreResult<Lane> {
        let (shop, endpoint) = (ShopId::parse(&shop), EndpointName::parse(&endpoint));
        Ok(Lane { shop: shop.map_err(corrupt)?, endpoint: endpoint.map_err(corrupt)? })
    };
    Ok(parse()?)
}

fn collect<T>(
    rows: &mut rusqlite::Rows<'_>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

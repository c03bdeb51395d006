//! Lanes as a whole: which there are, which are stopped, and how much is in each.
//!
//! What waits and what is dead is counted beside the lane as it changes (`embedded/counts.rs`), so that a look at it costs
//! nothing.

use rusqlite::{Connection, Row, Rows, params};

use super::fault::Fault;
use super::{carts, outbox};
use crate::domain::{EndpointName, Moment, ShopId, Why};
use crate::store::{DueLanes, Lane, OutboxCounts, Pause, StoreError, StoreResult};

/// Every lane that ever had a delivery.
pub fn lanes(db: &Connection) -> Result<Vec<Lane>, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint FROM lanes")?;
    collect(&mut statement.query([])?, lane)
}

/// Where something is due by now, and when the next is.
pub fn due(db: &Connection, now: Moment) -> Result<DueLanes, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint FROM lanes WHERE pending > 0")?;
    let mut due = DueLanes::default();
    for lane in collect(&mut statement.query([])?, lane)? {
        let next = outbox::next_due(db, &lane, Moment::from_millis(i64::MIN))?;
        let after = if next.is_some_and(|at| at <= now) { outbox::next_due(db, &lane, now)? } else { next };
        due.next = due.next.into_iter().chain(after).min();
        if next.is_some_and(|at| at <= now) {
            due.lanes.push(lane);
        }
    }
    Ok(due)
}

/// Stops an endpoint; the first pause stays.
pub fn pause(db: &Connection, pause: &Pause) -> Result<(), rusqlite::Error> {
    let (shop, endpoint) = (pause.lane.shop.as_str(), pause.lane.endpoint.as_str());
    db.prepare_cached("INSERT OR IGNORE INTO pauses VALUES (?, ?, ?, ?)")?.execute(params![
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

/// Notes since when an endpoint fails; the first note stays.
pub fn note_failing(db: &Connection, lane: &Lane, since: Moment) -> Result<(), rusqlite::Error> {
    let (shop, endpoint) = (lane.shop.as_str(), lane.endpoint.as_str());
    db.prepare_cached("INSERT OR IGNORE INTO failing VALUES (?, ?, ?)")?.execute(params![
        shop,
        endpoint,
        since.millis()
    ])?;
    Ok(())
}

/// Notes that it works.
pub fn note_working(db: &Connection, lane: &Lane) -> Result<(), rusqlite::Error> {
    db.prepare_cached("DELETE FROM failing WHERE shop = ? AND endpoint = ?")?
        .execute([lane.shop.as_str(), lane.endpoint.as_str()])?;
    Ok(())
}

/// Every endpoint that fails, and since when.
pub fn failing(db: &Connection) -> Result<Vec<(Lane, Moment)>, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint, since FROM failing")?;
    collect(&mut statement.query([])?, |row| Ok((lane(row)?, Moment::from_millis(row.get(2)?))))
}

/// What waits, what is dead, and what has waited longest; lanes with nothing are left out.
pub fn counts(db: &Connection) -> Result<OutboxCounts, Fault> {
    let mut statement = db.prepare_cached("SELECT shop, endpoint, pending, dead FROM lanes")?;
    let lanes = collect(&mut statement.query([])?, |row| {
        let of = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok((lane(row)?, of(row.get(2)?), of(row.get(3)?)))
    })?;
    let mut oldest_due = carts::next_wake(db)?;
    let mut counts = OutboxCounts::default();
    for (lane, pending, dead) in lanes {
        oldest_due = oldest_due.into_iter().chain(outbox::next_due(db, &lane, Moment::from_millis(i64::MIN))?).min();
        if pending > 0 {
            counts.pending.push((lane.clone(), pending));
        }
        if dead > 0 {
            counts.dead.push((lane, dead));
        }
    }
    Ok(OutboxCounts { oldest_due, ..counts })
}

fn lane(row: &Row<'_>) -> Result<Lane, Fault> {
    let (shop, endpoint): (String, String) = (row.get(0)?, row.get(1)?);
    let corrupt = |_| StoreError::Corrupt { what: "lane" };
    let parse = || -> StoreResult<Lane> {
        let (shop, endpoint) = (ShopId::parse(&shop), EndpointName::parse(&endpoint));
        Ok(Lane { shop: shop.map_err(corrupt)?, endpoint: endpoint.map_err(corrupt)? })
    };
    Ok(parse()?)
}

/// Reads all rows.
pub fn collect<T>(rows: &mut Rows<'_>, mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

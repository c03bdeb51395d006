//! Exact counts: what happened on a day, and how many carts are in each state.

use rusqlite::{Connection, params};

use super::fault::Fault;
use crate::domain::{Census, Day, ShopId, StateName, Tally, TallyKey};
use crate::store::StoreError;

/// Adds these to the counts of a shop.
pub fn add_tallies(db: &Connection, shop: &str, tallies: &[Tally]) -> Result<(), rusqlite::Error> {
    let mut add =
        db.prepare_cached("INSERT INTO tallies VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = value + ?4")?;
    for tally in tallies {
        add.execute(params![shop, tally.day.number(), tally.key.0, tally.by])?;
    }
    Ok(())
}

/// The counts of a shop over these days, both included.
pub fn tallies(
    db: &Connection,
    shop: &ShopId,
    from: Day,
    to: Day,
) -> Result<Vec<(Day, TallyKey, i64)>, rusqlite::Error> {
    db.prepare_cached("SELECT day, key, value FROM tallies WHERE shop = ? AND day BETWEEN ? AND ?")?
        .query_map(params![shop.as_str(), from.number(), to.number()], |row| {
            Ok((Day::from_number(row.get(0)?), TallyKey(row.get(1)?), row.get(2)?))
        })?
        .collect()
}

/// Moves carts of a shop between states.
pub fn move_census(db: &Connection, shop: &ShopId, census: &[Census]) -> Result<(), rusqlite::Error> {
    let mut shift =
        db.prepare_cached("INSERT INTO census VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET carts = carts + ?3")?;
    for moved in census {
        shift.execute(params![shop.as_str(), moved.state.as_str(), moved.by])?;
    }
    Ok(())
}

/// How many carts of each shop are in each state; states without any are left out.
pub fn census(db: &Connection) -> Result<Vec<(ShopId, StateName, i64)>, Fault> {
    let corrupt = || StoreError::Corrupt { what: "census" };
    let mut statement = db.prepare_cached("SELECT shop, state, carts FROM census WHERE carts <> 0")?;
    let mut rows = statement.query([])?;
    let mut census = Vec::new();
    while let Some(row) = rows.next()? {
        let shop = ShopId::parse(&row.get::<_, String>(0)?).map_err(|_| corrupt())?;
        let state = StateName::parse(&row.get::<_, String>(1)?).ok_or_else(corrupt)?;
        census.push((shop, state, row.get(2)?));
    }
    Ok(census)
}

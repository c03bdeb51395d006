//! Exact counts: what happened on a day, and how many carts are in each state.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::schema::limit_of;
use crate::domain::{Census, Day, ShopId, StateName, Tally, TallyKey};
use crate::store::{Lane, StoreError};

/// What one transaction counts, added up: each count is written once, as it ends.
#[derive(Default)]
pub struct Counts {
    tallies: RefCell<SumsOf<(Day, TallyKey)>>,
    census: RefCell<SumsOf<StateName>>,
    lanes: RefCell<Sums<Lane, Held>>,
}

/// The sums of shops, by name.
type SumsOf<N> = Sums<ShopId, BTreeMap<N, i64>>;

/// By shop or lane. There are few in one transaction.
struct Sums<K, V>(Vec<(K, V)>);

/// How many deliveries of a lane wait, and how many are dead.
#[derive(Default)]
struct Held {
    pending: i64,
    dead: i64,
}

impl<K, V> Default for Sums<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Clone + PartialEq, V: Default> Sums<K, V> {
    fn of(&mut self, key: &K) -> &mut V {
        let known = self.0.iter().position(|(of, _)| of == key);
        let place = known.unwrap_or_else(|| {
            self.0.push((key.clone(), V::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }
}

impl Counts {
    pub fn add_tallies(&self, shop: &ShopId, tallies: &[Tally]) {
        let mut all = self.tallies.borrow_mut();
        let sums = all.of(shop);
        for tally in tallies {
            let sum = sums.entry((tally.day, tally.key.clone())).or_default();
            *sum = sum.saturating_add(tally.by);
        }
    }

    /// Moves carts of a shop between states.
    pub fn move_census(&self, shop: &ShopId, census: &[Census]) {
        let mut all = self.census.borrow_mut();
        let sums = all.of(shop);
        for moved in census {
            *sums.entry(moved.state).or_default() += moved.by;
        }
    }

    /// Moves how many deliveries wait in a lane, and how many are dead.
    pub fn move_lane(&self, lane: &Lane, pending: i64, dead: i64) {
        let mut all = self.lanes.borrow_mut();
        let held = all.of(lane);
        held.pending += pending;
        held.dead += dead;
    }

    /// Writes what was added up; where nothing was, nothing is asked of the database, which may be one without counts.
    pub fn write(&self, db: &Connection) -> Result<(), rusqlite::Error> {
        for (shop, sums) in &self.tallies.borrow().0 {
            let mut add = db.prepare_cached(
                "INSERT INTO tallies VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = value + ?4",
            )?;
            for ((day, key), by) in sums {
                add.execute(params![shop.as_str(), day.number(), key.0, by])?;
            }
        }
        for (shop, sums) in &self.census.borrow().0 {
            let mut add = db.prepare_cached(
                "INSERT INTO census VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET carts = carts + ?3",
            )?;
            for (state, by) in sums {
                add.execute(params![shop.as_str(), state.as_str(), by])?;
            }
        }
        for (lane, Held { pending, dead }) in &self.lanes.borrow().0 {
            db.prepare_cached(
                "INSERT INTO lanes VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET pending = pending + ?3, dead = dead + ?4",
            )?
            .execute(params![lane.shop.as_str(), lane.endpoint.as_str(), pending, dead])?;
        }
        Ok(())
    }
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

/// Deletes some of the counts of days before this one, shop by shop: each has its days at the beginning.
pub fn sweep_tallies(db: &Connection, before: Day, max: usize) -> Result<usize, rusqlite::Error> {
    let mut next = db.prepare_cached("SELECT min(shop) FROM tallies WHERE shop > ?")?;
    let mut delete = db.prepare_cached(
        "DELETE FROM tallies WHERE shop = ?1 AND (day, key) IN
            (SELECT day, key FROM tallies WHERE shop = ?1 AND day < ?2 LIMIT ?3)",
    )?;
    let (mut last, mut deleted) = (String::new(), 0);
    while let Some(shop) = next.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
        deleted += delete.execute(params![shop, before.number(), limit_of(max - deleted)])?;
        if deleted == max {
            break;
        }
        last = shop;
    }
    Ok(deleted)
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

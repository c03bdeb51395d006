//! Carts and orders in tables: a commit checks and writes in the same breath.
//!
//! A write that would be refused touches nothing: each commit looks for a repeat first, and its first write is the one
//! that names the version.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::Fault;
use super::outbox::NewDelivery;
use super::schema::limit_of;
use super::worker::Batch;
use crate::domain::{CartId, Census, EventKey, Moment, OrderId, ShopId, Tally};
use crate::store::{
    Answered, Commit, Committed, Keep, OrderCommit, Page, StoreError, StoreResult, Version, record, turns,
};

/// A record as it lies in the table.
pub struct Raw {
    pub version: Version,
    pub bytes: Vec<u8>,
}

impl Raw {
    fn read(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self { version: Version(row.get::<_, i64>(0)?.cast_unsigned()), bytes: row.get(1)? })
    }
}

/// A record and the answer to a key, as they lie in the tables.
#[derive(Default)]
pub struct RawLoaded {
    pub record: Option<Raw>,
    pub answered: Option<Vec<u8>>,
}

/// What an answer is about: carts and orders of one id are two things.
#[derive(Clone)]
pub enum Subject {
    Cart(ShopId, CartId),
    Order(ShopId, OrderId),
}

impl Subject {
    const fn shop(&self) -> &ShopId {
        match self {
            Self::Cart(shop, _) | Self::Order(shop, _) => shop,
        }
    }

    fn key(&self) -> (&str, &'static str, &str) {
        match self {
            Self::Cart(shop, id) => (shop.as_str(), "c", id.as_str()),
            Self::Order(shop, id) => (shop.as_str(), "o", id.as_str()),
        }
    }

    /// The record, and the answer to this key, kept or expired: the moment is not known here.
    pub fn load(&self, db: &Connection, key: Option<&EventKey>) -> Result<RawLoaded, rusqlite::Error> {
        let sql = match self {
            Self::Cart(..) => "SELECT version, record FROM carts WHERE shop = ? AND id = ?",
            Self::Order(..) => "SELECT version, record FROM orders WHERE shop = ? AND id = ?",
        };
        let (shop, _, id) = self.key();
        let record = db.prepare_cached(sql)?.query_row([shop, id], Raw::read).optional()?;
        let answered = match key {
            Some(key) => self.answer(db, key, Moment::from_millis(i64::MIN))?,
            None => None,
        };
        Ok(RawLoaded { record, answered })
    }

    fn answer(&self, db: &Connection, key: &EventKey, now: Moment) -> Result<Option<Vec<u8>>, rusqlite::Error> {
        let (shop, about, id) = self.key();
        db.prepare_cached(
            "SELECT record FROM answers WHERE shop = ? AND about = ? AND id = ? AND key = ? AND until > ?",
        )?
        .query_row(params![shop, about, id, key.as_str(), now.millis()], |row| row.get(0))
        .optional()
    }

    fn keep(&self, db: &Connection, kept: &Kept) -> Result<(), rusqlite::Error> {
        let (shop, about, id) = self.key();
        db.prepare_cached("REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
            shop,
            about,
            id,
            kept.key.as_str(),
            kept.until.millis(),
            kept.bytes
        ])?;
        Ok(())
    }
}

struct Kept {
    key: EventKey,
    until: Moment,
    bytes: Vec<u8>,
}

impl Kept {
    fn of(keep: &Keep) -> Self {
        Self { key: keep.key.clone(), until: keep.until, bytes: record::encode_answered(&keep.answered) }
    }
}

/// What both kinds of commit have in common.
struct Write {
    subject: Subject,
    expected: Version,
    /// The moment of the index (wake or end) and the record; nothing removes.
    record: Option<(Moment, Vec<u8>)>,
    tallies: Vec<Tally>,
    keep: Option<Kept>,
    now: Moment,
}

impl Write {
    /// What stands in the way, if anything; otherwise the record is written.
    fn refused(&self, db: &Connection) -> Result<Option<Committed>, Fault> {
        if let Some(kept) = &self.keep
            && let Some(bytes) = self.subject.answer(db, &kept.key, self.now)?
        {
            let answered: Answered = record::decode_answered(&bytes)?;
            return Ok(Some(Committed::Duplicate(answered)));
        }
        Ok((!self.put(db)?).then_some(Committed::Conflict))
    }

    /// Writes the record over the expected version; false when it is another.
    fn put(&self, db: &Connection) -> Result<bool, rusqlite::Error> {
        let (table, moment) = match self.subject {
            Subject::Cart(..) => ("carts", "wake_at"),
            Subject::Order(..) => ("orders", "expires_at"),
        };
        let (shop, _, id) = self.subject.key();
        let (expected, next) = (self.expected.0.cast_signed(), self.expected.next().0.cast_signed());
        let written = match (&self.record, self.expected) {
            (Some((at, bytes)), Version::ABSENT) => db
                .prepare_cached(&format!("INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?, ?)"))?
                .execute(params![shop, id, next, at.millis(), bytes])?,
            (Some((at, bytes)), _) => db
                .prepare_cached(&format!(
                    "UPDATE {table} SET version = ?, {moment} = ?, record = ? WHERE shop = ? AND id = ? AND version = ?"
                ))?
                .execute(params![next, at.millis(), bytes, shop, id, expected])?,
            (None, Version::ABSENT) => {
                let known = self.subject.load(db, None)?.record.is_some();
                usize::from(!known)
            }
            (None, _) => db
                .prepare_cached(&format!("DELETE FROM {table} WHERE shop = ? AND id = ? AND version = ?"))?
                .execute(params![shop, id, expected])?,
        };
        Ok(written == 1)
    }

    fn rest(&self, db: &Batch<'_>) -> Result<(), rusqlite::Error> {
        db.counts.add_tallies(self.subject.shop(), &self.tallies);
        self.keep.as_ref().map_or(Ok(()), |kept| self.subject.keep(db, kept))
    }
}

/// A commit of a cart, encoded and ready to be written.
pub struct CartWrite {
    write: Write,
    shop: ShopId,
    outbox: Vec<NewDelivery>,
    census: Vec<Census>,
}

impl CartWrite {
    pub fn of(commit: &Commit<'_>) -> Self {
        let write = Write {
            subject: Subject::Cart(commit.shop.clone(), commit.id.clone()),
            expected: commit.expected,
            record: commit.cart.map(|cart| (cart.next_wake(), record::encode_cart(cart))),
            tallies: commit.tallies.to_vec(),
            keep: commit.keep.map(Kept::of),
            now: commit.now,
        };
        Self {
            write,
            shop: commit.shop.clone(),
            outbox: commit
                .outbox
                .iter()
                .enumerate()
                .map(|(n, delivery)| NewDelivery::of(delivery, commit.begun_until.get(n).copied().flatten()))
                .collect(),
            census: commit.census.to_vec(),
        }
    }

    pub fn apply(&self, db: &Batch<'_>) -> Result<Committed, Fault> {
        if let Some(refusal) = self.write.refused(db)? {
            return Ok(refusal);
        }
        let mut committed = Committed::Done;
        for delivery in &self.outbox {
            if !delivery.insert(db)? && delivery.begins() {
                committed = Committed::DoneNotBegun;
            }
        }
        db.counts.move_census(&self.shop, &self.census);
        self.write.rest(db)?;
        Ok(committed)
    }
}

/// A commit of an order, encoded and ready to be written.
pub struct OrderWrite(Write);

impl OrderWrite {
    pub fn of(commit: &OrderCommit<'_>) -> Self {
        let order = commit.order;
        Self(Write {
            subject: Subject::Order(order.shop.clone(), order.id.clone()),
            expected: commit.expected,
            record: Some((order.expires_at, record::encode_order(order))),
            tallies: commit.tallies.to_vec(),
            keep: commit.keep.map(Kept::of),
            now: commit.now,
        })
    }

    pub fn apply(&self, db: &Batch<'_>) -> Result<Committed, Fault> {
        if let Some(refusal) = self.0.refused(db)? {
            return Ok(refusal);
        }
        self.0.rest(db)?;
        Ok(Committed::Done)
    }
}

/// Carts due by now: shops share the places, each with its longest overdue.
pub fn due(db: &Connection, now: Moment, limit: usize, turn: usize) -> Result<Vec<(ShopId, CartId)>, Fault> {
    if next_wake(db)?.is_none_or(|first| first > now) {
        return Ok(Vec::new());
    }
    let all = shops_due(db, now)?;
    let shops: Vec<&ShopId> = turns::whose(all.len(), limit, turn).map(|shop| &all[shop]).collect();
    let mut found = Vec::with_capacity(shops.len());
    for shop in &shops {
        found.push(due_of(db, shop, now, limit)?);
    }
    let shares = turns::shares(&found.iter().map(Vec::len).collect::<Vec<_>>(), limit);
    let taken = shops.iter().zip(found).zip(shares);
    let mut due: Vec<(i64, &ShopId, CartId)> = taken
        .flat_map(|((&shop, carts), share)| carts.into_iter().take(share).map(move |(at, id)| (at, shop, id)))
        .collect();
    due.sort_by_key(|&(at, ..)| at);
    Ok(due.into_iter().map(|(_, shop, id)| (shop.clone(), id)).collect())
}

/// The shops with something due: from each to the next one, whatever lies between them.
fn shops_due(db: &Connection, now: Moment) -> Result<Vec<ShopId>, Fault> {
    let mut next = db.prepare_cached("SELECT min(shop) FROM carts WHERE shop > ?")?;
    let mut first_wake = db.prepare_cached("SELECT min(wake_at) FROM carts WHERE shop = ?")?;
    let mut shops = Vec::new();
    let mut last = String::new();
    while let Some(shop) = next.query_row([&last], |row| row.get::<_, Option<String>>(0))? {
        let wake_at: Option<i64> = first_wake.query_row([&shop], |row| row.get(0))?;
        if wake_at.is_some_and(|at| at <= now.millis()) {
            shops.push(ShopId::parse(&shop).map_err(|_| StoreError::Corrupt { what: "key" })?);
        }
        last = shop;
    }
    Ok(shops)
}

fn due_of(db: &Connection, shop: &ShopId, now: Moment, limit: usize) -> Result<Vec<(i64, CartId)>, Fault> {
    let mut statement =
        db.prepare_cached("SELECT wake_at, id FROM carts WHERE shop = ? AND wake_at <= ? ORDER BY wake_at LIMIT ?")?;
    let mut rows = statement.query(params![shop.as_str(), now.millis(), limit_of(limit)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let id = CartId::parse(&row.get::<_, String>(1)?).map_err(|_| StoreError::Corrupt { what: "key" })?;
        due.push((row.get(0)?, id));
    }
    Ok(due)
}

/// The earliest wake of any cart.
pub fn next_wake(db: &Connection) -> Result<Option<Moment>, rusqlite::Error> {
    let earliest: Option<i64> = db.prepare_cached("SELECT min(wake_at) FROM carts")?.query_row([], |row| row.get(0))?;
    Ok(earliest.map(Moment::from_millis))
}

/// Moves a wake; a cart that is gone stays gone.
pub fn postpone(
    db: &Connection,
    (shop, id): (&ShopId, &CartId),
    now: Moment,
    until: Moment,
) -> Result<(), rusqlite::Error> {
    db.prepare_cached("UPDATE carts SET wake_at = ? WHERE shop = ? AND id = ? AND wake_at <= ?")?.execute(params![
        until.millis(),
        shop.as_str(),
        id.as_str(),
        now.millis()
    ])?;
    Ok(())
}

/// Where a page begins: after this wake, shop and id. The first is before all.
pub struct Cursor(i64, String, String);

impl Cursor {
    pub const fn start() -> Self {
        Self(i64::MIN, String::new(), String::new())
    }

    /// Reads what an earlier page gave out; nothing when it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Some(Self(parts.next()?.parse().ok()?, parts.next()?.to_owned(), parts.next()?.to_owned()))
    }
}

/// One page of carts in the order of their wakes.
pub fn list(db: &Connection, after: &Cursor, limit: usize) -> Result<Page, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT wake_at, shop, id, record FROM carts WHERE (wake_at, shop, id) > (?, ?, ?) ORDER BY wake_at, shop, id
         LIMIT ?",
    )?;
    let mut rows = statement.query(params![after.0, after.1, after.2, limit_of(limit.saturating_add(1))])?;
    let mut page = Page::default();
    let mut last = None;
    while let Some(row) = rows.next()? {
        if page.carts.len() + page.unreadable == limit {
            page.next = last;
            break;
        }
        let (wake_at, shop, id): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        last = Some(format!("{wake_at}:{shop}:{id}"));
        let (shop, id) = key(&shop, &id)?;
        match record::decode_cart(&shop, &id, &row.get::<_, Vec<u8>>(3)?) {
            Ok(cart) => page.carts.push(cart),
            Err(_) => page.unreadable += 1,
        }
    }
    Ok(page)
}

fn key(shop: &str, id: &str) -> StoreResult<(ShopId, CartId)> {
    let corrupt = |_| StoreError::Corrupt { what: "key" };
    Ok((ShopId::parse(shop).map_err(corrupt)?, CartId::parse(id).map_err(corrupt)?))
}

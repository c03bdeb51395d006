//! What is known under hashes: notes, and carts.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::schema::limit_of;
use super::worker::{Batch, Worker};
use crate::domain::{CartId, IdentifierHash, Moment, Note, NoteKey, ShopId};
use crate::store::{Asked, CARTS_OF_MAX, StoreError, StoreResult, record};

/// Notes on one hash: the one that ends first makes room.
const NOTES_MAX: usize = 100;

/// Hashes in a shop.
pub struct Hashes {
    pub(super) shop: ShopId,
    pub(super) hashes: Vec<IdentifierHash>,
}

/// A note as it lies on a hash; what is over need not be read.
struct Lying {
    key: String,
    until: Moment,
    note: Option<Note>,
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

    /// The notes on any of them.
    pub fn notes(&self, db: &Connection, now: Moment) -> Result<Vec<Note>, Fault> {
        let mut statement =
            db.prepare_cached("SELECT record FROM notes WHERE shop = ? AND hash = ? AND until > ? ORDER BY key")?;
        let mut notes = Vec::new();
        for hash in &self.hashes {
            let mut rows = statement.query(params![self.shop.as_str(), hash.0, now.millis()])?;
            while let Some(row) = rows.next()? {
                notes.push(record::decode_note(&row.get::<_, Vec<u8>>(0)?)?);
            }
        }
        Ok(notes)
    }

    /// Leaves a note on each, where the one that is there gives way, and gives those that are there then: one step, so that
    /// of two who leave and look at least one sees the other.
    pub fn leave(&self, db: &Connection, note: &Note, until: Moment, now: Moment) -> Result<Vec<Note>, Fault> {
        let (key, bytes) = (note.key(), record::encode_note(note));
        let mut leave = db.prepare_cached("REPLACE INTO notes VALUES (?, ?, ?, ?, ?)")?;
        let mut take = db.prepare_cached("DELETE FROM notes WHERE shop = ? AND hash = ? AND key = ?")?;
        let mut there = Vec::new();
        for hash in &self.hashes {
            let mut known = self.all(db, hash, now)?;
            let place = known.iter().position(|one| one.key == key.as_str());
            let is_there = place.and_then(|place| known[place].note.as_ref());
            if is_there.is_none_or(|is_there| note.replaces(is_there)) {
                leave.execute(params![self.shop.as_str(), hash.0, key.as_str(), until.millis(), bytes])?;
                let note = (until > now).then(|| note.clone());
                let new = Lying { key: key.as_str().to_owned(), until, note };
                match place {
                    Some(place) => known[place] = new,
                    None => known.push(new),
                }
            }
            while known.len() > NOTES_MAX
                && let Some((first, _)) = known.iter().enumerate().min_by_key(|(_, one)| one.until)
            {
                take.execute(params![self.shop.as_str(), hash.0, known.remove(first).key])?;
            }
            known.sort_by(|a, b| a.key.cmp(&b.key));
            there.extend(known.into_iter().filter_map(|one| one.note));
        }
        Ok(there)
    }

    /// Every note on this hash.
    fn all(&self, db: &Connection, hash: &IdentifierHash, now: Moment) -> Result<Vec<Lying>, Fault> {
        let mut statement = db.prepare_cached("SELECT key, until, record FROM notes WHERE shop = ? AND hash = ?")?;
        let mut rows = statement.query(params![self.shop.as_str(), hash.0])?;
        let mut known = Vec::new();
        while let Some(row) = rows.next()? {
            let until = Moment::from_millis(row.get(1)?);
            let note = if until > now { Some(record::decode_note(&row.get::<_, Vec<u8>>(2)?)?) } else { None };
            known.push(Lying { key: row.get(0)?, until, note });
        }
        Ok(known)
    }

    /// Takes a note off each, where it may be.
    pub fn unnote(&self, db: &Connection, key: &NoteKey) -> Result<(), Fault> {
        let mut take = db.prepare_cached("DELETE FROM notes WHERE shop = ? AND hash = ? AND key = ?")?;
        for hash in &self.hashes {
            if self.known(db, hash, key)?.is_some_and(|(known, _)| known.is_removable()) {
                take.execute(params![self.shop.as_str(), hash.0, key.as_str()])?;
            }
        }
        Ok(())
    }

    fn known(&self, db: &Connection, hash: &IdentifierHash, key: &NoteKey) -> Result<Option<(Note, Moment)>, Fault> {
        let known: Option<(Vec<u8>, i64)> = db
            .prepare_cached("SELECT record, until FROM notes WHERE shop = ? AND hash = ? AND key = ?")?
            .query_row(params![self.shop.as_str(), hash.0, key.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((bytes, until)) = known else { return Ok(None) };
        Ok(Some((record::decode_note(&bytes)?, Moment::from_millis(until))))
    }

    /// The carts under any of them, each once.
    pub fn carts(&self, db: &Connection, now: Moment) -> Result<Vec<CartId>, Fault> {
        let mut statement = db.prepare_cached(
            "SELECT cart FROM identifiers WHERE shop = ? AND hash = ? AND until > ? ORDER BY until DESC LIMIT ?",
        )?;
        let mut carts = Vec::new();
        for hash in &self.hashes {
            let mut rows =
                statement.query(params![self.shop.as_str(), hash.0, now.millis(), limit_of(CARTS_OF_MAX)])?;
            while let Some(row) = rows.next()? {
                let id = CartId::parse(&row.get::<_, String>(0)?);
                let id = id.map_err(|_| StoreError::Corrupt { what: "key" })?;
                if carts.len() < CARTS_OF_MAX && !carts.contains(&id) {
                    carts.push(id);
                }
            }
        }
        Ok(carts)
    }
}

/// The notes that are asked for, and those that are left, each kind together; the answers in the order of the questions.
pub async fn notes_all(
    (lookups, writer): (&Worker, &Worker),
    asked: &[Asked<'_>],
    now: Moment,
) -> Vec<StoreResult<Vec<Note>>> {
    let (mut looks, mut left) = (Vec::new(), Vec::new());
    for Asked { shop, hashes, leave } in asked {
        let hashes = Hashes::of(shop, hashes);
        match leave.clone() {
            None => looks.push(move |db: &Batch<'_>| hashes.notes(db, now)),
            Some((note, until)) => left.push(move |db: &Batch<'_>| hashes.leave(db, &note, until, now)),
        }
    }
    let (looks, left) = tokio::join!(lookups.run_all(looks), writer.run_all(left));
    let (mut looks, mut left) = (looks.into_iter(), left.into_iter());
    let answer = |asked: &Asked<'_>| if asked.leave.is_some() { left.next() } else { looks.next() };
    asked.iter().filter_map(answer).collect()
}

//! Upkeep: deleting what has expired, proving that the disk takes writes, copying the store while it runs.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, params};

use super::fault::Fault;
use super::{counts, fault, folder, outbox, schema};
use crate::domain::Moment;
use crate::store::{StoreError, StoreResult, TALLIES_KEPT, UNANSWERED_FOR};

/// How much one sweep deletes of a table before others get a turn.
pub const SWEEP_MAX: usize = 500;

const EXPIRED: &[&str] = &[
    "DELETE FROM answers WHERE (shop, about, id, key) IN
        (SELECT shop, about, id, key FROM answers WHERE until <= ? LIMIT ?)",
    "DELETE FROM notes WHERE (shop, hash, key) IN
        (SELECT shop, hash, key FROM notes WHERE until <= ? LIMIT ?)",
    "DELETE FROM identifiers WHERE (shop, hash, cart) IN
        (SELECT shop, hash, cart FROM identifiers WHERE until <= ? LIMIT ?)",
    "DELETE FROM orders WHERE (shop, id) IN (SELECT shop, id FROM orders WHERE expires_at <= ? LIMIT ?)",
];

/// What says something for `UNANSWERED_FOR` longer.
const EXPIRED_LATER: &[&str] = &[
    "DELETE FROM sends WHERE (shop, cart, delivery) IN
        (SELECT shop, cart, delivery FROM sends WHERE until <= ? LIMIT ?)",
    "DELETE FROM unanswered WHERE (shop, cart, delivery) IN
        (SELECT shop, cart, delivery FROM unanswered WHERE at <= ? LIMIT ?)",
];

/// Deletes some of what has expired; the count, and whether there may be more.
pub fn sweep(db: &Connection, now: Moment) -> Result<(usize, bool), Fault> {
    let ended = outbox::purge(db, now, SWEEP_MAX)?;
    let counts = counts::sweep_tallies(db, now.minus(TALLIES_KEPT).day(), SWEEP_MAX)?;
    let (mut deleted, mut is_more) = (ended + counts, ended == SWEEP_MAX || counts == SWEEP_MAX);
    let earlier = now.minus(UNANSWERED_FOR);
    let expired = EXPIRED.iter().map(|sql| (sql, now));
    for (sql, end) in expired.chain(EXPIRED_LATER.iter().map(|sql| (sql, earlier))) {
        let expired = db.prepare_cached(sql)?.execute(params![end.millis(), schema::limit_of(SWEEP_MAX)])?;
        deleted += expired;
        is_more |= expired == SWEEP_MAX;
    }
    Ok((deleted, is_more))
}

/// A write that changes nothing anybody reads.
pub fn probe(db: &Connection) -> Result<(), rusqlite::Error> {
    db.prepare_cached("UPDATE meta SET value = value + 1 WHERE name = 'probe'")?.execute([])?;
    Ok(())
}

/// Moves what is in the write-ahead log into the database file.
pub fn checkpoint(db: &Connection) -> Result<(), rusqlite::Error> {
    // Gives a row; a reader in its way leaves the rest for the next time, and the log is as durable as the file.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Copies the store in `from` as it is at this moment into the folder `to`, from whichever process.
///
/// # Errors
/// When there is no store in `from`, one in `to`, or no room.
pub fn copy(from: &Path, to: &Path) -> StoreResult<()> {
    let source = schema::open_reader(&folder::database(from)).map_err(|error| fault::explain(&error))?;
    copy_over(&source, to)
}

/// Copies through an open connection.
pub fn copy_over(source: &Connection, to: &Path) -> StoreResult<()> {
    let failed = |error: std::io::Error| {
        StoreError::Unusable(format!("the copy cannot be written to {}: {error}", to.display()))
    };
    folder::make(to).map_err(failed)?;
    let target = folder::database(to);
    if target.exists() {
        return Err(StoreError::Unusable(format!(
            "there is a store in {} already; copy to another folder",
            to.display()
        )));
    }
    drop(folder::private_file(&target).map_err(failed)?);
    let name = target.to_str().ok_or_else(|| StoreError::Unusable("the path of the copy is not UTF-8".to_owned()))?;
    source.execute("VACUUM INTO ?", [name]).map_err(|error| fault::explain(&error))?;
    File::open(&target).and_then(|file| file.sync_all()).map_err(failed)
}

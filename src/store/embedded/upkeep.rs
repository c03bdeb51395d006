//! Upkeep: deleting what has expired, proving that the disk takes writes, copying the store while it runs.

use std::fs::{self, File};
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

/// Copies through an open connection. Of a copy that fails nothing is left: it would look like a store, and the next copy
/// into the folder would be refused.
pub fn copy_over(source: &Connection, to: &Path) -> StoreResult<()> {
    let is_new = !to.exists();
    folder::make(to).map_err(|error| unwritten(to, &error))?;
    let target = folder::database(to);
    if target.exists() {
        return Err(StoreError::Unusable(format!(
            "there is a store in {} already; copy to another folder",
            to.display()
        )));
    }
    let copied = fill(source, &target, to);
    if copied.is_err() {
        // Should one fail, the copy's own failure says more.
        drop(fs::remove_file(&target));
        if is_new {
            drop(fs::remove_dir(to));
        }
    }
    copied
}

fn fill(source: &Connection, target: &Path, to: &Path) -> StoreResult<()> {
    drop(folder::private_file(target).map_err(|error| unwritten(to, &error))?);
    let name = target.to_str().ok_or_else(|| StoreError::Unusable("the path of the copy is not UTF-8".to_owned()))?;
    source.execute("VACUUM INTO ?", [name]).map_err(|error| fault::explain(&error))?;
    File::open(target).and_then(|file| file.sync_all()).map_err(|error| unwritten(to, &error))
}

fn unwritten(to: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable(format!("the copy cannot be written to {}: {error}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store as _;
    use crate::store::embedded::EmbeddedStore;

    /// A store that was closed, in a folder of its own.
    async fn store() -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
        let store = EmbeddedStore::open(folder.path(), [7; 32], Moment::from_millis(0)).expect("the folder is free");
        store.flush().await.expect("reachable");
        folder
    }

    #[tokio::test]
    async fn a_copy_that_failed_leaves_nothing_and_is_in_no_laters_way() {
        let (whole, damaged, backups) = (store().await, store().await, store().await);
        let mut bytes = fs::read(folder::database(damaged.path())).expect("it is there");
        let half = bytes.len() / 2;
        bytes[half..].fill(0xff);
        fs::write(folder::database(damaged.path()), bytes).expect("writable");
        let (fresh, given) = (backups.path().join("new"), backups.path().join("given"));
        folder::make(&given).expect("writable");
        for target in [&fresh, &given] {
            copy(damaged.path(), target).expect_err("half of it is damaged");
        }
        assert!(!fresh.exists(), "it made the folder");
        assert_eq!(given.read_dir().expect("it was there before").count(), 0);
        for target in [&fresh, &given] {
            copy(whole.path(), target).expect("nothing is in the way");
            copy(damaged.path(), target).expect_err("there is a store");
            EmbeddedStore::open(target, [0; 32], Moment::from_millis(0)).expect("which is still whole");
        }
    }
}

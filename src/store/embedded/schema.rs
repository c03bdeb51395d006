//! The tables, and how a connection to them is set up.
//!
//! Tables are `WITHOUT ROWID` with the natural key first, so that a look-up is one walk down one tree. Moments are
//! milliseconds since the epoch, days are days since it. An older schema is brought up to date here, a newer one refused.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::fault::{Fault, explain};
use crate::domain::Moment;
use crate::store::{StoreError, StoreResult};

/// Raised with every change of the tables.
const SCHEMA: i64 = 3;

/// What a store of schema 1 lacks.
const SINCE_1: &str = "
ALTER TABLE deliveries ADD COLUMN is_repeat INTEGER NOT NULL DEFAULT 0;
DROP INDEX deliveries_by_due;
CREATE INDEX deliveries_by_due ON deliveries (shop, endpoint, is_repeat, due_at, is_leased, status) WHERE status = 0;
CREATE TABLE failing (shop TEXT, endpoint TEXT, since INTEGER NOT NULL, PRIMARY KEY (shop, endpoint)) WITHOUT ROWID;
";

/// What a store of schema 2 lacks. A purchase is a note like any other, and its order is its key.
const SINCE_2: &str = "
DROP INDEX marks_by_end;
ALTER TABLE marks RENAME TO notes;
ALTER TABLE notes RENAME COLUMN order_id TO key;
CREATE INDEX notes_by_end ON notes (until);
";

/// How long a connection waits for an operator's own session on the file.
pub const BUSY: Duration = Duration::from_secs(5);
/// How long the log grows before the writer moves it into the file, while others wait: longer is a longer wait.
const CHECKPOINT_PAGES: i64 = 4_000;
/// What the log is cut back to after it had to grow.
const LOG_BYTES_MAX: i64 = 64 << 20;
const WRITER_CACHE_KIB: i64 = 8_000;
const READER_CACHE_KIB: i64 = 4_000;
const STATEMENTS_MAX: usize = 64;

const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE carts (shop TEXT, id TEXT, version INTEGER NOT NULL, wake_at INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (shop, id)) WITHOUT ROWID;
CREATE INDEX carts_by_wake ON carts (wake_at);

CREATE TABLE orders (shop TEXT, id TEXT, version INTEGER NOT NULL, expires_at INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (shop, id)) WITHOUT ROWID;
CREATE INDEX orders_by_end ON orders (expires_at);

-- about: 'c' a cart, 'o' an order.
CREATE TABLE answers (shop TEXT, about TEXT, id TEXT, key TEXT, until INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (shop, about, id, key)) WITHOUT ROWID;
CREATE INDEX answers_by_end ON answers (until);

-- status: 0 pending, 1 delivered, 2 dead, 3 suppressed. While leased, due_at is the end of the lease.
CREATE TABLE deliveries (id TEXT PRIMARY KEY, shop TEXT NOT NULL, endpoint TEXT NOT NULL, cart TEXT NOT NULL,
    status INTEGER NOT NULL, due_at INTEGER NOT NULL, is_leased INTEGER NOT NULL, purge_at INTEGER,
    record BLOB NOT NULL, is_repeat INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX deliveries_by_due ON deliveries (shop, endpoint, is_repeat, due_at, is_leased, status) WHERE status = 0;
CREATE INDEX deliveries_by_end ON deliveries (purge_at) WHERE purge_at IS NOT NULL;

CREATE TABLE lanes (shop TEXT, endpoint TEXT, pending INTEGER NOT NULL, dead INTEGER NOT NULL,
    PRIMARY KEY (shop, endpoint)) WITHOUT ROWID;
CREATE TABLE pauses (shop TEXT, endpoint TEXT, why TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (shop, endpoint)) WITHOUT ROWID;
CREATE TABLE failing (shop TEXT, endpoint TEXT, since INTEGER NOT NULL, PRIMARY KEY (shop, endpoint)) WITHOUT ROWID;
CREATE TABLE sends (shop TEXT, cart TEXT, delivery TEXT, until INTEGER NOT NULL,
    PRIMARY KEY (shop, cart, delivery)) WITHOUT ROWID;

CREATE TABLE identifiers (shop TEXT, hash BLOB, cart TEXT, until INTEGER NOT NULL,
    PRIMARY KEY (shop, hash, cart)) WITHOUT ROWID;
CREATE INDEX identifiers_by_end ON identifiers (until);
CREATE TABLE notes (shop TEXT, hash BLOB, key TEXT, until INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (shop, hash, key)) WITHOUT ROWID;
CREATE INDEX notes_by_end ON notes (until);

CREATE TABLE tallies (shop TEXT, day INTEGER, key TEXT, value INTEGER NOT NULL,
    PRIMARY KEY (shop, day, key)) WITHOUT ROWID;
CREATE TABLE census (shop TEXT, state TEXT, carts INTEGER NOT NULL, PRIMARY KEY (shop, state)) WITHOUT ROWID;
";

/// Added since, and kept by versions that do not know it.
const LATER: &str = "
-- Sends that ended without an answer.
CREATE TABLE IF NOT EXISTS unanswered (shop TEXT, cart TEXT, delivery TEXT, at INTEGER NOT NULL,
    PRIMARY KEY (shop, cart, delivery)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS carts_of_shop_by_wake ON carts (shop, wake_at);
CREATE INDEX IF NOT EXISTS deliveries_dead ON deliveries (shop, endpoint, purge_at) WHERE status = 2;
";

/// Opens the file for writing, makes or checks its tables, and gives the identity key: the stored one, or this one
/// where there was none.
///
/// # Errors
/// When the file is not ours, or of a later version.
pub fn open_writer(file: &Path, fresh_identity_key: [u8; 32], now: Moment) -> StoreResult<(Connection, [u8; 32])> {
    let set_up = || -> Result<_, Fault> {
        let mut connection = Connection::open(file)?;
        prepare(&connection, WRITER_CACHE_KIB)?;
        // The order matters: the mode is a property of the file, the rest of the connection.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let key = own(&transaction, fresh_identity_key)?;
        transaction.execute_batch(LATER)?;
        void_leases(&transaction, now)?;
        transaction.commit()?;
        Ok((connection, key))
    };
    set_up().map_err(|fault| match fault {
        Fault::Store(error) => error,
        Fault::Sql(error) => explain(&error),
    })
}

/// Opens the file for reading.
///
/// # Errors
/// When it cannot be opened.
pub fn open_reader(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&connection, READER_CACHE_KIB)?;
    Ok(connection)
}

/// A count of rows as SQL takes it.
pub fn limit_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn prepare(connection: &Connection, cache_kib: i64) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn own(transaction: &Transaction<'_>, fresh_identity_key: [u8; 32]) -> Result<[u8; 32], Fault> {
    let is_new = transaction.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if is_new {
        transaction.execute_batch(TABLES)?;
        let mut note = transaction.prepare("INSERT INTO meta VALUES (?, ?)")?;
        note.execute(params!["schema", SCHEMA])?;
        note.execute(params!["identity_key", fresh_identity_key])?;
        note.execute(params!["probe", 0])?;
        return Ok(fresh_identity_key);
    }
    let is_ours: bool =
        transaction.query_row("SELECT count(*) = 1 FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0))?;
    if !is_ours {
        return Err(unusable("the store's file was not made by cartwake; give it another folder".to_owned()));
    }
    let schema: Option<i64> =
        transaction.query_row("SELECT value FROM meta WHERE name = 'schema'", [], |row| row.get(0)).optional()?;
    match schema {
        Some(SCHEMA) => {}
        Some(older @ (1 | 2)) => {
            if older == 1 {
                transaction.execute_batch(SINCE_1)?;
            }
            transaction.execute_batch(SINCE_2)?;
            transaction.execute("UPDATE meta SET value = ? WHERE name = 'schema'", [SCHEMA])?;
        }
        Some(newer) if newer > SCHEMA => {
            return Err(unusable(format!(
                "the store was written by a later version (schema {newer}, this one knows {SCHEMA}); start that version \
                 again, or restore a copy made before the upgrade"
            )));
        }
        Some(_) | None => return Err(unusable("the store's schema is unknown; restore a copy".to_owned())),
    }
    Ok(transaction.query_row("SELECT value FROM meta WHERE name = 'identity_key'", [], |row| row.get(0))?)
}

/// Whoever held a lease is gone, or we would not have the folder: what they held is due now.
/// Sends in flight stay until they are over, for their bytes may still arrive.
fn void_leases(transaction: &Transaction<'_>, now: Moment) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "UPDATE deliveries SET due_at = min(due_at, ?), is_leased = 0 WHERE id IN
            (SELECT id FROM deliveries INDEXED BY deliveries_by_due WHERE status = 0 AND is_leased = 1)",
        [now.millis()],
    )?;
    Ok(())
}

fn unusable(sentence: String) -> Fault {
    Fault::Store(StoreError::Unusable(sentence))
}

//! A keyring in a file of its own: `PATH/keys.db`.
//!
//! Deleted keys are overwritten, in the file and in its log. Read next: `store/keyring.rs`.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Fault, explain};
use super::folder;
use super::schema::{BUSY, limit_of};
use super::upkeep::{SWEEP_MAX, checkpoint};
use super::worker::{Access, Batch, Worker};
use crate::domain::Moment;
use crate::store::keyring::KEYS_MAX;
use crate::store::{KeyName, Keyring, NewKey, SealKey, StoreError, StoreResult};

const BROKEN: StoreError = StoreError::Corrupt { what: "key" };
const FILE: &str = "keys.db";
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (name BLOB PRIMARY KEY, key BLOB NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_end ON keys (until);
";

/// Keys in a folder.
pub struct FileKeyring {
    id: [u8; 8],
    worker: Worker,
}

impl FileKeyring {
    /// Opens the keyring in this folder, or makes one under this id.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the file cannot be used.
    pub fn open(path: &Path, fresh_id: [u8; 8]) -> StoreResult<Self> {
        let failed = |error: std::io::Error| {
            StoreError::Unusable(format!("the keyring in {} cannot be used: {error}", path.display()))
        };
        folder::make(path).map_err(failed)?;
        let file = path.join(FILE);
        drop(folder::private_file(&file).map_err(failed)?);
        let (connection, id) = set_up(&file, fresh_id).map_err(|error| explain(&error))?;
        Ok(Self { id, worker: Worker::start("keys", connection, Access::Write)? })
    }
}

fn set_up(file: &Path, fresh_id: [u8; 8]) -> Result<(Connection, [u8; 8]), rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.execute_batch(TABLES)?;
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", [fresh_id])?;
    let id = connection.query_row("SELECT value FROM meta WHERE name = 'id'", [], |row| row.get(0))?;
    Ok((connection, id))
}

fn find(db: &Connection, name: KeyName) -> Result<Vec<SealKey>, Fault> {
    let mut find = db.prepare_cached("SELECT key FROM keys WHERE name = ?")?;
    let found: Option<Vec<u8>> = find.query_row([name.0], |row| row.get(0)).optional()?;
    found.map_or(Ok(Vec::new()), |bytes| Ok(SealKey::parse_all(&bytes).ok_or(BROKEN)?))
}

/// Puts these under the name, instead of what is there.
fn put(db: &Connection, name: KeyName, keys: &[SealKey], until: Moment) -> Result<(), Fault> {
    let bytes = keys.iter().flat_map(|key| key.0).collect::<Vec<u8>>();
    let mut put = db.prepare_cached(
        "INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET key = excluded.key, until = max(until, excluded.until)",
    )?;
    put.execute(params![name.0, bytes, until.millis()])?;
    Ok(())
}

#[async_trait]
impl Keyring for FileKeyring {
    fn id(&self) -> [u8; 8] {
        self.id
    }

    async fn ensure(&self, wanted: Vec<NewKey>, _now: Moment) -> StoreResult<Vec<SealKey>> {
        let work = move |db: &Batch<'_>| {
            let mut newest = Vec::with_capacity(wanted.len());
            for NewKey { name, fresh, until, is_first } in &wanted {
                let mut keys = find(db, *name)?;
                if keys.is_empty() || (*is_first && keys.len() < KEYS_MAX) {
                    keys.push(*fresh);
                }
                put(db, *name, &keys, *until)?;
                newest.extend(keys.pop());
            }
            Ok(newest)
        };
        self.worker.run(work).await
    }

    async fn find(&self, names: &[KeyName]) -> StoreResult<Vec<Vec<SealKey>>> {
        let names = names.to_vec();
        self.worker.run(move |db| names.iter().map(|name| find(db, *name)).collect()).await
    }

    async fn shred(&self, names: &[KeyName]) -> StoreResult<usize> {
        let names = names.to_vec();
        let work = move |db: &Batch<'_>| {
            let mut delete = db.prepare_cached("DELETE FROM keys WHERE name = ?")?;
            let mut gone = 0;
            for name in &names {
                gone += delete.execute([name.0])?;
            }
            Ok(gone)
        };
        let gone = self.worker.run(work).await?;
        if gone > 0 {
            self.worker.run_alone(checkpoint).await?;
        }
        Ok(gone)
    }

    async fn shred_keys(&self, gone: &[(KeyName, SealKey)]) -> StoreResult<()> {
        let gone = gone.to_vec();
        let work = move |db: &Batch<'_>| {
            for (name, key) in &gone {
                let mut keys = find(db, *name)?;
                keys.retain(|one| one != key);
                if keys.is_empty() {
                    db.prepare_cached("DELETE FROM keys WHERE name = ?")?.execute([name.0])?;
                } else {
                    put(db, *name, &keys, Moment::from_millis(i64::MIN))?;
                }
            }
            Ok(())
        };
        self.worker.run(work).await?;
        self.worker.run_alone(checkpoint).await
    }

    async fn sweep(&self, now: Moment) -> StoreResult<()> {
        let work = move |db: &Batch<'_>| {
            db.prepare_cached("DELETE FROM keys WHERE name IN (SELECT name FROM keys WHERE until <= ? LIMIT ?)")?
                .execute(params![now.millis(), limit_of(SWEEP_MAX)])?;
            Ok(())
        };
        self.worker.run(work).await
    }
}

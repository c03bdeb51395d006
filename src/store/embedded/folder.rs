//! The folder of an embedded store: who may be in it, and who may read it.
//!
//! One process at a time, by a lock that ends with the process whatever ends it. On Unix the folder and its files are
//! for their owner only: they hold addresses of shoppers.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::store::{StoreError, StoreResult};

/// The name of the database inside the folder.
const DATABASE: &str = "cartwake.db";
const LOCK: &str = "cartwake.lock";

/// The sole right to a folder, until dropped.
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing and takes it.
    ///
    /// # Errors
    /// When it cannot be made, or another process has it.
    pub fn take(path: &Path) -> StoreResult<Self> {
        make(path).map_err(|error| unusable(path, "cannot be made", &error))?;
        let lock = private_file(&path.join(LOCK)).map_err(|error| unusable(path, "cannot be written to", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Unusable(format!(
                    "the store folder {} is in use by another process; stop that one, or give this one its own folder",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(path, "cannot be locked", &error)),
        }
        private_file(&database(path)).map_err(|error| unusable(path, "cannot be written to", &error))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        database(&self.path)
    }
}

/// The database file of a folder.
pub fn database(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}

/// A folder for its owner only; one that exists stays as it is.
pub fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file for its owner only. `SQLite` gives its side files the same mode.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn unusable(path: &Path, what: &str, error: &io::Error) -> StoreError {
    StoreError::Unusable(format!("the store folder {} {what}: {error}", path.display()))
}

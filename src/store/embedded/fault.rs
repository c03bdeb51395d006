//! What goes wrong in the database, and what the caller can do about it.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a piece of work did not come to its end.
pub enum Fault {
    /// Found before anything was written: an answer for the caller, of no effect on others in the batch.
    Store(StoreError),
    /// The database failed: nothing of the batch holds.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a failure of the database means to a caller.
pub fn explain(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Unusable(format!("the store's file is damaged ({error}); restore a copy"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Unusable(format!("the store's file cannot be used ({error}); check its owner and its disk"))
        }
        _ => StoreError::Unavailable(anyhow::anyhow!("{error}")),
    }
}

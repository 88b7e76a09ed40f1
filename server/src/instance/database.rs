//! The database of an instance that was made.

use std::path::PathBuf;

use sekisho_store::{Store, StoreError};

use super::folder::database_file;
use crate::config::Config;

/// Why the database of an instance cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Its file is gone. An empty one in its place would be an instance that knows of nothing.
    #[error(
        "there is no {}: put the instance back from a backup (`sekisho restore`), or name the file \
         under `instance.database`; `sekisho init` makes a new instance",
        path.display()
    )]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// It does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the instance's database under its own node's name.
///
/// # Errors
/// [`DatabaseError`].
pub async fn open_database(config: &Config) -> Result<Store, DatabaseError> {
    check_database(config)?;
    Ok(Store::open(config.instance().database(), config.instance().node()).await?)
}

/// Whether there is a database, as far as a file tells.
pub(crate) fn check_database(config: &Config) -> Result<(), DatabaseError> {
    match database_file(config) {
        Some(path) if !path.exists() => Err(DatabaseError::Missing { path }),
        _ => Ok(()),
    }
}

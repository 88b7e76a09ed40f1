//! One encrypted file that an instance can be made of again: the database at one moment, and the
//! folder with its keys.
//!
//! The file is an [age](https://age-encryption.org/v1) file of a tar archive: a manifest, then the
//! files in its order, each with its length and SHA-256. Both forms are read by other programs
//! too, should this one be gone. What is made is tried before it is called a backup: keys fit
//! their certificates, the database is sound, the audit trail holds.

mod archive;
mod gather;
mod keys;
mod lock;
mod published;
mod restore;
mod take;

use std::{collections::BTreeMap, path::PathBuf};

use sekisho_store::{StoreError, issuer, snapshot::SnapshotError};
use serde::{Deserialize, Serialize};

use crate::{
    config::ConfigError,
    instance::{
        DatabaseError, FolderError, NewFolderError, OpenError, SecretsError, ServerCertificateError,
    },
};

pub use archive::ArchiveError;
pub use lock::{Key, Lock, LockError};
pub use published::{Published, PublishedError};
pub use restore::{Restored, check, restore};
pub use take::{Taken, take};

/// What a backup holds. Its first entry, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Form of the archive.
    pub format: u32,
    /// When the copy of the database was begun, RFC 3339.
    pub made_at: String,
    /// Version of the program that made it.
    pub program: String,
    /// The process's name among those that share the database.
    pub node: String,
    /// SHA-256 of the root certificate, hexadecimal.
    pub root_sha256: String,
    /// What the database's file is.
    pub database: DatabaseForm,
    /// Number of the last CRL of each authority.
    pub crl_numbers: BTreeMap<String, i64>,
    /// Every file, in the order of the archive.
    pub files: Vec<FileEntry>,
}

/// What a copy of the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseForm {
    /// A SQLite file.
    Sqlite,
    /// A custom-format archive of `pg_dump`.
    Postgres,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// `database`, or `folder/` and the path within the instance folder.
    pub path: String,
    /// Its length.
    pub octets: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The only form so far.
const FORMAT: u32 = 1;
/// Where the archive keeps the copy of the database.
const DATABASE: &str = "database";
/// Where the archive keeps the folder.
const FOLDER: &str = "folder/";

/// What is being done, for whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copying the folder and trying its keys.
    Folder,
    /// Copying the database and reading the copy through.
    Database,
    /// Verifying the audit trail.
    Trail,
    /// Writing the encrypted file.
    Archive,
    /// Reading and checking the encrypted file.
    Unpack,
    /// Filling the database.
    Fill,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another backup of this instance is being made.
    #[error("another backup of this instance is being made; wait for it")]
    UnderWay,
    /// There is no folder for it.
    #[error(
        "there is no folder {}: make it, or mount what holds it; or give --to another place",
        path.display()
    )]
    NoFolder {
        /// Where.
        path: PathBuf,
    },
    /// Something is where the backup should be.
    #[error("{} exists; choose another name, nothing is overwritten", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// It would lie in the folder that it is to outlive.
    #[error(
        "{} lies within the instance folder, and would be lost with it; give --to another place",
        path.display()
    )]
    Within {
        /// Where.
        path: PathBuf,
    },
    /// Keys and certificates of the copy do not fit.
    #[error("the folder's keys cannot be used")]
    Keys(#[from] OpenError),
    /// A secret of the copy.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A server certificate of the copy.
    #[error(transparent)]
    ServerCertificate(#[from] ServerCertificateError),
    /// The copy of the database.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The instance's database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The audit trail of the copy does not hold.
    #[error(
        "the audit trail does not hold, so this is no backup to rely on: {fault}; run `sekisho audit verify`"
    )]
    Trail {
        /// The first fault.
        fault: String,
    },
    /// The audit records of this act.
    #[error("the restored audit trail could not be continued")]
    Chain(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The encrypted file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The folder to restore into.
    #[error(transparent)]
    NewFolder(#[from] NewFolderError),
    /// A SQLite database cannot go where the configuration says.
    #[error(
        "the configuration names a database of another kind than the backup holds ({held}); give \
         --database with an address of that kind"
    )]
    OtherDatabase {
        /// What the backup holds.
        held: &'static str,
    },
    /// Published lists.
    #[error(transparent)]
    Published(#[from] PublishedError),
}

impl BackupError {
    /// Whether the backup was opened, or would have been but for damage, and does not hold, rather
    /// than not tried. A wrong passphrase cannot be told from damage.
    #[must_use]
    pub fn is_of_the_backup(&self) -> bool {
        match self {
            Self::Archive(error) => error.is_of_the_archive(),
            Self::Snapshot(error) => matches!(error, SnapshotError::Damaged { .. }),
            Self::Keys(_)
            | Self::Secrets(_)
            | Self::ServerCertificate(_)
            | Self::Config(_)
            | Self::Trail { .. } => true,
            Self::Folder(_)
            | Self::File { .. }
            | Self::UnderWay
            | Self::Exists { .. }
            | Self::NoFolder { .. }
            | Self::Within { .. }
            | Self::Database(_)
            | Self::Store(_)
            | Self::Chain(_)
            | Self::NewFolder(_)
            | Self::OtherDatabase { .. }
            | Self::Published(_) => false,
        }
    }
}

fn file_error(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}

/// Number of the last CRL of each authority.
async fn crl_numbers(store: &sekisho_store::Store) -> Result<BTreeMap<String, i64>, StoreError> {
    let mut reader = store.read();
    let mut numbers = BTreeMap::new();
    for issuer in issuer::list(&mut reader).await? {
        if let Some((number, _)) = sekisho_store::crl::last_edition(&mut reader, &issuer.id).await?
        {
            numbers.insert(issuer.id, number);
        }
    }
    Ok(numbers)
}

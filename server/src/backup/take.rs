//! `sekisho backup`: a copy while the service runs.
//!
//! The folder is copied before the database: a certificate in a file is then always known to the
//! copy of the database, and a signed audit head always stands within its trail.

use std::path::{Path, PathBuf};

use sekisho_store::{
    Store, StoreError,
    audit::{Audited, Entry},
    snapshot, transaction,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    BackupError, DATABASE, DatabaseForm, FOLDER, FORMAT, Lock, Manifest, Step, archive,
    crl_numbers, file_error, gather::gather, keys::try_keys,
};
use crate::{
    audit::{verify, witness},
    authority::FIRST_ROOT,
    config::Config,
    instance::{self, Folder, fingerprint_hex, first_certificate},
};

/// A backup that was made.
#[derive(Debug)]
pub struct Taken {
    /// What it holds.
    pub manifest: Manifest,
    /// Length of the encrypted file.
    pub octets: u64,
}

/// Copies that met a key being replaced are made again this often.
const ATTEMPTS: usize = 3;

/// Makes the backup `to` of the instance in `dir`. `tell` hears of each step as it begins.
///
/// # Errors
/// [`BackupError`]; then there is no file `to`.
pub async fn take(
    dir: &Path,
    to: &Path,
    lock: &Lock,
    at: OffsetDateTime,
    mut tell: impl FnMut(Step),
) -> Result<Taken, BackupError> {
    let config = Config::read(dir)?;
    if to.exists() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    refuse_within(dir, to)?;
    instance::check_database(&config)?;
    let staging = Staging::begin(dir)?;
    // No other backup of this instance is under way, whose file this could be.
    archive::try_place(to)?;
    tell(Step::Folder);
    let files = copy_folder(&config, staging.path())?;

    tell(Step::Database);
    let url = config.instance().database();
    let copy = staging.path().join(DATABASE);
    snapshot::take(url, &copy).await?;

    tell(Step::Trail);
    let store = Store::open(url, config.instance().node()).await?;
    let form = match snapshot::Kind::of(url) {
        snapshot::Kind::Sqlite => DatabaseForm::Sqlite,
        snapshot::Kind::Postgres => DatabaseForm::Postgres,
    };
    let crl_numbers = match form {
        DatabaseForm::Sqlite => {
            let url = format!("sqlite://{}", copy.display()).into();
            let copied = Store::open(&url, config.instance().node()).await?;
            let judged = judge(&copied, staging.path()).await;
            copied.close().await;
            judged?
        }
        // Its copy opens in a database only; what it was made of is judged instead.
        DatabaseForm::Postgres => judge(&store, staging.path()).await?,
    };

    tell(Step::Archive);
    let manifest = describe(&config, staging.path(), &files, form, crl_numbers, at)?;
    archive::write(to, lock, &manifest, |entry| staging.place_of(&entry.path))?;
    let octets = std::fs::metadata(to).map_err(file_error(to))?.len();
    record(&store, &manifest, lock, at).await?;
    store.close().await;
    Ok(Taken { manifest, octets })
}

/// Whoever deletes the folder, or puts an older one back, would take the backup with it.
fn refuse_within(dir: &Path, to: &Path) -> Result<(), BackupError> {
    let dir = dir.canonicalize().map_err(file_error(dir))?;
    match archive::folder_of(to).canonicalize() {
        Ok(folder) if folder.starts_with(dir) => Err(BackupError::Within { path: to.to_owned() }),
        // A folder that is not there is told of with what helps.
        _ => Ok(()),
    }
}

/// Copies the folder until its keys fit its certificates: one may be replaced meanwhile.
fn copy_folder(config: &Config, staging: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let database = instance::database_file(config);
    let into = staging.join(FOLDER);
    let mut attempt = 1;
    loop {
        let files = gather(config.folder(), database.as_deref(), &into)?;
        match try_keys(&Folder::new(&into), config) {
            Ok(_) => return Ok(files),
            Err(_) if attempt < ATTEMPTS => {
                attempt += 1;
                std::fs::remove_dir_all(&into).map_err(file_error(&into))?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the trail holds, also against the heads in the copy of the folder; the CRLs' numbers.
pub(super) async fn judge(
    store: &Store,
    staging: &Path,
) -> Result<std::collections::BTreeMap<String, i64>, BackupError> {
    judge_trail(store, &staging.join(FOLDER)).await?;
    Ok(crl_numbers(store).await?)
}

/// Whether the trail holds, also against the signed heads in `folder`.
pub(super) async fn judge_trail(store: &Store, folder: &Path) -> Result<(), BackupError> {
    let heads = Folder::new(folder).audit_heads();
    let heads = witness::heads_in(&heads).map_err(file_error(&heads))?;
    let keys = serde_json::from_value(instance::audit_public_keys(folder)?)
        .map_err(|error| BackupError::Trail { fault: error.to_string() })?;
    let verdict = verify::verify(store, &keys, &heads).await?;
    match verdict.faults.into_iter().next() {
        Some(fault) => Err(BackupError::Trail { fault }),
        None => Ok(()),
    }
}

fn describe(
    config: &Config,
    staging: &Path,
    files: &[PathBuf],
    database: DatabaseForm,
    crl_numbers: std::collections::BTreeMap<String, i64>,
    at: OffsetDateTime,
) -> Result<Manifest, BackupError> {
    let mut entries = vec![archive::measure(DATABASE.to_owned(), &staging.join(DATABASE))?];
    for path in files {
        let name = format!("{FOLDER}{}", path.display());
        let copied = staging.join(FOLDER).join(path);
        entries.push(archive::measure(name, &copied)?);
    }
    // The root that the instance was made with stays its name, whatever others followed it.
    let root = first_certificate(&Folder::new(staging.join(FOLDER)), FIRST_ROOT)?;
    Ok(Manifest {
        format: FORMAT,
        made_at: at.format(&Rfc3339).unwrap_or_default(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        node: config.instance().node().to_owned(),
        root_sha256: fingerprint_hex(&root),
        database,
        crl_numbers,
        files: entries,
    })
}

/// A copy of everything left the service: that is written down, in the database that goes on.
async fn record(
    store: &Store,
    manifest: &Manifest,
    lock: &Lock,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let digest = manifest.files.first().map(|file| file.sha256.clone()).unwrap_or_default();
    let entry = Entry::done("backup.take", instance::operator(), at)
        .fact("database_sha256", digest)
        .fact("encrypted_to", lock.told());
    transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone())))
}

/// Where the copies lie until they are encrypted: within the instance folder, whose owner can read
/// what they hold anyway. One backup at a time; what a killed one left is removed.
struct Staging {
    folder: tempfile::TempDir,
    _lock: std::fs::File,
}

const PREFIX: &str = "backup-";

impl Staging {
    fn begin(dir: &Path) -> Result<Self, BackupError> {
        let run = dir.join("run");
        std::fs::create_dir_all(&run).map_err(file_error(&run))?;
        let path = run.join("backup.lock");
        let lock = std::fs::File::create(&path).map_err(file_error(&path))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => BackupError::UnderWay,
            std::fs::TryLockError::Error(source) => BackupError::File { path, source },
        })?;
        for left in std::fs::read_dir(&run).map_err(file_error(&run))?.flatten() {
            let name = left.file_name();
            if left.path().is_dir() && name.to_string_lossy().starts_with(PREFIX) {
                std::fs::remove_dir_all(left.path()).map_err(file_error(&left.path()))?;
            }
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir_in(&run).map_err(file_error(&run))?;
        Ok(Self { folder, _lock: lock })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn place_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

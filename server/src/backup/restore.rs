//! `sekisho restore`: an instance from a backup, in a new folder and an empty database.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sekisho_store::{
    Store, StoreError,
    audit::{Audited, Entry},
    audit_chain::Look,
    snapshot, transaction,
};
use time::OffsetDateTime;

use super::{
    BackupError, DATABASE, DatabaseForm, FOLDER, Key, Manifest, Published, Step, archive,
    file_error, keys::try_keys, published, take::judge_trail,
};
use crate::{
    audit::sequencer,
    config::{self, Config, Settings},
    instance::{self, Folder, NewFolder},
    keys::NamedKey,
};

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
    /// What published lists added.
    pub published: Published,
}

/// Makes an instance in `dir`, which must not exist or be empty, of the backup `from`.
///
/// `database` takes the place of the configured one. `lists` is a folder of CRLs that were
/// published after the backup was made: see [`published`]. `tell` hears of each step.
///
/// # Errors
/// [`BackupError`]; then there is no folder, and a PostgreSQL database that was filled is named.
pub async fn restore(
    from: &Path,
    key: Key,
    dir: &Path,
    database: Option<String>,
    lists: Option<&Path>,
    at: OffsetDateTime,
    mut tell: impl FnMut(Step),
) -> Result<Restored, BackupError> {
    let lists = lists.map(published::read).transpose()?.unwrap_or_default();
    let making = NewFolder::begin(dir)?;
    tell(Step::Unpack);
    let (manifest, copy) = unpack(from, key, making.path())?;
    let config = configure(making.path(), database)?;

    tell(Step::Fill);
    let url = config.instance().database();
    let held = snapshot::Kind::of(url);
    match (manifest.database, held) {
        (DatabaseForm::Sqlite, snapshot::Kind::Sqlite)
        | (DatabaseForm::Postgres, snapshot::Kind::Postgres) => {}
        (DatabaseForm::Sqlite, _) => return Err(BackupError::OtherDatabase { held: "SQLite" }),
        (DatabaseForm::Postgres, _) => {
            return Err(BackupError::OtherDatabase { held: "PostgreSQL" });
        }
    }
    snapshot::put_back(url, &copy).await?;
    std::fs::remove_file(&copy).map_err(file_error(&copy))?;

    tell(Step::Trail);
    let folder = Folder::new(making.path());
    let keys = try_keys(&folder, &config)?.keys;
    let store = Store::open(url, config.instance().node()).await?;
    let done = go_on(&store, &folder, &keys.audit, &manifest, &lists, at).await;
    store.close().await;
    let published = done?;
    making.finish()?.keep();
    Ok(Restored { manifest, published })
}

/// Opens the backup `from`, holds every file against the manifest, its keys against their
/// certificates and, of SQLite, the database and its trail; keeps nothing.
///
/// # Errors
/// [`BackupError`]: it is no backup to rely on.
pub async fn check(
    from: &Path,
    key: Key,
    mut tell: impl FnMut(Step),
) -> Result<Manifest, BackupError> {
    let scratch = tempfile::tempdir().map_err(file_error(&std::env::temp_dir()))?;
    tell(Step::Unpack);
    let (manifest, copy) = unpack(from, key, scratch.path())?;
    let config = Config::read(scratch.path())?;
    try_keys(&Folder::new(scratch.path()), &config)?;
    if manifest.database == DatabaseForm::Sqlite {
        tell(Step::Trail);
        let url =
            SecretString::from(format!("sqlite://{}", scratch.path().join("checked.db").display()));
        snapshot::put_back(&url, &copy).await?;
        let store = Store::open(&url, config.instance().node()).await?;
        let judged = judge_trail(&store, scratch.path()).await;
        store.close().await;
        judged?;
    }
    Ok(manifest)
}

/// Lays the folder's files below `into`; answers also where the database's copy lies.
fn unpack(from: &Path, key: Key, into: &Path) -> Result<(Manifest, PathBuf), BackupError> {
    let run = into.join("run");
    std::fs::create_dir_all(&run).map_err(file_error(&run))?;
    let copy = run.join(DATABASE);
    let manifest = archive::read(from, key, |name| match name.strip_prefix(FOLDER) {
        None => Ok(copy.clone()),
        Some(within) => {
            let path = into.join(within);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            Ok(path)
        }
    })?;
    Ok((manifest, copy))
}

/// The restored configuration, with another database if one is given.
fn configure(folder: &Path, database: Option<String>) -> Result<Config, BackupError> {
    let mut settings = Settings::read(folder)?;
    if let Some(database) = database {
        settings.instance.database = database;
        let path = folder.join(config::FILE_NAME);
        let text = instance::configuration_text(&settings);
        Folder::replace(&path, text.as_bytes())?;
    }
    Ok(settings.validate(folder)?)
}

/// Judges what was restored, learns from published lists, and writes down that it was restored.
async fn go_on(
    store: &Store,
    folder: &Folder,
    audit_key: &NamedKey,
    manifest: &Manifest,
    lists: &[published::List],
    at: OffsetDateTime,
) -> Result<Published, BackupError> {
    judge_trail(store, folder.path()).await?;
    let learnt = published::learn(store, lists, at).await?;
    let entry = Entry::done("backup.restore", instance::operator(), at)
        .fact("made_at", manifest.made_at.clone())
        .fact("revocations_learnt", learnt.revoked.len() as u64)
        .fact("serials_unknown", learnt.unknown.len() as u64);
    let written: Result<(), StoreError> =
        transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone())));
    written?;
    sequencer::chain(store, folder, audit_key, at, Look::Thorough)
        .await
        .map_err(|error| BackupError::Chain(error.into()))?;
    Ok(learnt)
}

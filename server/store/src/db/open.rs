//! From an address to connections, and what is told where there are none.

use std::{path::Path, str::FromStr, time::Duration};

use sqlx::{
    Connection, PgConnection,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Database, sqlite::Sqlite};
use crate::error::{Cause, StoreError};

/// Prepared statements that a connection to PostgreSQL keeps: shared commits have a text for each
/// number of rows.
const STATEMENTS_KEPT: usize = 512;

/// What opening a database does to its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    BroughtUpToDate,
    LeftAlone,
}

/// Connects, and brings the schema up to date unless it is to be left alone.
pub(super) async fn open(url: &str, schema: Schema) -> Result<Database, StoreError> {
    if url.starts_with("postgres") {
        postgres(url, schema).await
    } else {
        sqlite(url, schema).await
    }
}

async fn postgres(url: &str, schema: Schema) -> Result<Database, StoreError> {
    let options = PgConnectOptions::from_str(url)?.statement_cache_capacity(STATEMENTS_KEPT);
    let pool = PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.clone())
        .await;
    let pool = match pool {
        Ok(pool) => pool,
        // The pool knows only that its time ran out; a connection of its own knows why.
        Err(sqlx::Error::PoolTimedOut) => {
            let cause = match PgConnection::connect_with(&options).await {
                Ok(_) => sqlx::Error::PoolTimedOut,
                Err(cause) => cause,
            };
            return Err(unopened_postgres(&options, cause));
        }
        Err(cause) => return Err(unopened_postgres(&options, cause)),
    };
    if schema == Schema::BroughtUpToDate {
        let migrations = sqlx::migrate!("../../migrations/postgres");
        migrations.run(&pool).await.map_err(StoreError::Migration)?;
    }
    Ok(Database::Postgres(pool))
}

async fn sqlite(url: &str, schema: Schema) -> Result<Database, StoreError> {
    let options = SqliteConnectOptions::from_str(url)?;
    let path = options.get_filename().to_owned();
    if schema == Schema::BroughtUpToDate {
        let unopened = |cause| unopened_sqlite(&path, Cause::Sqlx(cause));
        make_private(&path).map_err(|error| unopened(error.into()))?;
        let options = options
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await.map_err(unopened)?;
        let migrations = sqlx::migrate!("../../migrations/sqlite");
        let migrated = migrations.run(&pool).await;
        pool.close().await;
        migrated.map_err(|error| match error {
            // Nothing is wrong with the schema of a file that cannot be written.
            MigrateError::Execute(cause) if is_read_only(&path) => unopened(cause),
            error => StoreError::Migration(error),
        })?;
    }
    let opened = Sqlite::open(path.clone());
    opened.map(Database::Sqlite).map_err(|cause| unopened_sqlite(&path, Cause::Sqlite(cause)))
}

/// A new database file is for this user only. SQLite makes the files beside it like it.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn unopened_postgres(options: &PgConnectOptions, source: sqlx::Error) -> StoreError {
    let place = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    StoreError::Unopened {
        database: format!(
            "the PostgreSQL database {name} at {place} as user {}",
            options.get_username()
        ),
        remedy: "is the server running, does it let this host in, and are address, name, user and \
                 password right in `instance.database`?",
        source: Cause::Sqlx(source),
    }
}

fn unopened_sqlite(path: &Path, source: Cause) -> StoreError {
    StoreError::Unopened {
        database: format!("the database file {}", path.display()),
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        remedy: if matches!(source.code().as_deref(), Some("11" | "26")) {
            "it is damaged: put the instance back from a backup (`sekisho restore`)"
        } else if is_read_only(path) {
            "its file system is mounted read-only, and whoever only reads writes beside it, too: mount it \
             for writing, or look at a copy of the instance"
        } else {
            "its folder has to exist, and both have to belong to the user who runs this; see \
             `instance.database`"
        },
        source,
    }
}

/// Whether nobody can write a file where it lies, whoever they are.
fn is_read_only(path: &Path) -> bool {
    let opened = std::fs::OpenOptions::new().write(true).open(path);
    opened.is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[cfg(unix)]
    #[tokio::test]
    async fn the_files_of_a_new_database_are_for_its_user_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let store = Store::open(&url.into(), "one").await.unwrap();
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["t.db", "t.db-shm", "t.db-wal"]);
        store.close().await;
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_opened_is_named_without_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let garbage = folder.path().join("garbage.db");
        std::fs::write(&garbage, "no database ".repeat(1000)).unwrap();
        for (url, told, remedy) in [
            (
                "postgres://u:pass-word@localhost/x?host=/nowhere".to_owned(),
                "the PostgreSQL database x at /nowhere as user u",
                "is the server running",
            ),
            ("sqlite:///nowhere/t.db".to_owned(), "the database file /nowhere/t.db", "its folder"),
            (format!("sqlite://{}", garbage.display()), "garbage.db", "from a backup"),
        ] {
            let error = Store::open(&url.into(), "one").await.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, StoreError::Unopened { .. }), "{error:?}");
            assert!(said.contains(told) && said.contains(remedy), "{said}");
            assert!(!format!("{error:?}").contains("pass-word"), "{error:?}");
        }
    }
}

//! The whole database as one file at one moment, and back.
//!
//! Others may write meanwhile. SQLite copies itself inside one read transaction (`VACUUM INTO`);
//! of PostgreSQL its own programs make and read the file, a custom-format archive, which any later
//! release reads too. The file holds everything that the database holds, unencrypted.

use std::{ffi::OsStr, path::Path, process::Stdio, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::process::Command;
use url::Url;

use crate::StoreError;

/// Which database a URL names, and so which kind of file [`take`] makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A SQLite database file.
    Sqlite,
    /// A `pg_dump` archive, custom format.
    Postgres,
}

impl Kind {
    /// Of a URL that [`Store::open`](crate::Store::open) takes.
    #[must_use]
    pub fn of(url: &SecretString) -> Self {
        if url.expose_secret().starts_with("postgres") { Self::Postgres } else { Self::Sqlite }
    }
}

/// Why there is no copy, or why it was not put back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the URL says cannot be read.
    #[error("the database's address is not a URL")]
    Address,
    /// A program of PostgreSQL is not there.
    #[error("cannot run {program}: install the Debian package postgresql-client")]
    Program {
        /// Which.
        program: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The last of what it said on standard error.
        said: String,
    },
    /// The copy is damaged.
    #[error("the copy of the database is damaged: {found}")]
    Damaged {
        /// What the database found.
        found: String,
    },
    /// Something is there already.
    #[error("the database to be filled is not empty; nothing was changed")]
    NotEmpty,
    /// The file cannot be made, or not put into its place.
    #[error("cannot write the copy of the database")]
    Write(#[source] std::io::Error),
}

impl From<sqlx::Error> for SnapshotError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Copies the database at `url` into the new file `path` and reads the copy through.
///
/// # Errors
/// [`SnapshotError`]; what lies at `path` is then of no use.
pub async fn take(url: &SecretString, path: &Path) -> Result<(), SnapshotError> {
    new_file(path).map_err(SnapshotError::Write)?;
    match Kind::of(url) {
        Kind::Sqlite => {
            let from = SqliteConnectOptions::from_str(url.expose_secret())?.read_only(true);
            let mut database = SqliteConnection::connect_with(&from).await?;
            sqlx::query("VACUUM INTO $1").bind(text(path)?).execute(&mut database).await?;
            database.close().await?;
            check_sqlite(path).await
        }
        Kind::Postgres => {
            let address = Address::of(url)?;
            run("pg_dump", &address, &["--format=custom", "--no-owner", "--no-privileges"], |c| {
                c.arg("--file").arg(path).arg("--dbname").arg(&address.without_password);
            })
            .await?;
            // Reads every table of the archive without a database.
            run("pg_restore", &address, &["--file=/dev/null"], |c| {
                c.arg(path);
            })
            .await
        }
    }
}

/// Makes the database at `url` out of a file of [`take`]. It must be empty: a file that does not
/// exist, or a PostgreSQL database without tables.
///
/// # Errors
/// [`SnapshotError`]. A PostgreSQL database is then as it was.
pub async fn put_back(url: &SecretString, path: &Path) -> Result<(), SnapshotError> {
    match Kind::of(url) {
        Kind::Sqlite => {
            check_sqlite(path).await?;
            let to = SqliteConnectOptions::from_str(url.expose_secret())?;
            copy_new(path, to.get_filename()).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => SnapshotError::NotEmpty,
                _ => SnapshotError::Write(error),
            })
        }
        Kind::Postgres => {
            let mut database =
                PgConnection::connect_with(&PgConnectOptions::from_str(url.expose_secret())?)
                    .await?;
            let (tables,): (i64,) = sqlx::query_as(
                "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
            )
            .fetch_one(&mut database)
            .await?;
            database.close().await?;
            if tables != 0 {
                return Err(SnapshotError::NotEmpty);
            }
            let address = Address::of(url)?;
            let manners = ["--no-owner", "--no-privileges", "--single-transaction"];
            run("pg_restore", &address, &manners, |c| {
                c.arg("--exit-on-error").arg("--dbname").arg(&address.without_password).arg(path);
            })
            .await
        }
    }
}

/// Whether every page, row and reference of the copy is sound.
async fn check_sqlite(path: &Path) -> Result<(), SnapshotError> {
    // Not read-only: then SQLite would leave the companions of a write-ahead log beside it.
    let options = SqliteConnectOptions::new().filename(path);
    let mut copy = SqliteConnection::connect_with(&options).await?;
    let pages: Vec<(String,)> =
        sqlx::query_as("PRAGMA integrity_check").fetch_all(&mut copy).await?;
    let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut copy).await?;
    copy.close().await?;
    if let Some((found,)) = pages.into_iter().find(|(found,)| found != "ok") {
        return Err(SnapshotError::Damaged { found });
    }
    if !orphans.is_empty() {
        let found = format!("{} rows refer to rows that are not there", orphans.len());
        return Err(SnapshotError::Damaged { found });
    }
    Ok(())
}

/// Copies to a file that must not exist, and makes it durable.
fn copy_new(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut target = new_file(to)?;
    std::io::copy(&mut std::fs::File::open(from)?, &mut target)?;
    target.sync_all()
}

/// A file that must not exist, which this user alone reads.
fn new_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn text(path: &Path) -> Result<&str, SnapshotError> {
    path.to_str().ok_or(SnapshotError::Address)
}

/// A PostgreSQL address whose password does not show in the list of processes.
struct Address {
    without_password: String,
    password: Option<SecretString>,
}

impl Address {
    fn of(url: &SecretString) -> Result<Self, SnapshotError> {
        let mut url = Url::parse(url.expose_secret()).map_err(|_| SnapshotError::Address)?;
        let mut password =
            url.password().map(|password| SecretString::from(percent_decoded(password)));
        let rest: Vec<(String, String)> = url
            .query_pairs()
            .filter_map(|(name, value)| {
                if name == "password" {
                    password = Some(SecretString::from(value.into_owned()));
                    return None;
                }
                Some((name.into_owned(), value.into_owned()))
            })
            .collect();
        url.set_password(None).map_err(|()| SnapshotError::Address)?;
        url.set_query(None);
        if !rest.is_empty() {
            url.query_pairs_mut().extend_pairs(rest);
        }
        // libpq reads `+` in a query as itself.
        Ok(Self { without_password: url.as_str().replace('+', "%20"), password })
    }
}

fn percent_decoded(text: &str) -> String {
    // A query of this one value decodes as the password does, once `+` is kept as itself.
    url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

async fn run(
    program: &'static str,
    address: &Address,
    arguments: &[&str],
    more: impl FnOnce(&mut Command),
) -> Result<(), SnapshotError> {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(OsStr::new)).arg("--no-password");
    more(&mut command);
    if let Some(password) = &address.password {
        command.env("PGPASSWORD", password.expose_secret());
    }
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| SnapshotError::Program { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().last().unwrap_or("it gave no reason").to_owned();
    Err(SnapshotError::Failed { program, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> (String, Option<String>) {
        let address = Address::of(&SecretString::from(url.to_owned())).unwrap();
        (address.without_password, address.password.map(|p| p.expose_secret().to_owned()))
    }

    #[test]
    fn a_password_leaves_the_address_wherever_it_stands() {
        for (given, left, password) in [
            ("postgres://u@h/d", "postgres://u@h/d", None),
            ("postgres://u:p%40s=%26+x@h:5433/d", "postgres://u@h:5433/d", Some("p@s=&+x")),
            (
                "postgres://u@h/d?host=/run/my%20pg&password=geheim",
                "postgres://u@h/d?host=%2Frun%2Fmy%20pg",
                Some("geheim"),
            ),
            ("postgres://h/d?sslmode=verify-full", "postgres://h/d?sslmode=verify-full", None),
        ] {
            assert_eq!(address(given), (left.to_owned(), password.map(str::to_owned)), "{given}");
        }
    }
}

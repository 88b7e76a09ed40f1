//! Two processes over one fresh database, on SQLite and on PostgreSQL 15.

use secrecy::SecretString;
use sekisho_store::{Store, snapshot::Kind};

/// Two processes over one fresh database.
pub struct Databases {
    pub one: Store,
    pub two: Store,
    pub url: SecretString,
    _folder: Option<tempfile::TempDir>,
}

/// Two stores over a fresh SQLite file.
pub async fn sqlite() -> Databases {
    let folder = tempfile::tempdir().unwrap();
    let url = sekisho_test_database::sqlite_url(folder.path());
    Databases { _folder: Some(folder), ..over(url).await }
}

/// Two stores over a fresh PostgreSQL database.
pub async fn postgres() -> Databases {
    over(sekisho_test_database::postgres_url()).await
}

/// Address of an empty database of the same kind; a folder to be kept as long as it is used.
pub fn empty_like(url: &SecretString) -> (SecretString, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = match Kind::of(url) {
        Kind::Sqlite => sekisho_test_database::sqlite_url(folder.path()),
        Kind::Postgres => sekisho_test_database::postgres_url(),
    };
    (url.into(), folder)
}

async fn over(url: String) -> Databases {
    let url = SecretString::from(url);
    let one = Store::open(&url, "node-1").await.unwrap();
    let two = Store::open(&url, "node-2").await.unwrap();
    Databases { one, two, url, _folder: None }
}

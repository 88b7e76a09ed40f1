//! Two processes over one fresh database, on SQLite and on PostgreSQL 15.

use sekisho_store::Store;

/// Two processes over one fresh database.
pub struct Databases {
    pub one: Store,
    pub two: Store,
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

async fn over(url: String) -> Databases {
    let one = Store::open(&url.clone().into(), "node-1").await.unwrap();
    let two = Store::open(&url.into(), "node-2").await.unwrap();
    Databases { one, two, _folder: None }
}

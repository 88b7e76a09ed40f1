//! The whole database as one file, and back into an empty one.

use sekisho_store::{
    Store, audit,
    snapshot::{self, SnapshotError},
    terminal,
};

use crate::{
    FACILITY, NOW, TERMINAL,
    databases::{self, Databases},
    once::prepared,
};

on_both! { prepared:
    a_copy_taken_while_others_write_is_of_one_moment_and_opens_elsewhere
    a_copy_goes_into_an_empty_database_only
    a_damaged_copy_is_refused
}

async fn enter(store: &Store, number: u32) {
    let id = format!("T{number:010}");
    change!(store, |tx| {
        terminal::create(tx, &id, FACILITY, "受付", "p", NOW).await?;
    });
}

/// Records of terminals, oldest first.
async fn records(store: &Store) -> Vec<Vec<u8>> {
    let records = audit::list(&mut store.read(), "", None, 10_000).await.unwrap();
    records.into_iter().map(|record| record.canonical).collect()
}

async fn a_copy_taken_while_others_write_is_of_one_moment_and_opens_elsewhere(
    databases: Databases,
) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let (writer, url) = (databases.two.clone(), databases.url.clone());
    let before = records(&databases.one).await;
    let writing = tokio::spawn(async move {
        for number in 0..60 {
            enter(&writer, number).await;
        }
    });
    snapshot::take(&url, &copy).await.unwrap();
    writing.await.unwrap();
    let after = records(&databases.one).await;

    let (elsewhere, _kept) = databases::empty_like(&databases.url);
    snapshot::put_back(&elsewhere, &copy).await.unwrap();
    let restored = Store::open(&elsewhere, "node-3").await.unwrap();
    let copied = records(&restored).await;
    assert!(copied.len() >= before.len() && copied.len() <= after.len());
    // Changes come whole: each record has the terminal that it tells of, and the other way round.
    assert!(copied.iter().all(|record| after.contains(record)));
    let terminals = terminal::list(&mut restored.read(), FACILITY, 0, 1000).await.unwrap();
    assert_eq!(terminals.len() - 1, copied.len() - before.len());
    assert!(terminals.iter().any(|terminal| terminal.id == TERMINAL));
    // It goes on.
    enter(&restored, 999).await;
    restored.close().await;
}

async fn a_copy_goes_into_an_empty_database_only(databases: Databases) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    snapshot::take(&databases.url, &copy).await.unwrap();
    let before = records(&databases.one).await;
    let refused = snapshot::put_back(&databases.url, &copy).await.unwrap_err();
    assert!(matches!(refused, SnapshotError::NotEmpty), "{refused}");
    assert_eq!(records(&databases.one).await, before);
    // Nor is a copy made over a file that exists.
    snapshot::take(&databases.url, &copy).await.unwrap_err();
}

async fn a_damaged_copy_is_refused(databases: Databases) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    snapshot::take(&databases.url, &copy).await.unwrap();
    let whole = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, &whole[..whole.len() / 2]).unwrap();
    let (elsewhere, _kept) = databases::empty_like(&databases.url);
    snapshot::put_back(&elsewhere, &copy).await.unwrap_err();
    std::fs::write(&copy, &whole).unwrap();
    snapshot::put_back(&elsewhere, &copy).await.unwrap();
}

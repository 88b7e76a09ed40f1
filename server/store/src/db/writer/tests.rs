use std::future::Future;

use tokio::{
    sync::oneshot,
    task::{JoinHandle, yield_now},
};

use crate::{Queries, Store, StoreError, Tx, sql};

struct Scene {
    store: Store,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        Self { store, folder }
    }

    async fn begin(&self, id: &str) -> Tx {
        let mut tx = self.store.begin().await.unwrap();
        put(&mut tx, id, 10).await.unwrap();
        tx
    }

    /// Queues for a part of its own, and goes on with it when `gate` opens.
    async fn queued<F>(
        &self,
        id: &'static str,
        gate: oneshot::Receiver<()>,
        then: impl FnOnce(Tx) -> F + Send + 'static,
    ) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let store = self.store.clone();
        let task = tokio::spawn(async move {
            let mut tx = store.begin().await.unwrap();
            put(&mut tx, id, 10).await.unwrap();
            gate.await.unwrap();
            then(tx).await
        });
        // One thread: it runs until it stands in the queue.
        yield_now().await;
        task
    }

    async fn ids(&self) -> Vec<String> {
        let statement = sql("SELECT id FROM outbox ORDER BY id");
        let rows: Vec<(String,)> = self.store.read().fetch_all(statement).await.unwrap();
        rows.into_iter().map(|(id,)| id).collect()
    }
}

async fn open(folder: &tempfile::TempDir) -> Store {
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    Store::open(&url.into(), "one").await.unwrap()
}

async fn put(tx: &mut Tx, id: &str, octets: usize) -> Result<u64, StoreError> {
    let insert = sql("INSERT INTO outbox (id, kind, payload, created_at, next_at)
                      VALUES ($1, 'test', $2, 0, 0)");
    tx.execute(insert.bind(id).bind("x".repeat(octets))).await
}

fn gate() -> (oneshot::Sender<()>, oneshot::Receiver<()>) {
    oneshot::channel()
}

#[tokio::test]
async fn who_queues_behind_shares_the_commit_and_nobody_is_told_before_it() {
    let scene = Scene::new().await;
    let first = scene.begin("a").await;
    let (open, opens) = gate();
    let second = scene.queued("b", opens, Tx::finish).await;
    let first = tokio::spawn(first.finish());
    // Long enough for a commit that did not wait.
    for _ in 0..1_000 {
        yield_now().await;
    }
    assert!(scene.ids().await.is_empty(), "the first is not durable before the second is done");
    assert!(!first.is_finished());
    open.send(()).unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(scene.ids().await, ["a", "b"]);
}

#[tokio::test]
async fn who_is_alone_commits_alone() {
    let scene = Scene::new().await;
    scene.begin("a").await.finish().await.unwrap();
    assert_eq!(scene.ids().await, ["a"]);
    scene.begin("b").await.finish().await.unwrap();
    assert_eq!(scene.ids().await, ["a", "b"]);
}

#[tokio::test]
async fn who_fails_takes_back_only_its_own() {
    let scene = Scene::new().await;
    let first = scene.begin("a").await;
    let ((go, goes), (then, thens)) = (gate(), gate());
    let fails = scene
        .queued("b", goes, |mut tx| async move {
            let error = put(&mut tx, "a", 10).await.unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        })
        .await;
    let third = scene.queued("c", thens, Tx::finish).await;
    let first = tokio::spawn(first.finish());
    go.send(()).unwrap();
    then.send(()).unwrap();
    fails.await.unwrap();
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(scene.ids().await, ["a", "c"]);
}

#[tokio::test]
async fn a_part_that_is_given_up_alone_leaves_the_file_free() {
    let scene = Scene::new().await;
    drop(scene.begin("a").await);
    // Another process would wait for five seconds and then meet a conflict.
    let other = open(&scene.folder).await;
    let mut tx = other.begin().await.unwrap();
    put(&mut tx, "b", 10).await.unwrap();
    tx.finish().await.unwrap();
    assert_eq!(scene.ids().await, ["b"]);
}

#[tokio::test]
async fn what_is_done_is_kept_though_nobody_listens_any_more() {
    let scene = Scene::new().await;
    let first = scene.begin("a").await;
    let (open, opens) = gate();
    let second = scene.queued("b", opens, Tx::finish).await;
    let first = tokio::spawn(first.finish());
    yield_now().await;
    first.abort();
    open.send(()).unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(scene.ids().await, ["a", "b"]);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_and_writes_nothing() {
    let scene = Scene::new().await;
    let mut first = scene.begin("a").await;
    first.execute(sql("PRAGMA defer_foreign_keys = ON")).await.unwrap();
    let orphan =
        sql("INSERT INTO person_name (person_id, name, name_kana, name_romaji, search_key)
                      VALUES ('nobody', '', '', '', '')");
    first.execute(orphan).await.unwrap();
    let (open, opens) = gate();
    let second = scene.queued("b", opens, Tx::finish).await;
    let first = tokio::spawn(first.finish());
    open.send(()).unwrap();
    for told in [first.await.unwrap(), second.await.unwrap()] {
        assert!(matches!(told, Err(StoreError::SharedCommit(_))), "{told:?}");
    }
    assert!(scene.ids().await.is_empty());
    scene.begin("c").await.finish().await.unwrap();
    assert_eq!(scene.ids().await, ["c"]);
}

#[tokio::test]
async fn a_storage_that_is_full_costs_the_others_a_second_attempt_and_no_more() {
    let scene = Scene::new().await;
    let mut first = scene.begin("a").await;
    let (pages,): (i64,) = first.fetch_one(sql("PRAGMA page_count")).await.unwrap();
    assert!(pages < 4_000);
    let _: (i64,) = first.fetch_one(sql("PRAGMA max_page_count = 4000")).await.unwrap();
    let (open, opens) = gate();
    let full =
        scene.queued("b", opens, |mut tx| async move { put(&mut tx, "c", 40_000_000).await }).await;
    let first = tokio::spawn(first.finish());
    open.send(()).unwrap();
    let full = full.await.unwrap();
    assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
    let told = first.await.unwrap();
    assert!(matches!(told, Err(StoreError::Conflict(_))), "it may be repeated: {told:?}");
    assert!(scene.ids().await.is_empty());
    scene.begin("a").await.finish().await.unwrap();
    assert_eq!(scene.ids().await, ["a"]);
}

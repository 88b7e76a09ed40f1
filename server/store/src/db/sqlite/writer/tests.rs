//! Transactions that meet at the one connection.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
};

use tokio::time::timeout;

use super::{
    super::{
        Sqlite,
        tests::{opened, rows},
    },
    *,
};
use crate::db::sql;

#[tokio::test]
async fn what_was_not_committed_is_gone_and_the_next_begins() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let tx = sqlite.begin().await.unwrap();
    tx.execute(sql("INSERT INTO t VALUES (1, 'lost')")).unwrap();
    assert_eq!(rows(&sqlite).await, [], "a reader sees what is committed");
    drop(tx);
    let tx = sqlite.begin().await.unwrap();
    tx.execute(sql("INSERT INTO t VALUES (2, 'kept')")).unwrap();
    tx.commit(Untold::default()).await.unwrap();
    assert_eq!(rows(&sqlite).await, [(2, "kept".to_owned())]);
}

/// The statement that fails may take the whole transaction with it.
#[tokio::test]
async fn a_transaction_that_ended_by_itself_leaves_the_connection_usable() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let tx = sqlite.begin().await.unwrap();
    tx.execute(sql("ROLLBACK")).unwrap();
    assert!(tx.commit(Untold::default()).await.is_err(), "there is nothing to commit");
    sqlite.begin().await.unwrap().commit(Untold::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_follow_one_another_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let writing = (0..50_i64).map(|number| {
        let sqlite = sqlite.clone();
        tokio::spawn(async move {
            let tx = sqlite.begin().await.unwrap();
            let (before,): (i64,) =
                tx.fetch_optional(sql("SELECT COUNT(*) FROM t")).unwrap().unwrap();
            tokio::task::yield_now().await;
            let insert = sql("INSERT INTO t VALUES ($1, $2)").bind(before);
            tx.execute(insert.bind(number.to_string())).unwrap();
            tx.commit(Untold::default()).await.unwrap();
        })
    });
    for written in writing.collect::<Vec<_>>() {
        written.await.unwrap();
    }
    let numbers = rows(&sqlite).await.into_iter().map(|(number, _)| number);
    assert!(numbers.eq(0..50));
}

#[tokio::test]
async fn a_transaction_waits_for_one_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let other = Connection::open(sqlite.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1, 'other')").unwrap();
    let mut waiting = std::pin::pin!(sqlite.begin());
    // Begun, and met the other.
    assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    other.execute_batch("COMMIT").unwrap();
    let tx = waiting.await.unwrap();
    let (seen,): (i64,) = tx.fetch_optional(sql("SELECT COUNT(*) FROM t")).unwrap().unwrap();
    assert_eq!(seen, 1);
}

type Begun = Pin<Box<dyn Future<Output = Result<Writing, StoreError>> + Send>>;

fn waits(future: &mut (impl Future + Unpin)) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Somebody in the queue for the writer.
fn asking(sqlite: &Sqlite) -> Begun {
    let writer = sqlite.writer.clone();
    let mut begun: Begun = Box::pin(async move { writer.begin().await });
    assert!(waits(&mut begun));
    begun
}

fn write(tx: &Writing, number: i64, text: &str) {
    tx.execute(sql("INSERT INTO t VALUES ($1, $2)").bind(number).bind(text)).unwrap();
}

/// One that has written `(1, 'first')` and answers when that is durable, and another one that
/// came meanwhile and sees it.
async fn first_and_second(
    sqlite: &Sqlite,
) -> (impl Future<Output = Result<(), StoreError>> + use<>, Writing) {
    let first = sqlite.begin().await.unwrap();
    let second = asking(sqlite);
    write(&first, 1, "first");
    let mut first = Box::pin(first.commit(Untold::default()));
    assert!(waits(&mut first));
    let second = second.await.unwrap();
    let (seen,): (i64,) = second.fetch_optional(sql("SELECT COUNT(*) FROM t")).unwrap().unwrap();
    assert_eq!(seen, 1);
    assert!(waits(&mut first), "it was told before it is durable");
    assert_eq!(rows(sqlite).await, [], "a reader sees what is committed");
    (first, second)
}

#[tokio::test]
async fn who_waits_shares_the_commit_and_nobody_hears_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let (first, second) = first_and_second(&sqlite).await;
    write(&second, 2, "second");
    second.commit(Untold::default()).await.unwrap();
    assert_eq!(rows(&sqlite).await, [(1, "first".to_owned()), (2, "second".to_owned())]);
    first.await.unwrap();
}

#[tokio::test]
async fn what_one_part_takes_back_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let (first, second) = first_and_second(&sqlite).await;
    write(&second, 2, "second");
    let third = asking(&sqlite);
    let mut refused = Box::pin(second.give_up());
    assert!(waits(&mut refused), "what it saw is not durable");
    let third = third.await.unwrap();
    assert!(waits(&mut refused), "what it saw is not durable");
    write(&third, 3, "third");
    third.commit(Untold::default()).await.unwrap();
    refused.await.unwrap();
    first.await.unwrap();
    assert_eq!(rows(&sqlite).await, [(1, "first".to_owned()), (3, "third".to_owned())]);
}

#[tokio::test]
async fn what_is_done_becomes_durable_though_all_others_have_gone() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let (first, second) = first_and_second(&sqlite).await;
    write(&second, 2, "second");
    drop(second);
    first.await.unwrap();
    assert_eq!(rows(&sqlite).await, [(1, "first".to_owned())]);
    // Also where nobody waits for the answer any more.
    let (first, second) = {
        let third = sqlite.begin().await.unwrap();
        let fourth = asking(&sqlite);
        write(&third, 3, "third");
        let mut third = Box::pin(third.commit(Untold::default()));
        assert!(waits(&mut third));
        (third, fourth)
    };
    drop((first, second));
    sqlite.close().await;
    let sqlite = Sqlite::open(sqlite.path().to_owned()).unwrap();
    assert_eq!(rows(&sqlite).await, [(1, "first".to_owned()), (3, "third".to_owned())]);
}

/// A rule that is looked at when the transaction ends.
#[tokio::test]
async fn where_the_commit_fails_each_hears_it_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let tx = sqlite.begin().await.unwrap();
    tx.execute(sql("CREATE TABLE p (id INTEGER PRIMARY KEY)")).unwrap();
    tx.execute(sql("CREATE TABLE c (id REFERENCES p DEFERRABLE INITIALLY DEFERRED)")).unwrap();
    tx.commit(Untold::default()).await.unwrap();
    let (first, second) = first_and_second(&sqlite).await;
    second.execute(sql("INSERT INTO c VALUES (7)")).unwrap();
    let second = second.commit(Untold::default()).await.unwrap_err();
    let first = first.await.unwrap_err();
    for error in [first, second] {
        assert!(matches!(error, StoreError::SharedCommit(_)), "{error:?}");
    }
    assert_eq!(rows(&sqlite).await, []);
    sqlite.begin().await.unwrap().commit(Untold::default()).await.unwrap();
}

#[tokio::test]
async fn where_a_statement_ends_the_transaction_nothing_more_is_written_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let (first, second) = first_and_second(&sqlite).await;
    second.execute(sql("ROLLBACK")).unwrap();
    let alone = second.execute(sql("INSERT INTO t VALUES (9, 'by itself')")).unwrap_err();
    assert!(matches!(alone, StoreError::Unavailable(Cause::Undone)), "{alone:?}");
    let seen = second.give_up().await.unwrap_err();
    assert!(matches!(seen, StoreError::SharedCommit(_)), "{seen:?}");
    first.await.unwrap_err();
    assert_eq!(rows(&sqlite).await, []);
    sqlite.begin().await.unwrap().commit(Untold::default()).await.unwrap();
}

#[tokio::test]
async fn no_more_than_so_many_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = opened(&folder).await;
    let mut tx = sqlite.begin().await.unwrap();
    let mut told = Vec::new();
    for number in 1..i64::try_from(MOST_PARTS).unwrap() {
        let next = asking(&sqlite);
        write(&tx, number, "x");
        let mut durable = Box::pin(tx.commit(Untold::default()));
        assert!(waits(&mut durable));
        told.push(durable);
        tx = next.await.unwrap();
    }
    let _next = asking(&sqlite);
    tx.commit(Untold::default()).await.unwrap();
    for durable in told {
        durable.await.unwrap();
    }
}

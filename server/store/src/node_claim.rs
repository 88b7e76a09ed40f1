//! One process at a time serves as a node.
//!
//! Leases belong to nodes: two processes of one name would hold each of them together, so that each
//! scheduled job ran twice at once, notices went out twice and lists were published over each other;
//! and each would meet the other's links where it puts its own into the audit chain.
//!
//! The claim is a lock that the system takes from a process that ends, however it ends: on
//! PostgreSQL of a session of its own, on SQLite of a file beside the database. So nothing stands in
//! the way of a process that follows a crashed one.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{task::JoinHandle, time::Instant};

use crate::{Store, StoreError, db::Database};

/// Between two looks at whether the place is free.
const AGAIN: Duration = Duration::from_millis(200);
/// Between two looks at whether the session that holds the lock lives.
const LOOK: Duration = Duration::from_secs(5);
/// What a database says about its holder is cut here.
const MOST_OCTETS: u64 = 200;

/// Keeps other processes from serving as this node until it is released or dropped.
#[derive(Debug)]
pub struct NodeClaim(Lock);

#[derive(Debug)]
enum Lock {
    /// Open, it is held.
    File {
        _held: File,
    },
    Session(JoinHandle<()>),
}

/// Why this process may not serve.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another one does.
    #[error(
        "another process serves as node {node} over this database ({holder}). Processes that share \
         a database have names of their own: set another `instance.node`, or give --node NAME. If \
         that process is being stopped, or its host has failed, try again in half a minute"
    )]
    Taken {
        /// The name.
        node: String,
        /// What is known of the other process.
        holder: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file beside the database.
    #[error("cannot use {}; it has to belong to the user who serves", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<sqlx::Error> for ClaimError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Claims this node's name for the process that `claimant` describes to whoever comes second.
    /// Waits up to `patience` for a process that is just ending.
    ///
    /// # Errors
    /// [`ClaimError::Taken`] when another process serves as this node.
    pub async fn claim_node(
        &self,
        claimant: &str,
        patience: Duration,
    ) -> Result<NodeClaim, ClaimError> {
        let until = Instant::now() + patience;
        loop {
            let outcome = match &self.database {
                Database::Sqlite(sqlite) => of_file(sqlite.path(), self.node(), claimant),
                Database::Postgres(pool) => {
                    let options = (*pool.connect_options()).clone().application_name(claimant);
                    of_session(options, self.node()).await
                }
            };
            match outcome {
                Err(ClaimError::Taken { .. }) if Instant::now() + AGAIN <= until => {
                    tokio::time::sleep(AGAIN).await;
                }
                outcome => return outcome,
            }
        }
    }
}

impl NodeClaim {
    /// Ends the claim: the place is free at once.
    pub async fn release(mut self) {
        if let Lock::Session(keeper) = &mut self.0 {
            keeper.abort();
            // Its connection is closed when it has ended; that it was stopped is no news.
            let _ = keeper.await;
        }
    }
}

impl Drop for NodeClaim {
    fn drop(&mut self) {
        if let Lock::Session(keeper) = &self.0 {
            keeper.abort();
        }
    }
}

fn of_file(database: &Path, node: &str, claimant: &str) -> Result<NodeClaim, ClaimError> {
    let mut path = database.as_os_str().to_owned();
    path.push(format!("-serving-{node}"));
    let path = PathBuf::from(path);
    let unusable = |source| ClaimError::File { path: path.clone(), source };
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // It only helps to find the other process.
            let _ = file.take(MOST_OCTETS).read_to_string(&mut holder);
            return Err(ClaimError::Taken { node: node.to_owned(), holder });
        }
        Err(std::fs::TryLockError::Error(source)) => return Err(unusable(source)),
    }
    // The file stays when its holder ends: removed, two processes could lock one each.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(claimant.as_bytes()))
        .map_err(unusable)?;
    Ok(NodeClaim(Lock::File { _held: file }))
}

async fn of_session(options: PgConnectOptions, node: &str) -> Result<NodeClaim, ClaimError> {
    let session = lock(&options, node).await?;
    let keeper = tokio::spawn(keep(session, options, node.to_owned()));
    Ok(NodeClaim(Lock::Session(keeper)))
}

/// A session that holds the lock.
async fn lock(options: &PgConnectOptions, node: &str) -> Result<PgConnection, ClaimError> {
    let mut session = PgConnection::connect_with(options).await?;
    // Of a host that lost its power the server hears nothing, and would keep the lock for two hours.
    // On a socket of its own machine the settings have no meaning and no effect.
    sqlx::raw_sql(
        "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
    )
    .execute(&mut session)
    .await?;
    let (taken,): (bool,) = sqlx::query_as(
        "SELECT pg_try_advisory_lock(
             hashtextextended('serving ' || current_schema() || ' ' || $1, 0))",
    )
    .bind(node)
    .fetch_one(&mut session)
    .await?;
    if taken {
        return Ok(session);
    }
    let holder: Option<(String,)> = sqlx::query_as(
        "SELECT a.application_name
             || COALESCE(', connected from ' || host(a.client_addr), '')
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND ((l.classid::bigint << 32) | l.objid::bigint)
               = hashtextextended('serving ' || current_schema() || ' ' || $1, 0)",
    )
    .bind(node)
    .fetch_optional(&mut session)
    .await?;
    let holder = holder.map_or_else(|| "it ended just now".to_owned(), |(holder,)| holder);
    Err(ClaimError::Taken { node: node.to_owned(), holder })
}

/// Takes the lock again when its session was lost: the database was started anew, a connection cut.
async fn keep(mut session: PgConnection, options: PgConnectOptions, node: String) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Ok(Ok(())) = tokio::time::timeout(LOOK, session.ping()).await {
            continue;
        }
        match tokio::time::timeout(LOOK, lock(&options, &node)).await {
            Ok(Ok(again)) => {
                session = again;
                tracing::warn!(node, "the claim to this node's name was lost and taken again");
            }
            // Also while the server still believes in the session that we lost.
            Ok(Err(error @ ClaimError::Taken { .. })) => tracing::error!(node, "{error}"),
            // Whoever uses the database tells that it does not answer.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

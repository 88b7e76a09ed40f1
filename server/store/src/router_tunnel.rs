//! What routers say of their tunnels (docs/decisions/0052). Each end says for itself, and only of routers that are
//! its peers by the register; nothing here makes a tunnel or ends one.

use time::OffsetDateTime;

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    moment::{moment, moment_opt},
    sql,
};

/// What one end last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who says it.
    pub router_id: String,
    /// The router at the other end.
    pub peer_id: String,
    /// Whether the tunnel stands.
    pub up: bool,
    /// When it first said so, after it had said otherwise.
    pub since: OffsetDateTime,
    /// When it first said that it stands.
    pub first_up_at: Option<OffsetDateTime>,
    /// When it last said so.
    pub heard_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    router_id: String,
    peer_id: String,
    up: i64,
    since: i64,
    first_up_at: Option<i64>,
    heard_at: i64,
}

impl Row {
    fn into_told(self) -> Result<Told, StoreError> {
        Ok(Told {
            up: self.up != 0,
            since: moment("router tunnel", self.since)?,
            first_up_at: moment_opt("router tunnel", self.first_up_at)?,
            heard_at: moment("router tunnel", self.heard_at)?,
            router_id: self.router_id,
            peer_id: self.peer_id,
        })
    }
}

/// What a router said of its tunnels, and what others said of theirs with it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn at(queries: &mut impl Queries, router_id: &str) -> Result<Vec<Told>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT router_id, peer_id, up, since, first_up_at, heard_at FROM router_tunnel
                 WHERE router_id = $1 OR peer_id = $1 ORDER BY router_id, peer_id")
            .bind(router_id),
        )
        .await?;
    rows.into_iter().map(Row::into_told).collect()
}

/// The routers of whose tunnels this one may tell, whatever groups they are in by now: for which a link was ever made at one of both ends, or with
/// which it shares a key.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn peers_of(
    queries: &mut impl Queries,
    router_id: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT p.peer_id FROM router_setup s
                     JOIN router_setup_peer p ON p.setup_id = s.id WHERE s.router_id = $1
                 UNION SELECT s.router_id FROM router_setup_peer p
                     JOIN router_setup s ON s.id = p.setup_id WHERE p.peer_id = $1
                 UNION SELECT second_id FROM router_psk WHERE first_id = $1 AND ended_at IS NULL
                 UNION SELECT first_id FROM router_psk WHERE second_id = $1 AND ended_at IS NULL")
            .bind(router_id),
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Keeps what a router says now; `false` when it had said the same, and nothing changed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn tell(
    tx: &mut Tx,
    router_id: &str,
    peer_id: &str,
    up: bool,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("INSERT INTO router_tunnel (router_id, peer_id, up, since, first_up_at, heard_at)
                 VALUES ($1, $2, $3, $4, $5, $4)
                 ON CONFLICT (router_id, peer_id) DO UPDATE
                 SET up = excluded.up, since = excluded.since, heard_at = excluded.heard_at,
                     first_up_at = COALESCE(router_tunnel.first_up_at, excluded.first_up_at)
                 WHERE router_tunnel.up <> excluded.up")
            .bind(router_id)
            .bind(peer_id)
            .bind(i64::from(up))
            .bind(at)
            .bind(up.then_some(at)),
        )
        .await?;
    Ok(changed == 1)
}

impl Store {
    /// Keeps that a router said again what it had said before of these tunnels. Nothing was decided, so that no
    /// record tells of it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn hear_tunnels(
        &self,
        router_id: &str,
        same: &[(String, bool)],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            for (peer_id, up) in same {
                tx.execute(
                    sql("UPDATE router_tunnel SET heard_at = $4
                         WHERE router_id = $1 AND peer_id = $2 AND up = $3 AND heard_at < $4")
                    .bind(router_id)
                    .bind(peer_id.as_str())
                    .bind(i64::from(*up))
                    .bind(at),
                )
                .await?;
            }
        })
    }
}

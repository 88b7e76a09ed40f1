//! What routers say of their tunnels (docs/decisions/0052). Each end says for itself, and only of routers that are
//! its peers by the register; nothing here makes a tunnel or ends one.

use time::{Duration, OffsetDateTime};

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    moment::{moment, moment_opt},
    sql,
};

/// Between two records of one tunnel, of one end: one that comes and goes fills no trail.
pub const LEAST_BETWEEN_RECORDS: Duration = Duration::MINUTE;

/// A moment so far ahead, and no less, is of a clock that was set back since: one nearer is a newer report's, which
/// another process heard first.
const SET_BACK: Duration = Duration::MINUTE;

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
    /// When a record last told of it.
    pub recorded_at: OffsetDateTime,
    /// How often it changed since.
    pub unrecorded: i64,
}

impl Told {
    /// Whether a record is to tell of it when it is said to be so now: it changes, or did so untold, the last record is
    /// not of a moment ago, and nothing newer was heard.
    #[must_use]
    pub fn is_to_record(&self, up: bool, at: OffsetDateTime) -> bool {
        let changes = self.up != up || self.unrecorded > 0;
        let is_due =
            at - self.recorded_at >= LEAST_BETWEEN_RECORDS || self.recorded_at - at > SET_BACK;
        let is_newest = self.heard_at <= at || self.heard_at - at > SET_BACK;
        changes && is_due && is_newest
    }
}

/// What a record is to say of one end's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToTell {
    /// How often it changed since the last record, the present state included.
    pub changes: i64,
    /// When the present state began.
    pub since: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    router_id: String,
    peer_id: String,
    up: i64,
    since: i64,
    first_up_at: Option<i64>,
    heard_at: i64,
    recorded_at: i64,
    unrecorded: i64,
}

impl Row {
    fn into_told(self) -> Result<Told, StoreError> {
        Ok(Told {
            up: self.up != 0,
            since: moment("router tunnel", self.since)?,
            first_up_at: moment_opt("router tunnel", self.first_up_at)?,
            heard_at: moment("router tunnel", self.heard_at)?,
            recorded_at: moment("router tunnel", self.recorded_at)?,
            unrecorded: self.unrecorded,
            router_id: self.router_id,
            peer_id: self.peer_id,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_tunnel {
    ($condition:literal) => {
        concat!(
            "SELECT router_id, peer_id, up, since, first_up_at, heard_at, recorded_at, unrecorded
             FROM router_tunnel WHERE ",
            $condition
        )
    };
}

/// What a router said of its tunnels, and what others said of theirs with it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn at(queries: &mut impl Queries, router_id: &str) -> Result<Vec<Told>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_tunnel!("router_id = $1 OR peer_id = $1 ORDER BY router_id, peer_id"))
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

/// Keeps what a router says now where a record is to tell of it. `None` where no record is due
/// ([`Told::is_to_record`]), and nothing was kept.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn tell(
    tx: &mut Tx,
    router_id: &str,
    peer_id: &str,
    up: bool,
    at: OffsetDateTime,
) -> Result<Option<ToTell>, StoreError> {
    let before: Option<Row> = tx
        .fetch_optional(
            sql(select_tunnel!("router_id = $1 AND peer_id = $2")).bind(router_id).bind(peer_id),
        )
        .await?;
    let before = before.map(Row::into_told).transpose()?;
    let to_tell = match &before {
        Some(before) if !before.is_to_record(up, at) => return Ok(None),
        Some(before) => ToTell {
            changes: before.unrecorded + i64::from(before.up != up),
            since: if before.up == up { before.since } else { at },
        },
        None => ToTell { changes: 1, since: at },
    };
    tx.execute(
        sql("INSERT INTO router_tunnel
                 (router_id, peer_id, up, since, first_up_at, heard_at, recorded_at, unrecorded)
             VALUES ($1, $2, $3, $4, $5, $4, $4, 0)
             ON CONFLICT (router_id, peer_id) DO UPDATE
             SET up = excluded.up, heard_at = excluded.heard_at,
                 since = CASE WHEN router_tunnel.up = excluded.up THEN router_tunnel.since
                              ELSE excluded.since END,
                 first_up_at = COALESCE(router_tunnel.first_up_at, excluded.first_up_at),
                 recorded_at = excluded.recorded_at, unrecorded = 0")
        .bind(router_id)
        .bind(peer_id)
        .bind(i64::from(up))
        .bind(at)
        .bind(up.then_some(at)),
    )
    .await?;
    Ok(Some(to_tell))
}

/// What was kept without a record and is due for one whatever comes, the oldest first: the router may have fallen
/// silent.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn untold(
    queries: &mut impl Queries,
    at: OffsetDateTime,
    most: i64,
) -> Result<Vec<Told>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_tunnel!(
                "unrecorded > 0 AND (recorded_at <= $1 OR recorded_at > $2)
                 ORDER BY recorded_at, router_id, peer_id LIMIT $3"
            ))
            .bind(at - LEAST_BETWEEN_RECORDS)
            .bind(at + SET_BACK)
            .bind(most),
        )
        .await?;
    rows.into_iter().map(Row::into_told).collect()
}

/// Keeps that a record tells of what was kept without one. Nothing is heard by this.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn recorded(tx: &mut Tx, untold: &Told, at: OffsetDateTime) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE router_tunnel SET recorded_at = $3, unrecorded = 0
             WHERE router_id = $1 AND peer_id = $2")
        .bind(untold.router_id.as_str())
        .bind(untold.peer_id.as_str())
        .bind(at),
    )
    .await?;
    Ok(())
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
                         WHERE router_id = $1 AND peer_id = $2 AND up = $3
                           AND (heard_at < $4 OR heard_at > $5)")
                    .bind(router_id)
                    .bind(peer_id.as_str())
                    .bind(i64::from(*up))
                    .bind(at)
                    .bind(at + SET_BACK),
                )
                .await?;
            }
        })
    }

    /// Keeps changes so soon after a record that none is to tell of them; they are counted for the next one. What
    /// changed meanwhile, of which something newer was heard, or that is due for a record by now, stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_tunnels(
        &self,
        router_id: &str,
        changed: &[(String, bool)],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            for (peer_id, up) in changed {
                tx.execute(
                    sql("UPDATE router_tunnel
                         SET up = $3, since = $4, heard_at = $4, unrecorded = unrecorded + 1,
                             first_up_at = COALESCE(first_up_at, $5)
                         WHERE router_id = $1 AND peer_id = $2 AND up <> $3
                           AND recorded_at > $6 AND recorded_at <= $7
                           AND (heard_at <= $4 OR heard_at > $7)")
                    .bind(router_id)
                    .bind(peer_id.as_str())
                    .bind(i64::from(*up))
                    .bind(at)
                    .bind(up.then_some(at))
                    .bind(at - LEAST_BETWEEN_RECORDS)
                    .bind(at + SET_BACK),
                )
                .await?;
            }
        })
    }
}

//! Links by which a router's technician follows the setting up: for one router, by a code of which only the hash
//! is kept, for some days (docs/decisions/0052).
//!
//! What ends a router's keys ends its link in the same transaction, for the same reasons.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    router_psk::PskEnd,
    sql,
};

/// A link, living or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// UUIDv7.
    pub id: String,
    /// Of which router.
    pub router_id: String,
    /// The kind of key that the texts make: `p256` or `rsa3072`.
    pub key_kind: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it is good.
    pub expires_at: OffsetDateTime,
    /// When somebody first opened it.
    pub opened_at: Option<OffsetDateTime>,
    /// When it was ended before its time.
    pub ended_at: Option<OffsetDateTime>,
}

impl Setup {
    /// Whether it opens its page.
    #[must_use]
    pub fn lives_at(&self, now: OffsetDateTime) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// A tunnel that is to be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupPeer {
    /// The router at the other end.
    pub router_id: String,
    /// When the technician said to have seen it up.
    pub seen_at: Option<OffsetDateTime>,
}

/// A link to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewSetup<'a> {
    /// UUIDv7.
    pub id: Uuid,
    /// For which router.
    pub router_id: &'a str,
    /// SHA-256 of its code.
    pub code_hash: &'a [u8; 32],
    /// `p256` or `rsa3072`.
    pub key_kind: &'a str,
    /// The routers at the other ends.
    pub peers: &'a [String],
    /// Who made it.
    pub created_by: &'a str,
    /// Now.
    pub created_at: OffsetDateTime,
    /// Until when it is good.
    pub expires_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    router_id: String,
    key_kind: String,
    created_at: i64,
    expires_at: i64,
    opened_at: Option<i64>,
    ended_at: Option<i64>,
}

impl Row {
    fn into_setup(self) -> Result<Setup, StoreError> {
        Ok(Setup {
            created_at: moment("router setup", self.created_at)?,
            expires_at: moment("router setup", self.expires_at)?,
            opened_at: moment_opt("router setup", self.opened_at)?,
            ended_at: moment_opt("router setup", self.ended_at)?,
            id: self.id,
            router_id: self.router_id,
            key_kind: self.key_kind,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_setup {
    ($condition:literal) => {
        concat!(
            "SELECT id, router_id, key_kind, created_at, expires_at, opened_at, ended_at
             FROM router_setup WHERE ",
            $condition
        )
    };
}

/// Keeps a link, in place of the router's living one.
///
/// # Errors
/// [`StoreError::Unavailable`] also when a router is none, [`StoreError::Conflict`].
pub async fn create(tx: &mut Tx, new: NewSetup<'_>) -> Result<(), StoreError> {
    end(tx, new.router_id, PskEnd::Replaced, new.created_at).await?;
    let id = new.id.to_string();
    tx.execute(
        sql(
            "INSERT INTO router_setup (id, router_id, code_hash, key_kind, created_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&id)
        .bind(new.router_id)
        .bind(new.code_hash)
        .bind(new.key_kind)
        .bind(new.created_by)
        .bind(new.created_at)
        .bind(new.expires_at),
    )
    .await?;
    for peer_id in new.peers {
        tx.execute(
            sql("INSERT INTO router_setup_peer (setup_id, peer_id) VALUES ($1, $2)")
                .bind(&id)
                .bind(peer_id.as_str()),
        )
        .await?;
    }
    Ok(())
}

/// Ends the router's living link; `false` when it has none.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    router_id: &str,
    reason: PskEnd,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            sql("UPDATE router_setup SET ended_at = $2, end_reason = $3
                 WHERE router_id = $1 AND ended_at IS NULL")
            .bind(router_id)
            .bind(at)
            .bind(reason.as_str()),
        )
        .await?;
    Ok(ended > 0)
}

/// Ends the living links of a facility's routers.
pub(crate) async fn end_of_facility(
    tx: &mut Tx,
    organisation_id: &str,
    reason: PskEnd,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE router_setup SET ended_at = $2, end_reason = $3
             WHERE ended_at IS NULL AND EXISTS (SELECT 1 FROM terminal t
                 WHERE t.organisation_id = $1 AND t.id = router_id)")
        .bind(organisation_id)
        .bind(at)
        .bind(reason.as_str()),
    )
    .await?;
    Ok(())
}

/// The link of this code, living or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_by_code(
    queries: &mut impl Queries,
    code_hash: &[u8; 32],
) -> Result<Option<Setup>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_setup!("code_hash = $1")).bind(code_hash)).await?;
    row.map(Row::into_setup).transpose()
}

/// The newest link of a router, living or not.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest_of(
    queries: &mut impl Queries,
    router_id: &str,
) -> Result<Option<Setup>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_setup!("router_id = $1 ORDER BY id DESC LIMIT 1")).bind(router_id),
        )
        .await?;
    row.map(Row::into_setup).transpose()
}

/// The tunnels of a link, by the identifier of the other end.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn peers(
    queries: &mut impl Queries,
    setup_id: &str,
) -> Result<Vec<SetupPeer>, StoreError> {
    let rows: Vec<(String, Option<i64>)> = queries
        .fetch_all(
            sql("SELECT peer_id, seen_at FROM router_setup_peer
                 WHERE setup_id = $1 ORDER BY peer_id")
            .bind(setup_id),
        )
        .await?;
    let peer = |(router_id, seen_at): (String, Option<i64>)| {
        let seen_at = moment_opt("router setup peer", seen_at)?;
        Ok(SetupPeer { router_id, seen_at })
    };
    rows.into_iter().map(peer).collect()
}

/// Notes that a living link was opened; `false` when it was before, or lives no more.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn open(tx: &mut Tx, setup_id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let opened = tx
        .execute(
            sql("UPDATE router_setup SET opened_at = $2
                 WHERE id = $1 AND opened_at IS NULL AND ended_at IS NULL AND expires_at > $2")
            .bind(setup_id)
            .bind(at),
        )
        .await?;
    Ok(opened == 1)
}

/// Notes that the technician saw a tunnel up; `false` when that was said before, the tunnel is none of the
/// link's, or the link lives no more.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn saw(
    tx: &mut Tx,
    setup_id: &str,
    peer_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let seen = tx
        .execute(
            sql("UPDATE router_setup_peer SET seen_at = $3
                 WHERE setup_id = $1 AND peer_id = $2 AND seen_at IS NULL
                   AND EXISTS (SELECT 1 FROM router_setup s
                       WHERE s.id = setup_id AND s.ended_at IS NULL AND s.expires_at > $3)")
            .bind(setup_id)
            .bind(peer_id)
            .bind(at),
        )
        .await?;
    Ok(seen == 1)
}

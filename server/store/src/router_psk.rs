//! Pre-shared keys of routers: one for each pair, kept wrapped until both ends have fetched it by their
//! codes, and destroyed then (docs/decisions/0038).
//!
//! What takes a router's right away ends its pairs in the same transaction: [`end_of_router`] and
//! [`end_of_facility`] are called by revocation, hold, suspension and closing themselves, [`end_with_strangers`]
//! by what ends a place in a group.

mod ending;

use time::OffsetDateTime;
use uuid::Uuid;

pub use ending::{end, expire, expired};
pub(crate) use ending::{end_of_facility, end_of_router, end_with_strangers};

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
};

/// One of both routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The router.
    pub router_id: String,
    /// When it fetched the key.
    pub fetched_at: Option<OffsetDateTime>,
}

/// A key of two routers, as far as the register tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterPsk {
    /// UUIDv7.
    pub id: String,
    /// Both ends, by their identifiers.
    pub ends: [End; 2],
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Until when it can be fetched.
    pub expires_at: OffsetDateTime,
    /// When and why it ended.
    pub ended: Option<(OffsetDateTime, PskEnd)>,
}

impl RouterPsk {
    /// The end that is not this router's.
    #[must_use]
    pub fn other(&self, router_id: &str) -> &End {
        let [first, second] = &self.ends;
        if first.router_id == router_id { second } else { first }
    }

    /// Whether this router may fetch it now.
    #[must_use]
    pub fn waits_for(&self, router_id: &str, at: OffsetDateTime) -> bool {
        let own = self.ends.iter().find(|end| end.router_id == router_id);
        self.ended.is_none()
            && at < self.expires_at
            && own.is_some_and(|end| end.fetched_at.is_none())
    }

    /// Whether both ends have it, so that it is kept nowhere else.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        self.ends.iter().all(|end| end.fetched_at.is_some())
    }
}

/// Why a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PskEnd {
    /// Another took its place.
    Replaced,
    /// Somebody ended it: the pair has certificates, or no tunnel.
    Withdrawn,
    /// Not fetched by both in time.
    Expired,
    /// A router of the pair was revoked.
    RouterRevoked,
    /// A router of the pair was put on hold.
    RouterHeld,
    /// The facility of one was suspended.
    FacilitySuspended,
    /// The facility of one was closed.
    FacilityClosed,
    /// No group makes them peers any more.
    NotPeers,
}

impl PskEnd {
    const ALL: [Self; 8] = [
        Self::Replaced,
        Self::Withdrawn,
        Self::Expired,
        Self::RouterRevoked,
        Self::RouterHeld,
        Self::FacilitySuspended,
        Self::FacilityClosed,
        Self::NotPeers,
    ];

    /// As stored and in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::RouterRevoked => "router_revoked",
            Self::RouterHeld => "router_held",
            Self::FacilitySuspended => "facility_suspended",
            Self::FacilityClosed => "facility_closed",
            Self::NotPeers => "not_peers",
        }
    }

    fn stored(text: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| {
            StoreError::Corrupt { what: "router_psk", detail: format!("`{text}` is no reason") }
        })
    }
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    first_id: String,
    second_id: String,
    first_fetched_at: Option<i64>,
    second_fetched_at: Option<i64>,
    created_at: i64,
    expires_at: i64,
    ended_at: Option<i64>,
    end_reason: Option<String>,
}

impl Row {
    fn into_psk(self) -> Result<RouterPsk, StoreError> {
        let end = |router_id, fetched_at| -> Result<End, StoreError> {
            Ok(End { router_id, fetched_at: moment_opt("router psk", fetched_at)? })
        };
        let ended_at = moment_opt("router psk", self.ended_at)?;
        let reason = self.end_reason.as_deref().map(PskEnd::stored).transpose()?;
        Ok(RouterPsk {
            id: self.id,
            ends: [
                end(self.first_id, self.first_fetched_at)?,
                end(self.second_id, self.second_fetched_at)?,
            ],
            created_at: moment("router psk", self.created_at)?,
            expires_at: moment("router psk", self.expires_at)?,
            ended: ended_at.zip(reason),
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_psk {
    ($condition:literal) => {
        concat!(
            "SELECT k.id, k.first_id, k.second_id, k.first_fetched_at, k.second_fetched_at,
                    k.created_at, k.expires_at, k.ended_at, k.end_reason
             FROM router_psk k WHERE ",
            $condition
        )
    };
}
use select_psk;

/// A key to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewPsk<'a> {
    /// Both routers, each with the SHA-256 of the code by which it fetches the key.
    pub ends: [(&'a str, &'a [u8; 32]); 2],
    /// SHA-256 of the key.
    pub fingerprint: &'a [u8; 32],
    /// The key, wrapped for `id`.
    pub sealed: &'a [u8],
    /// UUIDv7.
    pub id: Uuid,
    /// Who asked for it.
    pub created_by: &'a str,
    /// Now.
    pub created_at: OffsetDateTime,
    /// Until when it can be fetched.
    pub expires_at: OffsetDateTime,
}

/// Keeps a key of two routers.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: they have one in force, or this key was another pair's.
pub async fn create(tx: &mut Tx, new: NewPsk<'_>) -> Result<(), StoreError> {
    let mut ends = new.ends;
    ends.sort_unstable_by_key(|(router_id, _)| *router_id);
    let [(first_id, first_code), (second_id, second_code)] = ends;
    tx.execute(
        sql(
            "INSERT INTO router_psk (id, first_id, second_id, fingerprint, sealed, first_code_hash,
                 second_code_hash, created_at, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.id.to_string())
        .bind(first_id)
        .bind(second_id)
        .bind(new.fingerprint)
        .bind(new.sealed)
        .bind(first_code)
        .bind(second_code)
        .bind(new.created_at)
        .bind(new.created_by)
        .bind(new.expires_at),
    )
    .await?;
    Ok(())
}

/// The key in force of two routers, in whatever order.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn in_force(
    queries: &mut impl Queries,
    one_id: &str,
    other_id: &str,
) -> Result<Option<RouterPsk>, StoreError> {
    let (first, second) = if one_id < other_id { (one_id, other_id) } else { (other_id, one_id) };
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_psk!("k.first_id = $1 AND k.second_id = $2 AND k.ended_at IS NULL"))
                .bind(first)
                .bind(second),
        )
        .await?;
    row.map(Row::into_psk).transpose()
}

/// The key of a router with each of the others: that in force, else the one that ended last; newest first, at
/// most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest_of(
    queries: &mut impl Queries,
    router_id: &str,
    limit: i64,
) -> Result<Vec<RouterPsk>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_psk!(
                "(k.first_id = $1 OR k.second_id = $1)
                   AND (k.ended_at IS NULL OR NOT EXISTS (SELECT 1 FROM router_psk n
                       WHERE n.first_id = k.first_id AND n.second_id = k.second_id
                         AND (n.ended_at IS NULL OR n.id > k.id)))
                 ORDER BY k.id DESC LIMIT $2"
            ))
            .bind(router_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_psk).collect()
}

/// The key that this code fetches for this router now. Decides nothing: [`fetch`] asks once more.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_by_code(
    queries: &mut impl Queries,
    router_id: &str,
    code_hash: &[u8; 32],
) -> Result<Option<RouterPsk>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_psk!(
                "k.first_id = $1 AND k.first_code_hash = $2
                   OR k.second_id = $1 AND k.second_code_hash = $2"
            ))
            .bind(router_id)
            .bind(code_hash),
        )
        .await?;
    row.map(Row::into_psk).transpose()
}

/// Uses up the code of one end: the wrapped key, which is destroyed here when the other end has it, too. From then
/// on the code of `report_hash` proves this end where it tells of its tunnels ([`reporting`]).
/// `None`: this end has fetched it, its time is over, or it ended; nothing changed.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn fetch(
    tx: &mut Tx,
    psk: &RouterPsk,
    router_id: &str,
    report_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sealed: Option<(Option<Vec<u8>>,)> = tx
        .fetch_optional(sql("SELECT sealed FROM router_psk WHERE id = $1").bind(psk.id.as_str()))
        .await?;
    // One row, so that of two ends at once one is the second.
    let fetched = tx
        .execute(
            sql("UPDATE router_psk SET
                     first_fetched_at = CASE WHEN first_id = $2 THEN $3 ELSE first_fetched_at END,
                     second_fetched_at = CASE WHEN second_id = $2 THEN $3 ELSE second_fetched_at END,
                     first_report_hash = CASE WHEN first_id = $2 THEN $4 ELSE first_report_hash END,
                     second_report_hash = CASE WHEN second_id = $2 THEN $4 ELSE second_report_hash END,
                     sealed = CASE
                         WHEN first_id = $2 AND second_fetched_at IS NOT NULL THEN NULL
                         WHEN second_id = $2 AND first_fetched_at IS NOT NULL THEN NULL
                         ELSE sealed END
                 WHERE id = $1 AND ended_at IS NULL AND expires_at > $3
                   AND (first_id = $2 AND first_fetched_at IS NULL
                        OR second_id = $2 AND second_fetched_at IS NULL)")
            .bind(psk.id.as_str())
            .bind(router_id)
            .bind(at)
            .bind(report_hash),
        )
        .await?;
    Ok(sealed.and_then(|(sealed,)| sealed).filter(|_| fetched == 1))
}

/// Whether this code proves the router where it tells of its tunnels: `Some(false)` when the key that it came with
/// has ended, `None` when it came with none.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn reporting(
    queries: &mut impl Queries,
    router_id: &str,
    report_hash: &[u8; 32],
) -> Result<Option<bool>, StoreError> {
    let row: Option<(Option<i64>,)> = queries
        .fetch_optional(
            sql("SELECT ended_at FROM router_psk
                 WHERE first_id = $1 AND first_report_hash = $2
                    OR second_id = $1 AND second_report_hash = $2")
            .bind(router_id)
            .bind(report_hash),
        )
        .await?;
    Ok(row.map(|(ended_at,)| ended_at.is_none()))
}

/// How a pair stands, as its ends are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This key is theirs, and both have it.
    InForce,
    /// It is theirs, and not both have fetched it.
    Waiting,
    /// Another took its place; this one is good until that was fetched.
    Replaced,
    /// They have none any more.
    Ended,
}

/// How the pair of this key stands; `None` for a key that never was.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn standing(
    queries: &mut impl Queries,
    id: &str,
) -> Result<Option<Standing>, StoreError> {
    // Whether not both have it; of all that came after it how many are in force; and of it and those how many
    // ended for good: one that only expired left the key before it in force.
    let row: Option<(Option<i64>, i64, i64, i64)> = queries
        .fetch_optional(
            sql("SELECT k.ended_at,
                        (SELECT COUNT(*) FROM router_psk w WHERE w.id = k.id
                           AND (w.first_fetched_at IS NULL OR w.second_fetched_at IS NULL)),
                        (SELECT COUNT(*) FROM router_psk n
                         WHERE n.first_id = k.first_id AND n.second_id = k.second_id
                           AND n.id > k.id AND n.ended_at IS NULL),
                        (SELECT COUNT(*) FROM router_psk n
                         WHERE n.first_id = k.first_id AND n.second_id = k.second_id
                           AND n.id >= k.id AND n.end_reason <> 'replaced'
                           AND (n.end_reason <> 'expired' OR n.id = k.id))
                 FROM router_psk k WHERE k.id = $1")
            .bind(id),
        )
        .await?;
    Ok(row.map(|row| match row {
        (None, 0, ..) => Standing::InForce,
        (None, ..) => Standing::Waiting,
        (Some(_), _, 1.., 0) => Standing::Replaced,
        (Some(_), ..) => Standing::Ended,
    }))
}

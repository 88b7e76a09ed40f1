//! Records, links and checkpoints as they are kept.

use crate::{Queries, StoreError, sql};

/// A stored record with what it commits to.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Record {
    /// UUIDv7.
    pub id: String,
    /// Process that wrote it.
    pub node: String,
    /// Position in its node's chain; absent for at most about a second.
    pub seq: Option<i64>,
    /// The canonical octets.
    pub canonical: Vec<u8>,
    /// Hash of the canonical octets, as stored.
    pub leaf_hash: Vec<u8>,
    /// Link of the chain, as stored.
    pub link_hash: Option<Vec<u8>>,
    /// What lists filter by: repeats what the canonical octets say.
    #[serde(flatten)]
    pub columns: Columns,
}

/// The columns beside a record's canonical octets, which repeat members of theirs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Columns {
    /// When, in Unix seconds.
    pub at: i64,
    /// What.
    pub act: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// What kind of actor.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: Option<String>,
    /// Whose administrators and auditors may see it.
    pub organisation_id: Option<String>,
}

/// A personal field of a record; without salt and value after erasure.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct PersonalField {
    /// The record it belongs to.
    pub record_id: String,
    /// Name of the field.
    pub field: String,
    /// Salt of the commitment.
    pub salt: Option<Vec<u8>>,
    /// The value.
    pub value: Option<String>,
}

/// A signed head of a node's chain.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Checkpoint {
    /// Process whose chain it is.
    pub node: String,
    /// Position of the link it signs.
    pub seq: i64,
    /// When it was signed, in seconds of Unix time, as pages and lists show it.
    pub at: i64,
    /// Compact JWS, `typ` [`sekisho_wire::typ::AUDIT_CHECKPOINT`].
    pub jws: String,
}

/// Records after `after` (exclusive, by identifier, which is by time), oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(
    queries: &mut impl Queries,
    after: &str,
    organisation_id: Option<&str>,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                     r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
                 FROM audit_record r LEFT JOIN audit_link l ON l.record_id = r.id
                 WHERE r.id > $1 AND (CAST($2 AS TEXT) IS NULL OR r.organisation_id = $2) ORDER BY r.id LIMIT $3")
            .bind(after)
            .bind(organisation_id)
            .bind(limit),
        )
        .await
}

/// The personal fields of one record.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn personal(
    queries: &mut impl Queries,
    record_id: &str,
) -> Result<Vec<PersonalField>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT record_id, field, salt, value FROM audit_personal WHERE record_id = $1 ORDER BY field")
                .bind(record_id),
        )
        .await
}

/// All checkpoints of a node, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn checkpoints(
    queries: &mut impl Queries,
    node: &str,
) -> Result<Vec<Checkpoint>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT node, seq, at, jws FROM audit_checkpoint WHERE node = $1
                 ORDER BY seq")
            .bind(node),
        )
        .await
}

/// Records of a node in the order of its chain, from position `from` on.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chain(
    queries: &mut impl Queries,
    node: &str,
    from: i64,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                     r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
                 FROM audit_link l JOIN audit_record r ON r.id = l.record_id
                 WHERE l.node = $1 AND l.seq >= $2 ORDER BY l.seq LIMIT $3")
            .bind(node)
            .bind(from)
            .bind(limit),
        )
        .await
}

/// Link at one position of a node's chain.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn link_at(
    queries: &mut impl Queries,
    node: &str,
    seq: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = queries
        .fetch_optional(
            sql("SELECT link_hash FROM audit_link WHERE node = $1 AND seq = $2")
                .bind(node)
                .bind(seq),
        )
        .await?;
    Ok(row.map(|(link,)| link))
}

/// Every node in whose name a record or a checkpoint is filed.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn nodes(queries: &mut impl Queries) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(sql("SELECT node FROM audit_record UNION SELECT node FROM audit_checkpoint
                        ORDER BY node"))
        .await?;
    Ok(rows.into_iter().map(|(node,)| node).collect())
}

/// Head of a node's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Position of the last link; 0 before the first.
    pub seq: i64,
    /// The last link; zeros before the first.
    pub link_hash: [u8; 32],
}

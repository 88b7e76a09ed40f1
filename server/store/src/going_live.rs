//! What the owners of services asked of the operating body: to be let out of the sandbox.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
};

/// What an owner asked, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// UUIDv7.
    pub id: String,
    /// The owner's words: what for, and for whom.
    pub purpose: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: OffsetDateTime,
    /// When it was decided.
    pub decided_at: Option<OffsetDateTime>,
    /// Why it was refused; a request that was decided otherwise was approved.
    pub refused_because: Option<String>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    purpose: String,
    asked_by: String,
    asked_at: i64,
    decided_at: Option<i64>,
    refused_because: Option<String>,
}

/// Keeps what an owner asks for a service.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: one that is not decided is there.
pub async fn ask(
    tx: &mut Tx,
    service_id: &str,
    purpose: &str,
    asked_by: &str,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO going_live (id, service_id, purpose, asked_by, asked_at)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(&id)
        .bind(service_id)
        .bind(purpose)
        .bind(asked_by)
        .bind(at),
    )
    .await?;
    Ok(id)
}

/// What was asked last for a service.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Option<Request>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id, purpose, asked_by, asked_at, decided_at, refused_because
                 FROM going_live WHERE service_id = $1 ORDER BY asked_at DESC, id DESC LIMIT 1")
            .bind(service_id),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Request {
        asked_at: moment("going_live", row.asked_at)?,
        decided_at: moment_opt("going_live", row.decided_at)?,
        id: row.id,
        purpose: row.purpose,
        asked_by: row.asked_by,
        refused_because: row.refused_because,
    }))
}

/// The services whose owners wait for a decision, by identifier, the longest waiting first; at most
/// `limit`. Each with its Japanese and its English name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn waiting(
    queries: &mut impl Queries,
    limit: i64,
) -> Result<Vec<(String, String, String)>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT s.id, s.name_ja, s.name_en FROM going_live g
                 JOIN service s ON s.id = g.service_id
                 WHERE g.decided_at IS NULL AND s.withdrawn_at IS NULL AND s.live_at IS NULL
                 ORDER BY g.asked_at, g.id LIMIT $1")
            .bind(limit),
        )
        .await
}

/// Notes the decision about what is asked for a service, by a person or the operator of the host;
/// `refused_because` where it is refused. Answers whether something was to be decided.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn decide(
    tx: &mut Tx,
    service_id: &str,
    by: Option<&str>,
    refused_because: Option<&str>,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement =
        sql("UPDATE going_live SET decided_at = $2, decided_by = $3, refused_because = $4
                         WHERE service_id = $1 AND decided_at IS NULL");
    let changed =
        tx.execute(statement.bind(service_id).bind(at).bind(by).bind(refused_because)).await?;
    Ok(changed == 1)
}

//! What people agreed that services are told of them.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    session, sql,
};

/// A consent in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// UUIDv7.
    pub id: String,
    /// To which service.
    pub service_id: String,
    /// What the service said about personal data, as it was shown.
    pub declared: String,
    /// The claims that were shown.
    pub claims: Vec<String>,
    /// When.
    pub given_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    service_id: String,
    declared: String,
    claims: String,
    given_at: i64,
}

impl TryFrom<Row> for Consent {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            claims: row.claims.split_ascii_whitespace().map(str::to_owned).collect(),
            given_at: moment("consent", row.given_at)?,
            id: row.id,
            service_id: row.service_id,
            declared: row.declared,
        })
    }
}

/// What a person agreed to for one service, as far as it is in force.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn in_force(
    queries: &mut impl Queries,
    person_id: &str,
    service_id: &str,
) -> Result<Option<Consent>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id, service_id, declared, claims, given_at FROM consent
                 WHERE person_id = $1 AND service_id = $2 AND ended_at IS NULL")
            .bind(person_id)
            .bind(service_id),
        )
        .await?;
    row.map(Consent::try_from).transpose()
}

/// All that a person agreed to and that is in force, the newest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<Consent>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT id, service_id, declared, claims, given_at FROM consent
                 WHERE person_id = $1 AND ended_at IS NULL ORDER BY given_at DESC, id DESC")
            .bind(person_id),
        )
        .await?;
    rows.into_iter().map(Consent::try_from).collect()
}

/// Keeps what a person agrees to, in place of what they agreed to for this service before; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another one came in between; [`StoreError::Conflict`].
pub async fn give(
    tx: &mut Tx,
    person_id: &str,
    service_id: &str,
    (declared, claims): (&str, &[String]),
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    end(tx, person_id, service_id, at).await?;
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO consent (id, person_id, service_id, declared, claims, given_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(&id)
        .bind(person_id)
        .bind(service_id)
        .bind(declared)
        .bind(claims.join(" "))
        .bind(at),
    )
    .await?;
    Ok(id)
}

async fn end(
    tx: &mut Tx,
    person_id: &str,
    service_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE consent SET ended_at = $3
                         WHERE person_id = $1 AND service_id = $2 AND ended_at IS NULL");
    Ok(tx.execute(statement.bind(person_id).bind(service_id).bind(at)).await? == 1)
}

/// Ends what a person agreed to for a service, and with it all that the service was granted in their living
/// sessions, of which it is told; answers how many grants that were, and `None` where nothing was in force.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    person_id: &str,
    service_id: &str,
    at: OffsetDateTime,
) -> Result<Option<u64>, StoreError> {
    if !end(tx, person_id, service_id, at).await? {
        return Ok(None);
    }
    let sessions: Vec<(Vec<u8>,)> = tx
        .fetch_all(
            sql("SELECT DISTINCT l.id_hash FROM session l
                 JOIN token_grant g ON g.session_hash = l.id_hash
                 WHERE l.person_id = $1 AND l.ended_at IS NULL AND g.service_id = $2
                   AND g.withdrawn_at IS NULL")
            .bind(person_id)
            .bind(service_id),
        )
        .await?;
    let mut grants = 0;
    for (session_hash,) in sessions {
        let session_hash = digest("session", session_hash)?;
        grants += session::leave_service(tx, service_id, &session_hash, at).await?;
    }
    Ok(Some(grants))
}

//! Messages that the SCEP door answered with a certificate. Each counts once, for a while, whoever sends it:
//! what identifies it is its encrypted content, since all else that the signature covers is of few bits or
//! the client's choice, and whose certificate stands beside the signature anybody may exchange.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment_opt, sql};

/// When a message of this content was first answered, if one was.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn answered_at(
    queries: &mut impl Queries,
    content_sha256: &[u8; 32],
) -> Result<Option<OffsetDateTime>, StoreError> {
    let row: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT answered_at FROM scep_message WHERE content_sha256 = $1")
                .bind(content_sha256),
        )
        .await?;
    moment_opt("SCEP message", row.map(|(at,)| at))
}

/// Notes that a message was answered, unless it was before; until the certificate ends.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note(
    tx: &mut Tx,
    content_sha256: &[u8; 32],
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO scep_message (content_sha256, answered_at, expires_at)
             VALUES ($1, $2, $3) ON CONFLICT (content_sha256) DO NOTHING")
        .bind(content_sha256)
        .bind(at)
        .bind(expires_at),
    )
    .await?;
    Ok(())
}

//! Codes that protect CMP messages, sealed by the caller. A code is kept by its hash alone where CMP is off.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::digest, sql};

/// A code that may have protected a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmpSecret {
    /// SHA-256 of the code, as in the register of codes.
    pub code_hash: [u8; 32],
    /// The code, sealed.
    pub sealed_code: Vec<u8>,
}

/// Most codes of one terminal whose MAC is computed: the present one, and those that were just used.
const MOST: i64 = 3;

/// Keeps a code beside its hash, until it ends.
///
/// # Errors
/// [`StoreError::AlreadyExists`], [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn keep(
    tx: &mut Tx,
    secret: &CmpSecret,
    terminal_id: &str,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO cmp_secret (code_hash, terminal_id, sealed_code, expires_at)
             VALUES ($1, $2, $3, $4)")
        .bind(secret.code_hash)
        .bind(terminal_id)
        .bind(&secret.sealed_code)
        .bind(expires_at),
    )
    .await?;
    Ok(())
}

/// Codes of a terminal that were not withdrawn, and not used before `used_since`; newest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_terminal(
    queries: &mut impl Queries,
    terminal_id: &str,
    used_since: OffsetDateTime,
) -> Result<Vec<CmpSecret>, StoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = queries
        .fetch_all(
            sql("SELECT s.code_hash, s.sealed_code
                 FROM cmp_secret s JOIN enrolment_code c ON c.code_hash = s.code_hash
                 WHERE s.terminal_id = $1 AND c.withdrawn_at IS NULL
                   AND (c.used_at IS NULL OR c.used_at >= $2)
                 ORDER BY c.created_at DESC, s.code_hash LIMIT $3")
            .bind(terminal_id)
            .bind(used_since)
            .bind(MOST),
        )
        .await?;
    let read = |(code_hash, sealed_code)| {
        Ok(CmpSecret { code_hash: digest("CMP secret", code_hash)?, sealed_code })
    };
    rows.into_iter().map(read).collect()
}

/// Forgets the codes of a terminal that were withdrawn.
pub(crate) async fn withdraw(tx: &mut Tx, terminal_id: &str) -> Result<(), StoreError> {
    tx.execute(
        sql("DELETE FROM cmp_secret WHERE terminal_id = $1 AND code_hash IN (
                 SELECT code_hash FROM enrolment_code
                 WHERE terminal_id = $1 AND withdrawn_at IS NOT NULL)")
        .bind(terminal_id),
    )
    .await?;
    Ok(())
}

//! Which terminals are one person's alone; the others several people use in turn.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, sql};

/// Whether a terminal is one person's alone.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_personal(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<bool, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT id FROM terminal WHERE id = $1 AND personal_at IS NOT NULL")
                .bind(terminal_id),
        )
        .await?;
    Ok(found.is_some())
}

/// Notes whether a PC is one person's alone; answers whether that is news.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_personal(
    tx: &mut Tx,
    terminal_id: &str,
    personal: bool,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = if personal {
        sql("UPDATE terminal SET personal_at = $2 WHERE id = $1 AND personal_at IS NULL")
            .bind(terminal_id)
            .bind(at)
    } else {
        sql("UPDATE terminal SET personal_at = NULL WHERE id = $1 AND personal_at IS NOT NULL")
            .bind(terminal_id)
    };
    Ok(tx.execute(statement).await? == 1)
}

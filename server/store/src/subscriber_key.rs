//! Whose key it is: a key belongs to the first device that was approved for it, for ever.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, sql};

/// Gives the key to `terminal_id` unless another device has it; answers whose it is now.
///
/// Two that ask at once meet at the table's key: the second waits for the first and finds it there.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn claim(
    tx: &mut Tx,
    spki_sha256: &[u8; 32],
    terminal_id: &str,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    tx.execute(
        sql("INSERT INTO subscriber_key (spki_sha256, terminal_id, claimed_at)
                 VALUES ($1, $2, $3) ON CONFLICT (spki_sha256) DO NOTHING")
        .bind(spki_sha256)
        .bind(terminal_id)
        .bind(at),
    )
    .await?;
    holder(tx, spki_sha256).await?.ok_or_else(|| StoreError::Corrupt {
        what: "subscriber_key",
        detail: "a row that was there is gone".to_owned(),
    })
}

/// The device that has this key.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn holder(
    queries: &mut impl Queries,
    spki_sha256: &[u8; 32],
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT terminal_id FROM subscriber_key WHERE spki_sha256 = $1").bind(spki_sha256),
        )
        .await?;
    Ok(row.map(|(terminal_id,)| terminal_id))
}

//! Whose key it is, among services: a key belongs to the first service whose server had it certified.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, sql};

/// Gives the key to `service_id` unless another has it; answers whose it is now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn claim(
    tx: &mut Tx,
    spki_sha256: &[u8; 32],
    service_id: &str,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    tx.execute(
        sql("INSERT INTO server_key (spki_sha256, service_id, claimed_at)
                 VALUES ($1, $2, $3) ON CONFLICT (spki_sha256) DO NOTHING")
        .bind(spki_sha256)
        .bind(service_id)
        .bind(at),
    )
    .await?;
    holder(tx, spki_sha256).await?.ok_or_else(|| StoreError::Corrupt {
        what: "server_key",
        detail: "a row that was there is gone".to_owned(),
    })
}

/// The service whose server has this key.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn holder(
    queries: &mut impl Queries,
    spki_sha256: &[u8; 32],
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT service_id FROM server_key WHERE spki_sha256 = $1").bind(spki_sha256),
        )
        .await?;
    Ok(row.map(|(service_id,)| service_id))
}

//! Nonces: each counts once (RFC 8555 §6.5).

use time::OffsetDateTime;

use crate::{Store, StoreError, db::housekeeping, sql};

impl Store {
    /// Uses a nonce up; answers whether this was the first time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_acme_nonce(
        &self,
        nonce: &[u8],
        expires_at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let kept: u64 = housekeeping!(self, |tx| {
            tx.execute(
                sql("INSERT INTO acme_nonce (nonce, expires_at) VALUES ($1, $2)
                     ON CONFLICT (nonce) DO NOTHING")
                .bind(nonce)
                .bind(expires_at),
            )
            .await?
        })?;
        Ok(kept == 1)
    }
}

//! Proofs of possession of a key (RFC 9449): each counts once.

use time::OffsetDateTime;

use crate::{Store, StoreError, Tx, db::housekeeping, sql};

/// Notes a proof, so that it is accepted once (RFC 9449 §11.1).
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it was presented before.
pub async fn consume(
    tx: &mut Tx,
    proof_hash: &[u8; 32],
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO dpop_proof (proof_hash, expires_at) VALUES ($1, $2)")
            .bind(proof_hash)
            .bind(expires_at),
    )
    .await?;
    Ok(())
}

impl Store {
    /// As [`consume`], where the proof leads to no other change; answers whether it was the first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn accept_dpop_proof(
        &self,
        proof_hash: &[u8; 32],
        expires_at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let kept: u64 = housekeeping!(self, |tx| {
            tx.execute(
                sql("INSERT INTO dpop_proof (proof_hash, expires_at) VALUES ($1, $2)
                     ON CONFLICT (proof_hash) DO NOTHING")
                .bind(proof_hash)
                .bind(expires_at),
            )
            .await?
        })?;
        Ok(kept == 1)
    }
}

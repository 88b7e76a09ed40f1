//! Which certificate went to which SCEP transaction. Both what identifies a transaction and who signed it
//! count: the identifier alone is in the clear, and anybody may write it.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
};

/// A transaction that a certificate came of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScepTransaction {
    /// SHA-256 of the certificate.
    pub certificate_sha256: [u8; 32],
    /// The transaction, in the client's words.
    pub transaction_id: String,
    /// SHA-256 of the `SubjectPublicKeyInfo` that signed the request.
    pub signer_sha256: [u8; 32],
    /// When the certificate was first answered.
    pub begun_at: OffsetDateTime,
    /// When the certificate ends.
    pub expires_at: OffsetDateTime,
}

type Row = (Vec<u8>, String, Vec<u8>, i64, i64);

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_transaction {
    ($condition:literal) => {
        concat!(
            "SELECT certificate_sha256, transaction_id, signer_sha256, begun_at, expires_at
             FROM scep_transaction WHERE ",
            $condition
        )
    };
}

/// The newest transaction of this identifier and signer.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    transaction_id: &str,
    signer_sha256: &[u8; 32],
) -> Result<Option<ScepTransaction>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_transaction!(
                "transaction_id = $1 AND signer_sha256 = $2 ORDER BY begun_at DESC LIMIT 1"
            ))
            .bind(transaction_id)
            .bind(signer_sha256),
        )
        .await?;
    row.map(read).transpose()
}

/// Binds the certificate to the transaction, unless it is bound already; answers to which it is.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::Corrupt`].
pub async fn bind(
    tx: &mut Tx,
    transaction: &ScepTransaction,
) -> Result<ScepTransaction, StoreError> {
    tx.execute(
        sql("INSERT INTO scep_transaction
                 (certificate_sha256, transaction_id, signer_sha256, begun_at, expires_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (certificate_sha256) DO NOTHING")
        .bind(transaction.certificate_sha256)
        .bind(&transaction.transaction_id)
        .bind(transaction.signer_sha256)
        .bind(transaction.begun_at)
        .bind(transaction.expires_at),
    )
    .await?;
    let row: Option<Row> = tx
        .fetch_optional(
            sql(select_transaction!("certificate_sha256 = $1"))
                .bind(transaction.certificate_sha256),
        )
        .await?;
    row.map(read).transpose()?.ok_or_else(|| StoreError::Corrupt {
        what: "SCEP transaction",
        detail: "what was just written is not there".to_owned(),
    })
}

fn read((sha256, transaction_id, signer, begun, ends): Row) -> Result<ScepTransaction, StoreError> {
    const WHAT: &str = "SCEP transaction";
    Ok(ScepTransaction {
        certificate_sha256: digest(WHAT, sha256)?,
        transaction_id,
        signer_sha256: digest(WHAT, signer)?,
        begun_at: moment(WHAT, begun)?,
        expires_at: moment(WHAT, ends)?,
    })
}

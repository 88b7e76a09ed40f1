//! What was proven at a card login, kept so that anybody can verify it again.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    sql,
};

/// The signed pieces of one successful login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When the portal verified it.
    pub at: OffsetDateTime,
    /// SHA-256 of the card's certificate.
    pub card_fingerprint: [u8; 32],
    /// SHA-256 of the facility certificate of the TLS connection.
    pub terminal_fingerprint: [u8; 32],
    /// The portal's request as it was signed.
    pub request_jws: String,
    /// The octets that the card signed (before hashing).
    pub signed_input: Vec<u8>,
    /// Signature algorithm, JOSE name (RFC 7518 §3.1).
    pub algorithm: String,
    /// The card's signature.
    pub signature: Vec<u8>,
    /// The page's proof as it was submitted, compact JWS.
    pub page_proof: String,
}

/// Keeps a login's evidence; answers its identifier.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn keep(tx: &mut Tx, evidence: &Evidence) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO login_evidence (id, at, card_fingerprint, terminal_fingerprint, request_jws,
                                         signed_input, algorithm, signature, page_proof)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&id)
        .bind(evidence.at)
        .bind(evidence.card_fingerprint)
        .bind(evidence.terminal_fingerprint)
        .bind(&evidence.request_jws)
        .bind(&evidence.signed_input)
        .bind(&evidence.algorithm)
        .bind(&evidence.signature)
        .bind(&evidence.page_proof),
    )
    .await?;
    Ok(id)
}

#[derive(serde::Deserialize)]
struct Row {
    at: i64,
    card_fingerprint: Vec<u8>,
    terminal_fingerprint: Vec<u8>,
    request_jws: String,
    signed_input: Vec<u8>,
    algorithm: String,
    signature: Vec<u8>,
    page_proof: String,
}

/// The evidence of a login.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Evidence>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT at, card_fingerprint, terminal_fingerprint, request_jws, signed_input,
                        algorithm, signature, page_proof
                 FROM login_evidence WHERE id = $1")
            .bind(id),
        )
        .await?;
    row.map(|row| {
        Ok(Evidence {
            at: moment("login evidence", row.at)?,
            card_fingerprint: digest("card fingerprint", row.card_fingerprint)?,
            terminal_fingerprint: digest("terminal fingerprint", row.terminal_fingerprint)?,
            request_jws: row.request_jws,
            signed_input: row.signed_input,
            algorithm: row.algorithm,
            signature: row.signature,
            page_proof: row.page_proof,
        })
    })
    .transpose()
}

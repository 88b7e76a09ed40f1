//! CMP transactions: which message began one, what was answered, and whether the certificate was confirmed.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment, moment_opt},
    sql,
};

/// A transaction of a device that has proven itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmpTransaction {
    /// Whose it is.
    pub terminal_id: String,
    /// In the client's octets.
    pub transaction_id: Vec<u8>,
    /// The nonce of the message that began it.
    pub sender_nonce: Vec<u8>,
    /// SHA-256 of that message.
    pub message_sha256: [u8; 32],
    /// SHA-256 of the code, or of the certificate, by which it was proven.
    pub began_by: [u8; 32],
    /// SHA-256 of the key that a certificate was asked for.
    pub spki_sha256: Option<[u8; 32]>,
    /// What was answered.
    pub answer: Option<Vec<u8>>,
    /// The nonce of that answer.
    pub answer_nonce: Option<Vec<u8>>,
    /// The certificate that came of it, by issuer and serial number.
    pub certificate: Option<(String, Vec<u8>)>,
    /// When it began.
    pub begun_at: OffsetDateTime,
    /// Until when the certificate is to be confirmed; `None`: it counts as it is.
    pub confirm_by: Option<OffsetDateTime>,
    /// When it was confirmed, rejected or taken back.
    pub ended_at: Option<OffsetDateTime>,
    /// Until when it is remembered.
    pub expires_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    terminal_id: String,
    transaction_id: Vec<u8>,
    sender_nonce: Vec<u8>,
    message_sha256: Vec<u8>,
    began_by: Vec<u8>,
    spki_sha256: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
    answer_nonce: Option<Vec<u8>>,
    issuer_id: Option<String>,
    serial: Option<Vec<u8>>,
    begun_at: i64,
    confirm_by: Option<i64>,
    ended_at: Option<i64>,
    expires_at: i64,
}

const WHAT: &str = "CMP transaction";

impl Row {
    fn read(self) -> Result<CmpTransaction, StoreError> {
        Ok(CmpTransaction {
            terminal_id: self.terminal_id,
            transaction_id: self.transaction_id,
            sender_nonce: self.sender_nonce,
            message_sha256: digest(WHAT, self.message_sha256)?,
            began_by: digest(WHAT, self.began_by)?,
            spki_sha256: self.spki_sha256.map(|octets| digest(WHAT, octets)).transpose()?,
            answer: self.answer,
            answer_nonce: self.answer_nonce,
            certificate: self.issuer_id.zip(self.serial),
            begun_at: moment(WHAT, self.begun_at)?,
            confirm_by: moment_opt(WHAT, self.confirm_by)?,
            ended_at: moment_opt(WHAT, self.ended_at)?,
            expires_at: moment(WHAT, self.expires_at)?,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_transaction {
    ($condition:literal) => {
        concat!(
            "SELECT terminal_id, transaction_id, sender_nonce, message_sha256, began_by, spki_sha256,
                    answer, answer_nonce, issuer_id, serial, begun_at, confirm_by, ended_at, expires_at
             FROM cmp_transaction WHERE ",
            $condition
        )
    };
}

/// The transaction of this device and identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    terminal_id: &str,
    transaction_id: &[u8],
) -> Result<Option<CmpTransaction>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_transaction!("terminal_id = $1 AND transaction_id = $2"))
                .bind(terminal_id)
                .bind(transaction_id),
        )
        .await?;
    row.map(Row::read).transpose()
}

/// Begins a transaction; `false`: its identifier or its nonce was used before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn begin(tx: &mut Tx, new: &CmpTransaction) -> Result<bool, StoreError> {
    let begun = tx
        .execute(
            sql("INSERT INTO cmp_transaction
                     (terminal_id, transaction_id, sender_nonce, message_sha256, began_by,
                      spki_sha256, begun_at, confirm_by, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING")
            .bind(&new.terminal_id)
            .bind(&new.transaction_id)
            .bind(&new.sender_nonce)
            .bind(new.message_sha256)
            .bind(new.began_by)
            .bind(new.spki_sha256.as_ref().map(<[u8; 32]>::as_slice))
            .bind(new.begun_at)
            .bind(new.confirm_by)
            .bind(new.expires_at),
        )
        .await?;
    Ok(begun == 1)
}

/// Notes what was answered, and the certificate in it; answers whether this call did. Another one's answer
/// stays, since two processes may have judged one message, unless this one brings the same certificate `anew`.
///
/// Where the device left the same certificate unconfirmed in another transaction, that one ends: this is the
/// one to confirm.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn answered(
    tx: &mut Tx,
    transaction: &CmpTransaction,
    anew: bool,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let (issuer_id, serial) = transaction.certificate.clone().unzip();
    let noted = tx
        .execute(
            sql("UPDATE cmp_transaction
                 SET answer = $3, answer_nonce = $4, issuer_id = $5, serial = $6
                 WHERE terminal_id = $1 AND transaction_id = $2 AND ended_at IS NULL
                   AND (answer IS NULL OR (issuer_id = $5 AND serial = $6 AND $7 = 1))")
            .bind(&transaction.terminal_id)
            .bind(&transaction.transaction_id)
            .bind(transaction.answer.as_deref())
            .bind(transaction.answer_nonce.as_deref())
            .bind(issuer_id.as_deref())
            .bind(serial.as_deref())
            .bind(i64::from(anew)),
        )
        .await?;
    if noted == 0 {
        return Ok(false);
    }
    if let Some((issuer_id, serial)) = &transaction.certificate {
        tx.execute(
            sql("UPDATE cmp_transaction SET ended_at = $5
                 WHERE terminal_id = $1 AND issuer_id = $2 AND serial = $3 AND ended_at IS NULL
                   AND transaction_id <> $4")
            .bind(&transaction.terminal_id)
            .bind(issuer_id)
            .bind(serial)
            .bind(&transaction.transaction_id)
            .bind(at),
        )
        .await?;
    }
    Ok(true)
}

/// Awaits the confirmation of a certificate that a person let wait longer than that; answers whether the
/// transaction is still unanswered.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn reopen(
    tx: &mut Tx,
    terminal_id: &str,
    transaction_id: &[u8],
    confirm_by: OffsetDateTime,
) -> Result<bool, StoreError> {
    let reopened = tx
        .execute(
            sql("UPDATE cmp_transaction SET ended_at = NULL, confirm_by = $3
                 WHERE terminal_id = $1 AND transaction_id = $2 AND answer IS NULL")
            .bind(terminal_id)
            .bind(transaction_id)
            .bind(confirm_by),
        )
        .await?;
    Ok(reopened == 1)
}

/// Ends a transaction that awaits its confirmation; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    terminal_id: &str,
    transaction_id: &[u8],
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            sql("UPDATE cmp_transaction SET ended_at = $3
                 WHERE terminal_id = $1 AND transaction_id = $2 AND ended_at IS NULL")
            .bind(terminal_id)
            .bind(transaction_id)
            .bind(at),
        )
        .await?;
    Ok(ended == 1)
}

/// Transactions whose certificates were not confirmed in time, the oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn unconfirmed(
    queries: &mut impl Queries,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<CmpTransaction>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_transaction!(
                "confirm_by < $1 AND ended_at IS NULL ORDER BY confirm_by LIMIT $2"
            ))
            .bind(now)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::read).collect()
}

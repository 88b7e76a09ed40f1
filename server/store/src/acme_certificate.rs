//! Certificates that came of orders: of which service they are, and their end with it.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx, acme_binding,
    moment::{moment, text_list},
    revocation::{self, CESSATION_OF_OPERATION},
    sql,
};

/// Of whom a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Whose server has it.
    pub service_id: String,
    /// Which account ordered it.
    pub account_id: String,
    /// By which order.
    pub order_id: String,
}

/// Whose certificate it is; `None` for one that no order led to.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn owner(
    queries: &mut impl Queries,
    issuer_id: &str,
    serial: &[u8],
) -> Result<Option<Owner>, StoreError> {
    let row: Option<(String, String, String)> = queries
        .fetch_optional(
            sql("SELECT a.service_id, a.id, o.id AS order_id FROM acme_order o
                 JOIN acme_account a ON a.id = o.account_id
                 WHERE o.issuer_id = $1 AND o.serial = $2")
            .bind(issuer_id)
            .bind(serial),
        )
        .await?;
    Ok(row.map(|(service_id, account_id, order_id)| Owner { service_id, account_id, order_id }))
}

/// A certificate of a service, for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name of its issuer.
    pub issuer_id: String,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// The names in it.
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: OffsetDateTime,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// The newest certificates of a service, at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_service(
    queries: &mut impl Queries,
    service_id: &str,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows: Vec<(String, Vec<u8>, String, i64, i64)> = queries
        .fetch_all(
            sql("SELECT c.issuer_id, c.serial, o.names, c.not_after,
                        (SELECT COUNT(*) FROM revocation_event r
                            WHERE r.issuer_id = c.issuer_id AND r.serial = c.serial
                              AND r.kind = 'revoked') AS revoked
                 FROM acme_order o JOIN acme_account a ON a.id = o.account_id
                 JOIN certificate c ON c.issuer_id = o.issuer_id AND c.serial = o.serial
                 WHERE a.service_id = $1 ORDER BY o.id DESC LIMIT $2")
            .bind(service_id)
            .bind(limit),
        )
        .await?;
    let read = |(issuer_id, serial, names, not_after, revoked): (_, _, String, _, _)| {
        Ok(Listed {
            issuer_id,
            serial,
            names: text_list("names of an ACME order", &names)?,
            not_after: moment("certificate", not_after)?,
            revoked: revoked > 0,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Takes back what a service has of certificates that have not ended, and its unused binding keys: it is
/// withdrawn. Answers how many certificates.
pub(crate) async fn end_of_service(
    tx: &mut Tx,
    service_id: &str,
    at: OffsetDateTime,
) -> Result<usize, StoreError> {
    acme_binding::end_unused(tx, service_id, at).await?;
    let living: Vec<(String, Vec<u8>)> = tx
        .fetch_all(
            sql("SELECT c.issuer_id, c.serial
                 FROM acme_order o JOIN acme_account a ON a.id = o.account_id
                 JOIN certificate c ON c.issuer_id = o.issuer_id AND c.serial = o.serial
                 WHERE a.service_id = $1 AND c.not_after > $2")
            .bind(service_id)
            .bind(at),
        )
        .await?;
    let mut ended = 0;
    for (issuer_id, serial) in living {
        let reason = CESSATION_OF_OPERATION;
        ended += usize::from(revocation::revoke(tx, &issuer_id, &serial, reason, at).await?);
    }
    Ok(ended)
}

/// Whether the account has proven each of these names for an order that can still be fulfilled
/// (RFC 8555 §7.6).
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn has_proven(
    queries: &mut impl Queries,
    account_id: &str,
    names: &[String],
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    for name in names {
        let row: Option<(i64,)> = queries
            .fetch_optional(
                sql("SELECT 1 FROM acme_authorization z JOIN acme_order o ON o.id = z.order_id
                     WHERE o.account_id = $1 AND z.name = $2 AND z.state = 'valid'
                       AND o.expires_at > $3
                     LIMIT 1")
                .bind(account_id)
                .bind(name)
                .bind(at),
            )
            .await?;
        if row.is_none() {
            return Ok(false);
        }
    }
    Ok(!names.is_empty())
}

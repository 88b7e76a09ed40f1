//! Accounts: a key of a service's server (RFC 8555 §7.1.2).

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt, text_list},
    sql,
};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// UUIDv7.
    pub id: String,
    /// Whose servers it gets certificates for.
    pub service_id: String,
    /// Of its key (RFC 7638).
    pub thumbprint: String,
    /// Its key (RFC 7517).
    pub jwk: String,
    /// Where its owner can be reached, as the owner says.
    pub contact: Vec<String>,
    /// When it was opened.
    pub created_at: OffsetDateTime,
    /// When its owner gave it up.
    pub deactivated_at: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    service_id: String,
    thumbprint: String,
    jwk: String,
    contact: String,
    created_at: i64,
    deactivated_at: Option<i64>,
}

impl Row {
    fn into_account(self) -> Result<Account, StoreError> {
        Ok(Account {
            id: self.id,
            service_id: self.service_id,
            thumbprint: self.thumbprint,
            jwk: self.jwk,
            contact: text_list("contact of an ACME account", &self.contact)?,
            created_at: moment("ACME account", self.created_at)?,
            deactivated_at: moment_opt("ACME account", self.deactivated_at)?,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_account {
    ($condition:literal) => {
        concat!(
            "SELECT id, service_id, thumbprint, jwk, contact, created_at, deactivated_at
             FROM acme_account WHERE ",
            $condition
        )
    };
}

fn list(contact: &[String]) -> String {
    serde_json::Value::from(contact.to_vec()).to_string()
}

/// Opens an account.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the key has an account.
pub async fn add(tx: &mut Tx, account: &Account) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO acme_account (id, service_id, thumbprint, jwk, contact, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(&account.id)
        .bind(&account.service_id)
        .bind(&account.thumbprint)
        .bind(&account.jwk)
        .bind(list(&account.contact))
        .bind(account.created_at),
    )
    .await?;
    Ok(())
}

/// By its identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Account>, StoreError> {
    let row: Option<Row> = queries.fetch_optional(sql(select_account!("id = $1")).bind(id)).await?;
    row.map(Row::into_account).transpose()
}

/// By the thumbprint of its key.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_key(
    queries: &mut impl Queries,
    thumbprint: &str,
) -> Result<Option<Account>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_account!("thumbprint = $1")).bind(thumbprint)).await?;
    row.map(Row::into_account).transpose()
}

/// Those of a service, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_service(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Vec<Account>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(sql(select_account!("service_id = $1 ORDER BY id")).bind(service_id))
        .await?;
    rows.into_iter().map(Row::into_account).collect()
}

/// Notes where the owner of an account in force can be reached; answers whether there was one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn set_contact(tx: &mut Tx, id: &str, contact: &[String]) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE acme_account SET contact = $2 WHERE id = $1 AND deactivated_at IS NULL")
                .bind(id)
                .bind(list(contact)),
        )
        .await?;
    Ok(changed == 1)
}

/// Gives an account another key, if it has still the one that it is said to have; answers whether it had.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the new key has an account.
pub async fn set_key(
    tx: &mut Tx,
    id: &str,
    old_thumbprint: &str,
    (thumbprint, jwk): (&str, &str),
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE acme_account SET thumbprint = $3, jwk = $4
                 WHERE id = $1 AND thumbprint = $2 AND deactivated_at IS NULL")
            .bind(id)
            .bind(old_thumbprint)
            .bind(thumbprint)
            .bind(jwk),
        )
        .await?;
    Ok(changed == 1)
}

/// Ends an account, for ever; answers whether this call did. Its certificates stay as they are.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn deactivate(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE acme_account SET deactivated_at = $2
                 WHERE id = $1 AND deactivated_at IS NULL")
            .bind(id)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

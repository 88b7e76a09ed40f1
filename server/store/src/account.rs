//! Accounts of people without a card: login name, password, second factor, one-time links.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt, text_list},
    sql,
};

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub person_id: String,
    /// In lower case; unique.
    pub login_name: String,
    /// Where notices go; empty where nobody told it.
    pub email: String,
    /// argon2id as a PHC string; absent until the first use.
    pub password_phc: Option<String>,
    /// Secret of the second factor under the instance's sealing key.
    pub totp_sealed: Option<Vec<u8>>,
    /// When the second factor was first proven.
    pub totp_confirmed_at: Option<OffsetDateTime>,
}

impl Account {
    /// Whether both factors are set.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.password_phc.is_some()
            && self.totp_sealed.is_some()
            && self.totp_confirmed_at.is_some()
    }
}

#[derive(serde::Deserialize)]
struct Row {
    person_id: String,
    login_name: String,
    email: String,
    password_phc: Option<String>,
    totp_sealed: Option<Vec<u8>>,
    totp_confirmed_at: Option<i64>,
}

impl Row {
    fn into_account(self) -> Result<Account, StoreError> {
        Ok(Account {
            person_id: self.person_id,
            login_name: self.login_name,
            email: self.email,
            password_phc: self.password_phc,
            totp_sealed: self.totp_sealed,
            totp_confirmed_at: moment_opt("account", self.totp_confirmed_at)?,
        })
    }
}

/// The account of this login name, which must be in lower case.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    login_name: &str,
) -> Result<Option<Account>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT person_id, login_name, email, password_phc, totp_sealed, totp_confirmed_at
                 FROM account WHERE login_name = $1")
            .bind(login_name),
        )
        .await?;
    row.map(Row::into_account).transpose()
}

/// The account of a person.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Option<Account>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT person_id, login_name, email, password_phc, totp_sealed, totp_confirmed_at
                 FROM account WHERE person_id = $1")
            .bind(person_id),
        )
        .await?;
    row.map(Row::into_account).transpose()
}

/// Opens an account without password and second factor.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the login name is taken.
pub async fn open(
    tx: &mut Tx,
    person_id: &str,
    login_name: &str,
    email: &str,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO account (person_id, login_name, email) VALUES ($1, $2, $3)")
            .bind(person_id)
            .bind(login_name)
            .bind(email),
    )
    .await?;
    Ok(())
}

/// Both factors of an account, proven and ready to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    /// argon2id as a PHC string.
    pub password_phc: &'a str,
    /// The sealed secret.
    pub totp_sealed: &'a [u8],
    /// The step with which the secret was proven; it is not accepted again.
    pub totp_step: i64,
}

/// Sets both factors at once, so that no account ever has one alone.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn set_factors(
    tx: &mut Tx,
    person_id: &str,
    factors: Factors<'_>,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE account SET password_phc = $2, password_set_at = $3, totp_sealed = $4,
                 totp_last_step = $5, totp_confirmed_at = $3
             WHERE person_id = $1")
        .bind(person_id)
        .bind(factors.password_phc)
        .bind(at)
        .bind(factors.totp_sealed)
        .bind(factors.totp_step),
    )
    .await?;
    Ok(())
}

/// Takes both factors of an account away: nobody logs in by it until a one-time link sets them anew.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn void_factors(tx: &mut Tx, person_id: &str) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE account SET password_phc = NULL, totp_sealed = NULL, totp_confirmed_at = NULL
             WHERE person_id = $1")
        .bind(person_id),
    )
    .await?;
    Ok(())
}

/// Sets the password alone of an account that has both factors.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn set_password(
    tx: &mut Tx,
    person_id: &str,
    password_phc: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE account SET password_phc = $2, password_set_at = $3
             WHERE person_id = $1 AND totp_confirmed_at IS NOT NULL")
        .bind(person_id)
        .bind(password_phc)
        .bind(at),
    )
    .await?;
    Ok(())
}

/// Consumes a time step of the second factor; `false` when it or a later one was used before
/// (RFC 6238 §5.2).
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume_totp_step(
    tx: &mut Tx,
    person_id: &str,
    step: i64,
) -> Result<bool, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(
            sql("UPDATE account SET totp_last_step = $2
                 WHERE person_id = $1 AND (totp_last_step IS NULL OR totp_last_step < $2)
                 RETURNING person_id")
            .bind(person_id)
            .bind(step),
        )
        .await?;
    Ok(row.is_some())
}

/// A one-time link that is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeLink {
    /// For whom.
    pub person_id: String,
    /// Until when.
    pub expires_at: OffsetDateTime,
}

/// Keeps a one-time link by the hash of its token, with the person who issued it; none did at the host. Earlier links
/// of the person end now.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the token exists, which 32 random octets never do.
pub async fn issue_link(
    tx: &mut Tx,
    token_hash: &[u8; 32],
    person_id: &str,
    issued_by: Option<&str>,
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    let hands = match issued_by {
        Some(by) => Some(listed(&hands_of(tx, by).await?)),
        None => None,
    };
    tx.execute(
        sql("UPDATE one_time_link SET expires_at = $2
             WHERE person_id = $1 AND used_at IS NULL AND expires_at > $2")
        .bind(person_id)
        .bind(at),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO one_time_link (token_hash, person_id, purpose, created_at, expires_at, hands)
             VALUES ($1, $2, 'first_use', $3, $4, $5)")
        .bind(token_hash)
        .bind(person_id)
        .bind(at)
        .bind(expires_at)
        .bind(hands),
    )
    .await?;
    Ok(())
}

/// The link of this token, if it is neither used nor expired. Consumes nothing.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find_link(
    queries: &mut impl Queries,
    token_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Option<OneTimeLink>, StoreError> {
    let row: Option<(String, i64)> = queries
        .fetch_optional(
            sql("SELECT person_id, expires_at FROM one_time_link
                 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2")
            .bind(token_hash)
            .bind(at),
        )
        .await?;
    row.map(|(person_id, expires_at)| {
        Ok(OneTimeLink { person_id, expires_at: moment("one-time link", expires_at)? })
    })
    .transpose()
}

/// Consumes a link; answers whose it was, or `None` when it is used, expired or unknown.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn consume_link(
    tx: &mut Tx,
    token_hash: &[u8; 32],
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String, Option<String>)> = tx
        .fetch_optional(
            sql("UPDATE one_time_link SET used_at = $2
                 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
                 RETURNING person_id, hands")
            .bind(token_hash)
            .bind(at),
        )
        .await?;
    let Some((person_id, hands)) = row else { return Ok(None) };
    tx.execute(
        sql("UPDATE account SET hands = $2 WHERE person_id = $1").bind(&person_id).bind(hands),
    )
    .await?;
    Ok(Some(person_id))
}

/// A person, and everybody who may hold the factors that they have: who issued the link that set them, and whoever
/// might have held that one's when they did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn hands_of(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<String>, StoreError> {
    let row: Option<(Option<String>,)> = queries
        .fetch_optional(sql("SELECT hands FROM account WHERE person_id = $1").bind(person_id))
        .await?;
    let others =
        row.and_then(|(hands,)| hands).map(|hands| text_list("hands of an account", &hands));
    let others = others.transpose()?.unwrap_or_default();
    let others = others.into_iter().filter(|other| other != person_id);
    Ok(std::iter::once(person_id.to_owned()).chain(others).collect())
}

/// Persons as they are stored.
pub(crate) fn listed(persons: &[String]) -> String {
    serde_json::Value::from(persons).to_string()
}

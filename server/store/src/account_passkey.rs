//! Passkeys that stand for the one-time password of an account: nothing without its password, and no profession.
//!
//! They lie apart from those of [`crate::passkey`], for which an HPKI certificate vouches, so that none is ever
//! taken for one of these.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
};

/// A passkey to be enrolled.
#[derive(Clone, Debug)]
pub struct NewAccountPasskey<'a> {
    /// Whose.
    pub person_id: &'a str,
    /// As the authenticator names it (WebAuthn Level 2 §4, credential ID).
    pub credential_id: &'a [u8],
    /// Public key, counter and flags, JSON.
    pub credential: &'a str,
    /// By which the person knows it.
    pub name: &'a str,
    /// The login by both factors in which it is enrolled, of [`crate::password_login`].
    pub enrolled_by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// A passkey that was not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPasskey {
    /// UUIDv7.
    pub id: String,
    /// Whose.
    pub person_id: String,
    /// As the authenticator names it.
    pub credential_id: Vec<u8>,
    /// Public key, counter and flags, JSON.
    pub credential: String,
    /// By which the person knows it.
    pub name: String,
    /// When it was enrolled.
    pub enrolled_at: OffsetDateTime,
    /// When it last stood for a one-time password.
    pub last_used_at: Option<OffsetDateTime>,
    /// Since when it stands for none: its counter went back.
    pub held_at: Option<OffsetDateTime>,
}

/// What a passkey signed beside a password, kept so that anybody can verify it again.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// Which.
    pub account_passkey_id: &'a str,
    /// The login, of [`crate::password_login`].
    pub login_id: &'a str,
    /// When the portal verified it.
    pub at: OffsetDateTime,
    /// The client data as serialised by the browser (WebAuthn Level 2 §5.8.1).
    pub client_data: &'a [u8],
    /// The authenticator data (WebAuthn Level 2 §6.1).
    pub authenticator_data: &'a [u8],
    /// The assertion signature over both (WebAuthn Level 2 §6.3.3).
    pub signature: &'a [u8],
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    person_id: String,
    credential_id: Vec<u8>,
    credential: String,
    name: String,
    enrolled_at: i64,
    last_used_at: Option<i64>,
    held_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<AccountPasskey, StoreError> {
        const WHAT: &str = "passkey of an account";
        Ok(AccountPasskey {
            id: self.id,
            person_id: self.person_id,
            credential_id: self.credential_id,
            credential: self.credential,
            name: self.name,
            enrolled_at: moment(WHAT, self.enrolled_at)?,
            last_used_at: moment_opt(WHAT, self.last_used_at)?,
            held_at: moment_opt(WHAT, self.held_at)?,
        })
    }
}

/// The passkey of this credential, held ones too.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_credential(
    queries: &mut impl Queries,
    credential_id: &[u8],
) -> Result<Option<AccountPasskey>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql("SELECT id, person_id, credential_id, credential, name, enrolled_at, last_used_at, held_at
                 FROM account_passkey WHERE credential_id = $1 AND removed_at IS NULL")
            .bind(credential_id),
        )
        .await?;
    row.map(Row::read).transpose()
}

/// The passkeys of a person, the first enrolled first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<AccountPasskey>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql("SELECT id, person_id, credential_id, credential, name, enrolled_at, last_used_at, held_at
                 FROM account_passkey WHERE person_id = $1 AND removed_at IS NULL ORDER BY id")
            .bind(person_id),
        )
        .await?;
    rows.into_iter().map(Row::read).collect()
}

/// Enrols a passkey; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the credential was enrolled before, by whomever, or removed since.
pub async fn enrol(tx: &mut Tx, passkey: &NewAccountPasskey<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO account_passkey (id, person_id, credential_id, credential, name, enrolled_by,
                 enrolled_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&id)
        .bind(passkey.person_id)
        .bind(passkey.credential_id)
        .bind(passkey.credential)
        .bind(passkey.name)
        .bind(passkey.enrolled_by)
        .bind(passkey.at),
    )
    .await?;
    Ok(id)
}

/// Keeps what a passkey signed at a login, and the credential as it is now.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_use(tx: &mut Tx, used: Use<'_>, credential: &str) -> Result<(), StoreError> {
    tx.execute(
        sql("UPDATE account_passkey SET credential = $2, last_used_at = $3 WHERE id = $1")
            .bind(used.account_passkey_id)
            .bind(credential)
            .bind(used.at),
    )
    .await?;
    tx.execute(
        sql("INSERT INTO account_passkey_login (login_id, account_passkey_id, client_data, authenticator_data,
                 signature)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(used.login_id)
        .bind(used.account_passkey_id)
        .bind(used.client_data)
        .bind(used.authenticator_data)
        .bind(used.signature),
    )
    .await?;
    Ok(())
}

/// Lets a passkey stand for nothing any more; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn hold(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let statement = sql("UPDATE account_passkey SET held_at = $2
                         WHERE id = $1 AND held_at IS NULL AND removed_at IS NULL");
    Ok(tx.execute(statement.bind(id).bind(at)).await? == 1)
}

/// Removes a passkey of this person; answers whether it was theirs and there. Its public key stays: what it
/// signed remains verifiable.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn remove(
    tx: &mut Tx,
    person_id: &str,
    id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE account_passkey SET removed_at = $3
                         WHERE id = $1 AND person_id = $2 AND removed_at IS NULL");
    Ok(tx.execute(statement.bind(id).bind(person_id).bind(at)).await? == 1)
}

/// Removes all of a person, whose factors are set anew or void; answers how many there were.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn void(tx: &mut Tx, person_id: &str, at: OffsetDateTime) -> Result<u64, StoreError> {
    let statement = sql("UPDATE account_passkey SET removed_at = $2
                         WHERE person_id = $1 AND removed_at IS NULL");
    tx.execute(statement.bind(person_id).bind(at)).await
}

//! Passkeys that people enrolled from a login by their HPKI card.
//!
//! Its credential stands here as the library wrote it; what this module knows of it is its name among
//! all credentials. The HPKI certificate of the session in which it was enrolled vouches for the
//! person's profession, as long as it is valid itself.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
    voucher::Voucher,
};

/// A passkey to be enrolled.
#[derive(Clone, Debug)]
pub struct NewPasskey<'a> {
    /// Whose.
    pub person_id: &'a str,
    /// As the authenticator names it (WebAuthn Level 2 §4, credential ID).
    pub credential_id: &'a [u8],
    /// Public key, counter and flags, JSON.
    pub credential: &'a str,
    /// By which the person knows it.
    pub name: &'a str,
    /// SHA-256 of the HPKI certificate that vouches.
    pub voucher_fingerprint: &'a [u8; 32],
    /// What that card signed in the session of the enrolment, [`crate::evidence`].
    pub voucher_evidence_id: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// A passkey that was not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
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
    /// When it last logged its person in.
    pub last_used_at: Option<OffsetDateTime>,
    /// Since when it logs nobody in: its counter went back.
    pub held_at: Option<OffsetDateTime>,
    /// The HPKI card whose certificate vouches.
    pub voucher: Voucher,
}

/// What a passkey signed at a login, kept so that anybody can verify it again.
#[derive(Clone, Debug)]
pub struct Login<'a> {
    /// Which.
    pub passkey_id: &'a str,
    /// When the portal verified it.
    pub at: OffsetDateTime,
    /// SHA-256 of the facility certificate of the TLS connection.
    pub terminal_fingerprint: &'a [u8; 32],
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
    voucher_der: Vec<u8>,
    voucher_not_after: i64,
    issuer_hash: Vec<u8>,
    serial_number: String,
    world: String,
}

impl Row {
    fn into_passkey(self) -> Result<Passkey, StoreError> {
        Ok(Passkey {
            id: self.id,
            person_id: self.person_id,
            credential_id: self.credential_id,
            credential: self.credential,
            name: self.name,
            enrolled_at: moment("passkey", self.enrolled_at)?,
            last_used_at: moment_opt("passkey", self.last_used_at)?,
            held_at: moment_opt("passkey", self.held_at)?,
            voucher: Voucher::of_columns(
                self.voucher_der,
                self.voucher_not_after,
                self.issuer_hash,
                self.serial_number,
                &self.world,
            )?,
        })
    }
}

/// Passkeys that were not removed, with what vouches for them, of which `condition` holds.
macro_rules! passkeys_where {
    ($condition:literal) => {
        sql(concat!(
            "SELECT p.id, p.person_id, p.credential_id, p.credential, p.name, p.enrolled_at,
                    p.last_used_at, p.held_at, c.der AS voucher_der,
                    c.not_after AS voucher_not_after, i.issuer_hash, i.serial_number,
                    i.world
             FROM passkey p
             JOIN card_certificate c ON c.fingerprint = p.voucher_fingerprint
             JOIN card_identity i ON i.id = c.card_identity_id
             WHERE p.removed_at IS NULL AND ",
            $condition
        ))
    };
}

/// The passkey of this credential, held ones too.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_credential(
    queries: &mut impl Queries,
    credential_id: &[u8],
) -> Result<Option<Passkey>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(passkeys_where!("p.credential_id = $1").bind(credential_id)).await?;
    row.map(Row::into_passkey).transpose()
}

/// The passkeys of a person, the first enrolled first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<Passkey>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(passkeys_where!("p.person_id = $1 ORDER BY p.id").bind(person_id))
        .await?;
    rows.into_iter().map(Row::into_passkey).collect()
}

/// The passkey that proved a login; `None` where it was removed, and where a card proved it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_login(
    queries: &mut impl Queries,
    login_id: &str,
) -> Result<Option<Passkey>, StoreError> {
    let of_login =
        passkeys_where!("p.id = (SELECT l.passkey_id FROM passkey_login l WHERE l.id = $1)");
    let row: Option<Row> = queries.fetch_optional(of_login.bind(login_id)).await?;
    row.map(Row::into_passkey).transpose()
}

/// Enrols a passkey; answers its identifier.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the credential was enrolled before, by whomever, or removed since.
pub async fn enrol(tx: &mut Tx, passkey: &NewPasskey<'_>) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO passkey (id, person_id, credential_id, credential, name, voucher_fingerprint,
                 voucher_evidence_id, enrolled_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&id)
        .bind(passkey.person_id)
        .bind(passkey.credential_id)
        .bind(passkey.credential)
        .bind(passkey.name)
        .bind(passkey.voucher_fingerprint)
        .bind(passkey.voucher_evidence_id)
        .bind(passkey.at),
    )
    .await?;
    Ok(id)
}

/// Keeps what a passkey signed at a login, and the credential as it is now; answers the login's
/// identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_login(
    tx: &mut Tx,
    login: &Login<'_>,
    credential: &str,
) -> Result<String, StoreError> {
    tx.execute(
        sql("UPDATE passkey SET credential = $2, last_used_at = $3 WHERE id = $1")
            .bind(login.passkey_id)
            .bind(credential)
            .bind(login.at),
    )
    .await?;
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO passkey_login (id, passkey_id, at, terminal_fingerprint, client_data,
                 authenticator_data, signature)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&id)
        .bind(login.passkey_id)
        .bind(login.at)
        .bind(login.terminal_fingerprint)
        .bind(login.client_data)
        .bind(login.authenticator_data)
        .bind(login.signature),
    )
    .await?;
    Ok(id)
}

/// Lets a passkey log nobody in any more; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn hold(tx: &mut Tx, id: &str, at: OffsetDateTime) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE passkey SET held_at = $2
                 WHERE id = $1 AND held_at IS NULL AND removed_at IS NULL")
            .bind(id)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

/// Removes a passkey of this person; answers whether it was theirs and there. Its public key stays:
/// what it signed remains verifiable.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn remove(
    tx: &mut Tx,
    person_id: &str,
    id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            sql("UPDATE passkey SET removed_at = $3
                 WHERE id = $1 AND person_id = $2 AND removed_at IS NULL")
            .bind(id)
            .bind(person_id)
            .bind(at),
        )
        .await?;
    Ok(changed == 1)
}

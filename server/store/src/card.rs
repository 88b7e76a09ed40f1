//! Cards: which person a card's certificate names.
//!
//! A person is (issuing CA, subject serialNumber); a certificate is evidence and may be renewed.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment},
    person, sql,
    world::World,
};

/// What a validated certificate says about who holds the card.
#[derive(Clone, Copy, Debug)]
pub struct CardSubject<'a> {
    /// SHA-256 of the issuer's DER name.
    pub issuer_hash: &'a [u8; 32],
    /// The issuer's name as text, for people.
    pub issuer: &'a str,
    /// Subject serialNumber, verbatim.
    pub serial_number: &'a str,
}

/// A certificate of a card.
#[derive(Clone, Copy, Debug)]
pub struct CardCertificate<'a> {
    /// SHA-256 of the DER.
    pub fingerprint: &'a [u8; 32],
    /// The certificate.
    pub der: &'a [u8],
    /// End of its validity.
    pub not_after: OffsetDateTime,
}

/// Names of a person.
#[derive(Clone, Copy, Debug)]
pub struct PersonNames<'a> {
    /// In kanji.
    pub name: &'a str,
    /// In kana; empty where nobody told it.
    pub name_kana: &'a str,
    /// In Latin letters, as the card has it.
    pub name_romaji: &'a str,
}

/// A card's identity and the person it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardIdentity {
    /// UUIDv7.
    pub id: String,
    /// The person.
    pub person_id: String,
    /// In which world the card named them.
    pub world: World,
}

/// Whose card this is, if it was ever linked.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    subject: CardSubject<'_>,
) -> Result<Option<CardIdentity>, StoreError> {
    let row: Option<(String, String, String)> = queries
        .fetch_optional(
            sql("SELECT id, person_id, world FROM card_identity
                 WHERE issuer_hash = $1 AND serial_number = $2")
            .bind(subject.issuer_hash)
            .bind(subject.serial_number),
        )
        .await?;
    row.map(|(id, person_id, world)| Ok(CardIdentity { id, person_id, world: World::of(&world)? }))
        .transpose()
}

/// Which card proved a login: hash of its issuer's name, and its holder's serialNumber.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_evidence(
    queries: &mut impl Queries,
    evidence_id: &str,
) -> Result<Option<([u8; 32], String)>, StoreError> {
    let row: Option<(Vec<u8>, String)> = queries
        .fetch_optional(
            sql("SELECT i.issuer_hash, i.serial_number FROM login_evidence e
                 JOIN card_certificate c ON c.fingerprint = e.card_fingerprint
                 JOIN card_identity i ON i.id = c.card_identity_id
                 WHERE e.id = $1")
            .bind(evidence_id),
        )
        .await?;
    row.map(|(issuer, serial)| Ok((digest("card issuer", issuer)?, serial))).transpose()
}

/// A certificate that proved a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvingCertificate {
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    /// The certificate.
    pub der: Vec<u8>,
}

/// The HPKI certificate by which a login was proved; `None` where it was proved by something else.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn certificate_of_evidence(
    queries: &mut impl Queries,
    evidence_id: &str,
) -> Result<Option<ProvingCertificate>, StoreError> {
    let row: Option<(Vec<u8>, Vec<u8>)> = queries
        .fetch_optional(
            sql("SELECT c.fingerprint, c.der FROM login_evidence e
                 JOIN card_certificate c ON c.fingerprint = e.card_fingerprint
                 WHERE e.id = $1")
            .bind(evidence_id),
        )
        .await?;
    let proving = |(fingerprint, der)| {
        Ok(ProvingCertificate { fingerprint: digest("card fingerprint", fingerprint)?, der })
    };
    row.map(proving).transpose()
}

/// Until when the certificate is valid by which a login was proved; `None` where that was none of an HPKI
/// card.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn expiry_of_evidence(
    queries: &mut impl Queries,
    evidence_id: &str,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let row: Option<(i64,)> = queries
        .fetch_optional(
            sql("SELECT c.not_after FROM login_evidence e
                 JOIN card_certificate c ON c.fingerprint = e.card_fingerprint
                 WHERE e.id = $1")
            .bind(evidence_id),
        )
        .await?;
    row.map(|(not_after,)| moment("card certificate", not_after)).transpose()
}

/// Enters a person whom no card and no account named before, with the card that names them now, of
/// this world.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another transaction linked this card first.
pub async fn enter_person(
    tx: &mut Tx,
    subject: CardSubject<'_>,
    names: PersonNames<'_>,
    world: World,
    at: OffsetDateTime,
) -> Result<CardIdentity, StoreError> {
    let PersonNames { name, name_kana, name_romaji } = names;
    let person_id = person::enter_named(tx, name, name_kana, name_romaji, at).await?;
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO card_identity
                 (id, person_id, issuer_hash, issuer, serial_number, linked_at, world)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(&id)
        .bind(&person_id)
        .bind(subject.issuer_hash)
        .bind(subject.issuer)
        .bind(subject.serial_number)
        .bind(at)
        .bind(world.as_str()),
    )
    .await?;
    Ok(CardIdentity { id, person_id, world })
}

/// Notes a certificate of a known card; answers whether it was seen for the first time.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_certificate(
    tx: &mut Tx,
    card_identity_id: &str,
    certificate: CardCertificate<'_>,
    at: OffsetDateTime,
) -> Result<FirstSeen, StoreError> {
    let earlier: (i64,) = tx
        .fetch_one(
            sql("SELECT COUNT(*) FROM card_certificate WHERE card_identity_id = $1")
                .bind(card_identity_id),
        )
        .await?;
    let new = tx
        .execute(
            sql("INSERT INTO card_certificate (fingerprint, card_identity_id, der, not_after, first_seen_at)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (fingerprint) DO NOTHING")
            .bind(certificate.fingerprint)
            .bind(card_identity_id)
            .bind(certificate.der)
            .bind(certificate.not_after)
            .bind(at),
        )
        .await?;
    Ok(match (new, earlier.0) {
        (0, _) => FirstSeen::No,
        (_, 0) => FirstSeen::FirstOfCard,
        _ => FirstSeen::Renewal,
    })
}

/// Whether a certificate was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSeen {
    /// It was seen before.
    No,
    /// The first certificate of this person from this issuer.
    FirstOfCard,
    /// Another one of this person was seen before: renewed.
    Renewal,
}

/// The certificate of `fingerprint`, in DER, for whoever verifies a login's evidence again.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn certificate_der(
    queries: &mut impl Queries,
    fingerprint: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = queries
        .fetch_optional(
            sql("SELECT der FROM card_certificate WHERE fingerprint = $1").bind(fingerprint),
        )
        .await?;
    Ok(row.map(|(der,)| der))
}

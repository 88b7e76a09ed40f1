//! The sandbox: its test facility, what signed the cards of its invented people, the cards, and the PCs
//! at which those who answer for a service try it out.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// What signed the cards, with the lists that say that none of them was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// The test facility.
    pub organisation_id: String,
    /// Trust anchor, DER.
    pub root_der: Vec<u8>,
    /// Its revocation list, DER.
    pub root_crl: Vec<u8>,
    /// The authority below it that signed the cards, DER.
    pub authority_der: Vec<u8>,
    /// Its revocation list, DER.
    pub authority_crl: Vec<u8>,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// When lists and cards end.
    pub expires_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    organisation_id: String,
    root_der: Vec<u8>,
    root_crl: Vec<u8>,
    authority_der: Vec<u8>,
    authority_crl: Vec<u8>,
    made_at: i64,
    expires_at: i64,
}

/// What signs now, if the sandbox was made.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn hierarchy(queries: &mut impl Queries) -> Result<Option<Hierarchy>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(sql(
            "SELECT organisation_id, root_der, root_crl, authority_der, authority_crl, made_at,
                    expires_at FROM sandbox_hierarchy",
        ))
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Hierarchy {
        made_at: moment("sandbox", row.made_at)?,
        expires_at: moment("sandbox", row.expires_at)?,
        organisation_id: row.organisation_id,
        root_der: row.root_der,
        root_crl: row.root_crl,
        authority_der: row.authority_der,
        authority_crl: row.authority_crl,
    }))
}

/// Puts it in the place of the one before, and takes back all cards of that one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn replace_hierarchy(tx: &mut Tx, hierarchy: &Hierarchy) -> Result<(), StoreError> {
    tx.execute(sql("DELETE FROM sandbox_card")).await?;
    tx.execute(sql("DELETE FROM sandbox_hierarchy")).await?;
    tx.execute(
        sql("INSERT INTO sandbox_hierarchy (name, organisation_id, root_der, root_crl, authority_der,
                 authority_crl, made_at, expires_at) VALUES ('sandbox', $1, $2, $3, $4, $5, $6, $7)")
        .bind(&hierarchy.organisation_id)
        .bind(&hierarchy.root_der)
        .bind(&hierarchy.root_crl)
        .bind(&hierarchy.authority_der)
        .bind(&hierarchy.authority_crl)
        .bind(hierarchy.made_at)
        .bind(hierarchy.expires_at),
    )
    .await?;
    Ok(())
}

/// A card of an invented person, to be handed out.
#[derive(Clone, Copy, Debug)]
pub struct NewCard<'a> {
    /// Whose.
    pub person_id: &'a str,
    /// Of its folder.
    pub name: &'a str,
    /// In lists, from 0.
    pub place: i64,
    /// hcRole, verbatim.
    pub role: &'a str,
    /// tar of the folder.
    pub archive: &'a [u8],
}

/// Keeps a card.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: the person has one, or the name or place is taken.
pub async fn add_card(tx: &mut Tx, card: NewCard<'_>) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO sandbox_card (person_id, name, place, role, archive)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(card.person_id)
        .bind(card.name)
        .bind(card.place)
        .bind(card.role)
        .bind(card.archive),
    )
    .await?;
    Ok(())
}

/// A card in a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct ListedCard {
    /// Of its folder.
    pub name: String,
    /// The person's name in kanji.
    pub person_name: String,
    /// The same in kana.
    pub person_kana: String,
    /// hcRole, verbatim.
    pub role: String,
}

/// All cards, in their order.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn cards(queries: &mut impl Queries) -> Result<Vec<ListedCard>, StoreError> {
    queries
        .fetch_all(sql("SELECT c.name, n.name AS person_name, n.name_kana AS person_kana, c.role
             FROM sandbox_card c JOIN person_name n ON n.person_id = c.person_id ORDER BY c.place"))
        .await
}

/// A card's folder as tar; `None`: there is no card of this name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn archive(
    queries: &mut impl Queries,
    name: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = queries
        .fetch_optional(sql("SELECT archive FROM sandbox_card WHERE name = $1").bind(name))
        .await?;
    Ok(row.map(|(archive,)| archive))
}

/// The terminal at which a person tries a service out, if they have one.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn pc(
    queries: &mut impl Queries,
    service_id: &str,
    person_id: &str,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT terminal_id FROM sandbox_pc WHERE service_id = $1 AND person_id = $2")
                .bind(service_id)
                .bind(person_id),
        )
        .await?;
    Ok(row.map(|(terminal_id,)| terminal_id))
}

/// Makes a terminal the one at which a person tries a service out; one of before is that no more.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it is somebody else's.
pub async fn set_pc(
    tx: &mut Tx,
    service_id: &str,
    person_id: &str,
    terminal_id: &str,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO sandbox_pc (service_id, person_id, terminal_id) VALUES ($1, $2, $3)
             ON CONFLICT (service_id, person_id) DO UPDATE SET terminal_id = excluded.terminal_id")
        .bind(service_id)
        .bind(person_id)
        .bind(terminal_id),
    )
    .await?;
    Ok(())
}

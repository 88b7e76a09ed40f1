//! People, by an identifier that means nothing, and their names apart from everything else.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, search, sql};

/// Characters of an identifier: a UUID as text.
const ID_LENGTH: usize = 36;

/// Names of a person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct PersonName {
    /// In kanji.
    pub name: String,
    /// In kana; empty where nobody told it.
    pub name_kana: String,
    /// In Latin letters; empty where nobody told it.
    pub name_romaji: String,
}

/// Enters a person without a card; answers the new identifier, a UUIDv7.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn enter(
    tx: &mut Tx,
    name: &str,
    name_kana: &str,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    enter_named(tx, name, name_kana, "", at).await
}

/// Enters a person under all their names; answers the new identifier.
pub(crate) async fn enter_named(
    tx: &mut Tx,
    name: &str,
    name_kana: &str,
    name_romaji: &str,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(sql("INSERT INTO person (id, created_at) VALUES ($1, $2)").bind(&id).bind(at))
        .await?;
    tx.execute(
        sql("INSERT INTO person_name (person_id, name, name_kana, name_romaji, search_key)
             VALUES ($1, $2, $3, $4, $5)")
        .bind(&id)
        .bind(name)
        .bind(name_kana)
        .bind(name_romaji)
        .bind(search::key(&format!("{name} {name_kana} {name_romaji}"))),
    )
    .await?;
    Ok(id)
}

/// Takes on the names that a person's card has now; answers the names before, if they were others.
/// Kana stay as long as the name in kanji does: no card carries them.
///
/// # Errors
/// [`StoreError::Corrupt`]: nobody has this identifier. [`StoreError::Unavailable`],
/// [`StoreError::Conflict`].
pub async fn take_on_names(
    tx: &mut Tx,
    person_id: &str,
    name: &str,
    name_romaji: &str,
) -> Result<Option<PersonName>, StoreError> {
    let before = self::name(tx, person_id).await?.ok_or_else(|| StoreError::Corrupt {
        what: "person",
        detail: format!("{person_id} has no name"),
    })?;
    if before.name == name && before.name_romaji == name_romaji {
        return Ok(None);
    }
    let name_kana = if before.name == name { before.name_kana.as_str() } else { "" };
    tx.execute(
        sql("UPDATE person_name SET name = $2, name_kana = $3, name_romaji = $4, search_key = $5
             WHERE person_id = $1")
        .bind(person_id)
        .bind(name)
        .bind(name_kana)
        .bind(name_romaji)
        .bind(search::key(&format!("{name} {name_kana} {name_romaji}"))),
    )
    .await?;
    Ok(Some(before))
}

/// Takes on a person's name in kana where nobody told it; answers whether it did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn take_on_kana(
    tx: &mut Tx,
    person_id: &str,
    name_kana: &str,
) -> Result<bool, StoreError> {
    let Some(before) = self::name(tx, person_id).await? else { return Ok(false) };
    let PersonName { name, name_romaji, .. } = before;
    let told = tx
        .execute(
            sql("UPDATE person_name SET name_kana = $2, search_key = $3
                 WHERE person_id = $1 AND name_kana = ''")
            .bind(person_id)
            .bind(name_kana)
            .bind(search::key(&format!("{name} {name_kana} {name_romaji}"))),
        )
        .await?;
    Ok(told == 1)
}

/// Names in kanji of those among `ids` who have one, by identifier. One question, however many.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn names(
    queries: &mut impl Queries,
    ids: &BTreeSet<&str>,
) -> Result<BTreeMap<String, String>, StoreError> {
    // Neither database has lists that the other one reads; identifiers are all of one length.
    let wanted: String = ids.iter().copied().filter(|id| id.len() == ID_LENGTH).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(String, String)> = queries
        .fetch_all(
            sql("WITH RECURSIVE wanted (id, rest) AS (
                     SELECT SUBSTR(CAST($1 AS TEXT), 1, 36), SUBSTR(CAST($1 AS TEXT), 37)
                     UNION ALL
                     SELECT SUBSTR(rest, 1, 36), SUBSTR(rest, 37) FROM wanted WHERE rest <> '')
                 SELECT n.person_id, n.name FROM wanted w
                 JOIN person_name n ON n.person_id = w.id")
            .bind(&wanted),
        )
        .await?;
    Ok(rows.into_iter().collect())
}

/// The names of a person.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn name(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Option<PersonName>, StoreError> {
    queries
        .fetch_optional(
            sql("SELECT name, name_kana, name_romaji FROM person_name WHERE person_id = $1")
                .bind(person_id),
        )
        .await
}

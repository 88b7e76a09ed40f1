//! Memberships: which person works at which organisation, from when until when.
//!
//! One row a pair; whether it is in force follows from its latest event, so that leaving and coming
//! back keep their history.

use sekisho_wire::acr;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    event::{self, Event, Of},
    moment::{moment, text_list},
    search, sql,
};

/// A membership that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// UUIDv7.
    pub id: String,
    /// The member.
    pub person_id: String,
    /// The organisation.
    pub organisation_id: String,
    /// When it last started.
    pub since: OffsetDateTime,
}

/// A membership as an administrator's list shows it, in force or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The membership, UUIDv7.
    pub id: String,
    /// The person.
    pub person_id: String,
    /// Name in kanji.
    pub name: String,
    /// Name in kana.
    pub name_kana: String,
    /// Roles that the HPKI card showed at the latest login by one here, verbatim; empty before the first.
    pub hc_roles: Vec<String>,
    /// Time of the latest event.
    pub changed_at: OffsetDateTime,
    /// Whether the membership is in force.
    pub in_force: bool,
}

#[derive(serde::Deserialize)]
struct MembershipRow {
    id: String,
    person_id: String,
    organisation_id: String,
    kind: String,
    at: i64,
}

/// The membership of a person at an organisation, if it is in force.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn in_force(
    queries: &mut impl Queries,
    person_id: &str,
    organisation_id: &str,
) -> Result<Option<Membership>, StoreError> {
    let row: Option<MembershipRow> = queries
        .fetch_optional(
            sql("SELECT m.id, m.person_id, m.organisation_id, e.kind, e.at
                 FROM membership m JOIN membership_event e ON e.membership_id = m.id
                 WHERE m.person_id = $1 AND m.organisation_id = $2
                 ORDER BY e.at DESC, e.id DESC LIMIT 1")
            .bind(person_id)
            .bind(organisation_id),
        )
        .await?;
    row.filter(|row| row.kind == "started")
        .map(|row| {
            Ok(Membership {
                id: row.id,
                person_id: row.person_id,
                organisation_id: row.organisation_id,
                since: moment("membership event", row.at)?,
            })
        })
        .transpose()
}

/// The organisations at which somebody is a member now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn facilities_of(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT m.organisation_id FROM membership m
                 WHERE m.person_id = $1
                   AND (SELECT e.kind FROM membership_event e WHERE e.membership_id = m.id
                        ORDER BY e.at DESC, e.id DESC LIMIT 1) = 'started'
                 ORDER BY m.organisation_id")
            .bind(person_id),
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Starts a membership, or starts it again after it ended. `by` is the person who caused it.
///
/// Answers the membership's identifier; one that is in force stays as it is.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn start(
    tx: &mut Tx,
    person_id: &str,
    organisation_id: &str,
    by: Option<&str>,
    reason: &str,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    if let Some(membership) = in_force(tx, person_id, organisation_id).await? {
        return Ok(membership.id);
    }
    tx.execute(
        sql("INSERT INTO membership (id, person_id, organisation_id, created_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT (person_id, organisation_id) DO NOTHING")
        .bind(Uuid::now_v7().to_string())
        .bind(person_id)
        .bind(organisation_id)
        .bind(at),
    )
    .await?;
    let (id,): (String,) = tx
        .fetch_one(
            sql("SELECT id FROM membership WHERE person_id = $1 AND organisation_id = $2")
                .bind(person_id)
                .bind(organisation_id),
        )
        .await?;
    let event = Event { kind: "started", person_id: by, reason, at };
    event::add(tx, Of::Membership, &id, event).await?;
    Ok(id)
}

/// Ends a membership that is in force at this organisation; answers whose it was.
///
/// `None`: there is none of this identifier here, or it ended before. The caller ends the sessions
/// in the same transaction.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn end(
    tx: &mut Tx,
    membership_id: &str,
    organisation_id: &str,
    by: &str,
    reason: &str,
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    let row: Option<MembershipRow> = tx
        .fetch_optional(
            sql("SELECT m.id, m.person_id, m.organisation_id, e.kind, e.at
                 FROM membership m JOIN membership_event e ON e.membership_id = m.id
                 WHERE m.id = $1 AND m.organisation_id = $2
                 ORDER BY e.at DESC, e.id DESC LIMIT 1")
            .bind(membership_id)
            .bind(organisation_id),
        )
        .await?;
    let Some(row) = row.filter(|row| row.kind == "started") else { return Ok(None) };
    let event = Event { kind: "ended", person_id: Some(by), reason, at };
    event::add(tx, Of::Membership, membership_id, event).await?;
    Ok(Some(row.person_id))
}

#[derive(serde::Deserialize)]
struct MemberRow {
    id: String,
    person_id: String,
    name: Option<String>,
    name_kana: Option<String>,
    kind: String,
    at: i64,
    hc_roles: Option<String>,
}

/// The members of an organisation, those in force first, each by kana; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let rows: Vec<MemberRow> = queries
        .fetch_all(
            sql("SELECT m.id, m.person_id, n.name, n.name_kana, e.kind, e.at,
                        (SELECT s.hc_roles FROM session s WHERE s.membership_id = m.id AND s.acr = $3
                         ORDER BY s.created_at DESC LIMIT 1) AS hc_roles
                 FROM membership m
                 JOIN membership_event e ON e.id =
                      (SELECT l.id FROM membership_event l WHERE l.membership_id = m.id
                       ORDER BY l.at DESC, l.id DESC LIMIT 1)
                 LEFT JOIN person_name n ON n.person_id = m.person_id
                 WHERE m.organisation_id = $1
                 ORDER BY CASE e.kind WHEN 'started' THEN 0 ELSE 1 END, n.name_kana, m.id
                 LIMIT $2")
            .bind(organisation_id)
            .bind(limit)
            .bind(acr::HPKI_CARD),
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                id: row.id,
                person_id: row.person_id,
                name: row.name.unwrap_or_default(),
                name_kana: row.name_kana.unwrap_or_default(),
                hc_roles: row
                    .hc_roles
                    .map_or(Ok(Vec::new()), |json| text_list("hcRole list", &json))?,
                changed_at: moment("membership event", row.at)?,
                in_force: row.kind == "started",
            })
        })
        .collect()
}

/// A membership in force, as a search by name finds it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Found {
    /// The person.
    pub person_id: String,
    /// Name in kanji.
    pub name: String,
    /// Name in kana.
    pub name_kana: String,
    /// The organisation.
    pub organisation_id: String,
    /// Its name now.
    pub organisation_name: String,
}

/// The memberships in force of people whose names hold `text`, at one organisation or at all, by kana;
/// at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn search(
    queries: &mut impl Queries,
    text: &str,
    organisation_id: Option<&str>,
    limit: i64,
) -> Result<Vec<Found>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT m.person_id, n.name, n.name_kana, m.organisation_id,
                        o.name AS organisation_name
                 FROM person_name n JOIN membership m ON m.person_id = n.person_id
                 JOIN organisation_name o
                      ON o.organisation_id = m.organisation_id AND o.valid_until IS NULL
                 WHERE n.search_key LIKE $1 ESCAPE '!'
                   AND (CAST($2 AS TEXT) IS NULL OR m.organisation_id = $2)
                   AND (SELECT e.kind FROM membership_event e WHERE e.membership_id = m.id
                        ORDER BY e.at DESC, e.id DESC LIMIT 1) = 'started'
                 ORDER BY n.name_kana, n.person_id, m.organisation_id LIMIT $3")
            .bind(search::holding(&search::key(text)))
            .bind(organisation_id)
            .bind(limit),
        )
        .await
}

/// The roles that a person's HPKI card showed at their latest login by one, verbatim; `None` before the
/// first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn roles_shown(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Option<Vec<String>>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT s.hc_roles FROM membership m
                 JOIN session s ON s.membership_id = m.id AND s.acr = $2
                 WHERE m.person_id = $1 ORDER BY s.created_at DESC LIMIT 1")
            .bind(person_id)
            .bind(acr::HPKI_CARD),
        )
        .await?;
    row.map(|(json,)| text_list("hcRole list", &json)).transpose()
}

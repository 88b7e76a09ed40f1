//! Notices: what somebody has to be told, on a page of the console, with who has read it.

use time::OffsetDateTime;

use crate::{
    Queries, Store, StoreError, Tx,
    db::housekeeping,
    moment::{moment, moment_opt},
    sql,
};

/// Whom a notice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee<'a> {
    /// Everybody who has this role, for this organisation where the role is for one.
    Role {
        /// Token of the role.
        role: &'a str,
        /// The organisation.
        organisation_id: Option<&'a str>,
    },
    /// One person.
    Person(&'a str),
}

impl Addressee<'_> {
    /// As stored: [`list`] builds the same text from the grants of whoever reads.
    fn stored(self) -> String {
        match self {
            Self::Role { role, organisation_id: None } => format!("role:{role}"),
            Self::Role { role, organisation_id: Some(id) } => format!("role:{role}@{id}"),
            Self::Person(id) => format!("person:{id}"),
        }
    }
}

/// A notice as one person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// UUIDv7.
    pub id: String,
    /// What happened, a constant token.
    pub kind: String,
    /// JSON object: what the page says about it.
    pub facts: String,
    /// When it happened.
    pub at: OffsetDateTime,
    /// When this person read it.
    pub read_at: Option<OffsetDateTime>,
}

/// Addressees that a person is: themself, and each of their roles in force.
macro_rules! addressed_to {
    ($person:literal) => {
        concat!(
            "n.addressee IN (
                 SELECT 'person:' || CAST(",
            $person,
            " AS TEXT)
                 UNION ALL
                 SELECT 'role:' || g.role || COALESCE('@' || g.organisation_id, '')
                 FROM role_grant g WHERE g.person_id = ",
            $person,
            " AND g.withdrawn_at IS NULL)"
        )
    };
}

/// The notices for a person, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    person_id: &str,
    limit: i64,
) -> Result<Vec<Notice>, StoreError> {
    let rows: Vec<(String, String, String, i64, Option<i64>)> = queries
        .fetch_all(
            sql(concat!(
                "SELECT n.id, n.kind, n.facts, n.at, r.at AS read_at
                 FROM notice n
                 LEFT JOIN notice_read r ON r.notice_id = n.id AND r.person_id = $1
                 WHERE ",
                addressed_to!("$1"),
                " ORDER BY n.at DESC, n.id DESC LIMIT $2"
            ))
            .bind(person_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter()
        .map(|(id, kind, facts, at, read_at)| {
            Ok(Notice {
                id,
                kind,
                facts,
                at: moment("notice", at)?,
                read_at: moment_opt("notice", read_at)?,
            })
        })
        .collect()
}

/// How many notices a person has not read.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count_unread(queries: &mut impl Queries, person_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql(concat!(
                "SELECT COUNT(*) FROM notice n
                 WHERE NOT EXISTS (SELECT 1 FROM notice_read r
                                   WHERE r.notice_id = n.id AND r.person_id = $1) AND ",
                addressed_to!("$1")
            ))
            .bind(person_id),
        )
        .await?;
    Ok(count)
}

/// Whether a notice is for a person, read or not.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_for(
    queries: &mut impl Queries,
    id: &str,
    person_id: &str,
) -> Result<bool, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql(concat!("SELECT n.id FROM notice n WHERE n.id = $1 AND ", addressed_to!("$2")))
                .bind(id)
                .bind(person_id),
        )
        .await?;
    Ok(row.is_some())
}

/// Notes that a person read a notice that is for them; `false` when it is not, or was read before.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn mark_read(
    tx: &mut Tx,
    id: &str,
    person_id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let marked = tx
        .execute(
            sql(concat!(
                "INSERT INTO notice_read (notice_id, person_id, at)
                 SELECT n.id, CAST($2 AS TEXT), CAST($3 AS BIGINT) FROM notice n
                 WHERE n.id = $1 AND ",
                addressed_to!("$2"),
                " ON CONFLICT DO NOTHING"
            ))
            .bind(id)
            .bind(person_id)
            .bind(at),
        )
        .await?;
    Ok(marked == 1)
}

impl Store {
    /// Puts a notice where its addressee finds it. `id` is that of the outbox message that brings
    /// it: one that is delivered twice stands once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn post_notice(
        &self,
        id: &str,
        addressee: Addressee<'_>,
        kind: &str,
        facts: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("INSERT INTO notice (id, addressee, kind, facts, at)
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING")
                .bind(id)
                .bind(addressee.stored())
                .bind(kind)
                .bind(facts)
                .bind(at),
            )
            .await?;
        })
    }
}

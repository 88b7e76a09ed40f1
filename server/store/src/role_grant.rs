//! Which roles people without a card act in.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, sql};

/// A role in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct RoleGrant {
    /// UUIDv7.
    pub id: String,
    /// Who has it.
    pub person_id: String,
    /// Its token.
    pub role: String,
    /// For which organisation, where the role is for one.
    pub organisation_id: Option<String>,
}

/// A role in force with the names of who has it, for a page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct NamedGrant {
    /// UUIDv7 of the grant.
    pub id: String,
    /// Who has it.
    pub person_id: String,
    /// Its token.
    pub role: String,
    /// For which organisation.
    pub organisation_id: Option<String>,
    /// The person's name.
    pub name: String,
    /// The person's login name.
    pub login_name: String,
    /// When the person's second factor was set; absent before the first use of the link.
    pub totp_confirmed_at: Option<i64>,
}

/// Grants a role; answers the grant's identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn grant(
    tx: &mut Tx,
    person_id: &str,
    role: &str,
    organisation_id: Option<&str>,
    by: Option<&str>,
    at: OffsetDateTime,
) -> Result<String, StoreError> {
    let id = Uuid::now_v7().to_string();
    tx.execute(
        sql("INSERT INTO role_grant (id, person_id, role, organisation_id, granted_at, granted_by)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(&id)
        .bind(person_id)
        .bind(role)
        .bind(organisation_id)
        .bind(at)
        .bind(by),
    )
    .await?;
    Ok(id)
}

/// Withdraws a role; answers it when this call withdrew it, `None` when it was not in force.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<Option<RoleGrant>, StoreError> {
    tx.fetch_optional(
        sql("UPDATE role_grant SET withdrawn_at = $3, withdrawn_by = $2
             WHERE id = $1 AND withdrawn_at IS NULL
             RETURNING id, person_id, role, organisation_id")
        .bind(id)
        .bind(by)
        .bind(at),
    )
    .await
}

/// The roles in force of a person.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Vec<RoleGrant>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT id, person_id, role, organisation_id FROM role_grant
                 WHERE person_id = $1 AND withdrawn_at IS NULL ORDER BY id")
            .bind(person_id),
        )
        .await
}

/// How many people have this role with both factors set.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn count_able(queries: &mut impl Queries, role: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = queries
        .fetch_one(
            sql("SELECT COUNT(DISTINCT g.person_id) FROM role_grant g
                 JOIN account a ON a.person_id = g.person_id
                 WHERE g.role = $1 AND g.withdrawn_at IS NULL AND a.totp_confirmed_at IS NOT NULL")
            .bind(role),
        )
        .await?;
    Ok(count)
}

/// The columns of [`NamedGrant`]. `concat!` keeps the statements constants.
macro_rules! select_named {
    ($condition:literal) => {
        concat!(
            "SELECT g.id, g.person_id, g.role, g.organisation_id, n.name, a.login_name,
                    a.totp_confirmed_at
             FROM role_grant g
             JOIN person_name n ON n.person_id = g.person_id
             JOIN account a ON a.person_id = g.person_id
             WHERE ",
            $condition
        )
    };
}

/// Everybody with this role in force, by login name; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_role(
    queries: &mut impl Queries,
    role: &str,
    limit: i64,
) -> Result<Vec<NamedGrant>, StoreError> {
    queries
        .fetch_all(
            sql(select_named!(
                "g.withdrawn_at IS NULL AND g.role = $1 ORDER BY a.login_name LIMIT $2"
            ))
            .bind(role)
            .bind(limit),
        )
        .await
}

/// The roles in force that the operating body gives: its own, and those of services' owners; by role
/// and name. Administrators of facilities, who may be 600,000, are none of them.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_operating_body(
    queries: &mut impl Queries,
    limit: i64,
) -> Result<Vec<NamedGrant>, StoreError> {
    queries
        .fetch_all(
            sql(select_named!(
                "g.withdrawn_at IS NULL AND g.role IN ('operating_administrator',
                     'accreditation_officer', 'auditor', 'service_owner')
                 ORDER BY g.role, a.login_name LIMIT $1"
            ))
            .bind(limit),
        )
        .await
}

/// The roles in force for an organisation with names, by role and name; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn of_organisation(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<NamedGrant>, StoreError> {
    queries
        .fetch_all(
            sql(select_named!(
                "g.withdrawn_at IS NULL AND g.organisation_id = $1
                 ORDER BY g.role, a.login_name LIMIT $2"
            ))
            .bind(organisation_id)
            .bind(limit),
        )
        .await
}

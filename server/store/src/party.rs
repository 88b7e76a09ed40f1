//! People on either side of a decision, as far as one is told from another: who administers an
//! organisation or answers for its services, and who examined it for the operating body.

use crate::{Queries, StoreError, application::Code, sql};

/// A person with what others might be recognised by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Party {
    /// Who.
    pub person_id: String,
    /// Name in kanji.
    pub name: String,
    /// Name in kana; empty where nobody told it.
    pub name_kana: String,
    /// Name in Latin letters; empty where nobody told it.
    pub name_romaji: String,
    /// Mail; empty for somebody without an account.
    pub email: String,
}

/// The columns of [`Party`], for the people that the condition on `n.person_id` selects. `concat!`
/// keeps the statements constants.
macro_rules! select_party {
    ($condition:literal) => {
        concat!(
            "SELECT n.person_id, n.name, n.name_kana, n.name_romaji, COALESCE(a.email, '') AS email
             FROM person_name n LEFT JOIN account a ON a.person_id = n.person_id
             WHERE n.person_id ",
            $condition,
            " ORDER BY n.person_id"
        )
    };
}

/// One person.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find(
    queries: &mut impl Queries,
    person_id: &str,
) -> Result<Option<Party>, StoreError> {
    queries.fetch_optional(sql(select_party!("= $1")).bind(person_id)).await
}

/// Who administers an organisation now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn administrators(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Vec<Party>, StoreError> {
    holders(queries, "facility_administrator", organisation_id).await
}

/// Who answers for the services of an organisation now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn service_owners(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Vec<Party>, StoreError> {
    holders(queries, "service_owner", organisation_id).await
}

async fn holders(
    queries: &mut impl Queries,
    role: &str,
    organisation_id: &str,
) -> Result<Vec<Party>, StoreError> {
    queries
        .fetch_all(
            sql(select_party!(
                "IN (SELECT g.person_id FROM role_grant g
                     WHERE g.organisation_id = $1 AND g.role = $2 AND g.withdrawn_at IS NULL)"
            ))
            .bind(organisation_id)
            .bind(role),
        )
        .await
}

/// Who administers an organisation that has or ever had this code.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn administrators_of_code(
    queries: &mut impl Queries,
    code: &Code,
) -> Result<Vec<Party>, StoreError> {
    queries
        .fetch_all(
            sql(select_party!(
                "IN (SELECT g.person_id FROM role_grant g
                     JOIN organisation_code c ON c.organisation_id = g.organisation_id
                     WHERE g.role = 'facility_administrator' AND g.withdrawn_at IS NULL
                       AND c.scheme = $1 AND c.value = $2)"
            ))
            .bind(code.scheme.as_str())
            .bind(&code.value),
        )
        .await
}

/// The officers who checked or decided the application of an organisation, or made a letter to it.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn officers(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Vec<Party>, StoreError> {
    queries
        .fetch_all(
            sql(select_party!(
                "IN (SELECT e.person_id FROM application_event e
                     JOIN organisation o ON o.application_id = e.application_id
                     WHERE o.id = $1 AND e.kind IN ('checked', 'approved')
                     UNION
                     SELECT l.issued_by FROM activation_code l WHERE l.organisation_id = $1)"
            ))
            .bind(organisation_id),
        )
        .await
}

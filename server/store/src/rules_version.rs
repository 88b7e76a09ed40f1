//! The versions of a service's rules, which are kept for ever.

use time::OffsetDateTime;

use crate::{Queries, StoreError, moment::moment, sql};

/// A version of a service's rules, with how it came into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// 1 for the first.
    pub version: i64,
    /// JSON of the authz crate.
    pub rules: String,
    /// Since when it is or was in force.
    pub since: OffsetDateTime,
    /// Who put it in force: a person; absent for the operator of the host.
    pub by: Option<String>,
    /// What it was proposed as; absent for one that came with the registration or the approval of the
    /// service, as the following are.
    pub proposal_id: Option<String>,
    /// Who proposed it.
    pub proposed_by: Option<String>,
    /// The proposer's words.
    pub reason: Option<String>,
    /// The earlier version to which it returned.
    pub returns_to: Option<i64>,
}

#[derive(serde::Deserialize)]
struct Row {
    version: i64,
    rules: String,
    created_at: i64,
    created_by: Option<String>,
    proposal_id: Option<String>,
    proposed_by: Option<String>,
    reason: Option<String>,
    returns_to: Option<i64>,
}

impl Row {
    fn into_version(self) -> Result<Version, StoreError> {
        Ok(Version {
            since: moment("service_rules", self.created_at)?,
            version: self.version,
            rules: self.rules,
            by: self.created_by,
            proposal_id: self.proposal_id,
            proposed_by: self.proposed_by,
            reason: self.reason,
            returns_to: self.returns_to,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_version {
    ($condition:literal) => {
        concat!(
            "SELECT v.version, v.rules, v.created_at, v.created_by, v.proposal_id, p.proposed_by,
                    p.reason, p.returns_to
             FROM service_rules v LEFT JOIN rules_proposal p ON p.id = v.proposal_id
             WHERE v.service_id = $1 AND ",
            $condition
        )
    };
}

/// One version.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    service_id: &str,
    version: i64,
) -> Result<Option<Version>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(sql(select_version!("v.version = $2")).bind(service_id).bind(version))
        .await?;
    row.map(Row::into_version).transpose()
}

/// The versions of a service's rules, the latest first: `limit` of them after the first `offset`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    service_id: &str,
    offset: i64,
    limit: i64,
) -> Result<Vec<Version>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_version!("1 = 1 ORDER BY v.version DESC LIMIT $3 OFFSET $2"))
                .bind(service_id)
                .bind(offset)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_version).collect()
}

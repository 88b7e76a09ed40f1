//! What is on offer: services with their rules in force, for the portal and for decisions.

use crate::{Queries, StoreError, sql};

/// A service that was not withdrawn, with its rules in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Offer {
    /// `client_id`.
    pub service_id: String,
    /// Name, Japanese.
    pub name_ja: String,
    /// Name, English.
    pub name_en: String,
    /// Description, Japanese.
    pub description_ja: String,
    /// Description, English.
    pub description_en: String,
    /// Where a person enters.
    pub home_url: String,
    /// Where it is told of logouts, if it is.
    pub backchannel_logout_uri: Option<String>,
    /// When the operating body approved it, in Unix seconds; absent while it is in the sandbox.
    pub live_at: Option<i64>,
    /// What it says about personal data that leave the facility's purpose, if they do.
    pub personal_data: Option<String>,
    /// Version of the rules; absent while there are none.
    pub version: Option<i64>,
    /// The rules, JSON of the authz crate.
    pub rules: Option<String>,
}

/// All services on offer, by Japanese name; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(queries: &mut impl Queries, limit: i64) -> Result<Vec<Offer>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT s.id AS service_id, s.name_ja, s.name_en, s.description_ja, s.description_en,
                        s.home_url, s.backchannel_logout_uri, s.live_at, s.personal_data, r.version, r.rules
                 FROM service s
                 LEFT JOIN service_rules r ON r.service_id = s.id AND r.version =
                      (SELECT MAX(v.version) FROM service_rules v WHERE v.service_id = s.id)
                 WHERE s.withdrawn_at IS NULL
                 ORDER BY s.name_ja, s.id LIMIT $1")
            .bind(limit),
        )
        .await
}

/// A number that grows with each change of a service or of its rules, whoever makes it: as long as it is the same, so is
/// [`list`]. Read it before the list, which may then be newer than the number, and never older.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn revision(queries: &mut impl Queries) -> Result<i64, StoreError> {
    let (revision,): (i64,) = queries.fetch_one(sql("SELECT revision FROM offer_revision")).await?;
    Ok(revision)
}

/// One service on offer.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Option<Offer>, StoreError> {
    queries
        .fetch_optional(
            sql("SELECT s.id AS service_id, s.name_ja, s.name_en, s.description_ja, s.description_en,
                        s.home_url, s.backchannel_logout_uri, s.live_at, s.personal_data, r.version, r.rules
                 FROM service s
                 LEFT JOIN service_rules r ON r.service_id = s.id AND r.version =
                      (SELECT MAX(v.version) FROM service_rules v WHERE v.service_id = s.id)
                 WHERE s.withdrawn_at IS NULL AND s.id = $1")
            .bind(service_id),
        )
        .await
}

//! Rules that somebody proposed for a live service, until somebody else publishes or refuses them.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx, account,
    moment::{moment, moment_opt, text_list},
    service, sql,
};

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another person put it in force.
    Published,
    /// Another person refused it.
    Refused,
    /// The proposer took it back, or proposed something else instead.
    Withdrawn,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Published, Self::Refused, Self::Withdrawn];

    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn of(stored: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.as_str() == stored);
        found.ok_or_else(|| StoreError::Corrupt {
            what: "rules_proposal",
            detail: format!("its outcome is {stored}"),
        })
    }
}

/// Rules that somebody proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// UUIDv7.
    pub id: String,
    /// For which service.
    pub service_id: String,
    /// The version that was in force when they were written; 0 where none was.
    pub base_version: i64,
    /// JSON of the authz crate.
    pub rules: String,
    /// The proposer's words.
    pub reason: String,
    /// The latest earlier version with the same text.
    pub returns_to: Option<i64>,
    /// Who.
    pub proposed_by: String,
    /// Who that might have been, by [`account::hands_of`] at that moment.
    pub proposed_by_hands: Vec<String>,
    /// When.
    pub proposed_at: OffsetDateTime,
    /// What became of it; absent while it waits.
    pub outcome: Option<Outcome>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<OffsetDateTime>,
    /// Why it was refused.
    pub refused_because: Option<String>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    service_id: String,
    base_version: i64,
    rules: String,
    reason: String,
    returns_to: Option<i64>,
    proposed_by: String,
    proposed_by_hands: String,
    proposed_at: i64,
    outcome: Option<String>,
    decided_by: Option<String>,
    decided_at: Option<i64>,
    refused_because: Option<String>,
}

impl Row {
    fn into_proposal(self) -> Result<Proposal, StoreError> {
        Ok(Proposal {
            proposed_by_hands: text_list("hands of a proposal of rules", &self.proposed_by_hands)?,
            proposed_at: moment("rules_proposal", self.proposed_at)?,
            outcome: self.outcome.as_deref().map(Outcome::of).transpose()?,
            decided_at: moment_opt("rules_proposal", self.decided_at)?,
            id: self.id,
            service_id: self.service_id,
            base_version: self.base_version,
            rules: self.rules,
            reason: self.reason,
            returns_to: self.returns_to,
            proposed_by: self.proposed_by,
            decided_by: self.decided_by,
            refused_because: self.refused_because,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_proposal {
    ($condition:literal) => {
        concat!(
            "SELECT id, service_id, base_version, rules, reason, returns_to, proposed_by,
                    proposed_by_hands, proposed_at, outcome, decided_by, decided_at, refused_because
             FROM rules_proposal WHERE ",
            $condition
        )
    };
}

/// Rules to be proposed.
#[derive(Clone, Copy, Debug)]
pub struct NewProposal<'a> {
    /// For which service.
    pub service_id: &'a str,
    /// The version that was in force when they were written; 0 where none was.
    pub base_version: i64,
    /// JSON of the authz crate.
    pub rules: &'a str,
    /// The proposer's words.
    pub reason: &'a str,
    /// Who.
    pub proposed_by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// Keeps a proposal; answers its identifier. One of the same person for the service that waits is taken
/// back by it.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::AlreadyExists`]: another came
/// from the same person at once.
pub async fn propose(tx: &mut Tx, new: NewProposal<'_>) -> Result<String, StoreError> {
    tx.execute(
        sql("UPDATE rules_proposal SET outcome = 'withdrawn', decided_by = $2, decided_at = $3
             WHERE service_id = $1 AND proposed_by = $2 AND outcome IS NULL")
        .bind(new.service_id)
        .bind(new.proposed_by)
        .bind(new.at),
    )
    .await?;
    let (returns_to,): (Option<i64>,) = tx
        .fetch_one(
            sql("SELECT MAX(version) FROM service_rules WHERE service_id = $1 AND rules = $2")
                .bind(new.service_id)
                .bind(new.rules),
        )
        .await?;
    let id = Uuid::now_v7().to_string();
    let hands = account::hands_of(tx, new.proposed_by).await?;
    tx.execute(
        sql("INSERT INTO rules_proposal (id, service_id, base_version, rules, reason, returns_to,
                 proposed_by, proposed_by_hands, proposed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&id)
        .bind(new.service_id)
        .bind(new.base_version)
        .bind(new.rules)
        .bind(new.reason)
        .bind(returns_to)
        .bind(new.proposed_by)
        .bind(account::listed(&hands))
        .bind(new.at),
    )
    .await?;
    Ok(id)
}

/// One proposal.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Proposal>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_proposal!("id = $1")).bind(id)).await?;
    row.map(Row::into_proposal).transpose()
}

/// The proposals for a service, the latest first: `limit` of them after the first `offset`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_service(
    queries: &mut impl Queries,
    service_id: &str,
    offset: i64,
    limit: i64,
) -> Result<Vec<Proposal>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_proposal!(
                "service_id = $1 ORDER BY proposed_at DESC, id DESC LIMIT $3 OFFSET $2"
            ))
            .bind(service_id)
            .bind(offset)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_proposal).collect()
}

/// Those that wait for a decision, of one service.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn open(
    queries: &mut impl Queries,
    service_id: &str,
) -> Result<Vec<Proposal>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_proposal!(
                "service_id = $1 AND outcome IS NULL ORDER BY proposed_at, id LIMIT 1000"
            ))
            .bind(service_id),
        )
        .await?;
    rows.into_iter().map(Row::into_proposal).collect()
}

/// The services of whose rules a proposal waits, by identifier, the longest waiting first; at most
/// `limit`. Each with its Japanese and its English name.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn waiting(
    queries: &mut impl Queries,
    limit: i64,
) -> Result<Vec<(String, String, String)>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT s.id, s.name_ja, s.name_en FROM service s
                 JOIN (SELECT p.service_id, MIN(p.proposed_at) AS since FROM rules_proposal p
                       WHERE p.outcome IS NULL GROUP BY p.service_id) AS w ON w.service_id = s.id
                 WHERE s.withdrawn_at IS NULL ORDER BY w.since, s.id LIMIT $1")
            .bind(limit),
        )
        .await
}

/// The proposer takes theirs back; answers whether it waited.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement =
        sql("UPDATE rules_proposal SET outcome = 'withdrawn', decided_by = $2, decided_at = $3
                         WHERE id = $1 AND proposed_by = $2 AND outcome IS NULL");
    Ok(tx.execute(statement.bind(id).bind(by).bind(at)).await? == 1)
}

/// Another person refuses it; answers whether it waited.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn refuse(
    tx: &mut Tx,
    id: &str,
    by: &str,
    because: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE rules_proposal SET outcome = 'refused', decided_by = $2,
                             decided_at = $3, refused_because = $4
                         WHERE id = $1 AND proposed_by <> $2 AND outcome IS NULL");
    Ok(tx.execute(statement.bind(id).bind(by).bind(at).bind(because)).await? == 1)
}

/// What came of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// In force, as this version.
    InForce(i64),
    /// Nothing waits under this identifier, or it is the same person's.
    NotOpen,
    /// Rules of this version came into force since it was written.
    Overtaken(i64),
}

/// Another person puts a proposal in force, if it was written for the rules that are.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`], [`StoreError::AlreadyExists`]: another version
/// came in at once.
pub async fn publish(
    tx: &mut Tx,
    id: &str,
    by: &str,
    at: OffsetDateTime,
) -> Result<Publication, StoreError> {
    let Some(proposal) = find(tx, id).await? else { return Ok(Publication::NotOpen) };
    let in_force =
        service::rules(tx, &proposal.service_id).await?.map_or(0, |(version, _)| version);
    if proposal.outcome.is_some() || proposal.proposed_by == by {
        return Ok(Publication::NotOpen);
    }
    if in_force != proposal.base_version {
        return Ok(Publication::Overtaken(in_force));
    }
    let decided = tx
        .execute(
            sql("UPDATE rules_proposal SET outcome = 'published', decided_by = $2, decided_at = $3
                 WHERE id = $1 AND proposed_by <> $2 AND outcome IS NULL")
            .bind(id)
            .bind(by)
            .bind(at),
        )
        .await?;
    if decided == 0 {
        return Ok(Publication::NotOpen);
    }
    let version = in_force + 1;
    tx.execute(
        sql("INSERT INTO service_rules (service_id, version, rules, created_at, created_by, proposal_id)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(&proposal.service_id)
        .bind(version)
        .bind(&proposal.rules)
        .bind(at)
        .bind(by)
        .bind(id),
    )
    .await?;
    Ok(Publication::InForce(version))
}

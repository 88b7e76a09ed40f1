//! Certified routers (認定ルーター): what the operating body decided of a model and a proof. Decisions are only ever
//! added; the last one counts.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, router_test::Proof, sql};

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Certified for a time.
    Certified,
    /// Taken back.
    Withdrawn,
}

impl Decision {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certified => "certified",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A decision of the operating body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certification {
    /// The model.
    pub model_id: String,
    /// For which proof.
    pub proof: Proof,
    /// What was decided.
    pub decision: Decision,
    /// From when it is certified; of one that was withdrawn: from when it was.
    pub valid_from: OffsetDateTime,
    /// Until when; not itself in it.
    pub valid_until: OffsetDateTime,
    /// Why, in the words of whoever decided.
    pub reason: String,
    /// When it was decided.
    pub decided_at: OffsetDateTime,
    /// By whom: a person, or `host`.
    pub decided_by: String,
}

/// How it stands with a certification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Decided, and not yet in force.
    Ahead,
    /// In force.
    InForce,
    /// Over.
    Over,
    /// Taken back.
    Withdrawn,
}

impl Certification {
    /// How it stands now, if it is the last decision.
    #[must_use]
    pub fn standing(&self, now: OffsetDateTime) -> Standing {
        match self.decision {
            Decision::Withdrawn => Standing::Withdrawn,
            Decision::Certified if now < self.valid_from => Standing::Ahead,
            Decision::Certified if now >= self.valid_until => Standing::Over,
            Decision::Certified => Standing::InForce,
        }
    }
}

#[derive(serde::Deserialize)]
struct Row {
    model_id: String,
    proof: String,
    decision: String,
    valid_from: i64,
    valid_until: i64,
    reason: String,
    decided_at: i64,
    decided_by: String,
}

impl Row {
    fn into_certification(self) -> Result<Certification, StoreError> {
        let what = "router certification";
        let corrupt = |text: &str| StoreError::Corrupt { what, detail: text.to_owned() };
        let decisions = [Decision::Certified, Decision::Withdrawn];
        let decision = decisions.into_iter().find(|known| known.as_str() == self.decision);
        Ok(Certification {
            proof: Proof::parse(&self.proof).ok_or_else(|| corrupt(&self.proof))?,
            decision: decision.ok_or_else(|| corrupt(&self.decision))?,
            valid_from: moment(what, self.valid_from)?,
            valid_until: moment(what, self.valid_until)?,
            decided_at: moment(what, self.decided_at)?,
            model_id: self.model_id,
            reason: self.reason,
            decided_by: self.decided_by,
        })
    }
}

macro_rules! select_certification {
    ($rest:literal) => {
        concat!(
            "SELECT c.model_id, c.proof, c.decision, c.valid_from, c.valid_until, c.reason, c.decided_at,
                    c.decided_by
             FROM router_certification c WHERE ",
            $rest
        )
    };
}

/// Adds a decision.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another one was added at this moment.
pub async fn decide(tx: &mut Tx, decided: &Certification) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO router_certification
                 (model_id, proof, ordinal, decision, valid_from, valid_until, reason, decided_at, decided_by)
             SELECT $1, $2, COALESCE(MAX(c.ordinal), 0) + 1, $3, $4, $5, $6, $7, $8
             FROM router_certification c WHERE c.model_id = $1 AND c.proof = $2")
        .bind(decided.model_id.as_str())
        .bind(decided.proof.as_str())
        .bind(decided.decision.as_str())
        .bind(decided.valid_from)
        .bind(decided.valid_until)
        .bind(decided.reason.as_str())
        .bind(decided.decided_at)
        .bind(decided.decided_by.as_str()),
    )
    .await?;
    Ok(())
}

/// The last decision of each model and proof.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(queries: &mut impl Queries) -> Result<Vec<Certification>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(sql(select_certification!(
            "c.ordinal = (SELECT MAX(n.ordinal) FROM router_certification n
                 WHERE n.model_id = c.model_id AND n.proof = c.proof)"
        )))
        .await?;
    rows.into_iter().map(Row::into_certification).collect()
}

/// Every decision about a model, newest first of each proof; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_model(
    queries: &mut impl Queries,
    model_id: &str,
    limit: i64,
) -> Result<Vec<Certification>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_certification!("c.model_id = $1 ORDER BY c.proof, c.ordinal DESC LIMIT $2"))
                .bind(model_id)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_certification).collect()
}

//! Certified routers (認定ルーター): the operating body's decision that a model may be bought for this network, for
//! one proof and a time.
//!
//! Tests are facts that anybody may bring; this is a decision, so that it is imported by no file. It rests on a test
//! that succeeded, and it is taken back by another decision, with its reason.

use sekisho_store::{
    Queries, StoreError, Tx,
    audit::Entry,
    router_certification::{self, Certification, Decision, Standing},
    router_test::{self, Proof},
};
use time::{Date, Duration, OffsetDateTime, macros::format_description};

use crate::portal::when::JST;

/// In the audit trail.
pub const CERTIFY: &str = "router_model.certify";
/// In the audit trail.
pub const WITHDRAW: &str = "router_model.withdraw";

/// Most characters of a reason.
pub const MOST_REASON: usize = 500;
/// A certification lasts no longer: firmware grows old.
pub const MOST_DAYS: i64 = 5 * 366;

/// A day that somebody typed, `2027-04-01`: when it begins in Japan.
///
/// # Errors
/// What is wrong with it, for whoever typed it at the host.
pub fn first_of_day(typed: &str) -> Result<OffsetDateTime, String> {
    let day = Date::parse(typed, format_description!("[year]-[month]-[day]"));
    let day = day.map_err(|_| "it is no day such as 2027-04-01".to_owned())?;
    Ok(day.midnight().assume_offset(JST))
}

/// The same of a last day: when it is over.
///
/// # Errors
/// As [`first_of_day`].
pub fn day_after(typed: &str) -> Result<OffsetDateTime, String> {
    let next = first_of_day(typed)?.checked_add(Duration::DAY);
    next.ok_or_else(|| "it is no day such as 2027-04-01".to_owned())
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The model.
    pub model_id: String,
    /// For which proof.
    pub proof: Proof,
    /// From when until when; `None` takes the certification back.
    pub valid: Option<(OffsetDateTime, OffsetDateTime)>,
    /// Why.
    pub reason: String,
}

/// Why it is not decided so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This network hands out nothing of the kind.
    #[error(
        "models are certified for p256, rsa3072 and psk, by which routers of this network prove themselves"
    )]
    Proof,
    /// No test that counts succeeded.
    #[error("no test of this model succeeded by this proof; import one first")]
    NotTested,
    /// It begins after its end, or ends before now.
    #[error("a certification ends after it begins, and after now")]
    Over,
    /// Longer than [`MOST_DAYS`].
    #[error("a certification lasts five years at most")]
    TooLong,
    /// There is none to take back.
    #[error("this model is not certified for this proof")]
    NotCertified,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::NotTested => "not_tested",
            Self::Over => "over",
            Self::TooLong => "too_long",
            Self::NotCertified => "not_certified",
        }
    }

    /// The message key for the page.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Proof => "models-certify-proof",
            Self::NotTested => "models-certify-not-tested",
            Self::Over => "models-certify-over",
            Self::TooLong => "models-certify-too-long",
            Self::NotCertified => "models-certify-not-certified",
        }
    }
}

impl Asked {
    /// The act that it is.
    #[must_use]
    pub const fn act(&self) -> &'static str {
        if self.valid.is_some() { CERTIFY } else { WITHDRAW }
    }

    /// With what it is about, in an audit record.
    #[must_use]
    pub fn recorded(&self, entry: Entry) -> Entry {
        let entry = entry
            .on("router_model", self.model_id.as_str())
            .fact("proof", self.proof.as_str())
            .fact("reason_given", self.reason.as_str());
        match self.valid {
            Some((from, until)) => entry
                .fact("valid_from", from.unix_timestamp())
                .fact("valid_until", until.unix_timestamp()),
            None => entry,
        }
    }

    /// Decides so, unless something stands against it; then nothing is written.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: somebody else decided at this moment; look again.
    pub async fn decide(
        &self,
        tx: &mut Tx,
        decided_by: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Refusal>, StoreError> {
        let (decision, (valid_from, valid_until)) = match self.valid {
            Some(valid) => match self.against(tx, valid, now).await? {
                Some(refusal) => return Ok(Some(refusal)),
                None => (Decision::Certified, valid),
            },
            None => match last(tx, &self.model_id, self.proof).await? {
                Some(last) if matches!(last.standing(now), Standing::Ahead | Standing::InForce) => {
                    (Decision::Withdrawn, (last.valid_from, last.valid_until))
                }
                _ => return Ok(Some(Refusal::NotCertified)),
            },
        };
        let decided = Certification {
            model_id: self.model_id.clone(),
            proof: self.proof,
            decision,
            valid_from,
            valid_until,
            reason: self.reason.clone(),
            decided_at: now,
            decided_by: decided_by.to_owned(),
        };
        router_certification::decide(tx, &decided).await?;
        Ok(None)
    }

    async fn against(
        &self,
        queries: &mut impl Queries,
        (from, until): (OffsetDateTime, OffsetDateTime),
        now: OffsetDateTime,
    ) -> Result<Option<Refusal>, StoreError> {
        Ok(if !Proof::CERTIFIABLE.contains(&self.proof) {
            Some(Refusal::Proof)
        } else if until <= from || until <= now {
            Some(Refusal::Over)
        } else if until - from > Duration::days(MOST_DAYS) {
            Some(Refusal::TooLong)
        } else if !router_test::stood(queries, &self.model_id, self.proof).await? {
            Some(Refusal::NotTested)
        } else {
            None
        })
    }
}

/// The decision that counts for a proof.
async fn last(
    queries: &mut impl Queries,
    model_id: &str,
    proof: Proof,
) -> Result<Option<Certification>, StoreError> {
    let all = router_certification::latest(queries).await?;
    Ok(all.into_iter().find(|one| one.model_id == model_id && one.proof == proof))
}

//! What a facility chose, where it may choose otherwise than the operator's configuration says.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, sql};

/// A question that a facility may answer for itself.
pub trait FacilityPolicy: Copy + 'static {
    /// The question, as stored.
    const ABOUT: &'static str;
    /// All answers.
    const ALL: &'static [Self];

    /// As stored and on the wire.
    fn as_str(self) -> &'static str;

    /// From its word.
    #[must_use]
    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|policy| policy.as_str() == word)
    }
}

/// What happens to a session when its card leaves the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardRemoval {
    /// It ends, and every service is told.
    Logout,
    /// It is closed to everybody until the same card is held up again.
    Lock,
    /// Nothing.
    Keep,
}

impl FacilityPolicy for CardRemoval {
    const ABOUT: &'static str = "card_removal";
    const ALL: &'static [Self] = &[Self::Logout, Self::Lock, Self::Keep];

    fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Lock => "lock",
            Self::Keep => "keep",
        }
    }
}

/// What holds for services that are not told of logouts, at terminals that several people use in turn: they may go on
/// showing what the person before saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntoldServices {
    /// They are open like others.
    Allowed,
    /// They are closed.
    Forbidden,
}

impl FacilityPolicy for UntoldServices {
    const ABOUT: &'static str = "untold_services";
    const ALL: &'static [Self] = &[Self::Allowed, Self::Forbidden];

    fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
        }
    }
}

/// A facility's choice; `None` where it never made one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn chosen<P: FacilityPolicy>(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Option<P>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT policy FROM facility_policy WHERE organisation_id = $1 AND about = $2")
                .bind(organisation_id)
                .bind(P::ABOUT),
        )
        .await?;
    row.map(|(word,)| P::parse(&word).ok_or(StoreError::Corrupt { what: P::ABOUT, detail: word }))
        .transpose()
}

/// Makes a facility's choice.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn choose<P: FacilityPolicy>(
    tx: &mut Tx,
    organisation_id: &str,
    policy: P,
    by: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO facility_policy (organisation_id, about, policy, changed_at, changed_by)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (organisation_id, about) DO UPDATE
             SET policy = excluded.policy, changed_at = excluded.changed_at,
                 changed_by = excluded.changed_by")
        .bind(organisation_id)
        .bind(P::ABOUT)
        .bind(policy.as_str())
        .bind(at)
        .bind(by),
    )
    .await?;
    Ok(())
}

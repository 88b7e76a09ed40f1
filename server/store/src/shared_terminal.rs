//! Terminals that several people use in turn, and what is closed there: services that are not told of a logout may go on
//! showing what the person before saw.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, sql};

/// What a facility chose for services that are not told of logouts, at its shared terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntoldServices {
    /// They are open like others.
    Allowed,
    /// They are closed.
    Forbidden,
}

impl UntoldServices {
    /// All.
    pub const ALL: [Self; 2] = [Self::Allowed, Self::Forbidden];

    /// As stored and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == word)
    }
}

/// A facility's choice; `None` where it never made one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn untold_services(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Option<UntoldServices>, StoreError> {
    let row: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT policy FROM untold_services_policy WHERE organisation_id = $1")
                .bind(organisation_id),
        )
        .await?;
    row.map(|(word,)| {
        UntoldServices::parse(&word)
            .ok_or(StoreError::Corrupt { what: "untold services policy", detail: word })
    })
    .transpose()
}

/// Makes a facility's choice.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn choose_untold_services(
    tx: &mut Tx,
    organisation_id: &str,
    policy: UntoldServices,
    by: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO untold_services_policy (organisation_id, policy, changed_at, changed_by)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (organisation_id) DO UPDATE
             SET policy = excluded.policy, changed_at = excluded.changed_at,
                 changed_by = excluded.changed_by")
        .bind(organisation_id)
        .bind(policy.as_str())
        .bind(at)
        .bind(by),
    )
    .await?;
    Ok(())
}

/// Whether a terminal is one person's alone.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn is_personal(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<bool, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT id FROM terminal WHERE id = $1 AND personal_at IS NOT NULL")
                .bind(terminal_id),
        )
        .await?;
    Ok(found.is_some())
}

/// Notes whether a PC is one person's alone; answers whether that is news.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn note_personal(
    tx: &mut Tx,
    terminal_id: &str,
    personal: bool,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let statement = if personal {
        sql("UPDATE terminal SET personal_at = $2 WHERE id = $1 AND personal_at IS NULL")
            .bind(terminal_id)
            .bind(at)
    } else {
        sql("UPDATE terminal SET personal_at = NULL WHERE id = $1 AND personal_at IS NOT NULL")
            .bind(terminal_id)
    };
    Ok(tx.execute(statement).await? == 1)
}

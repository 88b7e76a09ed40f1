//! Events, from which a status follows: the tables of organisations, terminals and memberships have
//! one shape, and rows are only ever added.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StoreError, Tx, sql};

/// Whose events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Organisation,
    Terminal,
    Membership,
}

impl Of {
    const fn insert(self) -> &'static str {
        match self {
            Self::Organisation => {
                "INSERT INTO organisation_event (id, organisation_id, at, kind, person_id, reason)
                 VALUES ($1, $2, $3, $4, $5, $6)"
            }
            Self::Terminal => {
                "INSERT INTO terminal_event (id, terminal_id, at, kind, person_id, reason)
                 VALUES ($1, $2, $3, $4, $5, $6)"
            }
            Self::Membership => {
                "INSERT INTO membership_event (id, membership_id, at, kind, person_id, reason)
                 VALUES ($1, $2, $3, $4, $5, $6)"
            }
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub kind: &'static str,
    /// The person who did it, if one did.
    pub person_id: Option<&'a str>,
    /// Why, in that person's words.
    pub reason: &'a str,
    pub at: OffsetDateTime,
}

/// Adds an event.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub(crate) async fn add(tx: &mut Tx, of: Of, id: &str, event: Event<'_>) -> Result<(), StoreError> {
    tx.execute(
        sql(of.insert())
            .bind(Uuid::now_v7().to_string())
            .bind(id)
            .bind(event.at)
            .bind(event.kind)
            .bind(event.person_id)
            .bind(event.reason),
    )
    .await?;
    Ok(())
}

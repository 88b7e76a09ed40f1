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
    insert(tx, of, id, Uuid::now_v7(), event).await
}

/// Adds an event that stands after `last`, an event of the same second, whatever the clock of the
/// process that wrote that one said.
///
/// # Errors
/// As [`add`]; [`StoreError::Corrupt`]: `last` is no identifier of an event.
pub(crate) async fn add_after(
    tx: &mut Tx,
    of: Of,
    id: &str,
    last: &str,
    event: Event<'_>,
) -> Result<(), StoreError> {
    let last = Uuid::parse_str(last)
        .map_err(|error| StoreError::Corrupt { what: "event", detail: error.to_string() })?;
    // The next higher number is still a version 7 UUID of the same millisecond: its last 62 bits
    // are random, so that carrying out of them does not happen.
    let next = Uuid::from_u128(last.as_u128().saturating_add(1));
    insert(tx, of, id, Uuid::now_v7().max(next), event).await
}

async fn insert(
    tx: &mut Tx,
    of: Of,
    id: &str,
    event_id: Uuid,
    event: Event<'_>,
) -> Result<(), StoreError> {
    tx.execute(
        sql(of.insert())
            .bind(event_id.to_string())
            .bind(id)
            .bind(event.at)
            .bind(event.kind)
            .bind(event.person_id)
            .bind(event.reason),
    )
    .await?;
    Ok(())
}

//! What services of the sandbox were seen to do, for their owners: one fact a line, the last that was
//! seen.

use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A code that was sent to its redirect URI comes back.
    Redirect,
    /// Its clock agrees with ours.
    Clock,
    /// It answers where it is told of logouts.
    Notice,
    /// It refuses what is signed wrongly.
    Signature,
}

impl Line {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Redirect, Self::Clock, Self::Notice, Self::Signature];

    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Clock => "clock",
            Self::Notice => "notice",
            Self::Signature => "signature",
        }
    }
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The owner asked for a trial, which did not begin.
    Asked,
    /// The trial began, and nothing is known of its end.
    Open,
    /// As it should be.
    Good,
    /// Not so.
    Bad,
}

impl State {
    /// All.
    pub const ALL: [Self; 4] = [Self::Asked, Self::Open, Self::Good, Self::Bad];

    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Open => "open",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it stands.
    pub state: State,
    /// What was seen, a constant token or a number, the caller's; empty where there is nothing to add.
    pub detail: String,
    /// The grant of a login with a wrong signature.
    pub grant_id: Option<String>,
    /// When.
    pub at: OffsetDateTime,
}

/// Keeps what was seen, in the place of what was seen before.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn put(tx: &mut Tx, service_id: &str, line: Line, seen: &Seen) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO service_check (service_id, line, state, detail, grant_id, at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (service_id, line) DO UPDATE SET state = excluded.state,
                 detail = excluded.detail, grant_id = excluded.grant_id, at = excluded.at")
        .bind(service_id)
        .bind(line.as_str())
        .bind(seen.state.as_str())
        .bind(&seen.detail)
        .bind(seen.grant_id.as_deref())
        .bind(seen.at),
    )
    .await?;
    Ok(())
}

/// The same, if the line stands at `from`; answers whether it did. Of many at a time one does.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn turn(
    tx: &mut Tx,
    service_id: &str,
    line: Line,
    from: State,
    seen: &Seen,
) -> Result<bool, StoreError> {
    let statement = sql("UPDATE service_check SET state = $4, detail = $5, grant_id = $6, at = $7
             WHERE service_id = $1 AND line = $2 AND state = $3");
    let changed = tx
        .execute(
            statement
                .bind(service_id)
                .bind(line.as_str())
                .bind(from.as_str())
                .bind(seen.state.as_str())
                .bind(&seen.detail)
                .bind(seen.grant_id.as_deref())
                .bind(seen.at),
        )
        .await?;
    Ok(changed == 1)
}

/// What was seen last.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    service_id: &str,
    line: Line,
) -> Result<Option<Seen>, StoreError> {
    let row: Option<(String, String, Option<String>, i64)> = queries
        .fetch_optional(
            sql("SELECT state, detail, grant_id, at FROM service_check
                 WHERE service_id = $1 AND line = $2")
            .bind(service_id)
            .bind(line.as_str()),
        )
        .await?;
    let Some((state, detail, grant_id, at)) = row else { return Ok(None) };
    let known = State::ALL.into_iter().find(|known| known.as_str() == state);
    let state = known.ok_or(StoreError::Corrupt { what: "service_check", detail: state })?;
    Ok(Some(Seen { state, detail, grant_id, at: moment("service_check", at)? }))
}

/// Forgets what was seen of a service: it is registered otherwise now.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn forget(tx: &mut Tx, service_id: &str) -> Result<(), StoreError> {
    tx.execute(sql("DELETE FROM service_check WHERE service_id = $1").bind(service_id)).await?;
    Ok(())
}

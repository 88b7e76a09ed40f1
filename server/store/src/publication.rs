//! When an authority's revocation list has to be made anew.

use time::OffsetDateTime;

use crate::{Queries, StoreError, moment::moment, sql};

/// When the newest revocation, hold or release of this issuer happened.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest_event_at(
    queries: &mut impl Queries,
    issuer_id: &str,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let (at,): (Option<i64>,) = queries
        .fetch_one(sql("SELECT MAX(at) FROM revocation_event WHERE issuer_id = $1").bind(issuer_id))
        .await?;
    at.map(|at| moment("revocation event", at)).transpose()
}

//! What services say about their maintenance, for their tiles in the portal.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// A notice to be entered.
#[derive(Clone, Copy, Debug)]
pub struct NewMaintenance<'a> {
    /// Of which service.
    pub service_id: &'a str,
    /// Words, Japanese.
    pub text_ja: &'a str,
    /// Words, English.
    pub text_en: &'a str,
    /// From when the maintenance is.
    pub begins_at: OffsetDateTime,
    /// Until when.
    pub ends_at: OffsetDateTime,
    /// When it was entered.
    pub entered_at: OffsetDateTime,
}

/// A notice that was not withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// UUIDv7.
    pub id: String,
    /// Of which service.
    pub service_id: String,
    /// Words, Japanese.
    pub text_ja: String,
    /// Words, English.
    pub text_en: String,
    /// From when the maintenance is.
    pub begins_at: OffsetDateTime,
    /// Until when.
    pub ends_at: OffsetDateTime,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    service_id: String,
    text_ja: String,
    text_en: String,
    begins_at: i64,
    ends_at: i64,
}

/// Notices that were not withdrawn, the next first. `concat!` keeps the statements constants.
macro_rules! select_notices {
    ($condition:literal) => {
        concat!(
            "SELECT id, service_id, text_ja, text_en, begins_at, ends_at FROM maintenance
             WHERE withdrawn_at IS NULL AND ",
            $condition,
            " ORDER BY begins_at, id"
        )
    };
}

fn notices(rows: Vec<Row>) -> Result<Vec<Maintenance>, StoreError> {
    let notice = |row: Row| {
        Ok(Maintenance {
            id: row.id,
            service_id: row.service_id,
            text_ja: row.text_ja,
            text_en: row.text_en,
            begins_at: moment("maintenance", row.begins_at)?,
            ends_at: moment("maintenance", row.ends_at)?,
        })
    };
    rows.into_iter().map(notice).collect()
}

/// Enters a notice, unless the service has `most` that are not over; answers its identifier.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn enter(
    tx: &mut Tx,
    new: NewMaintenance<'_>,
    most: i64,
) -> Result<Option<String>, StoreError> {
    let id = Uuid::now_v7().to_string();
    let entered = tx
        .execute(
            sql("INSERT INTO maintenance (id, service_id, text_ja, text_en, begins_at, ends_at, entered_at)
                 SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT),
                        CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT)
                 WHERE (SELECT COUNT(*) FROM maintenance
                        WHERE service_id = $2 AND withdrawn_at IS NULL AND ends_at > $7) < $8")
            .bind(&id)
            .bind(new.service_id)
            .bind(new.text_ja)
            .bind(new.text_en)
            .bind(new.begins_at)
            .bind(new.ends_at)
            .bind(new.entered_at)
            .bind(most),
        )
        .await?;
    Ok((entered == 1).then_some(id))
}

/// Withdraws a notice of this service; answers whether this call did.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn withdraw(
    tx: &mut Tx,
    service_id: &str,
    id: &str,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let withdrawn = tx
        .execute(
            sql("UPDATE maintenance SET withdrawn_at = $3
                 WHERE id = $1 AND service_id = $2 AND withdrawn_at IS NULL")
            .bind(id)
            .bind(service_id)
            .bind(at),
        )
        .await?;
    Ok(withdrawn == 1)
}

/// The notices of a service that are not over at `now`, the next first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_service(
    queries: &mut impl Queries,
    service_id: &str,
    now: OffsetDateTime,
) -> Result<Vec<Maintenance>, StoreError> {
    let rows = queries
        .fetch_all(
            sql(select_notices!("service_id = $1 AND ends_at > $2")).bind(service_id).bind(now),
        )
        .await?;
    notices(rows)
}

/// Those of all services that are not over at `now` and begin before `until`, the next first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn announced(
    queries: &mut impl Queries,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<Maintenance>, StoreError> {
    let rows = queries
        .fetch_all(sql(select_notices!("ends_at > $1 AND begins_at < $2")).bind(now).bind(until))
        .await?;
    notices(rows)
}

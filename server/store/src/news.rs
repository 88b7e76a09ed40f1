//! What was linked or enrolled in a person's name lately, and what ended: told to them, who may not have
//! done it.

use time::OffsetDateTime;

use crate::{
    Queries, StoreError,
    moment::{moment, moment_opt},
    sql,
};

/// A My Number card that was linked, or a passkey that was enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The passkey's name; `None` of a card.
    pub passkey: Option<String>,
    /// When it began.
    pub began: OffsetDateTime,
    /// When it was unlinked, replaced or removed.
    pub ended: Option<OffsetDateTime>,
}

#[derive(serde::Deserialize)]
struct Row {
    name: Option<String>,
    began: i64,
    ended: Option<i64>,
}

/// What began or ended after `since`, also what has ended again: the latest beginning first.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_person(
    queries: &mut impl Queries,
    person_id: &str,
    since: OffsetDateTime,
) -> Result<Vec<News>, StoreError> {
    let statement = sql("SELECT NULL AS name, linked_at AS began, ended_at AS ended FROM jpki_link
             WHERE person_id = $1 AND (linked_at > $2 OR ended_at > $2)
             UNION ALL
             SELECT name, enrolled_at AS began, removed_at AS ended FROM passkey
             WHERE person_id = $1 AND (enrolled_at > $2 OR removed_at > $2)
             ORDER BY began DESC");
    let rows: Vec<Row> = queries.fetch_all(statement.bind(person_id).bind(since)).await?;
    rows.into_iter()
        .map(|row| {
            Ok(News {
                passkey: row.name,
                began: moment("news", row.began)?,
                ended: moment_opt("news", row.ended)?,
            })
        })
        .collect()
}

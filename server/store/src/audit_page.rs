//! The audit trail as an auditor reads it: newest first, filtered, from a key on.
//!
//! Written for a trail of many millions of records: every question is answered by a range of one
//! index, whatever it leaves out, and a page is found by the key of the record before it, never by
//! counting.

use std::{fmt, str::FromStr};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError,
    audit::Record,
    db::{Statement, sql},
};

/// Which records. What is absent does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// At this time or later.
    pub from: Option<OffsetDateTime>,
    /// Before this time.
    pub until: Option<OffsetDateTime>,
    /// By this actor: identifier of a person, terminal, service or operator's account.
    pub actor_id: Option<String>,
    /// This act, whole.
    pub act: Option<String>,
    /// At this organisation.
    pub organisation_id: Option<String>,
}

/// Where a page ends: the next one begins with the record before it in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Unix seconds of the last record shown.
    pub at: i64,
    /// Its identifier, which orders the records of one second.
    pub id: String,
}

impl Key {
    /// The key of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { at: record.columns.at, id: record.id.clone() }
    }
}

/// A text that is no [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key of a record: its time, a full stop and its identifier")]
pub struct NoKey;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.id)
    }
}

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let (at, id) = text.split_once('.').ok_or(NoKey)?;
        Uuid::try_parse(id).map_err(|_| NoKey)?;
        Ok(Self { at: at.parse().map_err(|_| NoKey)?, id: id.to_owned() })
    }
}

/// The statement whose range of an index is `$driving`; the other conditions only sift that range.
macro_rules! newest {
    ($driving:literal) => {
        concat!(
            "SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                 r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
             FROM audit_record r LEFT JOIN audit_link l ON l.record_id = r.id
             WHERE (r.at, r.id) < ($1, $2) AND r.at >= $3 ",
            $driving,
            " AND (CAST($4 AS TEXT) IS NULL OR r.actor_id = $4)
              AND (CAST($5 AS TEXT) IS NULL OR r.organisation_id = $5)
              AND (CAST($6 AS TEXT) IS NULL OR r.act = $6)
             ORDER BY r.at DESC, r.id DESC LIMIT $7"
        )
    };
}

/// By the narrowest of the conditions: a person does less than a facility, a facility less than all.
fn statement(filter: &Filter) -> Statement {
    if filter.actor_id.is_some() {
        sql(newest!("AND r.actor_id = $4"))
    } else if filter.organisation_id.is_some() {
        sql(newest!("AND r.organisation_id = $5"))
    } else if filter.act.is_some() {
        sql(newest!("AND r.act = $6"))
    } else {
        sql(newest!(""))
    }
}

/// Records of the filter before `before`, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn newest(
    queries: &mut impl Queries,
    filter: &Filter,
    before: Option<&Key>,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    // No identifier is less than the empty one, so the second `until` itself is left out.
    let end = Key {
        at: filter.until.map_or(i64::MAX, OffsetDateTime::unix_timestamp),
        id: String::new(),
    };
    let before = before.filter(|key| key.at < end.at).unwrap_or(&end);
    queries
        .fetch_all(
            statement(filter)
                .bind(before.at)
                .bind(&before.id)
                .bind(filter.from.map_or(i64::MIN, OffsetDateTime::unix_timestamp))
                .bind(filter.actor_id.as_ref())
                .bind(filter.organisation_id.as_ref())
                .bind(filter.act.as_ref())
                .bind(limit),
        )
        .await
}

/// One record.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn find(queries: &mut impl Queries, id: &str) -> Result<Option<Record>, StoreError> {
    queries
        .fetch_optional(
            sql("SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                     r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
                 FROM audit_record r LEFT JOIN audit_link l ON l.record_id = r.id WHERE r.id = $1")
            .bind(id),
        )
        .await
}

/// Records of acts that came from a network address, as they name it, at `from` or later and before `until`, newest
/// first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn from_address(
    queries: &mut impl Queries,
    address: &str,
    from: OffsetDateTime,
    until: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                     r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
                 FROM audit_record r LEFT JOIN audit_link l ON l.record_id = r.id
                 WHERE r.address = $1 AND r.at >= $2 AND r.at < $3
                 ORDER BY r.at DESC, r.id DESC LIMIT $4")
            .bind(address)
            .bind(from)
            .bind(until)
            .bind(limit),
        )
        .await
}

/// Every act that the trail holds, by name. Each is one look into the index, not one of each record.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn acts(queries: &mut impl Queries) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(sql("WITH RECURSIVE known (act) AS (
                 SELECT MIN(act) FROM audit_record
                 UNION ALL
                 SELECT (SELECT MIN(r.act) FROM audit_record r WHERE r.act > known.act)
                 FROM known WHERE known.act IS NOT NULL)
             SELECT act FROM known WHERE act IS NOT NULL ORDER BY act"))
        .await?;
    Ok(rows.into_iter().map(|(act,)| act).collect())
}

/// How far the chain of one process reaches.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct ChainState {
    /// The process.
    pub node: String,
    /// Position of its last link.
    pub linked: i64,
    /// Position of its last checkpoint; absent before the first.
    pub signed: Option<i64>,
    /// When that was signed, in Unix seconds.
    pub signed_at: Option<i64>,
}

/// The state of every chain, by process.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chains(queries: &mut impl Queries) -> Result<Vec<ChainState>, StoreError> {
    queries
        .fetch_all(sql("WITH RECURSIVE known (node) AS (
                 SELECT MIN(node) FROM audit_link
                 UNION ALL
                 SELECT (SELECT MIN(l.node) FROM audit_link l WHERE l.node > known.node)
                 FROM known WHERE known.node IS NOT NULL)
             SELECT k.node,
                 (SELECT MAX(l.seq) FROM audit_link l WHERE l.node = k.node) AS linked,
                 c.seq AS signed, c.at AS signed_at
             FROM known k
             LEFT JOIN audit_checkpoint c ON c.node = k.node
                 AND c.seq = (SELECT MAX(d.seq) FROM audit_checkpoint d WHERE d.node = k.node)
             WHERE k.node IS NOT NULL ORDER BY k.node"))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    /// How SQLite finds the rows of a statement, with any values.
    async fn plan(store: &Store, text: &'static str) -> String {
        let explained = (0..7).fold(sql(text), |bound, _| bound.bind("x"));
        let rows: Vec<(i64, i64, i64, String)> = store.read().fetch_all(explained).await.unwrap();
        rows.into_iter().map(|(_, _, _, detail)| detail + "\n").collect()
    }

    #[tokio::test]
    async fn every_question_is_a_range_of_one_index_and_nothing_is_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let store = Store::open(&url.into(), "node-1").await.unwrap();
        for (text, range) in [
            (
                concat!("EXPLAIN QUERY PLAN ", newest!("")),
                "SEARCH r USING INDEX audit_record_by_time (at>? AND (at,id)<(?,?))",
            ),
            (
                concat!("EXPLAIN QUERY PLAN ", newest!("AND r.actor_id = $4")),
                "SEARCH r USING INDEX audit_record_by_actor (actor_id=? AND ",
            ),
            (
                concat!("EXPLAIN QUERY PLAN ", newest!("AND r.organisation_id = $5")),
                "SEARCH r USING INDEX audit_record_by_organisation (organisation_id=? AND ",
            ),
            (
                concat!("EXPLAIN QUERY PLAN ", newest!("AND r.act = $6")),
                "SEARCH r USING INDEX audit_record_by_act (act=? AND ",
            ),
        ] {
            let plan = plan(&store, text).await;
            assert!(plan.contains(range), "{text}\n{plan}");
            assert!(!plan.contains("SCAN"), "{plan}");
        }
    }
}

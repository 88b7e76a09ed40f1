//! The audit chain of a node: each record linked once, in the order of their identifiers.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, Store, StoreError,
    audit::{Head, link_hash},
    db::{housekeeping, sql, sql_rows},
};

/// Records of one chaining transaction.
pub const MOST_RECORDS: usize = 1000;
/// Links of one statement.
const MOST_ROWS: usize = 128;
/// A record is committed this long after its identifier was drawn, at the very latest.
const LATEST_COMMIT_SECS: u64 = 600;
/// Most are committed sooner than this.
const USUAL_COMMIT_SECS: u64 = 3;

/// How far before the last linked record a pass looks for one without a link. Every record in
/// between is read, so that under load only a few seconds can be afforded each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What was committed in its turn, or nearly.
    Recent,
    /// Whatever can still have been committed.
    Thorough,
}

/// What a pass linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chained {
    /// The new head.
    pub head: Head,
    /// Whether there was more than one pass takes.
    pub is_more: bool,
}

impl Store {
    /// Chains this node's records that have no link yet, at most [`MOST_RECORDS`].
    ///
    /// Two sequencers of one node cannot fork the chain: (node, seq) is unique.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when another sequencer of this node was faster.
    pub async fn chain_audit(&self, look: Look) -> Result<Option<Chained>, StoreError> {
        let node = self.node();
        housekeeping!(self, |tx| {
            let (mut head, last) = head(tx, node).await?;
            let pending: Vec<(String, Vec<u8>)> = tx
                .fetch_all(
                    sql("SELECT r.id, r.leaf_hash FROM audit_record r
                         LEFT JOIN audit_link l ON l.record_id = r.id
                         WHERE r.id > $1 AND r.node = $2 AND l.record_id IS NULL
                         ORDER BY r.id LIMIT $3")
                    .bind(first_possible(last.as_deref(), look))
                    .bind(node)
                    .bind(i64::try_from(MOST_RECORDS).unwrap_or(i64::MAX))
                    .long(),
                )
                .await?;
            if pending.is_empty() {
                return Ok(None);
            }
            for pending in pending.chunks(MOST_ROWS) {
                let mut insert = sql_rows(
                    "INSERT INTO audit_link (node, seq, record_id, link_hash) VALUES ",
                    pending.len(),
                    4,
                    "",
                );
                for (record_id, leaf) in pending {
                    head = Head {
                        seq: head.seq + 1,
                        link_hash: link_hash(&head.link_hash, node, head.seq + 1, leaf),
                    };
                    insert = insert.bind(node).bind(head.seq).bind(record_id).bind(head.link_hash);
                }
                tx.execute(insert).await?;
            }
            Some(Chained { head, is_more: pending.len() == MOST_RECORDS })
        })
    }

    /// The head of this node's chain, if it has links and no checkpoint: a process ended between
    /// linking and signing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn unsigned_head(&self) -> Result<Option<Head>, StoreError> {
        let mut reader = self.read();
        let (head, _) = head(&mut reader, self.node()).await?;
        let signed: Option<(i64,)> = reader
            .fetch_optional(
                sql("SELECT seq FROM audit_checkpoint WHERE node = $1 AND seq = $2")
                    .bind(self.node())
                    .bind(head.seq),
            )
            .await?;
        Ok((head.seq > 0 && signed.is_none()).then_some(head))
    }

    /// Keeps a signed head. `seq` must be a position of this node's chain.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when that position has a checkpoint.
    pub async fn add_checkpoint(
        &self,
        head: Head,
        at: OffsetDateTime,
        jws: &str,
    ) -> Result<(), StoreError> {
        housekeeping!(self, |tx| {
            tx.execute(
                sql("INSERT INTO audit_checkpoint (node, seq, at, jws) VALUES ($1, $2, $3, $4)")
                    .bind(self.node())
                    .bind(head.seq)
                    .bind(at)
                    .bind(jws),
            )
            .await?;
        })
    }
}

/// The head and the record that it links.
async fn head(
    queries: &mut impl Queries,
    node: &str,
) -> Result<(Head, Option<String>), StoreError> {
    let last: Option<(i64, Vec<u8>, String)> = queries
        .fetch_optional(
            sql("SELECT seq, link_hash, record_id FROM audit_link
                 WHERE node = $1 ORDER BY seq DESC LIMIT 1")
            .bind(node),
        )
        .await?;
    Ok(match last {
        None => (Head { seq: 0, link_hash: [0; 32] }, None),
        Some((seq, hash, record_id)) => {
            let link_hash = hash.try_into().map_err(|hash: Vec<u8>| StoreError::Corrupt {
                what: "audit link",
                detail: format!("{} octets", hash.len()),
            })?;
            (Head { seq, link_hash }, Some(record_id))
        }
    })
}

/// No record without a link has a lesser identifier. Also right after the clock was set back: the
/// records written since then begin at what it shows now.
fn first_possible(last: Option<&str>, look: Look) -> String {
    let last = last.and_then(|id| Uuid::parse_str(id).ok()).and_then(|id| id.get_timestamp());
    let Some((last_secs, _)) = last.map(|moment| moment.to_unix()) else {
        return String::new();
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let late = match look {
        Look::Recent => USUAL_COMMIT_SECS,
        Look::Thorough => LATEST_COMMIT_SECS,
    };
    let from = last_secs.min(u64::try_from(now).unwrap_or(0)).saturating_sub(late);
    // The first 48 bits of a UUIDv7 are milliseconds since 1970 (RFC 9562 §5.7).
    Uuid::from_u128(u128::from(from * 1000) << 80).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_looked_for_from_some_time_before_the_last_link_or_the_clock() {
        let last = Uuid::now_v7().to_string();
        let far = Uuid::from_u128((u128::from(u64::from(u32::MAX) * 1000) << 80) | (7 << 76));
        for look in [Look::Recent, Look::Thorough] {
            assert_eq!(first_possible(None, look), "");
            let from = first_possible(Some(&last), look);
            assert!(from < last && from.len() == last.len());
            assert!(first_possible(Some(&far.to_string()), look) < last, "the clock was set back");
        }
        assert!(
            first_possible(Some(&last), Look::Thorough) < first_possible(Some(&last), Look::Recent)
        );
    }
}

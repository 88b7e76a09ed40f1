//! IPv6 prefixes of facilities: one for each, taken of the network's plan in order, kept for ever.
//!
//! A facility that closes keeps its prefix, so that an address in an old log is never another's.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use time::OffsetDateTime;

use crate::{Queries, StoreError, Tx, moment::moment, sql};

/// From which block facilities get prefixes of which length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The block.
    pub block: Ipv6Net,
    /// Length of each facility's prefix.
    pub facility_length: u8,
}

impl Plan {
    /// How many facilities it has room for.
    #[must_use]
    pub fn room(&self) -> u128 {
        1 << (self.facility_length.saturating_sub(self.block.prefix_len())).min(127)
    }

    /// The prefix of this number; `None` behind the end of the block.
    #[must_use]
    pub fn prefix(&self, number: u128) -> Option<Ipv6Net> {
        if number >= self.room() {
            return None;
        }
        let begin = u128::from(self.block.network());
        let step = 128_u32.checked_sub(u32::from(self.facility_length))?;
        let address = Ipv6Addr::from(begin + number.checked_shl(step)?);
        Ipv6Net::new(address, self.facility_length).ok()
    }
}

/// A facility's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacilityPrefix {
    /// Whose.
    pub organisation_id: String,
    /// The prefix.
    pub prefix: Ipv6Net,
    /// Since when.
    pub assigned_at: OffsetDateTime,
}

/// What came of asking for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// It has this one now.
    New(Ipv6Net),
    /// It had this one.
    Had(Ipv6Net),
    /// The plan has no more.
    Full,
}

#[derive(serde::Deserialize)]
struct Row {
    organisation_id: String,
    prefix: String,
    assigned_at: i64,
}

impl Row {
    fn into_prefix(self) -> Result<FacilityPrefix, StoreError> {
        Ok(FacilityPrefix {
            prefix: self.prefix.parse().map_err(|_| StoreError::Corrupt {
                what: "facility prefix",
                detail: format!("`{}` is no prefix", self.prefix),
            })?,
            assigned_at: moment("facility prefix", self.assigned_at)?,
            organisation_id: self.organisation_id,
        })
    }
}

macro_rules! select_prefix {
    ($rest:literal) => {
        concat!("SELECT p.organisation_id, p.prefix, p.assigned_at FROM facility_prefix p ", $rest)
    };
}

/// The prefix of a facility.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_facility(
    queries: &mut impl Queries,
    organisation_id: &str,
) -> Result<Option<FacilityPrefix>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(sql(select_prefix!("WHERE p.organisation_id = $1")).bind(organisation_id))
        .await?;
    row.map(Row::into_prefix).transpose()
}

/// The prefix in which an address lies.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_address(
    queries: &mut impl Queries,
    address: Ipv6Addr,
) -> Result<Option<FacilityPrefix>, StoreError> {
    // Prefixes do not overlap: the last one that begins before the address has it, or none.
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_prefix!("WHERE p.first <= $1 ORDER BY p.first DESC LIMIT 1"))
                .bind(address.octets()),
        )
        .await?;
    let before = row.map(Row::into_prefix).transpose()?;
    Ok(before.filter(|before| before.prefix.contains(&address)))
}

/// Prefixes of facilities whose identifiers come after `after`, in their order; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn list(
    queries: &mut impl Queries,
    after: &str,
    limit: i64,
) -> Result<Vec<FacilityPrefix>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_prefix!("WHERE p.organisation_id > $1 ORDER BY p.organisation_id LIMIT $2"))
                .bind(after)
                .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_prefix).collect()
}

/// Facilities that were activated and have none, whose identifiers come after `after`; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn without(
    queries: &mut impl Queries,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = queries
        .fetch_all(
            sql("SELECT o.id FROM organisation o
                 WHERE o.id > $1
                   AND EXISTS (SELECT 1 FROM organisation_event e
                       WHERE e.organisation_id = o.id AND e.kind = 'activated')
                   AND NOT EXISTS (SELECT 1 FROM facility_prefix p WHERE p.organisation_id = o.id)
                 ORDER BY o.id LIMIT $2")
            .bind(after)
            .bind(limit),
        )
        .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Gives a facility the next prefix of the plan, unless it has one.
///
/// A prefix that meets one of an earlier plan is passed by, so that no two ever overlap.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: another one took it at this moment.
pub async fn assign(
    tx: &mut Tx,
    organisation_id: &str,
    plan: &Plan,
    assigned_by: &str,
    at: OffsetDateTime,
) -> Result<Assigned, StoreError> {
    if let Some(had) = of_facility(tx, organisation_id).await? {
        return Ok(Assigned::Had(had.prefix));
    }
    let block = plan.block.to_string();
    let (highest,): (Option<i64>,) = tx
        .fetch_one(
            sql("SELECT MAX(number) FROM facility_prefix WHERE plan = $1").bind(block.as_str()),
        )
        .await?;
    let mut number = highest.map_or(0, |highest| highest + 1);
    loop {
        let Some(prefix) = u128::try_from(number).ok().and_then(|number| plan.prefix(number))
        else {
            return Ok(Assigned::Full);
        };
        let Some(taken) = meeting(tx, prefix).await? else {
            let inserted = sql(
                "INSERT INTO facility_prefix (organisation_id, prefix, first, last, plan, number,
                                                             assigned_at, assigned_by)
                                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(organisation_id)
            .bind(prefix.to_string())
            .bind(prefix.network().octets())
            .bind(prefix.broadcast().octets())
            .bind(block.as_str())
            .bind(number)
            .bind(at)
            .bind(assigned_by);
            tx.execute(inserted).await?;
            return Ok(Assigned::New(prefix));
        };
        // Behind the last one that lies in the way: one step, however many a longer one covers.
        let behind = u128::from(taken.broadcast()) - u128::from(plan.block.network());
        let step = 128 - u32::from(plan.facility_length);
        number = i64::try_from((behind >> step) + 1).unwrap_or(i64::MAX);
    }
}

/// The last prefix that overlaps this one, of whatever plan.
async fn meeting(
    queries: &mut impl Queries,
    prefix: Ipv6Net,
) -> Result<Option<Ipv6Net>, StoreError> {
    let row: Option<Row> = queries
        .fetch_optional(
            sql(select_prefix!(
                "WHERE p.first <= $2 AND p.last >= $1 ORDER BY p.first DESC LIMIT 1"
            ))
            .bind(prefix.network().octets())
            .bind(prefix.broadcast().octets()),
        )
        .await?;
    row.map(Row::into_prefix).transpose().map(|found| found.map(|found| found.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_cut_from_its_beginning_to_its_end() {
        let plan = Plan { block: "fd12:3456::/32".parse().unwrap(), facility_length: 56 };
        assert_eq!(plan.room(), 1 << 24);
        let at = |number| plan.prefix(number).map(|prefix| prefix.to_string());
        assert_eq!(at(0).as_deref(), Some("fd12:3456::/56"));
        assert_eq!(at(1).as_deref(), Some("fd12:3456:0:100::/56"));
        assert_eq!(at((1 << 24) - 1).as_deref(), Some("fd12:3456:ffff:ff00::/56"));
        assert_eq!(at(1 << 24), None);
    }
}

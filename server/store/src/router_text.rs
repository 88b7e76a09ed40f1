//! With which peers a router's texts were taken last.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    moment::{digest, moment, text_list},
    sql,
    vpn_peers::{self, VpnPeer},
    vpn_place::Scope,
};

/// The texts that were taken last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterText {
    /// SHA-256 over the peers and networks in them, see [`vpn_peers::fingerprint`].
    pub fingerprint: [u8; 32],
    /// Peers with which somebody chose who opens, whatever the groups say: whether this router does.
    pub chosen: BTreeMap<String, bool>,
    /// When.
    pub taken_at: OffsetDateTime,
}

impl RouterText {
    /// Whether they have these peers, but for the direction of those with which it was chosen.
    #[must_use]
    pub fn has(&self, peers: &[VpnPeer]) -> bool {
        let mut peers = peers.to_vec();
        vpn_peers::choose(&mut peers, &self.chosen);
        vpn_peers::fingerprint(&peers) == self.fingerprint
    }
}

/// Texts that are taken.
#[derive(Clone, Copy, Debug)]
pub struct TakenText<'a> {
    /// For which router.
    pub router_id: &'a str,
    /// Over the peers as they stand in them.
    pub fingerprint: &'a [u8; 32],
    /// As [`RouterText::chosen`].
    pub chosen: &'a BTreeMap<String, bool>,
    /// A person, or `host`.
    pub by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// Notes that a router's texts were taken, with these peers.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Conflict`].
pub async fn take(tx: &mut Tx, taken: TakenText<'_>) -> Result<(), StoreError> {
    let of = |opens: bool| {
        let ids: Vec<_> =
            taken.chosen.iter().filter(|one| *one.1 == opens).map(|one| one.0).collect();
        serde_json::json!(ids).to_string()
    };
    tx.execute(
        sql("INSERT INTO router_text
                 (id, router_id, fingerprint, taken_at, taken_by, chosen_open, chosen_await)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(Uuid::now_v7().to_string())
        .bind(taken.router_id)
        .bind(taken.fingerprint)
        .bind(taken.at)
        .bind(taken.by)
        .bind(of(true))
        .bind(of(false)),
    )
    .await?;
    Ok(())
}

#[derive(serde::Deserialize)]
struct Row {
    router_id: String,
    fingerprint: Vec<u8>,
    taken_at: i64,
    chosen_open: String,
    chosen_await: String,
}

impl Row {
    fn into_text(self) -> Result<(String, RouterText), StoreError> {
        let mut chosen = BTreeMap::new();
        for (ids, opens) in [(self.chosen_open, true), (self.chosen_await, false)] {
            chosen.extend(text_list("router_text", &ids)?.into_iter().map(|id| (id, opens)));
        }
        let text = RouterText {
            fingerprint: digest("router_text", self.fingerprint)?,
            chosen,
            taken_at: moment("router_text", self.taken_at)?,
        };
        Ok((self.router_id, text))
    }
}

/// The columns of [`Row`], of the texts of each router that were taken last. `concat!` keeps the statements constants.
macro_rules! select_latest {
    ($routers:literal) => {
        concat!(
            "SELECT x.router_id, x.fingerprint, x.taken_at, x.chosen_open, x.chosen_await
             FROM router_text x
             WHERE x.id IN (SELECT MAX(y.id) FROM router_text y WHERE y.router_id ",
            $routers,
            " GROUP BY y.router_id)"
        )
    };
}

/// Those that were taken last for each of these routers for which somebody said so.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest_of(
    queries: &mut impl Queries,
    scope: Scope<'_>,
) -> Result<BTreeMap<String, RouterText>, StoreError> {
    let (text, id) = match scope {
        Scope::Router(id) => (select_latest!("= $1"), id),
        Scope::Group(id) => (
            select_latest!(
                "IN (SELECT p.router_id FROM vpn_place p JOIN vpn_membership m ON m.id = p.membership_id
                     WHERE m.group_id = $1 AND m.ended_at IS NULL AND p.left_at IS NULL)"
            ),
            id,
        ),
        Scope::Facility(id) => {
            (select_latest!("IN (SELECT t.id FROM terminal t WHERE t.organisation_id = $1)"), id)
        }
    };
    let rows: Vec<Row> = queries.fetch_all(sql(text).bind(id)).await?;
    rows.into_iter().map(Row::into_text).collect()
}

/// Those that were taken last for one router; `None` where nobody said so.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn latest(
    queries: &mut impl Queries,
    router_id: &str,
) -> Result<Option<RouterText>, StoreError> {
    Ok(latest_of(queries, Scope::Router(router_id)).await?.remove(router_id))
}

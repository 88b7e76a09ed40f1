//! Routers: terminals whose certificates are written for IKE peers (docs/decisions/0030).
//!
//! Codes, certificates, holds, revocation and history are the terminal's; here stands what a PC does
//! not have. A router is entered once with all of it: its names stand in certificates and in the
//! configuration of its peers, so that another name is another router.

use std::net::IpAddr;

use ipnet::IpNet;
use time::OffsetDateTime;

use crate::{
    Queries, StoreError, Tx,
    moment::{moment, moment_opt},
    sql,
};

/// What makes a terminal a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// The terminal.
    pub terminal_id: String,
    /// Name of the certificate profile of its family: `router_strongswan`.
    pub family: String,
    /// The name in its certificate by which its peers know it; the register gave it.
    pub dns_name: String,
    /// Where its peers reach it, if that is fixed.
    pub address: Option<IpAddr>,
    /// Whether the address stands in its certificate.
    pub address_certified: bool,
    /// What lies behind it: the traffic that tunnels to it carry.
    pub network: IpNet,
}

/// As stored.
#[derive(serde::Deserialize)]
pub(crate) struct Row {
    pub(crate) terminal_id: String,
    pub(crate) family: String,
    pub(crate) dns_name: String,
    pub(crate) address: Option<String>,
    pub(crate) address_certified: i64,
    pub(crate) network: String,
}

impl Row {
    pub(crate) fn into_router(self) -> Result<Router, StoreError> {
        let corrupt = |text: &str| StoreError::Corrupt {
            what: "router",
            detail: format!("`{text}` is no address"),
        };
        Ok(Router {
            address: self
                .address
                .map(|text| text.parse().map_err(|_| corrupt(&text)))
                .transpose()?,
            address_certified: self.address_certified != 0,
            network: self.network.parse().map_err(|_| corrupt(&self.network))?,
            terminal_id: self.terminal_id,
            family: self.family,
            dns_name: self.dns_name,
        })
    }
}

/// The columns of [`Row`]. `concat!` keeps the statements constants.
macro_rules! select_router {
    ($condition:literal) => {
        concat!(
            "SELECT r.terminal_id, r.family, r.dns_name, r.address, r.address_certified, r.network
             FROM router r JOIN terminal t ON t.id = r.terminal_id WHERE ",
            $condition
        )
    };
}

/// Makes a terminal a router, in the transaction that entered it.
///
/// # Errors
/// [`StoreError::AlreadyExists`]: it is one, or its name is another's.
pub async fn create(tx: &mut Tx, router: &Router) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO router
                 (terminal_id, family, dns_name, address, address_certified, network)
             VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(router.terminal_id.as_str())
        .bind(router.family.as_str())
        .bind(router.dns_name.as_str())
        .bind(router.address.map(|address| address.to_string()))
        .bind(i64::from(router.address_certified))
        .bind(router.network.to_string()),
    )
    .await?;
    Ok(())
}

/// What makes this terminal a router, if it is one.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn find(
    queries: &mut impl Queries,
    terminal_id: &str,
) -> Result<Option<Router>, StoreError> {
    let row: Option<Row> =
        queries.fetch_optional(sql(select_router!("r.terminal_id = $1")).bind(terminal_id)).await?;
    row.map(Row::into_router).transpose()
}

/// A facility's routers that are not revoked, oldest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn of_facility(
    queries: &mut impl Queries,
    organisation_id: &str,
    limit: i64,
) -> Result<Vec<Router>, StoreError> {
    let rows: Vec<Row> = queries
        .fetch_all(
            sql(select_router!(
                "t.organisation_id = $1
                   AND NOT EXISTS (SELECT 1 FROM terminal_event e
                       WHERE e.terminal_id = t.id AND e.kind = 'revoked')
                 ORDER BY t.created_at, t.id LIMIT $2"
            ))
            .bind(organisation_id)
            .bind(limit),
        )
        .await?;
    rows.into_iter().map(Row::into_router).collect()
}

/// Whether a router that is not revoked, of whatever facility, has this address.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn address_in_use(
    queries: &mut impl Queries,
    address: IpAddr,
) -> Result<bool, StoreError> {
    let found: Option<(String,)> = queries
        .fetch_optional(
            sql("SELECT r.terminal_id FROM router r WHERE r.address = $1
                   AND NOT EXISTS (SELECT 1 FROM terminal_event e
                       WHERE e.terminal_id = r.terminal_id AND e.kind = 'revoked') LIMIT 1")
            .bind(address.to_string()),
        )
        .await?;
    Ok(found.is_some())
}

/// A router with whose it is and since when, also one that was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The router.
    pub terminal_id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub organisation_id: String,
    /// The network behind it.
    pub network: IpNet,
    /// Since when.
    pub entered_at: OffsetDateTime,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

impl Placed {
    /// Whether it was in the register then, and not revoked.
    #[must_use]
    pub fn was_in_force(&self, at: OffsetDateTime) -> bool {
        self.entered_at <= at && self.revoked_at.is_none_or(|revoked| at < revoked)
    }
}

#[derive(serde::Deserialize)]
struct PlacedRow {
    terminal_id: String,
    name: String,
    organisation_id: String,
    network: String,
    entered_at: i64,
    revoked_at: Option<i64>,
}

impl PlacedRow {
    fn into_placed(self) -> Result<Placed, StoreError> {
        Ok(Placed {
            network: self.network.parse().map_err(|_| StoreError::Corrupt {
                what: "router",
                detail: format!("`{}` is no network", self.network),
            })?,
            entered_at: moment("terminal", self.entered_at)?,
            revoked_at: moment_opt("terminal event", self.revoked_at)?,
            terminal_id: self.terminal_id,
            name: self.name,
            organisation_id: self.organisation_id,
        })
    }
}

macro_rules! select_placed {
    ($condition:literal) => {
        concat!(
            "SELECT r.terminal_id, t.name, t.organisation_id, r.network, t.created_at AS entered_at,
                    (SELECT MIN(e.at) FROM terminal_event e
                     WHERE e.terminal_id = t.id AND e.kind = 'revoked') AS revoked_at
             FROM router r JOIN terminal t ON t.id = r.terminal_id WHERE ",
            $condition,
            " ORDER BY t.created_at DESC, t.id LIMIT $2"
        )
    };
}

/// Routers that have or had this address, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn at_address(
    queries: &mut impl Queries,
    address: IpAddr,
    limit: i64,
) -> Result<Vec<Placed>, StoreError> {
    let rows: Vec<PlacedRow> = queries
        .fetch_all(sql(select_placed!("r.address = $1")).bind(address.to_string()).bind(limit))
        .await?;
    rows.into_iter().map(PlacedRow::into_placed).collect()
}

/// Routers that have or had exactly this network behind them, newest first; at most `limit`.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
pub async fn before_network(
    queries: &mut impl Queries,
    network: IpNet,
    limit: i64,
) -> Result<Vec<Placed>, StoreError> {
    let rows: Vec<PlacedRow> = queries
        .fetch_all(sql(select_placed!("r.network = $1")).bind(network.to_string()).bind(limit))
        .await?;
    rows.into_iter().map(PlacedRow::into_placed).collect()
}

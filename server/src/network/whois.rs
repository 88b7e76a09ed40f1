//! Whose an address is (インシデント対応): facility, router and the terminals that were seen with it, at a time.
//!
//! An address is a facility's by its prefix, by the router that has it, or by the network behind a router. Which
//! terminals used it tell the acts of the audit trail, as far as they came from there.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::{IpNet, Ipv6Net};
use sekisho_store::{
    Queries, StoreError,
    audit::{Entry, Record},
    audit_page, facility_prefix, organisation,
    router::{self, Placed},
    terminal,
};
use serde_json::Value as Json;
use time::{Duration, OffsetDateTime};

/// In the audit trail.
pub const ACT: &str = "address.look_up";
/// Routers of one kind that are told.
const MOST_ROUTERS: i64 = 100;
/// Records of the trail that are looked through.
const MOST_RECORDS: i64 = 10_000;
/// Minutes before and after the time that is asked for, unless another number is.
pub const MINUTES: u16 = 60;
/// The most of them: a week.
pub const MOST_MINUTES: u16 = 7 * 24 * 60;

/// Which address, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The address, in its one form.
    pub address: IpAddr,
    /// The time in question.
    pub at: OffsetDateTime,
    /// Minutes before and after it.
    pub minutes: u16,
}

/// Reads an address; one of IPv4 written as IPv6 is that of IPv4 (RFC 4291 §2.5.5.2).
#[must_use]
pub fn address(typed: &str) -> Option<IpAddr> {
    typed.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// By what a router stands for the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// It is the router's own.
    Address,
    /// It lies in the network behind the router.
    Network,
}

impl By {
    /// As programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
        }
    }
}

/// A facility and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facility {
    /// Its identifier.
    pub id: String,
    /// Its name today.
    pub name: String,
}

/// A terminal that acts came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The terminal.
    pub terminal_id: String,
    /// What people call it today.
    pub name: String,
    /// Whose it is.
    pub facility: Facility,
    /// The first act within the time.
    pub first: OffsetDateTime,
    /// The last one.
    pub last: OffsetDateTime,
    /// How many there were.
    pub acts: usize,
}

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The facility in whose prefix it lies.
    pub prefix: Option<(Ipv6Net, Facility)>,
    /// Routers that were in force then.
    pub routers: Vec<(By, Placed, Facility)>,
    /// Terminals that it was used by around then, the last one first.
    pub terminals: Vec<Seen>,
    /// Acts from it in which no terminal proved itself.
    pub others: usize,
    /// Whether there are more records than were looked through; the newest were.
    pub cut: bool,
}

impl Asked {
    /// The record of a look-up.
    #[must_use]
    pub fn recorded(&self, entry: Entry, found: &Found) -> Entry {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        entry
            .fact("address_asked", self.address.to_string())
            .fact("at_asked", self.at.unix_timestamp())
            .fact("minutes", i64::from(self.minutes))
            .fact("routers", number(found.routers.len()))
            .fact("terminals", number(found.terminals.len()))
    }

    /// Looks it up.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn look_up(&self, queries: &mut impl Queries) -> Result<Found, StoreError> {
        let prefix = match self.address {
            IpAddr::V6(address) => facility_prefix::of_address(queries, address).await?,
            IpAddr::V4(_) => None,
        };
        let prefix = match prefix {
            Some(one) => Some((one.prefix, facility(queries, one.organisation_id).await?)),
            None => None,
        };
        let mut placed: Vec<(By, Placed)> = router::at_address(queries, self.address, MOST_ROUTERS)
            .await?
            .into_iter()
            .map(|placed| (By::Address, placed))
            .collect();
        // A network that holds the address is the address cut at one of its lengths; the longest first.
        for length in (1..=IpNet::from(self.address).max_prefix_len()).rev() {
            let Ok(network) = IpNet::new(self.address, length) else { continue };
            let found = router::before_network(queries, network.trunc(), MOST_ROUTERS).await?;
            placed.extend(found.into_iter().map(|placed| (By::Network, placed)));
        }
        let mut routers = Vec::new();
        for (by, placed) in placed.into_iter().filter(|(_, placed)| placed.was_in_force(self.at)) {
            let whose = facility(queries, placed.organisation_id.clone()).await?;
            routers.push((by, placed, whose));
        }
        let around = Duration::minutes(i64::from(self.minutes));
        let (from, until) =
            (self.at.saturating_sub(around), self.at.saturating_add(around + Duration::SECOND));
        let name = self.address.to_string();
        let mut records =
            audit_page::from_address(queries, &name, from, until, MOST_RECORDS + 1).await?;
        let most = usize::try_from(MOST_RECORDS).unwrap_or(usize::MAX);
        let cut = records.len() > most;
        records.truncate(most);
        let (terminals, others) = seen(queries, &records, &name).await?;
        Ok(Found { prefix, routers, terminals, others, cut })
    }
}

/// The terminals of these records, and how many records are of none.
async fn seen(
    queries: &mut impl Queries,
    records: &[Record],
    address: &str,
) -> Result<(Vec<Seen>, usize), StoreError> {
    let mut by_terminal: BTreeMap<String, (i64, i64, usize)> = BTreeMap::new();
    let mut others = 0;
    for record in records {
        // What is hashed counts, not the column beside it.
        let form: Json = serde_json::from_slice(&record.canonical).unwrap_or_default();
        if form["address"] != address {
            continue;
        }
        let own = (form["actor"]["kind"] == "terminal").then(|| &form["actor"]["id"]);
        let Some(id) = form["terminal"].as_str().or(own.and_then(Json::as_str)) else {
            others += 1;
            continue;
        };
        let at = record.columns.at;
        let (first, last, acts) = by_terminal.entry(id.to_owned()).or_insert((at, at, 0));
        (*first, *last, *acts) = ((*first).min(at), (*last).max(at), *acts + 1);
    }
    let moment = |at: i64| {
        OffsetDateTime::from_unix_timestamp(at).map_err(|error| StoreError::Corrupt {
            what: "audit record",
            detail: error.to_string(),
        })
    };
    let mut seen = Vec::new();
    for (terminal_id, (first, last, acts)) in by_terminal {
        let found = terminal::find(queries, &terminal_id).await?;
        let (name, whose) =
            found.map(|found| (found.name, found.organisation_id)).unwrap_or_default();
        let facility = facility(queries, whose).await?;
        let (first, last) = (moment(first)?, moment(last)?);
        seen.push(Seen { terminal_id, name, facility, first, last, acts });
    }
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.last));
    Ok((seen, others))
}

async fn facility(queries: &mut impl Queries, id: String) -> Result<Facility, StoreError> {
    let name = organisation::name(queries, &id).await?;
    Ok(Facility { name: name.unwrap_or_default(), id })
}

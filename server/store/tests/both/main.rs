//! The store on SQLite and on PostgreSQL 15: every test here runs on both, with two stores over one
//! database standing for two processes.
#![allow(clippy::unwrap_used, missing_docs)]

mod databases;

use databases::Databases;
use sekisho_store::{
    Store,
    activation_code::NewLetter,
    audit::{Actor, Entry},
};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);
const FACILITY: &str = "123456789007";
const TERMINAL: &str = "T0123456789";
/// A letter to a facility, by somebody whom nobody else is.
fn letter<'a>(
    organisation_id: &'a str,
    code_hash: &'a [u8; 32],
    expires_at: OffsetDateTime,
) -> NewLetter<'a> {
    NewLetter { organisation_id, code_hash, issued_by: "p", reason: "", expires_at }
}

/// Tasks in a race; even ones belong to the first process, odd ones to the second.
const RACERS: u8 = 8;

fn entry() -> Entry {
    Entry::done("test", Actor::System, NOW)
}

/// One change in a transaction of its own; what came of it.
macro_rules! attempt {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let outcome: Result<_, sekisho_store::StoreError> =
            sekisho_store::transaction!($store, sekisho_store::StoreError, |$tx| {
                let value = $body;
                Ok(sekisho_store::audit::Audited::new(value, crate::entry()))
            });
        outcome
    }};
}

/// One change in a transaction of its own, which must succeed.
macro_rules! change {
    ($store:expr, |$tx:ident| $body:expr) => {
        attempt!($store, |$tx| $body).unwrap()
    };
}

/// Each body once over each database, which `prepared` fills first.
macro_rules! on_both {
    ($prepared:path: $($name:ident)*) => {
        mod on_sqlite { use super::*; $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name($prepared(crate::databases::sqlite().await).await).await;
        })* }
        mod on_postgres { use super::*; $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name($prepared(crate::databases::postgres().await).await).await;
        })* }
    };
}

/// What each of the racing tasks came to. A task gets its number and the store of its process.
async fn race<T, F>(databases: &Databases, run: impl Fn(u8, Store) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let racers: Vec<_> = (0..RACERS)
        .map(|number| {
            let store = if number % 2 == 0 { &databases.one } else { &databases.two };
            tokio::spawn(run(number, store.clone()))
        })
        .collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

fn count<T>(outcomes: &[T], which: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|outcome| which(outcome)).count()
}

mod account_passkey;
mod acme;
mod client_registration;
mod cmp;
mod consent;
mod coverage;
mod crl;
mod current_certificate;
mod day_pass;
mod emergency_access;
mod enrolment_code;
mod exchange;
mod expiry;
mod facility_prefix;
mod going_live;
mod import;
mod issuing;
mod jpki_link;
mod key_deliveries;
mod login;
mod logout_confirmation;
mod notice;
mod once;
mod organisation;
mod owed_grants;
mod own_key;
mod party;
mod passkey;
mod passwords;
mod personal;
mod population;
mod public_client;
mod register;
mod replacement;
mod revoking;
mod root;
mod router_models;
mod router_psks;
mod router_setups;
mod routers;
mod rules;
mod sandbox;
mod scep;
mod schema;
mod service_check;
mod shared_commits;
mod shared_terminal;
mod snapshot;
mod subscriber_key;
mod terminals;
mod trail;
mod visits;
mod vpn_groups;
mod vpn_neighbourhoods;
mod vpn_places;
mod waiting_enrolment;

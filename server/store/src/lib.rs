//! All SQL of the service, one file a noun.
//!
//! One SQL text runs on SQLite and PostgreSQL: `$1` placeholders, 64-bit integers, text and octets
//! only, time bound as an argument. A change happens inside [`transaction!`], which commits only
//! together with the audit record that tells of it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit_chain;
pub mod audit_page;
mod bare_commit;
mod db;
mod error;
mod event;
mod lease;
mod moment;
mod node_claim;

pub mod account;
pub mod activation_code;
pub mod application;
pub mod attempt;
pub mod audit;
pub mod authorization_code;
pub mod bulk;
pub mod card;
pub mod certificate;
pub mod challenge;
pub mod chosen_password;
pub mod client_registration;
pub mod crl;
pub mod current_certificate;
pub mod dpop_proof;
pub mod emergency_access;
pub mod enrolment_code;
pub mod evidence;
pub mod expiry;
pub mod facility_connection;
pub mod factor_reset;
pub mod first_administrator;
pub mod going_live;
pub mod import;
pub mod invitation;
pub mod issuer;
pub mod issuing;
pub mod jpki_link;
pub mod ledger;
pub mod membership;
pub mod news;
pub mod notice;
pub mod offer;
pub mod organisation;
pub mod organisation_kind;
pub mod outbox;
pub mod parked_request;
pub mod party;
pub mod passkey;
pub mod passkey_challenge;
pub mod password_login;
pub mod person;
pub mod population;
pub mod presence;
pub mod public_client;
pub mod pushed_request;
pub mod recovery_code;
pub mod refresh_token;
pub mod replacement;
pub mod revocation;
pub mod revocation_watch;
pub mod role_grant;
pub mod router;
pub mod router_psk;
pub mod rules_draft;
pub mod rules_proposal;
pub mod rules_version;
pub mod sandbox;
pub mod scep_message;
pub mod scep_ra;
pub mod scep_transaction;
pub mod search;
pub mod service;
pub mod service_change;
pub mod service_check;
pub mod session;
pub mod snapshot;
pub mod subscriber_key;
pub mod terminal;
pub mod terminal_hold;
pub mod token_grant;
pub mod token_key;
pub mod voucher;
pub mod world;

pub use db::{Attempts, DbRow, Queries, Reader, Statement, Store, THREADS_HELD_UP, Tx, Value, sql};
pub use error::{MayConflict, StoreError};
pub use node_claim::{ClaimError, NodeClaim};

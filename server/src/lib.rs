//! The service: everything over HTTP, and the operator's tool.
//!
//! Dependencies point one way: [`router`] names every path; behind it each door has its own folder;
//! all SQL is in `sekisho-store`; private keys of the authority are reached through `sekisho-ca` only.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[macro_use]
pub mod seeded;

pub mod app;
pub mod assets;
pub mod audit;
pub mod authority;
pub mod backup;
pub mod catalogue;
pub mod ceremony;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod cookie;
pub mod demo;
pub mod emergency;
pub mod enrol;
pub mod entitlement;
pub mod error;
mod first_line;
pub mod form;
pub mod housekeeping;
mod http_date;
pub mod instance;
pub mod jobs;
pub mod jose;
pub mod keys;
pub mod listener;
pub mod login;
pub mod login_time;
pub mod media_type;
pub mod middleware;
pub mod names;
pub mod network;
pub mod notice;
pub mod oidc;
pub mod outbound;
pub mod outbox;
pub mod own_keys;
pub mod page;
pub mod paper_code;
pub mod people;
pub mod personal_data;
pub mod portal;
pub mod register;
pub mod repository;
pub mod revocation;
pub mod route;
pub mod router;
pub mod sandbox;
pub mod schedule;
pub mod sealing;
pub mod setup;
#[cfg(unix)]
pub mod signer;
mod temporary;
pub mod use_case;

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub mod testing;

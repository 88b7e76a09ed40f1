//! The authority: what may be certified, signing it, taking it back.
//!
//! A certificate comes into being on one road only: [`request`] proves that the asker holds the
//! private key, [`registration`] decides whether this device may have this certificate,
//! [`issuance`] builds, lints, records and signs. What each certificate may look like is data
//! ([`profile`]), and what is about to be signed is checked against it once more ([`lint`]).
//!
//! This crate knows neither HTTP nor SQL nor the clock: it is handed bytes, a [`record::Record`],
//! randomness and *now*.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod authority;
pub mod ceremony;
pub mod issuance;
pub mod lint;
pub mod lookalike;
pub mod oversight;
pub mod profile;
pub mod record;
pub mod registration;
pub mod request;
pub mod revocation;

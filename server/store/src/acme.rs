//! Accounts, orders and authorizations of ACME (RFC 8555), by which services' servers get certificates.
//!
//! What state an order is in follows from its authorizations and its certificate and is kept nowhere
//! else, so that the two cannot disagree.

pub mod account;
pub mod binding;
pub mod certificate;
pub mod nonce;
pub mod order;

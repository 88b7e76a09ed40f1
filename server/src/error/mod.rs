//! Where failures meet HTTP: one dialect a file.
//!
//! Each room converts its own error here, in one `match` without a wildcard, so that a new variant
//! asks for its answer.

pub mod acme;
mod client_registration;
mod dialect;
pub mod est;
mod facility;
pub mod going_live;
pub mod login;
pub mod oauth;
mod own_keys;
pub mod page;
mod people;
pub mod problem;
pub mod register;
pub mod rules;
mod store;

pub use dialect::{Dialect, ocsp};

/// After how many seconds whoever met an outage may ask again.
pub const RETRY_SECS: i64 = 5;

//! The door through the router of its name, against a real register, with a client of the tests' own and a
//! web server that it asks.

pub(crate) mod client;
pub(crate) mod scene;

mod accounts;
mod ordering;
pub(crate) mod prepared;
mod renewing;
mod requests;
mod validating;

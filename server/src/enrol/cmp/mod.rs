//! The Certificate Management Protocol (RFC 9810, RFC 9483), for devices that speak neither EST nor SCEP.
//!
//! Messages carry their own protection, so that they come over TLS and over plain HTTP alike (RFC 9811). A
//! message is judged in this order:
//!
//! 1. the network does not rest; shape of the message ([`sekisho_pki::cmp`]);
//! 2. who protected it: a device with its one-time code by a MAC, or with its certificate by a signature
//!    ([`prove`]). Until that is proven, whatever is wrong is one and the same unprotected refusal;
//! 3. whether the transaction is new, or the same message came before ([`transaction`]);
//! 4. what it asks for, on the same roads as at every door ([`by_code`](super::by_code),
//!    [`by_certificate`](super::by_certificate));
//!    Where a person has to approve the key first, the device is told to wait and polls ([`poll`]);
//! 5. the answer, protected as the question was.

mod answer;
mod confirm;
mod door;
mod general;
mod poll;
mod prove;
mod refusal;
mod request;
mod revoke;
pub(super) mod secret;
mod transaction;

pub use confirm::take_back_unconfirmed;
pub use door::{post, post_of_router};

#[cfg(test)]
pub(crate) mod tests;

//! Certificates for the servers of registered services, by ACME (RFC 8555; docs/decisions/0040).
//!
//! 1. an account is opened by a key that the operating body or the service's owner made for one service
//!    ([`binding`], §7.3.4);
//! 2. what it may order are the hosts of the addresses that the service is registered with, and nothing else
//!    ([`names`]);
//! 3. that it holds them, it shows by http-01 or tls-alpn-01 ([`validation`]): only these hosts are ever
//!    asked;
//! 4. the certificate is issued as every other ([`finalize`]).

mod account;
mod authorization;
pub mod binding;
mod certificate;
mod directory;
mod door;
mod external;
mod finalize;
mod key_change;
mod names;
mod nonce;
mod order;
mod renewal_info;
mod revoke;
#[cfg(test)]
pub(crate) mod tests;
mod validation;

pub use account::{get_orders, open, post as account};
pub use authorization::{http_01, post as authorization, tls_alpn_01};
pub use certificate::post as certificate;
pub use directory::{PATH as DIRECTORY, get as directory, new_nonce};
pub use finalize::post as finalize;
pub use key_change::post as key_change;
pub use names::of as names_of;
pub use order::{begin as new_order, post as order};
pub use renewal_info::get as renewal_info;
pub use revoke::post as revoke;

//! The terminal: its key, its certificate, whom it trusts.

mod answer;
pub mod arrival;
mod authorities;
pub mod browser_store;
pub mod client;
pub mod enrol;
pub mod invitation;
pub mod key;
pub mod nss;
pub mod pkcs11_uri;
pub mod place;
pub mod policy;
pub mod reach;
pub mod renewal;
pub mod token_key;

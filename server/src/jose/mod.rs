//! Objects that clients sign (RFC 7515): assertions, request objects, proofs of possession.
//!
//! What this instance and its agents sign among themselves is ES256 and goes through
//! [`sekisho_protocol::jws`]. Clients bring keys of more kinds, in sets that somebody else wrote.

mod algorithm;
mod key_set;
mod object;
mod public_key;

pub use algorithm::Algorithm;
pub use key_set::{ClientKeys, KeySetError};
pub use object::{ObjectError, Signed};
pub use public_key::{KeyFault, PublicKey};

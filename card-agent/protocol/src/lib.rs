//! The card login protocol: what the portal asks, what the card signs, what comes back.
//!
//! Shapes and cryptographic framing only: no socket, no file, no clock, no private key; encodings of the
//! PKI are `sekisho-pki`'s. The portal and the agent both lean on this crate, so that the bytes one side signs are by construction the
//! bytes the other side verifies. Private keys stay with the caller, who hands in a closure that
//! signs.
//!
//! The order of one login:
//!
//! 1. the portal builds a [`request::LoginRequest`] and signs it ([`jws`]);
//! 2. the page carries it to the agent's [`door`]; the agent turns an
//!    [`request::UnverifiedLoginRequest`] into a [`request::VerifiedLoginRequest`];
//! 3. the agent answers with a [`answer::TerminalProof`] before anybody types a PIN;
//! 4. the card signs the [`signed_input::SignedInput`];
//! 5. the page adds its [`answer::PageProof`], and the portal rebuilds the input from its own
//!    session and verifies.
//!
//! A [`consent`] goes the same way with two differences: the card's other key signs, and what it signs is
//! a document that the person was shown.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod answer;
pub mod consent;
pub mod digest_info;
pub mod door;
pub mod jwk;
pub mod jws;
pub mod occasion;
pub mod octets;
pub mod presence;
pub mod request;
pub mod signed_input;
pub mod trust;

pub use jwk::{Jwk, JwkSet};
pub use octets::{Base64Url, ChallengeNonce, ExchangeId, PresenceId, Sha256Digest};

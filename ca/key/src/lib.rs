//! Private keys behind one async trait.
//!
//! Whoever signs, the authority, the identity provider or the desk program, holds a
//! [`SigningKey`] and neither knows nor cares where the private key lies: in this process
//! ([`SoftwareKey`]), in a hardware security module behind PKCS #11 ([`pkcs11`]), or in a process
//! of its own that judges what it signs ([`signer_process`]).
//!
//! Every operation with a private key is done by aws-lc-rs or by the token. RustCrypto's crates
//! are used for the ASN.1 around the keys only, never for the secret arithmetic.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod algorithm;
mod encrypted;
mod fixed;
pub mod pkcs11;
mod randomness;
pub mod signer_process;
mod signing_key;
mod software;
mod transport;
mod unwrapped;

pub use algorithm::SignatureAlgorithm;
pub use encrypted::Stretch;
pub use fixed::{ecdsa_signature_to_der, ecdsa_signature_to_fixed};
pub use randomness::{Randomness, RandomnessError, SystemRandomness};
pub use signing_key::{KeyError, SigningKey};
pub use software::{RsaSize, SoftwareKey};
pub use transport::TransportKey;
pub use unwrapped::{is_private_scalar_of, public_key_of_unwrapped, scalar_octets};

//! Keys that sign what is linted and nothing else.
//!
//! Made once a process, because RSA keys take seconds; they protect nothing, so keeping them
//! loses nothing.

use std::sync::OnceLock;

use sekisho_key::{KeyError, RsaSize, SignatureAlgorithm, SoftwareKey};

pub(super) fn sign(algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    static P256: OnceLock<SoftwareKey> = OnceLock::new();
    static P384: OnceLock<SoftwareKey> = OnceLock::new();
    static RSA: OnceLock<SoftwareKey> = OnceLock::new();
    let slot = match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => &P256,
        SignatureAlgorithm::EcdsaP384Sha384 => &P384,
        SignatureAlgorithm::RsaPkcs1Sha256 => &RSA,
    };
    let key = match slot.get() {
        Some(key) => key,
        None => {
            let made = match algorithm {
                SignatureAlgorithm::EcdsaP256Sha256 => SoftwareKey::generate_p256(),
                SignatureAlgorithm::EcdsaP384Sha384 => SoftwareKey::generate_p384(),
                SignatureAlgorithm::RsaPkcs1Sha256 => SoftwareKey::generate_rsa(RsaSize::Bits3072),
            }?;
            slot.get_or_init(|| made)
        }
    };
    key.sign_now(message)
}

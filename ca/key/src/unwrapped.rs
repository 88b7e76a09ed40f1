//! Recognising a private key that lies about without protection.

use crate::{SigningKey, SoftwareKey};

/// The public key (DER `SubjectPublicKeyInfo`) of an unencrypted private key in DER: PKCS #8, or
/// the older SEC 1 and PKCS #1.
///
/// The server compares it with the root's to refuse running while the root's key lies open.
/// `None` for anything else, an encrypted key included.
#[must_use]
pub fn public_key_of_unwrapped(der: &[u8]) -> Option<Vec<u8>> {
    match SoftwareKey::from_pkcs8_der(der) {
        Ok(key) => Some(key.public_key_der().to_vec()),
        Err(_) => SoftwareKey::public_key_of_legacy_der(der),
    }
}

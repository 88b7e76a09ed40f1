//! Names for keys.

use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoRef;

/// The key identifier that we put into certificates: the leftmost 160 bits of SHA-256 over the
/// subjectPublicKey's bits (RFC 7093 §2, method 1).
///
/// # Errors
/// [`spki::Error`]: not a `SubjectPublicKeyInfo`.
pub fn key_identifier(spki_der: &[u8]) -> Result<[u8; 20], spki::Error> {
    let spki = SubjectPublicKeyInfoRef::try_from(spki_der)?;
    let digest = Sha256::digest(spki.subject_public_key.raw_bytes());
    let mut identifier = [0; 20];
    identifier.copy_from_slice(&digest[..20]);
    Ok(identifier)
}

/// SHA-256 over the whole `SubjectPublicKeyInfo`: by this the register knows a key.
#[must_use]
pub fn public_key_sha256(spki_der: &[u8]) -> [u8; 32] {
    Sha256::digest(spki_der).into()
}

/// SHA-256 over a certificate's DER: its fingerprint, `x5t#S256` when in base64url.
#[must_use]
pub fn fingerprint(certificate_der: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate_der).into()
}

//! Secrets at rest: AES-256-GCM under a key that lies outside the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sekisho_key::{Randomness, RandomnessError};
use zeroize::Zeroizing;

/// Seals small secrets, such as a TOTP secret, for storing.
pub struct SealingKey(LessSafeKey);

/// Why a sealed value cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// No randomness for the nonce.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The value was sealed under another key or for another purpose, or was changed.
    #[error("the sealed value does not open: another key, another purpose, or damaged")]
    Sealed,
    /// The library refused the key or the plaintext.
    #[error("the value cannot be sealed")]
    Cryptography,
}

impl SealingKey {
    /// From 32 octets.
    ///
    /// # Errors
    /// [`SealingError::Cryptography`].
    pub fn new(key: &[u8; 32]) -> Result<Self, SealingError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealingError::Cryptography)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Nonce, ciphertext and tag. `purpose` is bound to it: a value sealed for one row or column
    /// does not open for another.
    ///
    /// The nonce is random: by NIST SP 800-38D §8.3 good for 2^32 values under one key.
    ///
    /// # Errors
    /// [`SealingError::Randomness`], [`SealingError::Cryptography`].
    pub fn seal(
        &self,
        random: &dyn Randomness,
        purpose: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, SealingError> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce)?;
        let mut sealed = secret.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut sealed,
            )
            .map_err(|_| SealingError::Cryptography)?;
        sealed.splice(0..0, nonce);
        Ok(sealed)
    }

    /// The secret, wiped when dropped.
    ///
    /// # Errors
    /// [`SealingError::Sealed`].
    pub fn open(&self, purpose: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let (nonce, ciphertext) =
            sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealingError::Sealed)?;
        let mut secret = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(purpose), &mut secret)
            .map_err(|_| SealingError::Sealed)?
            .len();
        secret.truncate(length);
        Ok(secret)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use sekisho_key::SystemRandomness;

    use super::*;

    #[test]
    fn a_secret_opens_for_its_purpose_and_key_only() {
        let key = SealingKey::new(&[7; 32]).unwrap();
        let sealed = key.seal(&SystemRandomness, b"totp:p1", b"secret").unwrap();
        assert_eq!(key.open(b"totp:p1", &sealed).unwrap().as_slice(), b"secret");
        assert!(key.open(b"totp:p2", &sealed).is_err());
        assert!(SealingKey::new(&[8; 32]).unwrap().open(b"totp:p1", &sealed).is_err());
        for n in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[n] ^= 1;
            assert!(key.open(b"totp:p1", &damaged).is_err());
            assert!(key.open(b"totp:p1", &sealed[..n]).is_err());
        }
    }
}

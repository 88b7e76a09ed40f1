//! An RSA key that opens what was encrypted for it (RFC 3370 §4.2.1): the registration authority's.

use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use crate::{KeyError, SignatureAlgorithm, SigningKey, SoftwareKey};

/// The private half of an RSA key, for RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
pub struct TransportKey(Pkcs1PrivateDecryptingKey);

impl TransportKey {
    /// Of a software key, which must be RSA.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedKeyKind`], [`KeyError::RejectedKey`], [`KeyError::Cryptography`].
    pub fn of(key: &SoftwareKey) -> Result<Self, KeyError> {
        if key.algorithm() != SignatureAlgorithm::RsaPkcs1Sha256 {
            return Err(KeyError::UnsupportedKeyKind { oid: key.algorithm().oid() });
        }
        let private = PrivateDecryptingKey::from_pkcs8(&key.pkcs8_der()?)
            .map_err(|rejected| KeyError::RejectedKey { reason: rejected.to_string() })?;
        let private = Pkcs1PrivateDecryptingKey::new(private);
        Ok(Self(private.map_err(|_| KeyError::Cryptography { act: "use the key for opening" })?))
    }

    /// The key that was encrypted, or `otherwise` where none of that length was: random octets, so that
    /// whoever sends what is no encrypted key learns no more from what follows than who sends one
    /// (RFC 3218 §2.3.2).
    ///
    /// The library tells the two apart in its own time, which is not constant down to the last branch.
    /// A caller therefore also bounds how often a stranger may ask.
    #[must_use]
    pub fn unwrap_or(&self, encrypted: &[u8], otherwise: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
        let mut room = Zeroizing::new(vec![0; self.0.min_output_size()]);
        match self.0.decrypt(encrypted, &mut room) {
            Ok(key) if key.len() == otherwise.len() => Zeroizing::new(key.to_vec()),
            _ => otherwise,
        }
    }
}

impl std::fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransportKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};

    use super::*;
    use crate::RsaSize;

    #[test]
    fn what_is_no_key_of_the_length_becomes_the_other_one() {
        let key = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
        let transport = TransportKey::of(&key).unwrap();
        let public = PublicEncryptingKey::from_der(key.public_key_der()).unwrap();
        let public = Pkcs1PublicEncryptingKey::new(public).unwrap();
        let wrap = |octets: &[u8]| {
            let mut room = vec![0; public.ciphertext_size()];
            public.encrypt(octets, &mut room).unwrap().to_vec()
        };
        let other = || Zeroizing::new(vec![9; 16]);
        let wrapped = wrap(&[1; 16]);
        assert_eq!(*transport.unwrap_or(&wrapped, other()), [1; 16]);
        assert_eq!(*transport.unwrap_or(&wrap(&[1; 24]), other()), [9; 16]);
        let mut damaged = wrapped.clone();
        damaged[100] ^= 1;
        for hostile in [&damaged[..], &wrapped[1..], &[], &[0; 256], &[0xff; 256], &[1; 4096]] {
            assert_eq!(*transport.unwrap_or(hostile, other()), [9; 16]);
        }
        assert!(TransportKey::of(&SoftwareKey::generate_p256().unwrap()).is_err());
    }
}

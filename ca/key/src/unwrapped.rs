//! Recognising a private key that lies about without protection.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
};
use zeroize::Zeroizing;

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

/// Octets of a private scalar of the curve of this public key (DER `SubjectPublicKeyInfo`): P-256 or P-384.
#[must_use]
pub fn scalar_octets(public_key_der: &[u8]) -> Option<usize> {
    // Each structure has one length (RFC 5480 §2), and ends with the uncompressed point.
    let length = match public_key_der.len() {
        91 => 32,
        120 => 48,
        _ => return None,
    };
    (public_key_der[public_key_der.len() - 2 * length - 1] == 4).then_some(length)
}

/// Whether this is the private scalar of that public key, big-endian as tools print it: with a zero before
/// it, or without those it begins with.
#[must_use]
pub fn is_private_scalar_of(scalar: &[u8], public_key_der: &[u8]) -> bool {
    let Some(length) = scalar_octets(public_key_der) else { return false };
    let zeros = scalar.iter().take_while(|octet| **octet == 0).count();
    let digits = &scalar[zeros..];
    if digits.len() > length {
        return false;
    }
    let mut padded = Zeroizing::new(vec![0; length - digits.len()]);
    padded.extend_from_slice(digits);
    let algorithm = match length {
        32 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        _ => &ECDSA_P384_SHA384_ASN1_SIGNING,
    };
    let point = &public_key_der[public_key_der.len() - 2 * length - 1..];
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &padded, point).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_known_by_its_public_key_however_many_zeros_lead_it() {
        for key in [SoftwareKey::generate_p256().unwrap(), SoftwareKey::generate_p384().unwrap()] {
            let (public, private) = (key.public_key_der(), key.pkcs8_der().unwrap());
            let length = scalar_octets(public).unwrap();
            let found =
                private.windows(length).filter(|octets| is_private_scalar_of(octets, public));
            let [scalar] = found.collect::<Vec<_>>()[..] else { panic!("not exactly one scalar") };
            assert!(is_private_scalar_of(&[&[0], scalar].concat(), public));
            assert!(!is_private_scalar_of(&[&[1], scalar].concat(), public));
            assert!(!is_private_scalar_of(&[0; 48], public));
            assert!(!is_private_scalar_of(&[], public));
        }
        let rsa = SoftwareKey::generate_rsa(crate::RsaSize::Bits2048).unwrap();
        assert_eq!(scalar_octets(rsa.public_key_der()), None);
    }
}

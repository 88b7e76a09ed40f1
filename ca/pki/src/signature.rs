//! Verifying signatures of X.509 objects, by aws-lc-rs.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::{ObjectIdentifier, db::rfc5912};
use der::{Decode, Sequence, Tagged, asn1::UintRef};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// An algorithm that we do not accept, or not with this kind of key: SHA-1 and MD5 above all.
    #[error("signature algorithm {oid} is not accepted with this key")]
    Algorithm {
        /// The algorithm.
        oid: ObjectIdentifier,
    },
    /// The parameters are neither absent nor NULL where the algorithm wants it so.
    #[error("the signature algorithm has unexpected parameters")]
    Parameters,
    /// The public key is not well formed.
    #[error("the public key is not well formed")]
    Key,
    /// It was not made by this key over these octets.
    #[error("the signature does not verify")]
    Invalid,
}

/// Verifies `signature` over `message` by the key of `spki_der`.
///
/// RSASSA-PKCS1-v1_5 with 2,048 to 8,192 bits and SHA-256, -384 or -512; ECDSA on P-256 and P-384
/// with SHA-256 or -384. The curve comes from the key, since the algorithm does not name it.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(
    spki_der: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let spki = SubjectPublicKeyInfoRef::try_from(spki_der).map_err(|_| SignatureError::Key)?;
    let refused = SignatureError::Algorithm { oid: algorithm.oid };
    let kind = PublicKeyKind::of(&spki).ok_or(refused)?;
    let with: &'static dyn VerificationAlgorithm = match (kind, algorithm.oid) {
        (PublicKeyKind::P256, rfc5912::ECDSA_WITH_SHA_256) => &ECDSA_P256_SHA256_ASN1,
        (PublicKeyKind::P256, rfc5912::ECDSA_WITH_SHA_384) => &ECDSA_P256_SHA384_ASN1,
        (PublicKeyKind::P384, rfc5912::ECDSA_WITH_SHA_256) => &ECDSA_P384_SHA256_ASN1,
        (PublicKeyKind::P384, rfc5912::ECDSA_WITH_SHA_384) => &ECDSA_P384_SHA384_ASN1,
        (PublicKeyKind::Rsa { .. }, rfc5912::SHA_256_WITH_RSA_ENCRYPTION) => {
            &RSA_PKCS1_2048_8192_SHA256
        }
        (PublicKeyKind::Rsa { .. }, rfc5912::SHA_384_WITH_RSA_ENCRYPTION) => {
            &RSA_PKCS1_2048_8192_SHA384
        }
        (PublicKeyKind::Rsa { .. }, rfc5912::SHA_512_WITH_RSA_ENCRYPTION) => {
            &RSA_PKCS1_2048_8192_SHA512
        }
        _ => return Err(refused),
    };
    let parameters_fit = match (&algorithm.parameters, kind) {
        // RFC 5758 §3.2: absent with ECDSA. RFC 4055 §5: NULL with RSA, and both accepted.
        (None, _) => true,
        (Some(any), PublicKeyKind::Rsa { .. }) => any.tag() == der::Tag::Null,
        (Some(_), _) => false,
    };
    if !parameters_fit {
        return Err(SignatureError::Parameters);
    }
    UnparsedPublicKey::new(with, spki.subject_public_key.raw_bytes())
        .verify(message, signature)
        .map_err(|_| SignatureError::Invalid)
}

/// The kinds of public key that we work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKeyKind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA.
    Rsa {
        /// Length of the modulus.
        modulus_bits: usize,
        /// Whether the exponent is 65537.
        usual_exponent: bool,
    },
}

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

impl PublicKeyKind {
    /// The kind of a DER `SubjectPublicKeyInfo`; `None` for other kinds and malformed keys.
    #[must_use]
    pub fn of_der(spki_der: &[u8]) -> Option<Self> {
        Self::of(&SubjectPublicKeyInfoRef::try_from(spki_der).ok()?)
    }

    fn of(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<Self> {
        match spki.algorithm.oid {
            rfc5912::ID_EC_PUBLIC_KEY => match spki.algorithm.parameters_oid().ok()? {
                rfc5912::SECP_256_R_1 => Some(Self::P256),
                rfc5912::SECP_384_R_1 => Some(Self::P384),
                _ => None,
            },
            rfc5912::RSA_ENCRYPTION => {
                let key = RsaPublicKey::from_der(spki.subject_public_key.as_bytes()?).ok()?;
                let modulus = key.modulus.as_bytes();
                let leading = modulus.first()?.leading_zeros() as usize;
                Some(Self::Rsa {
                    modulus_bits: modulus.len() * 8 - leading,
                    usual_exponent: key.exponent.as_bytes() == [1, 0, 1],
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rand::SystemRandom,
        signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use der::asn1::Null;
    use proptest::prelude::*;

    use super::*;

    fn signed() -> (Vec<u8>, Vec<u8>) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let signature = pair.sign(&SystemRandom::new(), b"message").unwrap();
        (spki.as_ref().to_vec(), signature.as_ref().to_vec())
    }

    fn ecdsa(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid, parameters: None }
    }

    #[test]
    fn a_signature_counts_for_its_message_key_and_algorithm_only() {
        let (spki, signature) = signed();
        let sha384 = ecdsa(rfc5912::ECDSA_WITH_SHA_384);
        assert_eq!(verify(&spki, &sha384, b"message", &signature), Ok(()));
        assert_eq!(verify(&spki, &sha384, b"messagf", &signature), Err(SignatureError::Invalid));
        let (other, _) = signed();
        assert_eq!(verify(&other, &sha384, b"message", &signature), Err(SignatureError::Invalid));
        assert_eq!(
            verify(&spki, &ecdsa(rfc5912::ECDSA_WITH_SHA_256), b"message", &signature),
            Err(SignatureError::Invalid)
        );
        for oid in [rfc5912::DSA_WITH_SHA_1, rfc5912::SHA_256_WITH_RSA_ENCRYPTION] {
            assert_eq!(
                verify(&spki, &ecdsa(oid), b"message", &signature),
                Err(SignatureError::Algorithm { oid })
            );
        }
        let with_null = AlgorithmIdentifierOwned {
            oid: rfc5912::ECDSA_WITH_SHA_384,
            parameters: Some(Null.into()),
        };
        assert_eq!(
            verify(&spki, &with_null, b"message", &signature),
            Err(SignatureError::Parameters)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(spki: Vec<u8>, signature: Vec<u8>) {
            let _ = verify(&spki, &ecdsa(rfc5912::ECDSA_WITH_SHA_256), b"m", &signature);
            let _ = PublicKeyKind::of_der(&spki);
        }
    }
}

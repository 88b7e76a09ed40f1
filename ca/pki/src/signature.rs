//! Verifying signatures of X.509 objects, by aws-lc-rs.

pub mod object;

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::{
    ObjectIdentifier,
    db::{rfc5912, rfc8410},
};
use der::{Decode, Sequence, Tagged, asn1::UintRef};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// An algorithm that we refuse, or not with this kind of key: SHA-1 and MD5 above all.
    #[error("signature algorithm {oid} is not accepted with this key")]
    Algorithm {
        /// The algorithm.
        oid: ObjectIdentifier,
    },
    /// An algorithm, or a kind of key for it, that we do not work with: DSA above all.
    #[error("signature algorithm {oid}, or the key for it, is of a kind that we do not work with")]
    Unsupported {
        /// The algorithm.
        oid: ObjectIdentifier,
    },
    /// The parameters are not those that the algorithm wants.
    #[error("the signature algorithm has unexpected parameters")]
    Parameters,
    /// The public key is not well formed.
    #[error("the public key is not well formed")]
    Key,
    /// An RSA key too short or too long to count.
    #[error("the RSA key has {bits} bits; 2048 to 8192 are accepted")]
    KeySize {
        /// Its length.
        bits: usize,
    },
    /// It was not made by this key over these octets.
    #[error("the signature does not verify")]
    Invalid,
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    Pkcs1(Hash),
    /// RSASSA-PSS with the same hash throughout and a salt of its length (RFC 8017 §8.1).
    Pss(Hash),
    /// ECDSA, DER (RFC 3279 §2.2.3).
    Ecdsa(Hash),
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// A public key by the algorithms that it serves: more kinds than [`PublicKeyKind`], which says
/// what we certify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    P256,
    P384,
    P521,
    Ed25519,
    Rsa { bits: usize },
}

/// Verifies `signature` over `message` by the key of `spki_der`.
///
/// RSASSA-PKCS1-v1_5 and RSASSA-PSS with 2,048 to 8,192 bits, ECDSA on P-256, P-384 and P-521,
/// each with SHA-256, -384 or -512; Ed25519. The curve comes from the key, since the algorithm does
/// not name it.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(
    spki_der: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    verify_by(spki_der, Scheme::of(algorithm)?, algorithm.oid, message, signature)
}

/// As [`verify`], by a scheme that is known from elsewhere than an algorithm identifier.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_scheme(
    spki_der: &[u8],
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    verify_by(spki_der, scheme, scheme.oid(), message, signature)
}

fn verify_by(
    spki_der: &[u8],
    scheme: Scheme,
    oid: ObjectIdentifier,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let spki = SubjectPublicKeyInfoRef::try_from(spki_der).map_err(|_| SignatureError::Key)?;
    let family = Family::of(&spki).ok_or_else(|| unworkable(&spki, oid))?;
    if let Family::Rsa { bits } = family
        && !RSA_BITS.contains(&bits)
    {
        return Err(SignatureError::KeySize { bits });
    }
    let with: &'static dyn VerificationAlgorithm = match (family, scheme) {
        (Family::P256, Scheme::Ecdsa(Hash::Sha256)) => &ECDSA_P256_SHA256_ASN1,
        (Family::P256, Scheme::Ecdsa(Hash::Sha384)) => &ECDSA_P256_SHA384_ASN1,
        (Family::P256, Scheme::Ecdsa(Hash::Sha512)) => &ECDSA_P256_SHA512_ASN1,
        (Family::P384, Scheme::Ecdsa(Hash::Sha256)) => &ECDSA_P384_SHA256_ASN1,
        (Family::P384, Scheme::Ecdsa(Hash::Sha384)) => &ECDSA_P384_SHA384_ASN1,
        (Family::P384, Scheme::Ecdsa(Hash::Sha512)) => &ECDSA_P384_SHA512_ASN1,
        (Family::P521, Scheme::Ecdsa(Hash::Sha256)) => &ECDSA_P521_SHA256_ASN1,
        (Family::P521, Scheme::Ecdsa(Hash::Sha384)) => &ECDSA_P521_SHA384_ASN1,
        (Family::P521, Scheme::Ecdsa(Hash::Sha512)) => &ECDSA_P521_SHA512_ASN1,
        (Family::Ed25519, Scheme::Ed25519) => &ED25519,
        (Family::Rsa { .. }, Scheme::Pkcs1(Hash::Sha256)) => &RSA_PKCS1_2048_8192_SHA256,
        (Family::Rsa { .. }, Scheme::Pkcs1(Hash::Sha384)) => &RSA_PKCS1_2048_8192_SHA384,
        (Family::Rsa { .. }, Scheme::Pkcs1(Hash::Sha512)) => &RSA_PKCS1_2048_8192_SHA512,
        (Family::Rsa { .. }, Scheme::Pss(Hash::Sha256)) => &RSA_PSS_2048_8192_SHA256,
        (Family::Rsa { .. }, Scheme::Pss(Hash::Sha384)) => &RSA_PSS_2048_8192_SHA384,
        (Family::Rsa { .. }, Scheme::Pss(Hash::Sha512)) => &RSA_PSS_2048_8192_SHA512,
        _ => return Err(SignatureError::Algorithm { oid }),
    };
    UnparsedPublicKey::new(with, spki.subject_public_key.raw_bytes())
        .verify(message, signature)
        .map_err(|_| SignatureError::Invalid)
}

/// Why a key is of no [`Family`]: it is malformed, or of a kind that we do not know.
fn unworkable(spki: &SubjectPublicKeyInfoRef<'_>, signature: ObjectIdentifier) -> SignatureError {
    match spki.algorithm.oid {
        rfc5912::RSA_ENCRYPTION => SignatureError::Key,
        // RFC 5480 §2.1.1: a curve is named, never described; a described one can be made to order.
        rfc5912::ID_EC_PUBLIC_KEY if spki.algorithm.parameters_oid().is_err() => {
            SignatureError::Key
        }
        _ => SignatureError::Unsupported { oid: signature },
    }
}

/// Whether signatures by such a key could count at all.
#[must_use]
pub fn is_fit_key(spki_der: &[u8]) -> bool {
    let family =
        SubjectPublicKeyInfoRef::try_from(spki_der).ok().and_then(|spki| Family::of(&spki));
    match family {
        Some(Family::Rsa { bits }) => RSA_BITS.contains(&bits),
        Some(Family::P256 | Family::P384 | Family::P521 | Family::Ed25519) => true,
        None => false,
    }
}

/// Lengths of RSA keys that count.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Known, and broken or too weak.
const REFUSED: [ObjectIdentifier; 4] = [
    rfc5912::MD_5_WITH_RSA_ENCRYPTION,
    rfc5912::SHA_1_WITH_RSA_ENCRYPTION,
    ECDSA_WITH_SHA_1,
    rfc5912::ECDSA_WITH_SHA_224,
];
/// ecdsa-with-SHA1 (RFC 3279 §2.2.3).
const ECDSA_WITH_SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.1");

impl Scheme {
    /// What a key of this kind signs with unless told otherwise; `None` for kinds that we do not
    /// work with.
    #[must_use]
    pub fn usual(spki_der: &[u8]) -> Option<Self> {
        let spki = SubjectPublicKeyInfoRef::try_from(spki_der).ok()?;
        Some(match Family::of(&spki)? {
            Family::P256 => Self::Ecdsa(Hash::Sha256),
            Family::P384 => Self::Ecdsa(Hash::Sha384),
            Family::P521 => Self::Ecdsa(Hash::Sha512),
            Family::Ed25519 => Self::Ed25519,
            Family::Rsa { .. } => Self::Pkcs1(Hash::Sha256),
        })
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Pkcs1(Hash::Sha256) => rfc5912::SHA_256_WITH_RSA_ENCRYPTION,
            Self::Pkcs1(Hash::Sha384) => rfc5912::SHA_384_WITH_RSA_ENCRYPTION,
            Self::Pkcs1(Hash::Sha512) => rfc5912::SHA_512_WITH_RSA_ENCRYPTION,
            Self::Pss(_) => rfc5912::ID_RSASSA_PSS,
            Self::Ecdsa(Hash::Sha256) => rfc5912::ECDSA_WITH_SHA_256,
            Self::Ecdsa(Hash::Sha384) => rfc5912::ECDSA_WITH_SHA_384,
            Self::Ecdsa(Hash::Sha512) => rfc5912::ECDSA_WITH_SHA_512,
            Self::Ed25519 => rfc8410::ID_ED_25519,
        }
    }

    fn of(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, SignatureError> {
        let oid = algorithm.oid;
        let scheme = match oid {
            rfc5912::SHA_256_WITH_RSA_ENCRYPTION => Self::Pkcs1(Hash::Sha256),
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION => Self::Pkcs1(Hash::Sha384),
            rfc5912::SHA_512_WITH_RSA_ENCRYPTION => Self::Pkcs1(Hash::Sha512),
            rfc5912::ECDSA_WITH_SHA_256 => Self::Ecdsa(Hash::Sha256),
            rfc5912::ECDSA_WITH_SHA_384 => Self::Ecdsa(Hash::Sha384),
            rfc5912::ECDSA_WITH_SHA_512 => Self::Ecdsa(Hash::Sha512),
            rfc8410::ID_ED_25519 => Self::Ed25519,
            rfc5912::ID_RSASSA_PSS => return pss(algorithm),
            _ if REFUSED.contains(&oid) => return Err(SignatureError::Algorithm { oid }),
            _ => return Err(SignatureError::Unsupported { oid }),
        };
        let parameters_fit = match (&algorithm.parameters, scheme) {
            // RFC 5758 §3.2, RFC 8410 §3: absent. RFC 4055 §5: NULL with RSA, and both accepted.
            (None, _) => true,
            (Some(any), Self::Pkcs1(_)) => any.tag() == der::Tag::Null,
            (Some(_), _) => false,
        };
        if parameters_fit { Ok(scheme) } else { Err(SignatureError::Parameters) }
    }
}

/// RSASSA-PSS-params (RFC 4055 §3.1).
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_length: Option<u32>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u32>,
}

/// One hash throughout and a salt of its length, as everybody makes them; defaults mean SHA-1.
fn pss(algorithm: &AlgorithmIdentifierOwned) -> Result<Scheme, SignatureError> {
    let wrong = SignatureError::Parameters;
    let parameters = algorithm.parameters.as_ref().ok_or(wrong)?;
    let PssParameters { hash, mask, salt_length, trailer } =
        parameters.decode_as().map_err(|_| wrong)?;
    let (hash, mask) = (hash.ok_or(wrong)?, mask.ok_or(wrong)?);
    let (found, octets) = match hash.oid {
        rfc5912::ID_SHA_256 => (Hash::Sha256, 32),
        rfc5912::ID_SHA_384 => (Hash::Sha384, 48),
        rfc5912::ID_SHA_512 => (Hash::Sha512, 64),
        _ => return Err(SignatureError::Algorithm { oid: algorithm.oid }),
    };
    let masked: AlgorithmIdentifierOwned =
        mask.parameters.as_ref().ok_or(wrong)?.decode_as().map_err(|_| wrong)?;
    let consistent = mask.oid == rfc5912::ID_MGF_1
        && masked.oid == hash.oid
        && salt_length == Some(octets)
        && trailer.is_none_or(|trailer| trailer == 1);
    if consistent { Ok(Scheme::Pss(found)) } else { Err(wrong) }
}

impl Family {
    fn of(spki: &SubjectPublicKeyInfoRef<'_>) -> Option<Self> {
        match spki.algorithm.oid {
            rfc8410::ID_ED_25519 if spki.algorithm.parameters.is_none() => Some(Self::Ed25519),
            rfc5912::ID_EC_PUBLIC_KEY
                if spki.algorithm.parameters_oid().ok()? == rfc5912::SECP_521_R_1 =>
            {
                Some(Self::P521)
            }
            _ => Some(match PublicKeyKind::of(spki)? {
                PublicKeyKind::P256 => Self::P256,
                PublicKeyKind::P384 => Self::P384,
                PublicKeyKind::Rsa { modulus_bits, .. } => Self::Rsa { bits: modulus_bits },
            }),
        }
    }
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

impl fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Rsa { modulus_bits, usual_exponent } => {
                write!(f, "RSA of {modulus_bits} bits")?;
                if *usual_exponent { Ok(()) } else { f.write_str(" with an unusual exponent") }
            }
        }
    }
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
        for oid in [ECDSA_WITH_SHA_1, rfc5912::SHA_256_WITH_RSA_ENCRYPTION] {
            assert_eq!(
                verify(&spki, &ecdsa(oid), b"message", &signature),
                Err(SignatureError::Algorithm { oid })
            );
        }
        let oid = rfc5912::DSA_WITH_SHA_1;
        assert_eq!(
            verify(&spki, &ecdsa(oid), b"message", &signature),
            Err(SignatureError::Unsupported { oid })
        );
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

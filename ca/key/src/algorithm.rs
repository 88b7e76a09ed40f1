//! The signature algorithms that we sign with, and their names in X.509.

use const_oid::{ObjectIdentifier, db::rfc5912};
use der::{Any, asn1::Null};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

use crate::{KeyError, ecdsa_signature_to_fixed};

/// What a key signs with: the key's kind and the digest together.
///
/// Each kind of key has exactly one, so a caller never chooses: the digest matches the strength
/// of the key (RFC 5480 §4), and RSA signs with PKCS #1 v1.5, because routers and card
/// middleware verify nothing else in certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 5758 §3.2).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384 (RFC 5758 §3.2).
    EcdsaP384Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 4055 §5).
    RsaPkcs1Sha256,
}

impl SignatureAlgorithm {
    /// The `AlgorithmIdentifier` as it stands in certificates, CRLs and OCSP responses.
    ///
    /// ECDSA without parameters (RFC 5758 §3.2), RSA with NULL (RFC 4055 §5).
    #[must_use]
    pub fn identifier(self) -> AlgorithmIdentifierOwned {
        let (oid, parameters) = match self {
            Self::EcdsaP256Sha256 => (rfc5912::ECDSA_WITH_SHA_256, None),
            Self::EcdsaP384Sha384 => (rfc5912::ECDSA_WITH_SHA_384, None),
            Self::RsaPkcs1Sha256 => (rfc5912::SHA_256_WITH_RSA_ENCRYPTION, Some(Any::from(Null))),
        };
        AlgorithmIdentifierOwned { oid, parameters }
    }

    /// The `alg` value of a JWS made with this algorithm (RFC 7518 §3.1).
    #[must_use]
    pub const fn jws_alg(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ES256",
            Self::EcdsaP384Sha384 => "ES384",
            Self::RsaPkcs1Sha256 => "RS256",
        }
    }

    /// Octets of one field element, for the fixed-length ECDSA form; `None` for RSA.
    #[must_use]
    pub const fn ecdsa_element_octets(self) -> Option<usize> {
        match self {
            Self::EcdsaP256Sha256 => Some(32),
            Self::EcdsaP384Sha384 => Some(48),
            Self::RsaPkcs1Sha256 => None,
        }
    }

    /// A signature of the form that X.509 wants, in the form that JWS wants.
    pub(crate) fn fixed(self, signature: Vec<u8>) -> Result<Vec<u8>, KeyError> {
        match self.ecdsa_element_octets() {
            Some(octets) => ecdsa_signature_to_fixed(&signature, octets),
            None => Ok(signature),
        }
    }

    /// Which algorithm a key of this `SubjectPublicKeyInfo` signs with.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedKeyKind`] for anything but P-256, P-384 and RSA.
    pub fn of_public_key(spki_der: &[u8]) -> Result<Self, KeyError> {
        let spki = SubjectPublicKeyInfoRef::try_from(spki_der).map_err(KeyError::MalformedKey)?;
        Self::of_key_algorithm(spki.algorithm)
    }

    pub(crate) fn of_key_algorithm(
        algorithm: spki::AlgorithmIdentifierRef<'_>,
    ) -> Result<Self, KeyError> {
        match algorithm.oid {
            rfc5912::RSA_ENCRYPTION => Ok(Self::RsaPkcs1Sha256),
            rfc5912::ID_EC_PUBLIC_KEY => {
                let curve = algorithm
                    .parameters_oid()
                    .map_err(|_| KeyError::UnsupportedKeyKind { oid: algorithm.oid })?;
                match curve {
                    rfc5912::SECP_256_R_1 => Ok(Self::EcdsaP256Sha256),
                    rfc5912::SECP_384_R_1 => Ok(Self::EcdsaP384Sha384),
                    other => Err(KeyError::UnsupportedKeyKind { oid: other }),
                }
            }
            other => Err(KeyError::UnsupportedKeyKind { oid: other }),
        }
    }

    /// The object identifier of [`Self::identifier`].
    #[must_use]
    pub fn oid(self) -> ObjectIdentifier {
        self.identifier().oid
    }
}

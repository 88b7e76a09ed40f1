//! What protects a message: a MAC under a shared secret, or a signature (RFC 9810 §5.1.3, RFC 9481 §6).

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use const_oid::{ObjectIdentifier, db::rfc5912};
use der::{Any, Decode, Encode, Sequence, asn1::OctetString};
use spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

/// id-PasswordBasedMac (RFC 9481 §6.1.1).
const PASSWORD_BASED_MAC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113533.7.66.13");
/// id-PBMAC1 (RFC 9481 §6.1.2, RFC 8018 appendix A.5).
const PBMAC1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14");
/// id-PBKDF2 (RFC 8018 appendix A.2).
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
/// HMAC with SHA-1 as RFC 4210 named it, and as RFC 8018 does.
const HMAC_SHA1: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.8.1.2"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.2.7"),
];
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const HMAC_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.10");
const HMAC_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.11");

/// Rounds of the one-way function that a stranger may have us do (RFC 9810 §5.1.3.1 leaves the limit to
/// us): 500 is what OpenSSL asks for, and a code of 95 random bits needs none.
const MOST_ITERATIONS: u32 = 10_000;
/// Of PBKDF2, whose secret is the same: a few milliseconds.
const MOST_PBKDF2_ITERATIONS: u32 = 20_000;
/// Octets of salt. RFC 9810 §5.1.3.1 wants up to 128.
const MOST_SALT: usize = 128;

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1: in a MAC of old clients alone, and where the configuration allows it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// By its own identifier.
    #[must_use]
    pub fn of(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            rfc5912::ID_SHA_256 => Some(Self::Sha256),
            rfc5912::ID_SHA_384 => Some(Self::Sha384),
            rfc5912::ID_SHA_512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// That of a signature algorithm.
    #[must_use]
    pub fn of_signature(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            rfc5912::ECDSA_WITH_SHA_256 | rfc5912::SHA_256_WITH_RSA_ENCRYPTION => {
                Some(Self::Sha256)
            }
            rfc5912::ECDSA_WITH_SHA_384 | rfc5912::SHA_384_WITH_RSA_ENCRYPTION => {
                Some(Self::Sha384)
            }
            rfc5912::ECDSA_WITH_SHA_512 | rfc5912::SHA_512_WITH_RSA_ENCRYPTION => {
                Some(Self::Sha512)
            }
            _ => None,
        }
    }

    fn of_hmac(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            HMAC_SHA256 => Some(Self::Sha256),
            HMAC_SHA384 => Some(Self::Sha384),
            HMAC_SHA512 => Some(Self::Sha512),
            _ if HMAC_SHA1.contains(&oid) => Some(Self::Sha1),
            _ => None,
        }
    }

    /// The digest of these octets.
    #[must_use]
    pub fn digest(self, octets: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), octets).as_ref().to_vec()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> Option<pbkdf2::Algorithm> {
        match self {
            Self::Sha1 => None,
            Self::Sha256 => Some(pbkdf2::PBKDF2_HMAC_SHA256),
            Self::Sha384 => Some(pbkdf2::PBKDF2_HMAC_SHA384),
            Self::Sha512 => Some(pbkdf2::PBKDF2_HMAC_SHA512),
        }
    }
}

/// Why a protection is not taken. None of them depends on a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtectionFault {
    /// The parameters of the MAC are not well formed.
    #[error("the parameters of the MAC are not as RFC 9810 section 5.1.3.1 and RFC 9481 want them")]
    Parameters,
    /// More work than is done for a stranger.
    #[error(
        "the MAC asks for too many iterations or too long a salt; ask for fewer (OpenSSL's 500 will do)"
    )]
    Work,
    /// An algorithm within the MAC that is never taken.
    #[error("algorithm {0} is not accepted in a MAC; use SHA-256 and HMAC with SHA-256")]
    Algorithm(ObjectIdentifier),
}

/// How a MAC is made of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacParameters {
    derivation: Derivation,
    salt: Vec<u8>,
    iterations: u32,
    mac: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Derivation {
    /// One hash again and again (RFC 9810 §5.1.3.1).
    PasswordBasedMac(Hash),
    /// PBKDF2 with this hash and as many octets (RFC 8018).
    Pbkdf2(Hash, usize),
}

/// PBMParameter (RFC 9810 §5.1.3.1).
#[derive(Sequence)]
struct PbmParameter {
    salt: OctetString,
    owf: AlgorithmIdentifierOwned,
    iteration_count: u32,
    mac: AlgorithmIdentifierOwned,
}

/// PBMAC1-params (RFC 8018 appendix A.5).
#[derive(Sequence)]
struct Pbmac1Parameters {
    key_derivation: AlgorithmIdentifierOwned,
    mac: AlgorithmIdentifierOwned,
}

/// PBKDF2-params (RFC 8018 appendix A.2) with a salt of its own.
#[derive(Sequence)]
struct Pbkdf2Parameters {
    salt: OctetString,
    iteration_count: u32,
    #[asn1(optional = "true")]
    key_length: Option<u16>,
    #[asn1(optional = "true")]
    prf: Option<AlgorithmIdentifierOwned>,
}

/// What a message says protects it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// A MAC under a secret.
    Mac(MacParameters),
    /// A signature: any algorithm that is no MAC.
    Signature(AlgorithmIdentifierOwned),
}

impl Protection {
    /// Of a protectionAlg.
    ///
    /// # Errors
    /// [`ProtectionFault`].
    pub fn of(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, ProtectionFault> {
        match algorithm.oid {
            PASSWORD_BASED_MAC => Ok(Self::Mac(MacParameters::of_pbm(&read(algorithm)?)?)),
            PBMAC1 => Ok(Self::Mac(MacParameters::of_pbmac1(&read(algorithm)?)?)),
            _ => Ok(Self::Signature(algorithm.clone())),
        }
    }
}

fn read<T: for<'a> Decode<'a, Error = der::Error>>(
    algorithm: &AlgorithmIdentifierOwned,
) -> Result<T, ProtectionFault> {
    let parameters = algorithm.parameters.as_ref().ok_or(ProtectionFault::Parameters)?;
    let octets = parameters.to_der().map_err(|_| ProtectionFault::Parameters)?;
    T::from_der(&octets).map_err(|_| ProtectionFault::Parameters)
}

fn bounded(salt: &OctetString, iterations: u32, most: u32) -> Result<Vec<u8>, ProtectionFault> {
    if salt.as_bytes().len() > MOST_SALT || !(1..=most).contains(&iterations) {
        return Err(ProtectionFault::Work);
    }
    Ok(salt.as_bytes().to_vec())
}

fn hmac_of(algorithm: &AlgorithmIdentifierOwned) -> Result<Hash, ProtectionFault> {
    Hash::of_hmac(algorithm.oid).ok_or(ProtectionFault::Algorithm(algorithm.oid))
}

impl MacParameters {
    fn of_pbm(read: &PbmParameter) -> Result<Self, ProtectionFault> {
        let owf = Hash::of(read.owf.oid).ok_or(ProtectionFault::Algorithm(read.owf.oid))?;
        Ok(Self {
            salt: bounded(&read.salt, read.iteration_count, MOST_ITERATIONS)?,
            derivation: Derivation::PasswordBasedMac(owf),
            iterations: read.iteration_count,
            mac: hmac_of(&read.mac)?,
        })
    }

    fn of_pbmac1(scheme: &Pbmac1Parameters) -> Result<Self, ProtectionFault> {
        let derivation = &scheme.key_derivation;
        if derivation.oid != PBKDF2 {
            return Err(ProtectionFault::Algorithm(derivation.oid));
        }
        let pbkdf2: Pbkdf2Parameters = read(derivation)?;
        let mac = hmac_of(&scheme.mac)?;
        // Absent means HMAC with SHA-1.
        let prf = pbkdf2.prf.as_ref().ok_or(ProtectionFault::Algorithm(HMAC_SHA1[1]))?;
        let hash = hmac_of(prf)?;
        if hash == Hash::Sha1 || mac == Hash::Sha1 {
            return Err(ProtectionFault::Algorithm(HMAC_SHA1[1]));
        }
        let length = pbkdf2.key_length.map_or(mac.algorithm().output_len(), usize::from);
        if !(16..=64).contains(&length) {
            return Err(ProtectionFault::Parameters);
        }
        Ok(Self {
            salt: bounded(&pbkdf2.salt, pbkdf2.iteration_count, MOST_PBKDF2_ITERATIONS)?,
            derivation: Derivation::Pbkdf2(hash, length),
            iterations: pbkdf2.iteration_count,
            mac,
        })
    }

    /// PasswordBasedMac with SHA-256 throughout, for an answer.
    #[must_use]
    pub fn usual(salt: Vec<u8>) -> Self {
        let derivation = Derivation::PasswordBasedMac(Hash::Sha256);
        Self { derivation, salt, iterations: 500, mac: Hash::Sha256 }
    }

    /// Whether the MAC is by SHA-1, the default of `openssl cmp` 3.0.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.mac == Hash::Sha1
    }

    /// As protectionAlg, of what [`Self::usual`] made.
    ///
    /// # Errors
    /// [`der::Error`]: never with a salt of usual length.
    pub fn identifier(&self) -> der::Result<AlgorithmIdentifierOwned> {
        let plain = |oid| AlgorithmIdentifierOwned { oid, parameters: None };
        let parameters = PbmParameter {
            salt: OctetString::new(self.salt.as_slice())?,
            owf: plain(rfc5912::ID_SHA_256),
            iteration_count: self.iterations,
            mac: plain(HMAC_SHA256),
        };
        Ok(AlgorithmIdentifierOwned {
            oid: PASSWORD_BASED_MAC,
            parameters: Some(Any::encode_from(&parameters)?),
        })
    }

    /// The MAC of these octets under this secret.
    #[must_use]
    pub fn mac(&self, secret: &[u8], octets: &[u8]) -> Vec<u8> {
        let key = self.key(secret);
        hmac::sign(&hmac::Key::new(self.mac.hmac(), &key), octets).as_ref().to_vec()
    }

    /// Whether this is the MAC of these octets; how long it takes does not tell how much of it is.
    #[must_use]
    pub fn is_mac(&self, secret: &[u8], octets: &[u8], mac: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.mac(secret, octets), mac).is_ok()
    }

    fn key(&self, secret: &[u8]) -> Zeroizing<Vec<u8>> {
        match self.derivation {
            Derivation::PasswordBasedMac(hash) => {
                let mut key = Zeroizing::new([secret, &self.salt].concat());
                for _ in 0..self.iterations {
                    key = Zeroizing::new(hash.digest(&key));
                }
                key
            }
            Derivation::Pbkdf2(hash, length) => {
                let mut key = Zeroizing::new(vec![0; length]);
                // Both bounds were looked at when the parameters were read.
                if let (Some(algorithm), Some(iterations)) =
                    (hash.pbkdf2(), std::num::NonZeroU32::new(self.iterations))
                {
                    pbkdf2::derive(algorithm, iterations, &self.salt, secret, &mut key);
                }
                key
            }
        }
    }
}

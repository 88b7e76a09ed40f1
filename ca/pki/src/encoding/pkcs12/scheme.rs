//! How a PKCS #12 file is encrypted and authenticated: PBES2 and PBKDF2 (RFC 8018), PBMAC1 (RFC 9579).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::{
    Pkcs12Error,
    file_key::{self, Purpose, bmp_string},
    oid,
};
use crate::encoding::{
    block_cipher,
    tlv::{Malformed, Tag, Tlv},
};

pub(super) const PBES2: &str = "1.2.840.113549.1.5.13";
pub(super) const PBKDF2: &str = "1.2.840.113549.1.5.12";
const PBMAC1: &str = "1.2.840.113549.1.5.14";
/// Arc of the schemes of RFC 7292 appendix C: RC4, 3DES and RC2 under SHA-1.
const PKCS12_PBE: &str = "1.2.840.113549.1.12.1.";

/// No real salt is longer.
pub(super) const MOST_SALT: usize = 1024;
/// The longest passphrase, in octets.
pub const MOST_PASSPHRASE: usize = 1024;

/// How many iterations of key derivation one file may cost us, all its parts together.
///
/// What people export has 2,000 to 1,000,000; an attacker writes 2^31.
#[derive(Debug)]
pub struct Work(u64);

impl Default for Work {
    fn default() -> Self {
        Self(5_000_000)
    }
}

impl Work {
    /// So many iterations and not more.
    #[must_use]
    pub const fn new(iterations: u64) -> Self {
        Self(iterations)
    }

    pub(super) fn take(&mut self, iterations: u32, blocks: u64) -> Result<(), Pkcs12Error> {
        self.0 = u64::from(iterations)
            .checked_mul(blocks)
            .and_then(|cost| self.0.checked_sub(cost))
            .ok_or(Pkcs12Error::TooMuchWork)?;
        Ok(())
    }
}

/// A hash function, for HMAC and key derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1: old files; nothing is made with it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    pub(crate) fn of_digest(oid: &str) -> Option<Self> {
        Some(match oid {
            "1.3.14.3.2.26" => Self::Sha1,
            "2.16.840.1.101.3.4.2.1" => Self::Sha256,
            "2.16.840.1.101.3.4.2.2" => Self::Sha384,
            "2.16.840.1.101.3.4.2.3" => Self::Sha512,
            _ => return None,
        })
    }

    fn of_hmac(oid: &str) -> Option<Self> {
        Some(match oid {
            "1.2.840.113549.2.7" => Self::Sha1,
            "1.2.840.113549.2.9" => Self::Sha256,
            "1.2.840.113549.2.10" => Self::Sha384,
            "1.2.840.113549.2.11" => Self::Sha512,
            _ => return None,
        })
    }

    pub(crate) fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    pub(super) fn octets(self) -> usize {
        self.hash().output_len()
    }
}

/// PBKDF2 and its parameters (RFC 8018 §5.2, appendix A.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pbkdf2 {
    /// Salt.
    pub salt: Vec<u8>,
    /// Iterations.
    pub iterations: u32,
    /// Length of the key, where the file tells.
    pub key_octets: Option<u32>,
    /// Pseudorandom function: HMAC with this hash; `Err` names another one.
    pub prf: Result<Digest, String>,
}

/// A block cipher of PBES2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cipher {
    /// AES-128-CBC.
    Aes128,
    /// AES-192-CBC.
    Aes192,
    /// AES-256-CBC.
    Aes256,
    /// Another, by its identifier.
    Other(String),
}

/// How something is encrypted under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// PBES2 with PBKDF2 (RFC 8018 §6.2).
    Pbes2 {
        /// Key derivation.
        kdf: Pbkdf2,
        /// Cipher.
        cipher: Cipher,
        /// Initialisation vector.
        iv: Vec<u8>,
    },
    /// RFC 7292 appendix C, by its identifier: 3DES, RC2 and RC4 are named and not carried out.
    Legacy {
        /// Which.
        oid: String,
        /// Salt.
        salt: Vec<u8>,
        /// Iterations.
        iterations: u32,
    },
    /// Another, by its identifier; with PBES2 that of its key derivation.
    Other(String),
}

/// A number of iterations: 1 to 2^32 - 1.
pub(super) fn count(tlv: &Tlv<'_>) -> Result<u32, Malformed> {
    let digits = match tlv.value {
        [0, rest @ ..] if rest.len() <= 4 => rest,
        [0..0x80, ..] if tlv.value.len() <= 4 => tlv.value,
        _ => return Err(tlv.expected("iterations")),
    };
    let number = digits.iter().fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
    if number == 0 { Err(tlv.expected("iterations")) } else { Ok(number) }
}

/// An AlgorithmIdentifier: its name and its parameters.
fn algorithm<'a>(tlv: &Tlv<'a>) -> Result<(String, Option<Tlv<'a>>), Malformed> {
    let mut members = (*tlv).members(Tag::SEQUENCE, "AlgorithmIdentifier")?;
    let name = oid(&members.next_as(Tag::OID, "AlgorithmIdentifier.algorithm")?)?;
    let parameters = if members.is_finished() { None } else { Some(members.next()?) };
    members.finish()?;
    Ok((name, parameters))
}

impl Scheme {
    /// From an `AlgorithmIdentifier`.
    pub(super) fn parse(tlv: &Tlv<'_>) -> Result<Self, Malformed> {
        let (name, parameters) = algorithm(tlv)?;
        if name != PBES2 && !name.starts_with(PKCS12_PBE) {
            return Ok(Self::Other(name));
        }
        let mut members = parameters
            .ok_or_else(|| tlv.expected("parameters"))?
            .members(Tag::SEQUENCE, "parameters")?;
        if name != PBES2 {
            let salt = members.next_as(Tag::OCTET_STRING, "salt")?.octet_string()?;
            let iterations = count(&members.next_as(Tag::INTEGER, "iterations")?)?;
            return Ok(Self::Legacy { oid: name, salt, iterations });
        }
        let (kdf_name, kdf) = algorithm(&members.next()?)?;
        let (cipher, iv) = algorithm(&members.next()?)?;
        members.finish()?;
        if kdf_name != PBKDF2 {
            return Ok(Self::Other(kdf_name));
        }
        let kdf = Pbkdf2::parse(&kdf.ok_or_else(|| tlv.expected("PBKDF2-params"))?)?;
        let cipher = match cipher.as_str() {
            "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
            "2.16.840.1.101.3.4.1.22" => Cipher::Aes192,
            "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
            _ => Cipher::Other(cipher),
        };
        let iv = iv.map_or_else(Vec::new, |iv| iv.value.to_vec());
        Ok(Self::Pbes2 { kdf, cipher, iv })
    }

    /// Decrypts. What comes out may hold private keys.
    ///
    /// # Errors
    /// [`Pkcs12Error::Legacy`], [`Pkcs12Error::Unsupported`], [`Pkcs12Error::TooMuchWork`]; [`Pkcs12Error::Passphrase`] where
    /// the padding shows it.
    pub fn open(
        &self,
        passphrase: &str,
        ciphertext: &[u8],
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        let (kdf, cipher, iv) = match self {
            Self::Pbes2 { kdf, cipher, iv } => (kdf, cipher, iv),
            Self::Legacy { .. } => return Err(Pkcs12Error::Legacy),
            Self::Other(_) => return Err(Pkcs12Error::Unsupported),
        };
        let cipher = match cipher {
            Cipher::Aes128 => block_cipher::Cipher::Aes128,
            Cipher::Aes192 => block_cipher::Cipher::Aes192,
            Cipher::Aes256 => block_cipher::Cipher::Aes256,
            Cipher::Other(_) => return Err(Pkcs12Error::Unsupported),
        };
        let key_octets = cipher.key_octets();
        if kdf.key_octets.is_some_and(|octets| usize::try_from(octets) != Ok(key_octets)) {
            return Err(Pkcs12Error::Unsupported);
        }
        if iv.len() != cipher.block_octets() {
            return Err(Pkcs12Error::Unsupported);
        }
        let key = kdf.derive(passphrase, key_octets, work)?;
        cipher.decrypt(&key, iv, ciphertext).ok_or(Pkcs12Error::Passphrase)
    }
}

impl Pbkdf2 {
    fn parse(tlv: &Tlv<'_>) -> Result<Self, Malformed> {
        let mut members = (*tlv).members(Tag::SEQUENCE, "PBKDF2-params")?;
        let salt = members.next_as(Tag::OCTET_STRING, "salt")?.octet_string()?;
        let iterations = count(&members.next_as(Tag::INTEGER, "iterationCount")?)?;
        let key_octets = members.next_if(Tag::INTEGER)?.map(|length| count(&length)).transpose()?;
        // RFC 8018 appendix A.2: HMAC with SHA-1 unless told otherwise.
        let prf = match members.next_if(Tag::SEQUENCE)? {
            None => Ok(Digest::Sha1),
            Some(prf) => {
                let (name, _) = algorithm(&prf)?;
                Digest::of_hmac(&name).ok_or(name)
            }
        };
        members.finish()?;
        Ok(Self { salt, iterations, key_octets, prf })
    }

    fn derive(
        &self,
        passphrase: &str,
        key_octets: usize,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
        let prf = *self.prf.as_ref().map_err(|_| Pkcs12Error::Unsupported)?;
        let iterations = NonZeroU32::new(self.iterations).ok_or(Pkcs12Error::Unsupported)?;
        if self.salt.len() > MOST_SALT || passphrase.len() > MOST_PASSPHRASE {
            return Err(Pkcs12Error::Unsupported);
        }
        work.take(self.iterations, key_octets.div_ceil(prf.octets()) as u64)?;
        let mut key = Zeroizing::new(vec![0; key_octets]);
        pbkdf2::derive(prf.pbkdf2(), iterations, &self.salt, passphrase.as_bytes(), &mut key);
        Ok(key)
    }
}

/// How the MAC is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC under a key of RFC 7292 appendix B.
    Pkcs12 {
        /// Hash function.
        digest: Digest,
        /// Salt.
        salt: Vec<u8>,
        /// Iterations.
        iterations: u32,
    },
    /// HMAC under a key of PBKDF2 (RFC 9579).
    Pbmac1 {
        /// Key derivation.
        kdf: Pbkdf2,
        /// Hash function of the HMAC.
        digest: Digest,
    },
    /// Another, by its identifier.
    Other(String),
}

impl MacAlgorithm {
    pub(super) fn parse(tlv: &Tlv<'_>, salt: Vec<u8>, iterations: u32) -> Result<Self, Malformed> {
        let (name, parameters) = algorithm(tlv)?;
        if let Some(digest) = Digest::of_digest(&name) {
            return Ok(Self::Pkcs12 { digest, salt, iterations });
        }
        if name != PBMAC1 {
            return Ok(Self::Other(name));
        }
        let mut members = parameters
            .ok_or_else(|| tlv.expected("PBMAC1-params"))?
            .members(Tag::SEQUENCE, "PBMAC1-params")?;
        let (kdf_name, kdf) = algorithm(&members.next()?)?;
        let (hmac_name, _) = algorithm(&members.next()?)?;
        members.finish()?;
        match (kdf, Digest::of_hmac(&hmac_name)) {
            (Some(kdf), Some(digest)) if kdf_name == PBKDF2 => {
                Ok(Self::Pbmac1 { kdf: Pbkdf2::parse(&kdf)?, digest })
            }
            _ => Ok(Self::Other(name)),
        }
    }

    pub(super) fn verify(
        &self,
        passphrase: &str,
        message: &[u8],
        mac: &[u8],
        work: &mut Work,
    ) -> Result<(), Pkcs12Error> {
        let verify = |digest: Digest, key: &[u8]| {
            hmac::verify(&hmac::Key::new(digest.hmac(), key), message, mac)
                .map_err(|_| Pkcs12Error::Passphrase)
        };
        match self {
            Self::Pkcs12 { digest, salt, iterations } => {
                let octets = digest.octets();
                let derive = |password: &[u8], work: &mut Work| {
                    let purpose = Purpose::Mac;
                    file_key::derive(*digest, purpose, password, salt, *iterations, octets, work)
                };
                let mut password = bmp_string(passphrase);
                let key = derive(&password, work)?;
                match verify(*digest, &key) {
                    Err(_) if passphrase.is_empty() => {
                        password.clear();
                        let key = derive(&password, work)?;
                        verify(*digest, &key)
                    }
                    verdict => verdict,
                }
            }
            Self::Pbmac1 { kdf, digest } => {
                // RFC 9579 §4: the length must be told, and shorter than 20 octets is refused.
                let octets = match kdf.key_octets {
                    Some(octets @ 20..=64) => octets as usize,
                    _ => return Err(Pkcs12Error::Unsupported),
                };
                verify(*digest, &kdf.derive(passphrase, octets, work)?)
            }
            Self::Other(_) => Err(Pkcs12Error::Unsupported),
        }
    }
}

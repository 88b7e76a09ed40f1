//! Makes a PKCS #12 file: one key and its certificates, all encrypted under one passphrase, with a MAC.

use aws_lc_rs::{digest, hmac, pbkdf2};
use cms::{
    content_info::{CmsVersion, ContentInfo},
    encrypted_data::EncryptedData,
    enveloped_data::EncryptedContentInfo,
};
use const_oid::ObjectIdentifier;
use der::{
    Any, Encode, Sequence,
    asn1::{BmpString, Null, OctetString, SetOfVec},
};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;
use zeroize::Zeroizing;

use super::{
    BAG, DATA, ENCRYPTED_DATA, FRIENDLY_NAME, LOCAL_KEY_ID, X509_CERTIFICATE,
    file_key::{self, Purpose, bmp_string},
    scheme::{Digest, MOST_PASSPHRASE, PBES2, PBKDF2, Work},
};
use crate::encoding::block_cipher::Cipher;

/// Rounds of key derivation. The passphrase is a machine's: nobody tries even a small part of 2^128, so
/// more would cost only the target, which may be small (RFC 8018 §4.2 asks for 1,000).
const ITERATIONS: u32 = 2_048;
/// The shortest passphrase that is taken: 128 bits at five a character.
pub const LEAST_PASSPHRASE: usize = 26;
/// Octets of salt in a file for what is old, which may read no other number.
const OLD_SALT: usize = 8;

const HMAC_SHA_256: &str = "1.2.840.113549.2.9";
const SHA_1: &str = "1.3.14.3.2.26";
const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
/// RFC 7292 appendix C: pbeWithSHAAnd3-KeyTripleDES-CBC.
const TRIPLE_DES: &str = "1.2.840.113549.1.12.1.3";

/// What a file is encrypted with. Certificates and key alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// PBES2: PBKDF2 with HMAC-SHA-256, AES-256-CBC. The MAC is an HMAC-SHA-256.
    Aes256,
    /// The same with AES-128-CBC.
    Aes128,
    /// Three-key triple DES under a key of RFC 7292 appendix B by SHA-1, and an HMAC-SHA-1: for what
    /// opens nothing else.
    TripleDes,
}

impl Protection {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Aes256, Self::Aes128, Self::TripleDes];

    const fn cipher(self) -> Cipher {
        match self {
            Self::Aes256 => Cipher::Aes256,
            Self::Aes128 => Cipher::Aes128,
            Self::TripleDes => Cipher::TripleDes,
        }
    }

    const fn digest(self) -> (Digest, &'static str) {
        match self {
            Self::Aes256 | Self::Aes128 => (Digest::Sha256, SHA_256),
            Self::TripleDes => (Digest::Sha1, SHA_1),
        }
    }

    fn salt(self, drawn: &[u8; 16]) -> &[u8] {
        match self {
            Self::Aes256 | Self::Aes128 => drawn,
            Self::TripleDes => &drawn[..OLD_SALT],
        }
    }
}

/// Random octets for one file, never used before: two for the key, two for the certificates, one for
/// the MAC.
pub type Fresh = [[u8; 16]; 5];

/// What goes into a file.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The private key, DER PrivateKeyInfo.
    pub key_pkcs8: &'a [u8],
    /// Its certificate, DER.
    pub certificate: &'a [u8],
    /// Certificates of its authorities, DER, the issuer first.
    pub authorities: &'a [&'a [u8]],
    /// What a store is to call it.
    pub name: &'a str,
}

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not of a machine: too short, too long, or with characters that implementations encode differently.
    #[error(
        "the passphrase is not of {LEAST_PASSPHRASE} to {MOST_PASSPHRASE} visible ASCII characters"
    )]
    Passphrase,
    /// A part is not what it is to be, or longer than any real one.
    #[error("a part of the PKCS #12 file does not encode")]
    Encoding(#[from] der::Error),
    /// The library refused.
    #[error("the PKCS #12 file could not be encrypted")]
    Encryption,
}

#[derive(Sequence)]
struct Pbes2Parameters {
    kdf: AlgorithmIdentifierOwned,
    cipher: AlgorithmIdentifierOwned,
}

#[derive(Sequence)]
struct Pbkdf2Parameters {
    salt: OctetString,
    iterations: u32,
    prf: AlgorithmIdentifierOwned,
}

#[derive(Sequence)]
struct OldParameters {
    salt: OctetString,
    iterations: u32,
}

#[derive(Sequence)]
struct EncryptedPrivateKeyInfo {
    algorithm: AlgorithmIdentifierOwned,
    encrypted: OctetString,
}

#[derive(Sequence)]
struct CertificateBag {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: OctetString,
}

#[derive(Sequence)]
struct SafeBag {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: Any,
    #[asn1(optional = "true")]
    attributes: Option<SetOfVec<Attribute>>,
}

#[derive(Sequence)]
struct DigestInfo {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

#[derive(Sequence)]
struct MacData {
    mac: DigestInfo,
    salt: OctetString,
    iterations: u32,
}

#[derive(Sequence)]
struct File {
    version: u8,
    authenticated_safe: ContentInfo,
    mac: MacData,
}

/// Makes the file, DER.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    identity: &Identity<'_>,
    passphrase: &str,
    protection: Protection,
    fresh: &Fresh,
) -> Result<Vec<u8>, SealError> {
    let length = LEAST_PASSPHRASE..=MOST_PASSPHRASE;
    if !length.contains(&passphrase.len()) || !passphrase.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(SealError::Passphrase);
    }
    let [key_salt, key_iv, certificates_salt, certificates_iv, mac_salt] = fresh;
    let attributes = identity.attributes()?;
    let (algorithm, encrypted) =
        protection.encrypt(passphrase, key_salt, key_iv, identity.key_pkcs8)?;
    let key = SafeBag {
        kind: named(&format!("{BAG}2"))?,
        value: Any::encode_from(&EncryptedPrivateKeyInfo { algorithm, encrypted })?,
        attributes: Some(attributes.clone()),
    };
    let mut certificates = vec![certificate(identity.certificate, Some(attributes))?];
    for authority in identity.authorities {
        certificates.push(certificate(authority, None)?);
    }
    let (algorithm, encrypted) = protection.encrypt(
        passphrase,
        certificates_salt,
        certificates_iv,
        &certificates.to_der()?,
    )?;
    let certificates = EncryptedData {
        version: CmsVersion::V0,
        enc_content_info: EncryptedContentInfo {
            content_type: named(DATA)?,
            content_enc_alg: algorithm,
            encrypted_content: Some(encrypted),
        },
        unprotected_attrs: None,
    };
    let certificates = ContentInfo {
        content_type: named(ENCRYPTED_DATA)?,
        content: Any::encode_from(&certificates)?,
    };
    let safe = vec![certificates, data(&vec![key].to_der()?)?].to_der()?;
    let mac = protection.mac(passphrase, mac_salt, &safe)?;
    Ok(File { version: 3, authenticated_safe: data(&safe)?, mac }.to_der()?)
}

impl Identity<'_> {
    /// What joins the key to its certificate, and the name.
    fn attributes(&self) -> der::Result<SetOfVec<Attribute>> {
        let attribute = |oid: &str, value: Any| -> der::Result<Attribute> {
            Ok(Attribute { oid: named(oid)?, values: SetOfVec::from_iter([value])? })
        };
        let hash = digest::digest(&digest::SHA256, self.certificate);
        let id = OctetString::new(&hash.as_ref()[..20])?;
        let name = BmpString::from_utf8(self.name)?;
        SetOfVec::from_iter([
            attribute(FRIENDLY_NAME, Any::encode_from(&name)?)?,
            attribute(LOCAL_KEY_ID, Any::encode_from(&id)?)?,
        ])
    }
}

fn certificate(der: &[u8], attributes: Option<SetOfVec<Attribute>>) -> der::Result<SafeBag> {
    let bag = CertificateBag { kind: named(X509_CERTIFICATE)?, value: OctetString::new(der)? };
    Ok(SafeBag { kind: named(&format!("{BAG}3"))?, value: Any::encode_from(&bag)?, attributes })
}

fn data(octets: &[u8]) -> der::Result<ContentInfo> {
    let content = Any::encode_from(&OctetString::new(octets)?)?;
    Ok(ContentInfo { content_type: named(DATA)?, content })
}

fn named(oid: &str) -> der::Result<ObjectIdentifier> {
    Ok(ObjectIdentifier::new(oid)?)
}

impl Protection {
    fn encrypt(
        self,
        passphrase: &str,
        salt: &[u8; 16],
        iv: &[u8; 16],
        plain: &[u8],
    ) -> Result<(AlgorithmIdentifierOwned, OctetString), SealError> {
        let salt = self.salt(salt);
        let (key, iv, algorithm) = match self {
            Self::Aes256 | Self::Aes128 => self.pbes2(passphrase, salt, iv)?,
            Self::TripleDes => self.old(passphrase, salt)?,
        };
        let encrypted = self.cipher().encrypt(&key, &iv, plain).ok_or(SealError::Encryption)?;
        Ok((algorithm, OctetString::new(encrypted)?))
    }

    fn pbes2(self, passphrase: &str, salt: &[u8], iv: &[u8; 16]) -> Result<Derived, SealError> {
        let cipher = self.cipher();
        let mut key = Zeroizing::new(vec![0; cipher.key_octets()]);
        let rounds = ITERATIONS.try_into().map_err(|_| SealError::Encryption)?;
        let prf = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(prf, rounds, salt, passphrase.as_bytes(), &mut key);
        let kdf = Pbkdf2Parameters {
            salt: OctetString::new(salt)?,
            iterations: ITERATIONS,
            prf: algorithm(HMAC_SHA_256, Any::encode_from(&Null)?)?,
        };
        let parameters = Pbes2Parameters {
            kdf: algorithm(PBKDF2, Any::encode_from(&kdf)?)?,
            cipher: AlgorithmIdentifierOwned {
                oid: cipher.oid().ok_or(SealError::Encryption)?,
                parameters: Some(Any::encode_from(&OctetString::new(iv.as_slice())?)?),
            },
        };
        Ok((key, Zeroizing::new(iv.to_vec()), algorithm(PBES2, Any::encode_from(&parameters)?)?))
    }

    fn old(self, passphrase: &str, salt: &[u8]) -> Result<Derived, SealError> {
        let cipher = self.cipher();
        let key = self.of_file(Purpose::Key, passphrase, salt, cipher.key_octets())?;
        let iv = self.of_file(Purpose::Iv, passphrase, salt, cipher.block_octets())?;
        let parameters = OldParameters { salt: OctetString::new(salt)?, iterations: ITERATIONS };
        Ok((key, iv, algorithm(TRIPLE_DES, Any::encode_from(&parameters)?)?))
    }

    fn mac(self, passphrase: &str, salt: &[u8; 16], safe: &[u8]) -> Result<MacData, SealError> {
        let (digest, name) = self.digest();
        let salt = self.salt(salt);
        let key = self.of_file(Purpose::Mac, passphrase, salt, digest.octets())?;
        let mac = hmac::sign(&hmac::Key::new(digest.hmac(), &key), safe);
        Ok(MacData {
            mac: DigestInfo {
                algorithm: algorithm(name, Any::encode_from(&Null)?)?,
                digest: OctetString::new(mac.as_ref())?,
            },
            salt: OctetString::new(salt)?,
            iterations: ITERATIONS,
        })
    }

    fn of_file(
        self,
        purpose: Purpose,
        passphrase: &str,
        salt: &[u8],
        octets: usize,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (digest, _) = self.digest();
        let password = bmp_string(passphrase);
        let work = &mut Work::default();
        file_key::derive(digest, purpose, &password, salt, ITERATIONS, octets, work)
            .map_err(|_| SealError::Encryption)
    }
}

/// Key, initialisation vector, and how they came about.
type Derived = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>, AlgorithmIdentifierOwned);

fn algorithm(oid: &str, parameters: Any) -> der::Result<AlgorithmIdentifierOwned> {
    Ok(AlgorithmIdentifierOwned { oid: named(oid)?, parameters: Some(parameters) })
}

#[cfg(test)]
mod tests;

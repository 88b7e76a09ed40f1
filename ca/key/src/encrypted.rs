//! A private key at rest: PKCS #8 `EncryptedPrivateKeyInfo` (RFC 5958 §3) with PBES2
//! (RFC 8018 §6.2), PBKDF2-HMAC-SHA-256 and AES-256-CBC.
//!
//! That combination, because OpenSSL, GnuTLS, NSS and every operator's tool reads it. The
//! structure is RustCrypto's; derivation and cipher are aws-lc-rs's.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{
        AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
        PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
    pbkdf2,
};
use der::{Encode, asn1::OctetString, pem::LineEnding};
use pkcs8::{
    EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef,
    pkcs5::{
        EncryptionScheme,
        pbes2::{self, Kdf, Pbkdf2Prf},
    },
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::{KeyError, Randomness};

const LABEL: &str = "ENCRYPTED PRIVATE KEY";
const SALT_OCTETS: usize = 16;
/// A file that asks for more than this would stop the start for seconds.
const MOST_ITERATIONS: u32 = 10_000_000;
/// An RSA-8192 key is under 5 KiB.
const MOST_FILE_OCTETS: usize = 16 * 1024;

/// How hard a passphrase must be made to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// The passphrase was drawn by a machine with at least 128, usually 256, bits of
    /// randomness. Nobody can try even a small part of 2^128 candidates, whatever one costs, so
    /// stretching adds nothing but start-up time; 2,048 rounds are what old readers expect at
    /// least (RFC 8018 §4.2 asks for 1,000).
    MachineSecret,
    /// A person chose it or has to type it: 600,000 rounds, OWASP's figure for
    /// PBKDF2-HMAC-SHA-256.
    HumanPassphrase,
}

impl Stretch {
    const fn iterations(self) -> u32 {
        match self {
            Self::MachineSecret => 2_048,
            Self::HumanPassphrase => 600_000,
        }
    }
}

/// Wraps `pkcs8_der` under `passphrase`.
pub(crate) fn to_pem(
    pkcs8_der: &[u8],
    passphrase: &SecretString,
    stretch: Stretch,
    rng: &dyn Randomness,
) -> Result<String, KeyError> {
    let mut salt = [0; SALT_OCTETS];
    rng.fill(&mut salt)?;
    let mut iv = [0; 16];
    rng.fill(&mut iv)?;
    let key = derive(passphrase, &salt, stretch.iterations())?;
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(unbound(&key)?)
        .map_err(|_| KeyError::Cryptography { act: "encrypt" })?;
    let mut buffer = pkcs8_der.to_vec();
    // In place: the plaintext is overwritten by the ciphertext.
    cipher
        .less_safe_encrypt(&mut buffer, EncryptionContext::Iv128(FixedLength::from(&iv)))
        .map_err(|_| KeyError::Cryptography { act: "encrypt" })?;
    let scheme =
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(stretch.iterations(), &salt, iv)
            .map_err(|_| KeyError::Cryptography { act: "encrypt" })?;
    let info = EncryptedPrivateKeyInfoOwned {
        encryption_algorithm: EncryptionScheme::Pbes2(scheme),
        encrypted_data: OctetString::new(buffer)
            .map_err(|_| KeyError::Cryptography { act: "encrypt" })?,
    };
    let der = info.to_der().map_err(|_| KeyError::Cryptography { act: "encode" })?;
    der::pem::encode_string(LABEL, LineEnding::LF, &der)
        .map_err(|_| KeyError::Cryptography { act: "encode" })
}

/// Unwraps a PEM file; the answer is DER `PrivateKeyInfo`.
pub(crate) fn from_pem(
    pem: &[u8],
    passphrase: &SecretString,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if pem.len() > MOST_FILE_OCTETS {
        return Err(KeyError::NotAnEncryptedKey);
    }
    let (label, der) = der::pem::decode_vec(pem).map_err(|_| KeyError::NotAnEncryptedKey)?;
    if label != LABEL {
        return Err(KeyError::NotAnEncryptedKey);
    }
    let info = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
        .map_err(|_| KeyError::NotAnEncryptedKey)?;
    let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm else {
        return Err(KeyError::UnsupportedEncryption { what: "not PBES2" });
    };
    let Kdf::Pbkdf2(kdf) = &scheme.kdf else {
        return Err(KeyError::UnsupportedEncryption { what: "key derivation is not PBKDF2" });
    };
    if kdf.prf != Pbkdf2Prf::HmacWithSha256 {
        return Err(KeyError::UnsupportedEncryption { what: "PBKDF2 does not use HMAC-SHA-256" });
    }
    if kdf.key_length.is_some_and(|octets| octets != 32) {
        return Err(KeyError::UnsupportedEncryption { what: "derived key length" });
    }
    if kdf.iteration_count > MOST_ITERATIONS {
        return Err(KeyError::UnsupportedEncryption {
            what: "more than ten million PBKDF2 rounds",
        });
    }
    let pbes2::EncryptionScheme::Aes256Cbc { iv } = scheme.encryption else {
        return Err(KeyError::UnsupportedEncryption { what: "cipher is not AES-256-CBC" });
    };
    let key = derive(passphrase, kdf.salt.as_bytes(), kdf.iteration_count)?;
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(unbound(&key)?)
        .map_err(|_| KeyError::Cryptography { act: "decrypt" })?;
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let plain = cipher
        .decrypt(&mut buffer, DecryptionContext::Iv128(FixedLength::from(iv)))
        .map_err(|_| KeyError::WrongPassphrase)?;
    // One wrong passphrase in 256 leaves valid padding: what comes out must also be a key.
    if pkcs8::PrivateKeyInfoRef::try_from(&*plain).is_err() {
        return Err(KeyError::WrongPassphrase);
    }
    Ok(Zeroizing::new(plain.to_vec()))
}

fn derive(
    passphrase: &SecretString,
    salt: &[u8],
    iterations: u32,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let iterations = NonZeroU32::new(iterations)
        .ok_or(KeyError::UnsupportedEncryption { what: "zero PBKDF2 rounds" })?;
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        passphrase.expose_secret().as_bytes(),
        &mut *key,
    );
    Ok(key)
}

fn unbound(key: &[u8; 32]) -> Result<UnboundCipherKey, KeyError> {
    UnboundCipherKey::new(&AES_256, key).map_err(|_| KeyError::Cryptography { act: "use AES" })
}

//! Block ciphers in CBC mode: what CMS messages and PKCS #12 files are encrypted with.

use aws_lc_rs::{
    cipher::{
        AES_128, AES_192, AES_256, Algorithm, DecryptionContext, EncryptionContext,
        PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
};
use cbc::{
    Decryptor, Encryptor,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};
use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

/// A block cipher in CBC mode with the padding of RFC 5652 §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// AES-128 (RFC 3565), which every client of today has (RFC 8894 §2.9).
    Aes128,
    /// AES-192.
    Aes192,
    /// AES-256.
    Aes256,
    /// Three-key triple DES: blocks of 64 bits, for what is old only.
    TripleDes,
    /// Single DES, which anybody can break.
    Des,
}

/// RFC 3565 §4.1, RFC 8018 appendix B.2.2.
const OIDS: [(Cipher, ObjectIdentifier); 5] = [
    (Cipher::Aes128, ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2")),
    (Cipher::Aes192, ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22")),
    (Cipher::Aes256, ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42")),
    (Cipher::TripleDes, ObjectIdentifier::new_unwrap("1.2.840.113549.3.7")),
    // OIW Stable Implementors' Agreements part 12.
    (Cipher::Des, ObjectIdentifier::new_unwrap("1.3.14.3.2.7")),
];

impl Cipher {
    pub(crate) fn of(oid: &str) -> Option<Self> {
        OIDS.iter().find(|(_, known)| known.to_string() == oid).map(|(cipher, _)| *cipher)
    }

    pub(crate) fn oid(self) -> Option<ObjectIdentifier> {
        OIDS.iter().find(|(cipher, _)| *cipher == self).map(|(_, oid)| *oid)
    }

    /// Length of its keys in octets.
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Des => 8,
        }
    }

    /// Length of its blocks, and so of the initialisation vector, in octets.
    #[must_use]
    pub const fn block_octets(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::TripleDes | Self::Des => 8,
        }
    }

    const fn aes(self) -> Option<&'static Algorithm> {
        match self {
            Self::Aes128 => Some(&AES_128),
            Self::Aes192 => Some(&AES_192),
            Self::Aes256 => Some(&AES_256),
            Self::TripleDes | Self::Des => None,
        }
    }

    /// `None`: key or vector of another length.
    pub(crate) fn encrypt(self, key: &[u8], iv: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        if let Some(algorithm) = self.aes() {
            let key = UnboundCipherKey::new(algorithm, key).ok()?;
            let iv = EncryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(iv).ok()?));
            // With room for the padding, so that the plaintext is overwritten where it lies.
            let mut octets = Vec::with_capacity(content.len() + self.block_octets());
            octets.extend_from_slice(content);
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
            key.less_safe_encrypt(&mut octets, iv).ok()?;
            return Some(octets);
        }
        if self == Self::Des {
            encrypt_old::<Encryptor<des::Des>>(key, iv, content)
        } else {
            encrypt_old::<Encryptor<des::TdesEde3>>(key, iv, content)
        }
    }

    /// `None`: key or vector of another length, or wrong padding.
    pub(crate) fn decrypt(
        self,
        key: &[u8],
        iv: &[u8],
        encrypted: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut octets = Zeroizing::new(encrypted.to_vec());
        let length = if let Some(algorithm) = self.aes() {
            let key = UnboundCipherKey::new(algorithm, key).ok()?;
            let iv = DecryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(iv).ok()?));
            let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
            key.decrypt(&mut octets, iv).ok()?.len()
        } else if self == Self::Des {
            decrypt_old::<Decryptor<des::Des>>(key, iv, &mut octets)?
        } else {
            decrypt_old::<Decryptor<des::TdesEde3>>(key, iv, &mut octets)?
        };
        octets.truncate(length);
        Some(octets)
    }
}

fn encrypt_old<M: BlockModeEncrypt + KeyIvInit>(
    key: &[u8],
    iv: &[u8],
    content: &[u8],
) -> Option<Vec<u8>> {
    let mode = M::new_from_slices(key, iv).ok()?;
    // Room for the padding: at least one octet, at most a block.
    let mut octets = vec![0; content.len() + iv.len()];
    octets[..content.len()].copy_from_slice(content);
    Some(mode.encrypt_padded::<Pkcs7>(&mut octets, content.len()).ok()?.to_vec())
}

fn decrypt_old<M: BlockModeDecrypt + KeyIvInit>(
    key: &[u8],
    iv: &[u8],
    octets: &mut [u8],
) -> Option<usize> {
    let mode = M::new_from_slices(key, iv).ok()?;
    Some(mode.decrypt_padded::<Pkcs7>(octets).ok()?.len())
}

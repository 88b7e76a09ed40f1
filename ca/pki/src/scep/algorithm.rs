//! Ciphers and digests of messages, and which of them are for old routers only.

pub use crate::encoding::block_cipher::Cipher;

/// An algorithm that a message uses and that is taken from families of old routers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// A signature or digest by SHA-1.
    Sha1,
    /// Content encrypted by triple DES: blocks of 64 bits.
    TripleDes,
    /// Content encrypted by single DES: a key of 56 bits.
    Des,
}

impl Weakness {
    /// Its name, for people and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::TripleDes => "triple DES",
            Self::Des => "single DES",
        }
    }
}

impl Cipher {
    /// Why it is not for everybody; `None` for AES.
    #[must_use]
    pub const fn weakness(self) -> Option<Weakness> {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => None,
            Self::TripleDes => Some(Weakness::TripleDes),
            Self::Des => Some(Weakness::Des),
        }
    }
}

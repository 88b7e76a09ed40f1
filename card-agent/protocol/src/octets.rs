//! Octet strings as they stand in our JSON: base64url without padding (RFC 4648 §5).
//!
//! Decoding is strict: no padding, no white space, no stray trailing bits. Two texts for one value
//! would be two different signed objects that look alike.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// The text is not the base64url form of the expected number of octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OctetsError {
    /// Not strict base64url (RFC 4648 §5, no padding).
    #[error("not base64url without padding")]
    NotBase64Url,
    /// Decodes to another length.
    #[error("{actual} octets where {expected} were expected")]
    Length {
        /// What the type holds.
        expected: usize,
        /// What the text held.
        actual: usize,
    },
}

macro_rules! fixed_octets {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Length in octets.
            pub const LENGTH: usize = $length;

            /// Takes octets that the caller made.
            pub const fn new(octets: [u8; $length]) -> Self {
                Self(octets)
            }

            /// The octets.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Reads octets of unknown length.
            ///
            /// # Errors
            /// [`OctetsError::Length`].
            pub fn from_slice(octets: &[u8]) -> Result<Self, OctetsError> {
                octets.try_into().map(Self).map_err(|_| OctetsError::Length {
                    expected: $length,
                    actual: octets.len(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = OctetsError;

            fn from_str(text: &str) -> Result<Self, OctetsError> {
                Self::from_slice(&decode(text)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

fixed_octets!(
    /// A SHA-256 digest: of a request, a certificate (`x5t#S256`, RFC 8705 §3.1), a public key
    /// (thumbprint, RFC 7638).
    Sha256Digest,
    32
);
fixed_octets!(
    /// The portal's challenge: 32 random octets, single use, bound to one browser session.
    ChallengeNonce,
    32
);
fixed_octets!(
    /// Names one card in one reader from insertion to removal; the agent's reports of removal
    /// carry it. Random, and meaningless elsewhere.
    PresenceId,
    16
);
fixed_octets!(
    /// Names one exchange at the agent's door, from `begin` to the answer. Random.
    ExchangeId,
    16
);

impl Sha256Digest {
    /// Hashes `octets`.
    pub fn of(octets: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(octets.as_ref()).into())
    }
}

/// Octets of any length, in JSON as base64url.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Base64Url(pub Vec<u8>);

impl Base64Url {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Base64Url {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl fmt::Display for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl fmt::Debug for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Url({} octets)", self.0.len())
    }
}

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).map(Self).map_err(de::Error::custom)
    }
}

/// Fields one after another, each behind its length in four octets, big-endian: no two lists of fields make
/// the same octets.
pub(crate) fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(256);
    for field in fields {
        // Every field is a constant tag or 32 octets.
        octets.extend_from_slice(&(field.len() as u32).to_be_bytes());
        octets.extend_from_slice(field);
    }
    octets
}

/// Decodes strict base64url.
///
/// # Errors
/// [`OctetsError::NotBase64Url`].
pub fn decode(text: &str) -> Result<Vec<u8>, OctetsError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| OctetsError::NotBase64Url)
}

/// Encodes to base64url without padding.
pub fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = Sha256Digest::of(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn padding_white_space_and_stray_bits_are_refused() {
        for text in ["AA==", "A A", "AB", "AA\n", "+/+/"] {
            assert_eq!(decode(text), Err(OctetsError::NotBase64Url), "{text:?}");
        }
    }

    #[test]
    fn another_length_is_named() {
        assert_eq!(
            "AAAA".parse::<ChallengeNonce>(),
            Err(OctetsError::Length { expected: 32, actual: 3 })
        );
    }
}

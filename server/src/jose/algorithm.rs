//! The signature algorithms that clients may use.

use serde::{Deserialize, Serialize};

/// `alg` (RFC 7518 §3.1). No other is known, `none` and the symmetric ones least of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256; not under FAPI 2.0 (FAPI 2.0 Security Profile §5.4).
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Ps256, Self::Rs256];

    /// Those that a proof of possession may be signed with: as FAPI 2.0 has it, for all clients, since a
    /// proof at a resource comes before the client is known.
    pub const OF_PROOFS: [Self; 2] = [Self::Es256, Self::Ps256];

    /// As in a header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

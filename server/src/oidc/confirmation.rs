//! What a token is bound to: a key (RFC 9449 §6) or a TLS certificate (RFC 8705 §3).

use sekisho_protocol::octets::encode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::listener::Peer;

/// The member of `cnf` (RFC 7800 §3.1) that binds a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// JWK thumbprint of the key that proofs are made with.
    #[serde(rename = "jkt")]
    Key(String),
    /// SHA-256 of the certificate of the connection.
    #[serde(rename = "x5t#S256")]
    Certificate(String),
}

impl Confirmation {
    /// `token_type` of the answer.
    #[must_use]
    pub const fn token_type(of: Option<&Self>) -> &'static str {
        match of {
            Some(Self::Key(_)) => "DPoP",
            Some(Self::Certificate(_)) | None => "Bearer",
        }
    }

    /// The certificate that the peer's connection proved, whoever issued it.
    #[must_use]
    pub fn of_connection(peer: &Peer) -> Option<Self> {
        peer.chain.first().map(|der| Self::Certificate(encode(Sha256::digest(der))))
    }
}

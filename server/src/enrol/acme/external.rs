//! By which right an account is opened: a JWS over its key, under a key that was made for one service
//! (RFC 8555 §7.3.4).

use hmac::{Hmac, KeyInit, Mac};
use sekisho_protocol::octets::decode;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::door::Flattened;
use crate::jose::PublicKey;

/// A binding as it comes; nothing is proven.
pub(super) struct Brought {
    /// Which key made it.
    pub(super) kid: String,
    /// The key of the account that it is for.
    pub(super) key: PublicKey,
    input: String,
    tag: Vec<u8>,
}

/// Why it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// No flattened JWS, or no JWK in it.
    #[error("externalAccountBinding is no JWS in flattened JSON over a JWK")]
    Form,
    /// Another algorithm than the one that every client has.
    #[error("externalAccountBinding must be made by HS256")]
    Algorithm,
    /// For another address.
    #[error("`url` within externalAccountBinding is not the address of this request")]
    Address,
}

/// A `nonce`, which must not be there, or anything critical makes it unreadable.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    url: String,
    #[serde(default, rename = "typ")]
    _typ: Option<String>,
}

impl Brought {
    /// Takes a binding apart that came to `url`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn read(binding: &Value, url: &str) -> Result<Self, Unreadable> {
        let form = Unreadable::Form;
        let Flattened { protected, payload, signature } =
            Flattened::deserialize(binding).map_err(|_| form)?;
        let octets = |text: &str| decode(text).map_err(|_| form);
        let header: Header = serde_json::from_slice(&octets(&protected)?).map_err(|_| form)?;
        if header.alg != "HS256" {
            return Err(Unreadable::Algorithm);
        }
        if header.url != url {
            return Err(Unreadable::Address);
        }
        let jwk: Map<String, Value> =
            serde_json::from_slice(&octets(&payload)?).map_err(|_| form)?;
        let key = PublicKey::of_jwk(&jwk).map_err(|_| form)?;
        let tag = octets(&signature)?;
        Ok(Self { kid: header.kid, key, input: format!("{protected}.{payload}"), tag })
    }

    /// Whether it was made by this key; compared in constant time.
    pub(super) fn is_by(&self, key: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
        mac.update(self.input.as_bytes());
        mac.verify_slice(&self.tag).is_ok()
    }
}

//! A client's set of keys (RFC 7517 §5).

use serde_json::{Map, Value};

use super::{Algorithm, KeyFault, PublicKey};

/// The most keys that a set may hold; a longer one is refused before it costs anything.
const MOST_KEYS: usize = 32;

/// Why a set is refused when it is registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not `{"keys": [{…}, …]}`.
    #[error("not a JSON Web Key Set: an object with a list `keys` of objects")]
    NotASet,
    /// Too many keys.
    #[error("the set holds {0} keys, more than the {MOST_KEYS} allowed")]
    TooMany(usize),
    /// A key that must not be there.
    #[error("key {number} of the set: {fault}")]
    Key {
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        fault: KeyFault,
    },
    /// Two keys of one name sign with one algorithm.
    #[error("two keys of the set share the kid {0:?}")]
    KidTwice(String),
    /// No key of the set signs.
    #[error("no key of the set signs ES256, PS256 or RS256")]
    NoneSigns,
}

/// The keys of a set that sign; others are left aside (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeys {
    keys: Vec<(Option<String>, PublicKey)>,
    certificates: Vec<Vec<u8>>,
}

impl ClientKeys {
    /// Reads a set as it was registered.
    ///
    /// # Errors
    /// [`KeySetError`]. A key of a kind that we do not know is no error as long as another signs.
    pub fn read(set: &Value) -> Result<Self, KeySetError> {
        let listed = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotASet)?;
        if listed.len() > MOST_KEYS {
            return Err(KeySetError::TooMany(listed.len()));
        }
        let mut read = Self { keys: Vec::new(), certificates: Vec::new() };
        for (index, jwk) in listed.iter().enumerate() {
            let jwk = jwk.as_object().ok_or(KeySetError::NotASet)?;
            let fault = |fault| KeySetError::Key { number: index + 1, fault };
            match PublicKey::of_jwk(jwk) {
                Ok(key) => read.take(jwk, key)?,
                Err(KeyFault::Unsupported) => {}
                Err(other) => return Err(fault(other)),
            }
            if let Some(certificate) = certificate(jwk).map_err(fault)? {
                read.certificates.push(certificate);
            }
        }
        if read.keys.is_empty() && read.certificates.is_empty() {
            return Err(KeySetError::NoneSigns);
        }
        Ok(read)
    }

    fn take(&mut self, jwk: &Map<String, Value>, key: PublicKey) -> Result<(), KeySetError> {
        let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
        if let Some(kid) = &kid {
            let rival = |algorithm| {
                let named = self.keys.iter().filter(|(other, _)| other.as_ref() == Some(kid));
                named.into_iter().any(|(_, other)| other.signs(algorithm) && key.signs(algorithm))
            };
            if Algorithm::ALL.into_iter().any(rival) {
                return Err(KeySetError::KidTwice(kid.chars().take(64).collect()));
            }
        }
        self.keys.push((kid, key));
        Ok(())
    }

    /// The key for an object with this `alg` and `kid`. Without `kid` only where a single key comes
    /// into question (OIDC Core §10.1).
    #[must_use]
    pub fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<&PublicKey> {
        let mut fitting = self.keys.iter().filter(|(name, key)| {
            key.signs(algorithm) && (kid.is_none() || name.as_deref() == kid)
        });
        let (_, found) = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    /// The certificates that stand in the set (`x5c`, RFC 7517 §4.7), DER, the leaf of each key.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }
}

/// The first certificate of `x5c`: base64, not base64url.
fn certificate(jwk: &Map<String, Value>) -> Result<Option<Vec<u8>>, KeyFault> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Some(chain) = jwk.get("x5c") else { return Ok(None) };
    let leaf = chain.as_array().and_then(|chain| chain.first()).and_then(Value::as_str);
    let der = leaf.and_then(|leaf| STANDARD.decode(leaf).ok()).ok_or(KeyFault::Malformed)?;
    Ok(Some(der))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kid: Option<&str>) -> Value {
        let mut jwk = json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    fn read(keys: &[Value]) -> Result<ClientKeys, KeySetError> {
        ClientKeys::read(&json!({ "keys": keys }))
    }

    #[test]
    fn keys_of_other_kinds_are_left_aside_and_secret_ones_refused() {
        let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"});
        assert_eq!(read(&[okp.clone(), key(Some("a"))]).unwrap().keys.len(), 1);
        assert_eq!(read(&[okp]), Err(KeySetError::NoneSigns));
        assert_eq!(read(&[]), Err(KeySetError::NoneSigns));
        let secret = json!({"kty": "oct", "k": "AA"});
        let fault = KeyFault::PrivatePart;
        assert_eq!(read(&[key(None), secret]), Err(KeySetError::Key { number: 2, fault }));
        for wrong in [json!([]), json!({}), json!({"keys": {}}), json!({"keys": [1]})] {
            assert_eq!(ClientKeys::read(&wrong), Err(KeySetError::NotASet), "{wrong}");
        }
        let many = vec![key(None); MOST_KEYS + 1];
        assert_eq!(read(&many), Err(KeySetError::TooMany(MOST_KEYS + 1)));
    }

    #[test]
    fn a_key_is_found_by_its_name_or_alone() {
        let one = read(&[key(Some("a"))]).unwrap();
        assert!(one.find(Algorithm::Es256, Some("a")).is_some());
        assert!(one.find(Algorithm::Es256, None).is_some());
        assert!(one.find(Algorithm::Es256, Some("b")).is_none());
        assert!(one.find(Algorithm::Rs256, Some("a")).is_none());
        let two = read(&[key(Some("a")), key(Some("b"))]).unwrap();
        assert!(two.find(Algorithm::Es256, None).is_none(), "which of them?");
        assert!(two.find(Algorithm::Es256, Some("b")).is_some());
        assert_eq!(
            read(&[key(Some("a")), key(Some("a"))]),
            Err(KeySetError::KidTwice("a".to_owned()))
        );
    }
}

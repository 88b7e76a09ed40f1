//! Public keys in JSON (RFC 7517), EC P-256 only (RFC 7518 §6.2), and their thumbprints (RFC 7638).

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::octets::{Sha256Digest, decode, encode};

/// SubjectPublicKeyInfo of a P-256 key up to the point (RFC 5480 §2): the same 26 octets for all.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The most keys that a set may hold; a longer one is refused before it costs anything.
pub const MAX_KEYS: usize = 32;

/// A public key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Another key type, curve or algorithm than EC P-256 for ES256.
    #[error("the key is not an EC P-256 key for ES256")]
    NotEs256,
    /// The coordinates are not a point of the curve.
    #[error("the coordinates are not a point of P-256")]
    NotAPoint,
    /// The JWK carries a private member; whoever sent it has lost that key.
    #[error("the key carries its private part")]
    PrivatePart,
    /// More keys than [`MAX_KEYS`].
    #[error("the set holds {0} keys, more than the {MAX_KEYS} allowed")]
    TooManyKeys(usize),
    /// Two keys of a set answer to one name.
    #[error("two keys of the set share the kid {0:?}")]
    KidTwice(String),
}

/// A public P-256 key, known to be a point of the curve.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawJwk", into = "RawJwk")]
pub struct Jwk {
    /// Uncompressed point: 04, x, y.
    point: [u8; 65],
    kid: Option<String>,
}

impl Jwk {
    /// Reads an uncompressed point (SEC 1 §2.3.3), 65 octets.
    ///
    /// # Errors
    /// [`JwkError::NotAPoint`].
    pub fn from_point(point: &[u8]) -> Result<Self, JwkError> {
        let point: [u8; 65] = point.try_into().map_err(|_| JwkError::NotAPoint)?;
        if point[0] != 4 {
            return Err(JwkError::NotAPoint);
        }
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| JwkError::NotAPoint)?;
        Ok(Self { point, kid: None })
    }

    /// Reads a DER SubjectPublicKeyInfo of a P-256 key, as it stands in a certificate.
    ///
    /// # Errors
    /// [`JwkError::NotEs256`] for any other kind of key, [`JwkError::NotAPoint`].
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, JwkError> {
        let point = spki.strip_prefix(&SPKI_PREFIX).ok_or(JwkError::NotEs256)?;
        Self::from_point(point)
    }

    /// The same key under a name.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The same key named by its own thumbprint.
    #[must_use]
    pub fn named_by_thumbprint(self) -> Self {
        let kid = self.thumbprint().to_string();
        self.with_kid(kid)
    }

    /// The key's name within its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Uncompressed point, 65 octets.
    pub fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// DER SubjectPublicKeyInfo (RFC 5480 §2).
    pub fn to_spki_der(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.point].concat()
    }

    /// SHA-256 thumbprint (RFC 7638 §3).
    pub fn thumbprint(&self) -> Sha256Digest {
        let (x, y) = self.coordinates();
        Sha256Digest::of(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    fn coordinates(&self) -> (String, String) {
        (encode(&self.point[1..33]), encode(&self.point[33..]))
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwk({:?}, {})", self.kid, self.thumbprint())
    }
}

/// The JSON form. Members that we don't know are ignored (RFC 7517 §4), the private one is not.
#[derive(Serialize, Deserialize)]
struct RawJwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    use_: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

impl TryFrom<RawJwk> for Jwk {
    type Error = JwkError;

    fn try_from(raw: RawJwk) -> Result<Self, JwkError> {
        if raw.d.is_some() {
            return Err(JwkError::PrivatePart);
        }
        let foreign = |member: &Option<String>, ours: &str| {
            member.as_deref().is_some_and(|value| value != ours)
        };
        if raw.kty != "EC"
            || raw.crv != "P-256"
            || foreign(&raw.use_, "sig")
            || foreign(&raw.alg, "ES256")
        {
            return Err(JwkError::NotEs256);
        }
        let mut point = vec![4];
        for coordinate in [&raw.x, &raw.y] {
            let octets = decode(coordinate).map_err(|_| JwkError::NotAPoint)?;
            // RFC 7518 §6.2.1.2: full length, leading zeros kept.
            if octets.len() != 32 {
                return Err(JwkError::NotAPoint);
            }
            point.extend_from_slice(&octets);
        }
        let key = Self::from_point(&point)?;
        Ok(Self { kid: raw.kid, ..key })
    }
}

impl From<Jwk> for RawJwk {
    fn from(key: Jwk) -> Self {
        let (x, y) = key.coordinates();
        let named = key.kid.is_some();
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            x,
            y,
            kid: key.kid,
            // A key inside a proof's header stays bare; a published one says what it is for.
            use_: named.then(|| "sig".into()),
            alg: named.then(|| "ES256".into()),
            d: None,
        }
    }
}

/// A set of public keys (RFC 7517 §5): at most [`MAX_KEYS`], no name twice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "RawJwkSet")]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct RawJwkSet {
    keys: Vec<Jwk>,
}

impl TryFrom<RawJwkSet> for JwkSet {
    type Error = JwkError;

    fn try_from(raw: RawJwkSet) -> Result<Self, JwkError> {
        Self::new(raw.keys)
    }
}

impl JwkSet {
    /// Gathers keys.
    ///
    /// # Errors
    /// [`JwkError::TooManyKeys`], [`JwkError::KidTwice`].
    pub fn new(keys: Vec<Jwk>) -> Result<Self, JwkError> {
        if keys.len() > MAX_KEYS {
            return Err(JwkError::TooManyKeys(keys.len()));
        }
        let mut names: Vec<&str> = keys.iter().filter_map(Jwk::kid).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(JwkError::KidTwice(pair[0].to_owned()));
        }
        Ok(Self { keys })
    }

    /// The keys, in the order given.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The key named `kid`.
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public part of the key of RFC 7515 appendix A.3.1.
    const RFC7515_A3: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    #[test]
    fn a_published_key_reads_and_writes_unchanged() {
        let key: Jwk = serde_json::from_str(RFC7515_A3).unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), RFC7515_A3);
        assert_eq!(Jwk::from_spki_der(&key.to_spki_der()), Ok(key));
    }

    #[test]
    fn the_thumbprint_hashes_the_required_members_in_lexicographic_order() {
        let key: Jwk = serde_json::from_str(RFC7515_A3).unwrap();
        let members = r#"{"crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        assert_eq!(key.thumbprint(), Sha256Digest::of(members));
    }

    #[test]
    fn a_key_with_its_private_part_is_refused() {
        let text = RFC7515_A3.replace('}', r#","d":"AAAA"}"#);
        let error = serde_json::from_str::<Jwk>(&text).unwrap_err();
        assert!(error.to_string().contains("private"), "{error}");
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let text = RFC7515_A3.replace("f83OJ", "f83OK");
        assert!(serde_json::from_str::<Jwk>(&text).is_err());
    }

    #[test]
    fn another_curve_use_or_algorithm_is_refused() {
        for (from, to) in [
            ("P-256", "P-384"),
            (r#""kty":"EC""#, r#""kty":"OKP""#),
            ("}", r#","use":"enc"}"#),
            ("}", r#","alg":"ES384"}"#),
        ] {
            let text = RFC7515_A3.replace(from, to);
            assert!(serde_json::from_str::<Jwk>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_used_twice_spoils_the_set() {
        let key: Jwk = serde_json::from_str(RFC7515_A3).unwrap();
        let twice = vec![key.clone().with_kid("a"), key.with_kid("a")];
        assert_eq!(JwkSet::new(twice), Err(JwkError::KidTwice("a".into())));
    }
}

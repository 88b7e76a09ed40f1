//! One public key of a client (RFC 7517).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use sekisho_protocol::octets::{decode, encode};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Algorithm;

/// The least RSA modulus (NIST SP 800-57 part 1, CRYPTREC until 2030), in bits; the greatest that the
/// library verifies with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a key is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Its private or secret part is there: whoever sent it has lost that key.
    #[error("the key carries its private part")]
    PrivatePart,
    /// Another type, curve or use than those that sign for us.
    #[error("the key is none that signs ES256, PS256 or RS256")]
    Unsupported,
    /// A member is missing, of another type, or no base64url.
    #[error("a member of the key is missing or malformed")]
    Malformed,
    /// Coordinates that are no point of the curve.
    #[error("the coordinates are not a point of P-256")]
    NotAPoint,
    /// An RSA modulus or exponent that protects nothing.
    #[error(
        "the RSA modulus must have 2048 to 8192 bits and the exponent be odd and at least 65537"
    )]
    WeakRsa,
}

/// A public key that verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// The only algorithm that it may be used with, if its owner said so.
    algorithm: Option<Algorithm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// P-256: 04, x, y.
    Ec([u8; 65]),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a JWK.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn of_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyFault> {
        // RFC 7518 §6.2.2, §6.3.2 and §6.4.1: whatever else the key is.
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name))
        {
            return Err(KeyFault::PrivatePart);
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if jwk.contains_key("use") && text("use") != Some("sig") {
            return Err(KeyFault::Unsupported);
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => {
                let known = name.as_str().and_then(Algorithm::parse);
                Some(known.ok_or(KeyFault::Unsupported)?)
            }
        };
        let octets =
            |name: &str| text(name).and_then(|text| decode(text).ok()).ok_or(KeyFault::Malformed);
        let kind = match text("kty") {
            Some("EC") if text("crv") == Some("P-256") => {
                Kind::Ec(point(&octets("x")?, &octets("y")?)?)
            }
            Some("RSA") => rsa(octets("n")?, octets("e")?)?,
            _ => return Err(KeyFault::Unsupported),
        };
        let fits = match (&kind, algorithm) {
            (_, None) | (Kind::Ec(_), Some(Algorithm::Es256)) => true,
            (Kind::Rsa { .. }, Some(algorithm)) => algorithm != Algorithm::Es256,
            (Kind::Ec(_), Some(_)) => false,
        };
        if fits { Ok(Self { kind, algorithm }) } else { Err(KeyFault::Unsupported) }
    }

    /// Whether `algorithm` is one that this key may be used with.
    #[must_use]
    pub fn signs(&self, algorithm: Algorithm) -> bool {
        let kind = match self.kind {
            Kind::Ec(_) => algorithm == Algorithm::Es256,
            Kind::Rsa { .. } => algorithm != Algorithm::Es256,
        };
        kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` over `message` holds.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.signs(algorithm) {
            return false;
        }
        match (&self.kind, algorithm) {
            (Kind::Ec(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
                    .is_ok()
            }
            (Kind::Rsa { modulus, exponent }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(&RSA_PSS_2048_8192_SHA256, message, signature)
                    .is_ok()
            }
            (Kind::Rsa { modulus, exponent }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                    .is_ok()
            }
            _ => false,
        }
    }

    /// SHA-256 thumbprint (RFC 7638 §3), base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = match &self.kind {
            Kind::Ec(point) => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                encode(&point[1..33]),
                encode(&point[33..])
            ),
            Kind::Rsa { modulus, exponent } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(exponent), encode(modulus))
            }
        };
        encode(Sha256::digest(canonical))
    }
}

fn point(x: &[u8], y: &[u8]) -> Result<[u8; 65], KeyFault> {
    if x.len() != 32 || y.len() != 32 {
        return Err(KeyFault::NotAPoint);
    }
    let mut point = [4; 65];
    point[1..33].copy_from_slice(x);
    point[33..].copy_from_slice(y);
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyFault::NotAPoint)?;
    Ok(point)
}

/// RFC 7518 §6.3.1: both unsigned, without leading zero octets.
fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<Kind, KeyFault> {
    let Some(first) = modulus.first().filter(|first| **first != 0) else {
        return Err(KeyFault::WeakRsa);
    };
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let exponent_fits = match exponent.as_slice() {
        [first, rest @ ..] if *first != 0 && rest.len() <= 7 => {
            exponent.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet)) >= 65_537
        }
        _ => false,
    };
    if !RSA_BITS.contains(&bits) || !odd(&modulus) || !odd(&exponent) || !exponent_fits {
        return Err(KeyFault::WeakRsa);
    }
    Ok(Kind::Rsa { modulus, exponent })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515 appendix A.3.1.
    pub(crate) fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256",
               "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
               "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn read(jwk: &Value) -> Result<PublicKey, KeyFault> {
        PublicKey::of_jwk(jwk.as_object().unwrap())
    }

    /// RFC 7638 §3.1.
    fn rsa() -> Value {
        json!({"kty": "RSA", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw", "e": "AQAB"})
    }

    #[test]
    fn the_thumbprint_of_rfc_7638_comes_out() {
        let key = read(&rsa()).unwrap();
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_key_is_used_with_its_own_algorithms_only() {
        let ec = read(&p256()).unwrap();
        assert_eq!(Algorithm::ALL.map(|a| ec.signs(a)), [true, false, false]);
        let mut jwk = rsa();
        assert_eq!(Algorithm::ALL.map(|a| read(&jwk).unwrap().signs(a)), [false, true, true]);
        jwk["alg"] = "PS256".into();
        assert_eq!(Algorithm::ALL.map(|a| read(&jwk).unwrap().signs(a)), [false, true, false]);
        jwk["alg"] = "ES256".into();
        assert_eq!(read(&jwk), Err(KeyFault::Unsupported));
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        let with = |mut jwk: Value, name: &str, value: Value| {
            jwk[name] = value;
            read(&jwk)
        };
        assert_eq!(with(p256(), "d", "AA".into()), Err(KeyFault::PrivatePart));
        assert_eq!(with(rsa(), "p", "AA".into()), Err(KeyFault::PrivatePart));
        assert_eq!(read(&json!({"kty": "oct", "k": "AA"})), Err(KeyFault::PrivatePart));
        assert_eq!(with(p256(), "use", "enc".into()), Err(KeyFault::Unsupported));
        assert_eq!(with(p256(), "crv", "P-384".into()), Err(KeyFault::Unsupported));
        assert_eq!(with(p256(), "y", "AA".into()), Err(KeyFault::NotAPoint));
        assert_eq!(with(p256(), "x", p256()["y"].clone()), Err(KeyFault::NotAPoint));
        assert_eq!(with(rsa(), "e", "Aw".into()), Err(KeyFault::WeakRsa), "exponent 3");
        assert_eq!(with(rsa(), "e", "AQAC".into()), Err(KeyFault::WeakRsa), "even");
        assert_eq!(with(rsa(), "n", encode([0xff; 128]).into()), Err(KeyFault::WeakRsa), "1024");
        assert_eq!(with(rsa(), "n", encode([0xff; 1025]).into()), Err(KeyFault::WeakRsa));
        assert_eq!(with(rsa(), "n", 7.into()), Err(KeyFault::Malformed));
    }
}

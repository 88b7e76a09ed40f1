//! Signed JSON objects: compact JWS (RFC 7515 §7.1), ES256 only (RFC 7518 §3.4).
//!
//! One algorithm, and an explicit `typ` that the verifier names beforehand (RFC 8725 §3.1, §3.11):
//! neither is taken from the object itself. An unknown header member that a signer calls critical
//! (`crit`) is refused, as is any other algorithm, `none` included.
//!
//! ```
//! use sekisho_protocol::jws;
//! # use aws_lc_rs::{rand::SystemRandom, signature::*};
//! # let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
//! # let public = sekisho_protocol::Jwk::from_point(key.public_key().as_ref()).unwrap();
//! let unsigned = jws::prepare("example+jwt", Some("key-1"), &serde_json::json!({"iss": "me"}))?;
//! let signature = key.sign(&SystemRandom::new(), unsigned.signing_input()).unwrap();
//! let token = unsigned.attach(signature.as_ref().try_into().unwrap());
//!
//! let claims: serde_json::Value = jws::verify_with_key(&token, "example+jwt", &public)?;
//! assert_eq!(claims["iss"], "me");
//! # Ok::<(), sekisho_protocol::jws::JwsError>(())
//! ```

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::jwk::{Jwk, JwkSet};
use crate::octets::{decode, encode};

/// The longest object that is looked at, in octets.
pub const MAX_OCTETS: usize = 16 * 1024;

/// Why an object is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum JwsError {
    /// Longer than [`MAX_OCTETS`].
    #[error("{actual} octets, more than the {MAX_OCTETS} allowed")]
    TooLong {
        /// Its length.
        actual: usize,
    },
    /// Not three strict base64url parts (RFC 7515 §7.1).
    #[error("not three base64url parts separated by dots")]
    Form,
    /// The header is not the JSON that we accept.
    #[error("the header is malformed")]
    Header(#[source] serde_json::Error),
    /// `alg` is not ES256.
    #[error("the algorithm is {0:?} where ES256 is required")]
    Algorithm(String),
    /// `crit` asks for an extension that we don't have.
    #[error("the header calls an extension critical that is not supported")]
    Critical,
    /// `typ` says that the object was signed for another purpose.
    #[error("the object is of type {actual:?} where {expected:?} is required")]
    Type {
        /// What the caller asked for.
        expected: String,
        /// What the header says; empty when absent.
        actual: String,
    },
    /// No `kid`, although a key has to be chosen by it.
    #[error("the header names no key")]
    NoKid,
    /// `kid` names no key of the set.
    #[error("the key {0:?} is not known")]
    UnknownKey(String),
    /// No `jwk`, although the object should bring its own key.
    #[error("the header brings no key")]
    NoKey,
    /// The signature doesn't verify.
    #[error("the signature does not verify")]
    Signature,
    /// The claims are not the JSON that the caller expects; the signature held.
    #[error("the claims are malformed")]
    Claims(#[source] serde_json::Error),
}

/// The protected header of our objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    typ: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwk: Option<Jwk>,
    #[serde(default, skip_serializing)]
    crit: Option<serde::de::IgnoredAny>,
    /// RFC 7797: would change what is signed.
    #[serde(default, skip_serializing)]
    b64: Option<serde::de::IgnoredAny>,
}

/// An object that waits for its signature.
#[derive(Debug, Clone)]
pub struct UnsignedJws {
    input: String,
}

impl UnsignedJws {
    /// What has to be signed: ECDSA over P-256 and SHA-256 of these octets.
    pub fn signing_input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// Joins the signature: r and s, 32 octets each (RFC 7518 §3.4), not DER.
    pub fn attach(self, signature: [u8; 64]) -> String {
        let mut token = self.input;
        token.push('.');
        token.push_str(&encode(signature));
        token
    }
}

/// Lays out an object of type `typ`, to be signed with the key named `kid`.
///
/// # Errors
/// [`JwsError::Claims`]: the claims have no JSON form. [`JwsError::TooLong`]: no verifier of ours
/// would read it.
pub fn prepare<C: Serialize>(
    typ: &str,
    kid: Option<&str>,
    claims: &C,
) -> Result<UnsignedJws, JwsError> {
    prepare_with_header(
        &Header {
            alg: "ES256".into(),
            typ: typ.into(),
            kid: kid.map(Into::into),
            jwk: None,
            crit: None,
            b64: None,
        },
        claims,
    )
}

/// Lays out an object that brings its own public key in the header (RFC 7515 §4.1.3).
///
/// # Errors
/// As [`prepare`].
pub fn prepare_with_own_key<C: Serialize>(
    typ: &str,
    key: &Jwk,
    claims: &C,
) -> Result<UnsignedJws, JwsError> {
    prepare_with_header(
        &Header {
            alg: "ES256".into(),
            typ: typ.into(),
            kid: None,
            jwk: Some(key.clone()),
            crit: None,
            b64: None,
        },
        claims,
    )
}

fn prepare_with_header<C: Serialize>(header: &Header, claims: &C) -> Result<UnsignedJws, JwsError> {
    let header = serde_json::to_vec(header).map_err(JwsError::Header)?;
    let claims = serde_json::to_vec(claims).map_err(JwsError::Claims)?;
    let input = format!("{}.{}", encode(header), encode(claims));
    // 64 octets of signature are 86 characters, and the dot.
    let actual = input.len() + 87;
    if actual > MAX_OCTETS {
        return Err(JwsError::TooLong { actual });
    }
    Ok(UnsignedJws { input })
}

/// Lays out and signs in one call, for keys that answer at once.
///
/// # Errors
/// Those of [`prepare`], and whatever `sign` fails with.
pub fn sign<C: Serialize, E: From<JwsError>>(
    typ: &str,
    kid: Option<&str>,
    claims: &C,
    sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
) -> Result<String, E> {
    let unsigned = prepare(typ, kid, claims)?;
    let signature = sign(unsigned.signing_input())?;
    Ok(unsigned.attach(signature))
}

/// Lays out and signs with a key that may live elsewhere.
///
/// # Errors
/// Those of [`prepare`], and whatever `sign` fails with.
pub async fn sign_async<C: Serialize, E: From<JwsError>>(
    typ: &str,
    kid: Option<&str>,
    claims: &C,
    sign: impl AsyncFnOnce(&[u8]) -> Result<[u8; 64], E>,
) -> Result<String, E> {
    let unsigned = prepare(typ, kid, claims)?;
    let signature = sign(unsigned.signing_input()).await?;
    Ok(unsigned.attach(signature))
}

/// Verifies an object of type `typ` under the key of `keys` that its `kid` names.
///
/// Says nothing about time, audience or issuer: those are claims, judged by who knows them.
///
/// # Errors
/// [`JwsError`], the first rule broken.
pub fn verify<C: DeserializeOwned>(token: &str, typ: &str, keys: &JwkSet) -> Result<C, JwsError> {
    let parts = Parts::parse(token, typ)?;
    let kid = parts.header.kid.as_deref().ok_or(JwsError::NoKid)?;
    let key = keys.find(kid).ok_or_else(|| JwsError::UnknownKey(shorten(kid)))?;
    parts.verify(key)?;
    parts.claims()
}

/// Verifies an object of type `typ` under one key, whatever `kid` says.
///
/// # Errors
/// [`JwsError`], the first rule broken.
pub fn verify_with_key<C: DeserializeOwned>(
    token: &str,
    typ: &str,
    key: &Jwk,
) -> Result<C, JwsError> {
    let parts = Parts::parse(token, typ)?;
    parts.verify(key)?;
    parts.claims()
}

/// Verifies an object of type `typ` under the key that it brings, and returns that key.
///
/// Proves possession only. The caller must compare the key's thumbprint with one that it had
/// from elsewhere before the claims mean anything.
///
/// # Errors
/// [`JwsError`], the first rule broken.
pub fn verify_with_own_key<C: DeserializeOwned>(
    token: &str,
    typ: &str,
) -> Result<(Jwk, C), JwsError> {
    let parts = Parts::parse(token, typ)?;
    let key = parts.header.jwk.clone().ok_or(JwsError::NoKey)?;
    parts.verify(&key)?;
    Ok((key, parts.claims()?))
}

/// A parsed object whose signature has not been looked at.
struct Parts<'a> {
    header: Header,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn parse(token: &'a str, typ: &str) -> Result<Self, JwsError> {
        if token.len() > MAX_OCTETS {
            return Err(JwsError::TooLong { actual: token.len() });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsError::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Form)?;
        // A fourth part would leave a dot in the payload, which is no base64url.
        let octets = |text| decode(text).map_err(|_| JwsError::Form);
        let header: Header = serde_json::from_slice(&octets(header)?).map_err(JwsError::Header)?;
        if header.alg != "ES256" {
            return Err(JwsError::Algorithm(shorten(&header.alg)));
        }
        if header.crit.is_some() || header.b64.is_some() {
            return Err(JwsError::Critical);
        }
        if header.typ != typ {
            return Err(JwsError::Type { expected: typ.into(), actual: shorten(&header.typ) });
        }
        Ok(Self { header, signed, payload: octets(payload)?, signature: octets(signature)? })
    }

    fn verify(&self, key: &Jwk) -> Result<(), JwsError> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| JwsError::Signature)
    }

    fn claims<C: DeserializeOwned>(&self) -> Result<C, JwsError> {
        serde_json::from_slice(&self.payload).map_err(JwsError::Claims)
    }
}

/// What a stranger wrote, short enough for a log line.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A fresh key for tests.
    pub(crate) struct TestKey(EcdsaKeyPair);

    impl TestKey {
        pub(crate) fn generate() -> Self {
            Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
        }

        pub(crate) fn public(&self) -> Jwk {
            Jwk::from_point(self.0.public_key().as_ref()).unwrap()
        }

        pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], JwsError> {
            let signature = self.0.sign(&SystemRandom::new(), message).unwrap();
            Ok(signature.as_ref().try_into().unwrap())
        }
    }

    /// RFC 7515 appendix A.3: an ES256 object somebody else made.
    const RFC7515_A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn rfc7515_a3_key() -> Jwk {
        serde_json::from_str(r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#).unwrap()
    }

    #[test]
    fn the_example_of_the_standard_verifies() {
        let claims: Value = verify_with_key(RFC7515_A3, "", &rfc7515_a3_key()).unwrap();
        assert_eq!(claims["iss"], "joe");
    }

    #[test]
    fn an_object_for_another_purpose_is_refused() {
        let error = verify_with_key::<Value>(RFC7515_A3, "x+jwt", &rfc7515_a3_key()).unwrap_err();
        assert!(matches!(error, JwsError::Type { .. }), "{error}");
    }

    #[test]
    fn a_key_is_chosen_by_its_name_and_only_from_the_set() {
        let (ours, other) = (TestKey::generate(), TestKey::generate());
        let keys =
            JwkSet::new(vec![ours.public().with_kid("a"), other.public().with_kid("b")]).unwrap();
        let token = |kid| sign("t", kid, &json!({"n": 1}), |m| ours.sign(m)).unwrap();

        assert_eq!(verify::<Value>(&token(Some("a")), "t", &keys).unwrap()["n"], 1);
        assert!(matches!(verify::<Value>(&token(Some("b")), "t", &keys), Err(JwsError::Signature)));
        assert!(matches!(
            verify::<Value>(&token(Some("c")), "t", &keys),
            Err(JwsError::UnknownKey(_))
        ));
        assert!(matches!(verify::<Value>(&token(None), "t", &keys), Err(JwsError::NoKid)));
    }

    #[test]
    fn an_object_brings_its_own_key_or_is_refused() {
        let key = TestKey::generate();
        let unsigned = prepare_with_own_key("t", &key.public(), &json!({})).unwrap();
        let signature = key.sign(unsigned.signing_input()).unwrap();
        let token = unsigned.attach(signature);
        let (brought, _) = verify_with_own_key::<Value>(&token, "t").unwrap();
        assert_eq!(brought, key.public());

        let bare = sign("t", None, &json!({}), |m| key.sign(m)).unwrap();
        assert!(matches!(verify_with_own_key::<Value>(&bare, "t"), Err(JwsError::NoKey)));
    }

    #[test]
    fn none_symmetric_and_critical_headers_are_refused() {
        let key = TestKey::generate();
        for header in [
            r#"{"alg":"none","typ":"t"}"#,
            r#"{"alg":"HS256","typ":"t"}"#,
            r#"{"alg":"es256","typ":"t"}"#,
            r#"{"alg":"ES256","typ":"t","crit":["exp"]}"#,
            r#"{"alg":"ES256","typ":"t","b64":false}"#,
            r#"{"alg":"ES256","alg":"ES256","typ":"t"}"#,
        ] {
            let input = format!("{}.{}", encode(header), encode("{}"));
            let signature = key.sign(input.as_bytes()).unwrap();
            let token = format!("{input}.{}", encode(signature));
            let refused = verify_with_key::<Value>(&token, "t", &key.public());
            assert!(refused.is_err(), "{header}");
        }
        let unsigned = format!("{}.{}.", encode(r#"{"alg":"ES256","typ":"t"}"#), encode("{}"));
        assert!(verify_with_key::<Value>(&unsigned, "t", &key.public()).is_err());
    }

    #[test]
    fn an_object_beyond_the_limit_is_neither_made_nor_read() {
        let key = TestKey::generate();
        let long = json!({"x": "y".repeat(MAX_OCTETS)});
        assert!(matches!(prepare("t", None, &long), Err(JwsError::TooLong { .. })));
        let text = "a".repeat(MAX_OCTETS + 1);
        assert!(matches!(
            verify_with_key::<Value>(&text, "t", &key.public()),
            Err(JwsError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_verifier_panic_or_accept(text in "\\PC{0,200}") {
            prop_assert!(verify_with_key::<Value>(&text, "t", &rfc7515_a3_key()).is_err());
            prop_assert!(verify_with_own_key::<Value>(&text, "t").is_err());
        }

        #[test]
        fn no_changed_character_is_accepted(at in 0..RFC7515_A3.len(), with in "[A-Za-z0-9_.=-]") {
            let mut text = RFC7515_A3.to_owned();
            text.replace_range(at..=at, &with);
            let accepted = verify_with_key::<Value>(&text, "", &rfc7515_a3_key()).is_ok();
            prop_assert_eq!(accepted, text == RFC7515_A3);
        }
    }
}

//! A compact JWS (RFC 7515 §7.1) that a client signed.

use sekisho_protocol::octets::decode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Algorithm, ClientKeys, PublicKey};

/// The longest object that is looked at, in octets.
const MOST_OCTETS: usize = 16 * 1024;

/// Why an object is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Too long, not three strict base64url parts, or a header that is not JSON.
    #[error("the object is not a compact JWS of at most {MOST_OCTETS} octets")]
    Form,
    /// `alg` is none that is accepted here.
    #[error("the algorithm is not accepted here")]
    Algorithm,
    /// `crit` or `b64`: an extension that we do not have.
    #[error("the header calls an extension critical that is not supported")]
    Critical,
    /// No registered key fits.
    #[error("no registered key fits the header")]
    NoKey,
    /// The signature does not hold.
    #[error("the signature does not verify")]
    Signature,
    /// The claims are not what is expected; the signature held.
    #[error("the claims are malformed")]
    Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    jwk: Option<Map<String, Value>>,
    /// RFC 8555 §6.5.
    #[serde(default)]
    nonce: Option<String>,
    /// RFC 8555 §6.4.
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
    /// RFC 7797: would change what is signed.
    #[serde(default)]
    b64: Option<serde::de::IgnoredAny>,
}

/// An object that was taken apart; its signature has not been looked at.
pub struct Signed<'a> {
    header: Header,
    algorithm: Algorithm,
    input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Signed<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    /// [`ObjectError::Form`], [`ObjectError::Algorithm`], [`ObjectError::Critical`].
    pub fn parse(text: &'a str) -> Result<Self, ObjectError> {
        if text.len() > MOST_OCTETS {
            return Err(ObjectError::Form);
        }
        let (input, signature) = text.rsplit_once('.').ok_or(ObjectError::Form)?;
        let (header, payload) = input.split_once('.').ok_or(ObjectError::Form)?;
        // A fourth part would leave a dot in the payload, which is no base64url.
        let octets = |text| decode(text).map_err(|_| ObjectError::Form);
        let header: Header =
            serde_json::from_slice(&octets(header)?).map_err(|_| ObjectError::Form)?;
        let algorithm = Algorithm::parse(&header.alg).ok_or(ObjectError::Algorithm)?;
        if header.crit.is_some() || header.b64.is_some() {
            return Err(ObjectError::Critical);
        }
        let (payload, signature) = (octets(payload)?, octets(signature)?);
        Ok(Self { header, algorithm, input, payload, signature })
    }

    /// `typ`, without the `application/` that may stand before it (RFC 7515 §4.1.9), in lower case.
    #[must_use]
    pub fn typ(&self) -> Option<String> {
        let typ = self.header.typ.as_ref()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned))
    }

    /// `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// `jwk`.
    #[must_use]
    pub fn jwk(&self) -> Option<&Map<String, Value>> {
        self.header.jwk.as_ref()
    }

    /// `nonce` (RFC 8555 §6.5.2).
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.header.nonce.as_deref()
    }

    /// `url` (RFC 8555 §6.4.1).
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.header.url.as_deref()
    }

    /// One claim before anything is verified: only to find out whose keys will verify it.
    #[must_use]
    pub fn unverified_claim(&self, name: &str) -> Option<String> {
        let claims: Map<String, Value> = serde_json::from_slice(&self.payload).ok()?;
        claims.get(name)?.as_str().map(str::to_owned)
    }

    /// The claims, once the signature holds under the registered key that the header names.
    ///
    /// # Errors
    /// [`ObjectError::NoKey`], [`ObjectError::Signature`], [`ObjectError::Claims`].
    pub fn verified<C: DeserializeOwned>(&self, keys: &ClientKeys) -> Result<C, ObjectError> {
        let key = keys.find(self.algorithm, self.header.kid.as_deref());
        self.verified_by(key.ok_or(ObjectError::NoKey)?)
    }

    /// The key that the header brings, and the claims, once the signature holds under it: proof of
    /// possession and nothing else.
    ///
    /// # Errors
    /// As [`Self::verified`]; [`ObjectError::NoKey`] also for a key that protects nothing.
    pub fn verified_by_itself<C: DeserializeOwned>(&self) -> Result<(PublicKey, C), ObjectError> {
        let jwk = self.header.jwk.as_ref().ok_or(ObjectError::NoKey)?;
        let key = PublicKey::of_jwk(jwk).map_err(|_| ObjectError::NoKey)?;
        let claims = self.verified_by(&key)?;
        Ok((key, claims))
    }

    /// The claims, once the signature holds under `key`.
    ///
    /// # Errors
    /// [`ObjectError::Signature`], [`ObjectError::Claims`].
    pub fn verified_by<C: DeserializeOwned>(&self, key: &PublicKey) -> Result<C, ObjectError> {
        serde_json::from_slice(self.payload_verified_by(key)?).map_err(|_| ObjectError::Claims)
    }

    /// The payload, whatever it is, once the signature holds under `key`.
    ///
    /// # Errors
    /// [`ObjectError::Signature`].
    pub fn payload_verified_by(&self, key: &PublicKey) -> Result<&[u8], ObjectError> {
        let holds = key.verifies(self.algorithm, self.input.as_bytes(), &self.signature);
        if !holds && !seeded!(SignatureUnchecked) {
            return Err(ObjectError::Signature);
        }
        Ok(&self.payload)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::{KeyPair, KeySize},
        signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
    };
    use sekisho_protocol::octets::encode;
    use serde_json::json;

    use super::*;

    /// RFC 7515 appendix A.3: an ES256 object somebody else made.
    const EXAMPLE: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn example_keys() -> ClientKeys {
        ClientKeys::read(&json!({"keys": [{"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}))
        .unwrap()
    }

    fn with_header(header: &str) -> String {
        let (_, rest) = EXAMPLE.split_once('.').unwrap();
        format!("{}.{rest}", encode(header))
    }

    #[test]
    fn the_example_of_the_standard_verifies_and_a_changed_one_does_not() {
        let claims: Value = Signed::parse(EXAMPLE).unwrap().verified(&example_keys()).unwrap();
        assert_eq!(claims["iss"], "joe");
        let changed = EXAMPLE.replacen("9.eyJpc3", "9.eyJpc4", 1);
        let outcome = Signed::parse(&changed).unwrap().verified::<Value>(&example_keys());
        assert_eq!(outcome, Err(ObjectError::Signature));
    }

    #[test]
    fn weak_and_unknown_headers_are_refused_before_any_key_is_looked_at() {
        for (header, error) in [
            (r#"{"alg":"none"}"#, ObjectError::Algorithm),
            (r#"{"alg":"HS256"}"#, ObjectError::Algorithm),
            (r#"{"alg":"es256"}"#, ObjectError::Algorithm),
            (r#"{"alg":"ES256","crit":["exp"]}"#, ObjectError::Critical),
            (r#"{"alg":"ES256","b64":false}"#, ObjectError::Critical),
            (r#"{"alg":"ES256","alg":"ES256"}"#, ObjectError::Form),
            ("[]", ObjectError::Form),
        ] {
            assert_eq!(Signed::parse(&with_header(header)).err(), Some(error), "{header}");
        }
        for text in ["", ".", "..", "a.b", &"a".repeat(MOST_OCTETS + 1), &format!("{EXAMPLE}.a")] {
            assert_eq!(Signed::parse(text).err(), Some(ObjectError::Form));
        }
    }

    #[test]
    fn both_paddings_of_rsa_verify_and_neither_stands_for_the_other() {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let sign = |encoding: &'static dyn RsaEncoding, alg: &str| {
            let input = format!("{}.{}", encode(json!({ "alg": alg }).to_string()), encode("{}"));
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
            format!("{input}.{}", encode(signature))
        };
        let public = key.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
        let jwk = json!({"kty": "RSA", "n": encode(modulus), "e": "AQAB"});
        let keys = ClientKeys::read(&json!({ "keys": [jwk] })).unwrap();
        let verified = |text: &str| Signed::parse(text).unwrap().verified::<Value>(&keys).is_ok();
        assert!(verified(&sign(&RSA_PKCS1_SHA256, "RS256")));
        assert!(verified(&sign(&RSA_PSS_SHA256, "PS256")));
        assert!(!verified(&sign(&RSA_PKCS1_SHA256, "PS256")));
        assert!(!verified(&sign(&RSA_PSS_SHA256, "RS256")));
    }
}

//! One key that signs tokens or login requests.

use std::sync::Arc;

use sekisho_key::{KeyError, RsaSize, SigningKey as _, SoftwareKey};
use sekisho_protocol::octets::encode;
use sekisho_store::own_key::{OwnKey, Purpose};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::OwnKeyError;
use crate::{
    jose::{Algorithm, PublicKey},
    keys,
    sealing::SealingKey,
};

/// A key that the register holds, ready for use.
#[derive(Debug)]
pub(crate) struct OpenKey {
    pub(super) stored: OwnKey,
    pub(super) algorithm: Algorithm,
    public: PublicKey,
    /// As it is published.
    pub(super) jwk: Value,
    /// Gone once it signs no more.
    private: Option<Arc<SoftwareKey>>,
}

/// What a sealed key is bound to.
fn sealed_for(purpose: Purpose, kid: &str) -> Vec<u8> {
    let tag: &[u8] = match purpose {
        Purpose::Token => b"token-key:",
        Purpose::LoginRequest => b"login-request-key:",
    };
    [tag, kid.as_bytes()].concat()
}

/// A new private key for `algorithm`.
pub(super) async fn generate(algorithm: Algorithm) -> Result<SoftwareKey, OwnKeyError> {
    // An RSA key takes up to a second of one core.
    let made = tokio::task::spawn_blocking(move || match algorithm {
        Algorithm::Es256 => SoftwareKey::generate_p256(),
        Algorithm::Ps256 | Algorithm::Rs256 => SoftwareKey::generate_rsa(RsaSize::Bits3072),
    });
    let failed = |_| KeyError::Cryptography { act: "make a key" };
    Ok(made.await.map_err(failed).and_then(std::convert::identity)?)
}

/// The row of a key that signs from `signs_from` on.
pub(super) fn sealed(
    key: &SoftwareKey,
    (purpose, algorithm): (Purpose, Algorithm),
    sealing: &SealingKey,
    random: &dyn sekisho_key::Randomness,
    (made_at, signs_from): (OffsetDateTime, OffsetDateTime),
) -> Result<OwnKey, OwnKeyError> {
    let jwk = keys::bare_jwk(key.public_key_der())?;
    let kid = keys::thumbprint(&jwk);
    let sealed_key = sealing.seal(random, &sealed_for(purpose, &kid), &key.pkcs8_der()?)?;
    Ok(OwnKey {
        purpose,
        kid,
        algorithm: algorithm.as_str().to_owned(),
        public_key_der: key.public_key_der().to_vec(),
        sealed_key: Some(sealed_key),
        made_at,
        signs_from,
        succeeded: None,
    })
}

impl OpenKey {
    /// Opens a key of the register.
    pub(super) fn of(stored: OwnKey, sealing: &SealingKey) -> Result<Self, OwnKeyError> {
        let unreadable = || OwnKeyError::Unreadable { kid: stored.kid.clone() };
        let algorithm = Algorithm::parse(&stored.algorithm).ok_or_else(unreadable)?;
        let mut jwk = keys::bare_jwk(&stored.public_key_der)?;
        if keys::thumbprint(&jwk) != stored.kid {
            return Err(unreadable());
        }
        jwk["kid"] = stored.kid.as_str().into();
        jwk["alg"] = algorithm.as_str().into();
        jwk["use"] = "sig".into();
        let public = jwk.as_object().and_then(|jwk| PublicKey::of_jwk(jwk).ok());
        let public = public.ok_or_else(unreadable)?;
        let private = match &stored.sealed_key {
            Some(sealed) => {
                let pkcs8 = sealing.open(&sealed_for(stored.purpose, &stored.kid), sealed)?;
                let key = SoftwareKey::from_pkcs8_der(&pkcs8)?;
                // A row whose halves do not belong together signs what nobody can verify.
                if key.public_key_der() != stored.public_key_der {
                    return Err(unreadable());
                }
                Some(Arc::new(key))
            }
            None => None,
        };
        Ok(Self { stored, algorithm, public, jwk, private })
    }

    /// Whether what it signed counts at `now`, or will.
    pub(super) fn is_published(&self, now: OffsetDateTime) -> bool {
        self.stored.succeeded.is_none_or(|end| end.leaves_at > now)
    }

    /// Whether it is the one that signs at `now`.
    pub(super) fn signs(&self, now: OffsetDateTime) -> bool {
        self.stored.signs_from <= now && self.will_sign(now)
    }

    /// Whether it signs at `now` or later.
    pub(super) fn will_sign(&self, now: OffsetDateTime) -> bool {
        self.private.is_some() && self.stored.succeeded.is_none_or(|end| end.signs_until > now)
    }

    /// A compact JWS (RFC 7515 §7.1) with `alg`, `typ` and `kid` in its header.
    pub(super) fn sign(&self, typ: &str, payload: &Value) -> Result<String, OwnKeyError> {
        let kid = Some(self.stored.kid.as_str()).filter(|_| !seeded!(KeyUnnamed));
        let header = json!({ "alg": self.algorithm.as_str(), "typ": typ, "kid": kid });
        let mut jws = encode(header.to_string());
        jws.push('.');
        jws.push_str(&encode(payload.to_string()));
        let signature = self.sign_octets(jws.as_bytes())?;
        jws.push('.');
        jws.push_str(&encode(signature));
        Ok(jws)
    }

    /// A signature as a JWS has it (RFC 7518 §3), in the key's algorithm.
    pub(crate) fn sign_octets(&self, message: &[u8]) -> Result<Vec<u8>, OwnKeyError> {
        let key = self.private.as_ref().ok_or(OwnKeyError::NoKey)?;
        Ok(match self.algorithm {
            Algorithm::Es256 => key.sign_fixed_now(message)?,
            Algorithm::Rs256 => key.sign_now(message)?,
            Algorithm::Ps256 => key.sign_pss_now(message)?,
        })
    }

    /// Its name.
    pub(crate) fn kid(&self) -> &str {
        &self.stored.kid
    }

    /// Whether `signed` holds under it.
    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }
}

//! The keys of an instance, apart from those of the authority.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use der::{Decode, asn1::UintRef};
use hmac::{Hmac, KeyInit, Mac};
use sekisho_key::{KeyError, SignatureAlgorithm, SigningKey};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use crate::sealing::SealingKey;

/// A signing key with the `kid` under which the outside knows it.
pub type NamedKey = (String, Arc<dyn SigningKey>);

/// Keys that sign and seal for this instance.
pub struct InstanceKeys {
    /// Signs checkpoints of the audit chain.
    pub audit: NamedKey,
    /// Seals secrets at rest in the database.
    pub sealing: SealingKey,
    /// Salt of the pairwise subject identifiers (OIDC Core §8.1), and key of what else is known again by
    /// a keyed hash only.
    pub pairwise_salt: Zeroizing<[u8; 32]>,
}

impl InstanceKeys {
    /// HMAC-SHA256 over these parts, each with its length, under the instance's salt. The first part is a
    /// tag of [`sekisho_wire::domain`]: what is made for one purpose equals nothing of another.
    #[must_use]
    pub fn keyed_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let salt: &[u8] = self.pairwise_salt.as_slice();
        let mut mac = Hmac::<Sha256>::new_from_slice(salt)
            .expect("HMAC takes a key of any length (RFC 2104 §2)");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for InstanceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceKeys").field("audit", &self.audit.0).finish_non_exhaustive()
    }
}

/// Names a key by its JWK thumbprint (RFC 7638), so that the name follows from the key.
///
/// # Errors
/// As [`public_jwk`].
pub fn named(key: Arc<dyn SigningKey>) -> Result<NamedKey, KeyError> {
    let jwk = p256_jwk(&*key)?;
    Ok((thumbprint(&jwk), key))
}

/// The public key as a JWK (RFC 7517 §4) with `kid`, `alg` and `use`.
///
/// # Errors
/// [`KeyError::UnsupportedKeyKind`]: not P-256; the only kind that signs for this instance.
pub fn public_jwk((kid, key): &NamedKey) -> Result<Json, KeyError> {
    let mut jwk = p256_jwk(&**key)?;
    jwk["kid"] = kid.as_str().into();
    jwk["alg"] = key.algorithm().jws_alg().into();
    jwk["use"] = "sig".into();
    Ok(jwk)
}

/// A JWK Set (RFC 7517 §5) of the public keys.
///
/// # Errors
/// As [`public_jwk`].
pub fn jwks<'k>(keys: impl IntoIterator<Item = &'k NamedKey>) -> Result<Json, KeyError> {
    let keys = keys.into_iter().map(public_jwk).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "keys": keys }))
}

/// Signs `payload` as a compact JWS (RFC 7515 §7.1) with `alg`, `typ` and `kid` in its header.
///
/// # Errors
/// [`KeyError`]: the key did not sign.
pub async fn sign_jws(key: &NamedKey, typ: &str, payload: &Json) -> Result<String, KeyError> {
    let header = json!({ "alg": key.1.algorithm().jws_alg(), "typ": typ, "kid": key.0 });
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let signature = key.1.sign_fixed(input.as_bytes()).await?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn p256_jwk(key: &dyn SigningKey) -> Result<Json, KeyError> {
    if key.algorithm() != SignatureAlgorithm::EcdsaP256Sha256 {
        let spki = SubjectPublicKeyInfoRef::try_from(key.public_key_der());
        let oid = spki.map_err(KeyError::MalformedKey)?.algorithm.oid;
        return Err(KeyError::UnsupportedKeyKind { oid });
    }
    bare_jwk(key.public_key_der())
}

/// RFC 8017 appendix A.1.1.
#[derive(der::Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// The required members of the JWK of a P-256 or RSA key (RFC 7518 §6.2.1, §6.3.1).
///
/// # Errors
/// [`KeyError::MalformedKey`], [`KeyError::UnsupportedKeyKind`].
pub(crate) fn bare_jwk(spki_der: &[u8]) -> Result<Json, KeyError> {
    let spki = SubjectPublicKeyInfoRef::try_from(spki_der).map_err(KeyError::MalformedKey)?;
    let unsupported = || KeyError::UnsupportedKeyKind { oid: spki.algorithm.oid };
    let key = spki.subject_public_key.raw_bytes();
    match SignatureAlgorithm::of_public_key(spki_der)? {
        // Uncompressed point: 0x04 || x || y (SEC 1 §2.3.3).
        SignatureAlgorithm::EcdsaP256Sha256 if key.len() == 65 && key[0] == 4 => Ok(json!({
            "kty": "EC",
            "crv": "P-256",
            "x": URL_SAFE_NO_PAD.encode(&key[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&key[33..]),
        })),
        SignatureAlgorithm::RsaPkcs1Sha256 => {
            let malformed = |error: der::Error| KeyError::MalformedKey(error.into());
            let key = RsaPublicKey::from_der(key).map_err(malformed)?;
            Ok(json!({
                "kty": "RSA",
                "n": URL_SAFE_NO_PAD.encode(key.modulus.as_bytes()),
                "e": URL_SAFE_NO_PAD.encode(key.exponent.as_bytes()),
            }))
        }
        _ => Err(unsupported()),
    }
}

/// RFC 7638 §3: SHA-256 of the required members, sorted, without white space.
pub(crate) fn thumbprint(jwk: &Json) -> String {
    let required: &[&str] =
        if jwk["kty"] == "RSA" { &["e", "kty", "n"] } else { &["crv", "kty", "x", "y"] };
    let members: Vec<_> =
        required.iter().map(|name| format!(r#""{name}":{}"#, jwk[*name])).collect();
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{{}}}", members.join(","))))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use sekisho_key::SoftwareKey;

    use super::*;

    #[tokio::test]
    async fn a_jws_verifies_with_the_published_key() {
        let key = named(Arc::new(SoftwareKey::generate_p256().unwrap())).unwrap();
        let jws = sign_jws(&key, "test+jwt", &json!({"a": 1})).await.unwrap();
        let published = jwks([&key]).unwrap();
        let jwk = &published["keys"][0];
        assert_eq!(jwk["kid"], key.0.as_str());
        let mut point = vec![4];
        for part in ["x", "y"] {
            point.extend(URL_SAFE_NO_PAD.decode(jwk[part].as_str().unwrap()).unwrap());
        }
        let (input, signature) = jws.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        assert!(public.verify(input.as_bytes(), &signature).is_ok());
        assert!(public.verify(b"other", &signature).is_err());
    }

    #[test]
    fn the_thumbprint_is_taken_over_the_sorted_required_members() {
        // Digest by `printf '…' | openssl dgst -sha256 -binary | basenc --base64url`.
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "BB", "kid": "ignored"});
        let direct = Sha256::digest(r#"{"crv":"P-256","kty":"EC","x":"AA","y":"BB"}"#);
        assert_eq!(thumbprint(&jwk), URL_SAFE_NO_PAD.encode(direct));
    }

    #[test]
    fn a_p384_key_is_refused() {
        let key = SoftwareKey::generate_p384().unwrap();
        assert!(bare_jwk(key.public_key_der()).is_err());
        assert!(named(Arc::new(key)).is_err());
    }

    #[test]
    fn an_rsa_key_is_published_for_tokens_only() {
        let key = SoftwareKey::generate_rsa(sekisho_key::RsaSize::Bits2048).unwrap();
        let jwk = bare_jwk(key.public_key_der()).unwrap();
        assert_eq!(jwk["e"], "AQAB");
        let read = crate::jose::PublicKey::of_jwk(jwk.as_object().unwrap()).unwrap();
        assert_eq!(read.thumbprint(), thumbprint(&jwk));
        assert!(named(Arc::new(key)).is_err());
    }
}

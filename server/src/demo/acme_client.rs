//! What a server that speaks ACME signs (RFC 8555).

use anyhow::Context;
use const_oid::AssociatedOid;
use der::{
    Decode, Encode,
    asn1::{Ia5String, OctetString, SetOfVec},
};
use hmac::{Hmac, KeyInit, Mac};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::encoding::signed_object::assemble;
use sekisho_protocol::octets::encode;
use serde_json::{Value, json};
use sha2::Sha256;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::{
    attr::Attribute,
    ext::{
        Extension,
        pkix::{SubjectAltName, name::GeneralName},
    },
    name::Name,
    request::{CertReqInfo, ExtensionReq, Version},
};

use crate::keys;

/// A JWS in flattened JSON (RFC 7515 §7.2.2).
///
/// # Errors
/// The cryptographic library.
pub fn signed(key: &SoftwareKey, header: &Value, payload: &[u8]) -> anyhow::Result<Value> {
    let (protected, payload) = (encode(header.to_string()), encode(payload));
    let signature = key.sign_fixed_now(format!("{protected}.{payload}").as_bytes())?;
    Ok(json!({ "protected": protected, "payload": payload, "signature": encode(signature) }))
}

/// The public key as its JWK.
///
/// # Errors
/// It is no P-256 key.
pub fn jwk(key: &SoftwareKey) -> anyhow::Result<Value> {
    Ok(keys::bare_jwk(key.public_key_der())?)
}

/// By what a challenge is answered (§8.1).
///
/// # Errors
/// As [`jwk`].
pub fn key_authorization(key: &SoftwareKey, token: &str) -> anyhow::Result<String> {
    Ok(format!("{token}.{}", keys::thumbprint(&jwk(key)?)))
}

/// externalAccountBinding (§7.3.4).
///
/// # Errors
/// None of a key that was made here.
pub fn bound(kid: &str, key: &[u8], url: &str, jwk: &Value) -> anyhow::Result<Value> {
    let protected = encode(json!({ "alg": "HS256", "kid": kid, "url": url }).to_string());
    let payload = encode(jwk.to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(key).context("no key for HMAC")?;
    mac.update(format!("{protected}.{payload}").as_bytes());
    let signature = encode(mac.finalize().into_bytes());
    Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
}

/// A request for a certificate of this subject, for these names.
///
/// # Errors
/// The cryptographic library.
pub fn request(
    key: &SoftwareKey,
    subject: &Name,
    names: Vec<GeneralName>,
) -> anyhow::Result<Vec<u8>> {
    let alternative = Extension {
        extn_id: SubjectAltName::OID,
        critical: false,
        extn_value: OctetString::new(SubjectAltName(names).to_der()?)?,
    };
    let asked = Attribute::try_from(ExtensionReq(vec![alternative]))?;
    let info = CertReqInfo {
        version: Version::V1,
        subject: subject.clone(),
        public_key: SubjectPublicKeyInfoOwned::from_der(key.public_key_der())?,
        attributes: SetOfVec::from_iter([asked])?,
    };
    let info = info.to_der()?;
    Ok(assemble(&info, key.algorithm().identifier(), &key.sign_now(&info)?)?)
}

/// DNS names as a request has them.
///
/// # Errors
/// A name outside ASCII.
pub fn dns_names(names: &[&str]) -> der::Result<Vec<GeneralName>> {
    names.iter().map(|name| Ok(GeneralName::DnsName(Ia5String::new(*name)?))).collect()
}

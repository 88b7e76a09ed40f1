//! `GET /.well-known/est/csrattrs`, and under the label `routers`: what a request is to look like
//! (RFC 7030 §4.5, RFC 8951 §3.2, RFC 9908).
//!
//! Told is the kind of key and of signature that every device of ours can use. No name and no extension is
//! asked for: subject and alternative name come from the register, whatever a request says.

use axum::response::Response;
use const_oid::db::rfc5912::{ECDSA_WITH_SHA_256, ID_EC_PUBLIC_KEY, SECP_256_R_1};
use der::{Any, Encode, asn1::SetOfVec};
use x509_cert::attr::Attribute;

use super::message;
use crate::error::est::EstError;

/// Answers anybody (RFC 7030 §4.5.1): a key on P-256, and a request signed with it over SHA-256. Others of the
/// kinds that we certify are taken as well; this is what is best.
///
/// # Errors
/// 500: what is constant does not encode.
pub async fn get() -> Result<Response, EstError> {
    let attributes = attributes().map_err(|error| EstError::internal(&error))?;
    Ok(message::base64(message::CSR_ATTRS, &attributes))
}

/// `CsrAttrs`, DER: a sequence of attributes and object identifiers (RFC 8951 §3.2).
fn attributes() -> der::Result<Vec<u8>> {
    let curve = SetOfVec::try_from(vec![Any::encode_from(&SECP_256_R_1)?])?;
    let key = Attribute { oid: ID_EC_PUBLIC_KEY, values: curve };
    vec![Any::encode_from(&key)?, Any::encode_from(&ECDSA_WITH_SHA_256)?].to_der()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_octets_are_those_of_the_definition() {
        let key = "301506072a8648ce3d0201310a06082a8648ce3d030107";
        let signature = "06082a8648ce3d040302";
        assert_eq!(hex::encode(attributes().unwrap()), format!("3021{key}{signature}"));
    }
}

//! The public half of a key in a token, as a `SubjectPublicKeyInfo`.

use const_oid::db::rfc5912;
use cryptoki::{
    object::{Attribute, AttributeType, ObjectHandle},
    session::Session,
};
use der::{
    Any, Decode, Encode, Sequence,
    asn1::{BitString, Null, OctetString, UintRef},
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::{failed, malformed};
use crate::KeyError;

#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

pub(super) fn public_key(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, KeyError> {
    let (mut parameters, mut point, mut modulus, mut exponent) = (None, None, None, None);
    let attributes = session
        .get_attributes(
            key,
            &[
                AttributeType::EcParams,
                AttributeType::EcPoint,
                AttributeType::Modulus,
                AttributeType::PublicExponent,
            ],
        )
        .map_err(failed("read the public key"))?;
    for attribute in attributes {
        match attribute {
            Attribute::EcParams(value) => parameters = Some(value),
            Attribute::EcPoint(value) => point = Some(value),
            Attribute::Modulus(value) => modulus = Some(value),
            Attribute::PublicExponent(value) => exponent = Some(value),
            _ => {}
        }
    }
    let (algorithm, octets) = match (parameters, point, modulus, exponent) {
        (Some(parameters), Some(point), _, _) => {
            // CKA_EC_POINT is the DER OCTET STRING of the point; some tokens give it bare.
            let point = OctetString::from_der(&point)
                .map(|octets| octets.into_bytes().into_vec())
                .unwrap_or(point);
            let algorithm = AlgorithmIdentifierOwned {
                oid: rfc5912::ID_EC_PUBLIC_KEY,
                parameters: Some(Any::from_der(&parameters).map_err(malformed)?),
            };
            (algorithm, point)
        }
        (_, _, Some(modulus), Some(exponent)) => {
            let algorithm = AlgorithmIdentifierOwned {
                oid: rfc5912::RSA_ENCRYPTION,
                parameters: Some(Null.into()),
            };
            let key = RsaPublicKey {
                modulus: UintRef::new(&modulus).map_err(malformed)?,
                exponent: UintRef::new(&exponent).map_err(malformed)?,
            };
            (algorithm, key.to_der().map_err(malformed)?)
        }
        _ => {
            return Err(KeyError::RejectedKey {
                reason: "the token shows neither a point nor a modulus".to_owned(),
            });
        }
    };
    SubjectPublicKeyInfoOwned {
        algorithm,
        subject_public_key: BitString::from_bytes(&octets).map_err(malformed)?,
    }
    .to_der()
    .map_err(malformed)
}

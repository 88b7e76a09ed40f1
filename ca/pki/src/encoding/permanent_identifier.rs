//! permanentIdentifier (RFC 4043 §2): the facility behind a certificate.
//!
//! ```text
//! id-on-permanentIdentifier ::= { id-on 3 }
//! PermanentIdentifier ::= SEQUENCE {
//!     identifierValue UTF8String OPTIONAL,
//!     assigner        OBJECT IDENTIFIER OPTIONAL }
//! ```

use const_oid::ObjectIdentifier;
use der::{Any, Decode, Sequence};
use x509_cert::{
    Certificate,
    ext::pkix::{
        SubjectAltName,
        name::{GeneralName, OtherName},
    },
};

use crate::national::facility_identifier::{FacilityIdentifier, FacilityIdentifierError};

/// id-on-permanentIdentifier (RFC 4043 §2).
pub const ID_ON_PERMANENT_IDENTIFIER: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.3");

/// The structure above.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub struct PermanentIdentifier {
    /// The identifier in its assigner's notation.
    #[asn1(optional = "true")]
    pub identifier_value: Option<String>,
    /// Who assigned it.
    #[asn1(optional = "true")]
    pub assigner: Option<ObjectIdentifier>,
}

/// Why the facility could not be read from a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PermanentIdentifierError {
    /// The extension or the name inside is not well formed.
    #[error("the subject alternative name is not well formed")]
    Malformed,
    /// There is none of ours.
    #[error("the certificate carries no facility identifier")]
    Absent,
    /// There are several.
    #[error("the certificate carries more than one facility identifier")]
    Repeated,
    /// The value is no facility identifier.
    #[error(transparent)]
    Value(#[from] FacilityIdentifierError),
}

/// The GeneralName that carries `facility`.
///
/// # Errors
/// [`der::Error`]: never for a real identifier.
pub fn facility_name(facility: FacilityIdentifier) -> der::Result<GeneralName> {
    let identifier = PermanentIdentifier {
        identifier_value: Some(facility.to_string()),
        assigner: Some(sekisho_wire::oid::FACILITY_IDENTIFIER),
    };
    Ok(GeneralName::OtherName(OtherName {
        type_id: ID_ON_PERMANENT_IDENTIFIER,
        value: Any::encode_from(&identifier)?,
    }))
}

/// The facility that a certificate names. Whether the certificate is ours is for
/// [`crate::path`] to say.
///
/// # Errors
/// [`PermanentIdentifierError`].
pub fn facility_of(
    certificate: &Certificate,
) -> Result<FacilityIdentifier, PermanentIdentifierError> {
    let (_, names) = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .map_err(|_| PermanentIdentifierError::Malformed)?
        .ok_or(PermanentIdentifierError::Absent)?;
    let mut found = None;
    for name in &names.0 {
        let GeneralName::OtherName(other) = name else {
            continue;
        };
        if other.type_id != ID_ON_PERMANENT_IDENTIFIER {
            continue;
        }
        let identifier = parse(&other.value)?;
        if identifier.assigner != Some(sekisho_wire::oid::FACILITY_IDENTIFIER) {
            continue;
        }
        let value = identifier.identifier_value.ok_or(PermanentIdentifierError::Malformed)?;
        if found.replace(FacilityIdentifier::parse(&value)?).is_some() {
            return Err(PermanentIdentifierError::Repeated);
        }
    }
    found.ok_or(PermanentIdentifierError::Absent)
}

fn parse(value: &Any) -> Result<PermanentIdentifier, PermanentIdentifierError> {
    use der::Encode;
    let der = value.to_der().map_err(|_| PermanentIdentifierError::Malformed)?;
    PermanentIdentifier::from_der(&der).map_err(|_| PermanentIdentifierError::Malformed)
}

#[cfg(test)]
mod tests {
    use der::Encode;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_octets_are_those_of_rfc_4043() {
        let facility = FacilityIdentifier::parse("179927398711").unwrap();
        let der = facility_name(facility).unwrap().to_der().unwrap();
        // [0] { OID 1.3.6.1.5.5.7.8.3, [0] { SEQUENCE { UTF8String, OID } } }
        assert_eq!(
            hex::encode(der),
            "a02806082b06010505070803a01c301a0c0c313739393237333938373131\
             060a2b0601040181fd590201"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = PermanentIdentifier::from_der(&bytes);
        }
    }
}

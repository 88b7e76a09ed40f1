//! A certificate taken apart for judging.

use const_oid::{AssociatedOid, ObjectIdentifier, db::rfc5280};
use der::{Decode, Encode};
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate,
    certificate::Version,
    ext::pkix::{
        BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage,
    },
    name::Name,
};

use super::{MOST_CERTIFICATE_OCTETS, PathError};
use crate::encoding::{serial::Serial, signed_object::SignedObject};

/// Everything that judging looks at, read once.
#[derive(Debug, Clone)]
pub(super) struct Parsed<'a> {
    pub(super) der: &'a [u8],
    pub(super) certificate: Certificate,
    pub(super) signed: SignedObject<'a>,
    pub(super) public_key_der: Vec<u8>,
    pub(super) serial: Serial,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) policies: Vec<ObjectIdentifier>,
    pub(super) crl_distribution_points: Option<CrlDistributionPoints>,
    pub(super) unsupported: Option<ObjectIdentifier>,
    sha256: [u8; 32],
}

impl<'a> Parsed<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, PathError> {
        if der.len() > MOST_CERTIFICATE_OCTETS {
            return Err(PathError::TooLarge);
        }
        let certificate = Certificate::from_der(der).map_err(malformed)?;
        let signed = SignedObject::parse(der, false).map_err(malformed)?;
        let tbs = certificate.tbs_certificate();
        // RFC 5280 §4.1.1.2: the two must be the same; else the signed one is not the one used.
        if tbs.signature() != &signed.algorithm {
            return Err(malformed("two different signature algorithms"));
        }
        if tbs.extensions().is_some() && tbs.version() != Version::V3 {
            return Err(malformed("extensions before version 3"));
        }
        if tbs.issuer().is_empty() {
            return Err(malformed("an empty issuer"));
        }
        Ok(Self {
            der,
            public_key_der: tbs.subject_public_key_info().to_der().map_err(malformed)?,
            serial: Serial::from_x509(tbs.serial_number()).map_err(malformed)?,
            basic_constraints: extension(&certificate)?,
            key_usage: extension(&certificate)?,
            extended_key_usage: extension(&certificate)?,
            policies: extension::<CertificatePolicies>(&certificate)?
                .map(|policies| {
                    policies.0.into_iter().map(|policy| policy.policy_identifier).collect()
                })
                .unwrap_or_default(),
            crl_distribution_points: extension(&certificate)?,
            unsupported: unsupported(&certificate)?,
            sha256: Sha256::digest(der).into(),
            signed,
            certificate,
        })
    }

    pub(super) fn subject(&self) -> &Name {
        self.certificate.tbs_certificate().subject()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.certificate.tbs_certificate().issuer()
    }

    pub(super) fn is_same(&self, other: &Parsed<'_>) -> bool {
        self.sha256 == other.sha256
    }

    pub(super) fn is_authority(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }

    pub(super) fn may(&self, usage: fn(&KeyUsage) -> bool) -> bool {
        // RFC 5280 §6.1.4 n: only if present.
        self.key_usage.as_ref().is_none_or(usage)
    }
}

/// The first extension that forbids going on (RFC 5280 §4.2, §6.1.4 o).
fn unsupported(certificate: &Certificate) -> Result<Option<ObjectIdentifier>, PathError> {
    const PROCESSED: [ObjectIdentifier; 8] = [
        rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER,
        rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER,
        rfc5280::ID_CE_KEY_USAGE,
        rfc5280::ID_CE_EXT_KEY_USAGE,
        rfc5280::ID_CE_CERTIFICATE_POLICIES,
        rfc5280::ID_CE_SUBJECT_ALT_NAME,
        rfc5280::ID_CE_BASIC_CONSTRAINTS,
        rfc5280::ID_CE_CRL_DISTRIBUTION_POINTS,
    ];
    // They narrow what an authority may do: ignoring them would widen it, critical or not.
    const NARROWING: [ObjectIdentifier; 3] = [
        rfc5280::ID_CE_NAME_CONSTRAINTS,
        rfc5280::ID_CE_POLICY_CONSTRAINTS,
        rfc5280::ID_CE_INHIBIT_ANY_POLICY,
    ];
    let mut seen: Vec<ObjectIdentifier> = Vec::new();
    let mut found = None;
    for extension in certificate.tbs_certificate().extensions().into_iter().flatten() {
        let oid = extension.extn_id;
        if seen.contains(&oid) {
            return Err(malformed(format!("extension {oid} stands twice")));
        }
        seen.push(oid);
        let unknown = extension.critical && !PROCESSED.contains(&oid);
        if found.is_none() && (unknown || NARROWING.contains(&oid)) {
            found = Some(oid);
        }
    }
    Ok(found)
}

fn extension<T>(certificate: &Certificate) -> Result<Option<T>, PathError>
where
    T: for<'a> Decode<'a, Error = der::Error> + AssociatedOid,
{
    Ok(certificate
        .tbs_certificate()
        .get_extension::<T>()
        .map_err(|error| malformed(format!("extension {}: {error}", T::OID)))?
        .map(|(_, value)| value))
}

pub(super) fn malformed(what: impl ToString) -> PathError {
    PathError::Malformed { what: what.to_string() }
}

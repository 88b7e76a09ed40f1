//! The TBSCertificate (RFC 5280 §4.1) from a profile.

use const_oid::{
    AssociatedOid, ObjectIdentifier,
    db::{rfc5280, rfc6960::ID_PKIX_OCSP_NOCHECK},
};
use der::{
    Decode, Encode, Sequence,
    asn1::{Ia5String, Null, OctetString},
};
use sekisho_pki::encoding::{instant, key_identifier::key_identifier, serial::Serial};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use time::OffsetDateTime;
use x509_cert::{
    certificate::Version,
    ext::{
        Extension,
        pkix::{
            AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
            CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
            SubjectKeyIdentifier,
            certpolicy::PolicyInformation,
            crl::dp::DistributionPoint,
            name::{DistributionPointName, GeneralName},
        },
    },
    name::Name,
    serial_number::SerialNumber,
    time::Validity,
};

use super::{ApprovedRequest, Issuer};

/// As RFC 5280 §4.1 writes it; `x509_cert`'s own type cannot be built from outside.
#[derive(Clone, Sequence)]
pub(crate) struct Tbs {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(crate) version: Version,
    pub(crate) serial_number: SerialNumber,
    pub(crate) signature: AlgorithmIdentifierOwned,
    pub(crate) issuer: Name,
    pub(crate) validity: Validity,
    pub(crate) subject: Name,
    pub(crate) subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    pub(crate) extensions: Vec<Extension>,
}

pub(crate) fn build(
    issuer: &Issuer<'_>,
    approved: &ApprovedRequest,
    serial: &Serial,
    (not_before, not_after): (OffsetDateTime, OffsetDateTime),
) -> der::Result<Vec<u8>> {
    Tbs {
        version: Version::V3,
        serial_number: serial.to_x509()?,
        signature: issuer.algorithm.identifier(),
        issuer: issuer.subject.clone(),
        validity: Validity::new(instant::to_time(not_before)?, instant::to_time(not_after)?),
        subject: approved.subject.clone(),
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&approved.public_key_der)?,
        extensions: extensions(issuer, approved, serial)?,
    }
    .to_der()
}

fn extensions(
    issuer: &Issuer<'_>,
    approved: &ApprovedRequest,
    serial: &Serial,
) -> der::Result<Vec<Extension>> {
    let profile = &approved.profile;
    let mut extensions = Vec::new();
    let self_signed = issuer.validity.is_none();
    if !self_signed {
        // RFC 5280 §4.2.1.1; a trust anchor would only point at itself.
        extensions.push(extension(
            false,
            &AuthorityKeyIdentifier {
                key_identifier: Some(OctetString::new(issuer.key_identifier)?),
                ..AuthorityKeyIdentifier::default()
            },
        )?);
    }
    let subject_key = key_identifier(&approved.public_key_der)
        .map_err(|_| der::ErrorKind::Value { tag: der::Tag::BitString })?;
    extensions.push(extension(false, &SubjectKeyIdentifier(OctetString::new(&subject_key[..])?))?);
    extensions.push(extension(true, &KeyUsage(profile.key_usage()))?);
    if !profile.extended_key_usage().is_empty() {
        extensions
            .push(extension(false, &ExtendedKeyUsage(profile.extended_key_usage().to_vec()))?);
    }
    if let Some(policy_identifier) = profile.policy() {
        // No qualifiers: an address of the CPS would be in ten million certificates.
        extensions.push(extension(
            false,
            &CertificatePolicies(vec![PolicyInformation {
                policy_identifier,
                policy_qualifiers: None,
            }]),
        )?);
    }
    if !approved.alternative_names.is_empty() {
        extensions.push(extension(false, &SubjectAltName(approved.alternative_names.clone()))?);
    }
    extensions.push(basic_constraints(approved)?);
    if profile.crl_distribution_point() {
        extensions.push(extension(
            false,
            &CrlDistributionPoints(vec![DistributionPoint {
                distribution_point: Some(DistributionPointName::FullName(vec![uri(&issuer
                    .publication
                    .crl_url_of(serial))?])),
                reasons: None,
                crl_issuer: None,
            }]),
        )?);
    }
    let access = access(issuer, approved)?;
    if !access.is_empty() {
        extensions.push(extension(false, &AuthorityInfoAccessSyntax(access))?);
    }
    if profile.ocsp_no_check() {
        extensions.push(Extension {
            extn_id: ID_PKIX_OCSP_NOCHECK,
            critical: false,
            extn_value: OctetString::new(Null.to_der()?)?,
        });
    }
    Ok(extensions)
}

fn basic_constraints(approved: &ApprovedRequest) -> der::Result<Extension> {
    // CA:FALSE is written out for end entities: it costs nine octets, and some IKE daemons warn
    // without it.
    let (ca, path_len_constraint) = match approved.profile.authority() {
        Some(rule) => (true, rule.path_length),
        None => (false, None),
    };
    extension(true, &BasicConstraints { ca, path_len_constraint })
}

fn access(issuer: &Issuer<'_>, approved: &ApprovedRequest) -> der::Result<Vec<AccessDescription>> {
    let mut access = Vec::new();
    let mut add = |access_method: ObjectIdentifier, url: &str| -> der::Result<()> {
        access.push(AccessDescription { access_method, access_location: uri(url)? });
        Ok(())
    };
    if approved.profile.ocsp_access()
        && let Some(url) = &issuer.publication.ocsp_url
    {
        add(rfc5280::ID_AD_OCSP, url)?;
    }
    if approved.profile.ca_issuers_access() {
        add(rfc5280::ID_AD_CA_ISSUERS, &issuer.publication.ca_issuers_url)?;
    }
    Ok(access)
}

fn uri(url: &str) -> der::Result<GeneralName> {
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

//! CRLs as evidence (RFC 5280 §6.3).

use std::collections::HashMap;

use const_oid::{ObjectIdentifier, db::rfc5280};
use der::{Decode, Encode};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use time::{Duration, OffsetDateTime};
use x509_cert::{
    crl::CertificateList,
    ext::{
        Extension,
        pkix::{
            CrlReason, IssuingDistributionPoint,
            name::{DistributionPointName, GeneralName},
        },
    },
    name::Name,
};

use super::{CrlEvidence, PathError, certificate::Parsed};
use crate::{
    encoding::{instant, name, serial::Serial, signed_object::SignedObject},
    signature,
};

/// A list of a million entries has about 40 MiB.
const MOST_OCTETS: usize = 64 * 1024 * 1024;

/// A CRL, read once and used for many judgements. Whether it is authentic is judged each time,
/// with the issuer of the path at hand.
#[derive(Debug, Clone)]
pub struct Crl {
    issuer: Name,
    to_be_signed: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    entries: HashMap<Serial, (OffsetDateTime, Option<u8>)>,
    scope: Result<Scope, ObjectIdentifier>,
    sha256: [u8; 32],
}

#[derive(Debug, Clone, Default)]
struct Scope {
    names: Option<Vec<GeneralName>>,
    users_only: bool,
    authorities_only: bool,
}

/// What is wrong with a CRL, or with there being none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlProblem {
    /// None of this issuer.
    #[error("there is no CRL of its issuer {issuer}")]
    Missing {
        /// Whose.
        issuer: String,
    },
    /// For other certificates.
    #[error("the CRL of its issuer is for other certificates")]
    OutOfScope,
    /// Has a critical extension that we cannot process, or is of a kind that we do not read.
    #[error("the CRL has the extension {oid}, which we cannot process")]
    Unsupported {
        /// Which.
        oid: ObjectIdentifier,
    },
    /// Not signed by the issuer.
    #[error("the CRL is not signed by its issuer")]
    NotAuthentic,
    /// The issuer's keyUsage lacks cRLSign.
    #[error("the issuer's key is not for signing CRLs")]
    NotForCrls,
    /// thisUpdate is in the future.
    #[error("the CRL is from {this_update}, later than now: check the clock")]
    NotYetInForce {
        /// Its beginning.
        this_update: OffsetDateTime,
    },
    /// nextUpdate has passed or is missing, or thisUpdate is too long ago.
    #[error("the CRL of {this_update} is out of date; fetch a new one")]
    Outdated {
        /// Its beginning.
        this_update: OffsetDateTime,
    },
    /// No more work allowed.
    #[error("too many CRLs of the same issuer")]
    BudgetSpent,
}

impl Crl {
    /// Reads DER.
    ///
    /// # Errors
    /// [`der::Error`]: not a CRL, or one with a serial number twice.
    pub fn parse(der: &[u8]) -> der::Result<Self> {
        let value_error = || der::Error::from(der::Tag::Sequence.value_error());
        if der.len() > MOST_OCTETS {
            return Err(value_error());
        }
        let signed = SignedObject::parse(der, false)?;
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)?;
        let tbs = list.tbs_cert_list;
        if tbs.signature != signed.algorithm {
            return Err(value_error());
        }
        let mut scope = scope(tbs.crl_extensions.as_deref().unwrap_or_default());
        let mut entries = HashMap::new();
        for entry in tbs.revoked_certificates.unwrap_or_default() {
            let mut reason = None;
            for extension in entry.crl_entry_extensions.unwrap_or_default() {
                if extension.extn_id == rfc5280::ID_CE_CRL_REASONS {
                    let code = CrlReason::from_der(extension.extn_value.as_bytes())?;
                    reason = Some(code as u8);
                } else if extension.critical && scope.is_ok() {
                    // certificateIssuer above all: then the entry is about another's
                    // certificate, and the whole list an indirect one.
                    scope = Err(extension.extn_id);
                }
            }
            let serial = Serial::from_x509(&entry.serial_number).map_err(|_| value_error())?;
            let at = instant::from_time(&entry.revocation_date);
            if entries.insert(serial, (at, reason)).is_some() {
                return Err(value_error());
            }
        }
        Ok(Self {
            issuer: tbs.issuer,
            to_be_signed: signed.to_be_signed.to_vec(),
            algorithm: signed.algorithm.clone(),
            signature: signed.signature,
            this_update: instant::from_time(&tbs.this_update),
            next_update: tbs.next_update.as_ref().map(instant::from_time),
            entries,
            scope,
            sha256: Sha256::digest(der).into(),
        })
    }

    /// Reads DER, or PEM with the label `X509 CRL`.
    ///
    /// # Errors
    /// [`der::Error`].
    pub fn parse_file(octets: &[u8]) -> der::Result<Self> {
        if octets.starts_with(b"-----BEGIN") {
            let (label, der) = der::pem::decode_vec(octets)?;
            if label != "X509 CRL" {
                return Err(der::Tag::Sequence.value_error().into());
            }
            return Self::parse(&der);
        }
        Self::parse(octets)
    }

    /// The issuer's name as DER.
    ///
    /// # Errors
    /// [`der::Error`].
    pub fn issuer_der(&self) -> der::Result<Vec<u8>> {
        self.issuer.to_der()
    }
    /// Whose it is.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// thisUpdate.
    #[must_use]
    pub fn this_update(&self) -> OffsetDateTime {
        self.this_update
    }

    /// nextUpdate, if it says one.
    #[must_use]
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.next_update
    }

    fn in_force(
        &self,
        most_age: Duration,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, CrlProblem> {
        let this_update = self.this_update;
        if now < this_update {
            return Err(CrlProblem::NotYetInForce { this_update });
        }
        match self.next_update {
            Some(next_update) if now < next_update && now - this_update <= most_age => {
                Ok(next_update)
            }
            _ => Err(CrlProblem::Outdated { this_update }),
        }
    }
}

/// What the list is about, or the extension that keeps us from knowing.
fn scope(extensions: &[Extension]) -> Result<Scope, ObjectIdentifier> {
    let mut scope = Scope::default();
    for extension in extensions {
        let oid = extension.extn_id;
        match oid {
            rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT => {
                let point = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes())
                    .map_err(|_| oid)?;
                if point.indirect_crl
                    || point.only_contains_attribute_certs
                    || point.only_some_reasons.is_some()
                {
                    return Err(oid);
                }
                scope.users_only = point.only_contains_user_certs;
                scope.authorities_only = point.only_contains_ca_certs;
                scope.names = match point.distribution_point {
                    None => None,
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => return Err(oid),
                };
            }
            // A delta alone says nothing about what stood in its base.
            rfc5280::ID_CE_DELTA_CRL_INDICATOR => return Err(oid),
            rfc5280::ID_CE_CRL_NUMBER | rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER => {}
            _ if extension.critical => return Err(oid),
            _ => {}
        }
    }
    Ok(scope)
}

impl Scope {
    fn covers(&self, certificate: &Parsed<'_>) -> bool {
        if self.users_only && certificate.is_authority()
            || self.authorities_only && !certificate.is_authority()
        {
            return false;
        }
        let Some(names) = &self.names else {
            return true;
        };
        // RFC 5280 §6.3.3 b 2 i: one of the names must be the certificate's.
        certificate
            .crl_distribution_points
            .iter()
            .flat_map(|points| &points.0)
            .filter_map(|point| point.distribution_point.as_ref())
            .any(|point| match point {
                DistributionPointName::FullName(asked) => {
                    asked.iter().any(|name| names.contains(name))
                }
                DistributionPointName::NameRelativeToCRLIssuer(_) => false,
            })
    }
}

/// The issuer of the certificate in question, as found on the path.
pub(super) struct Issuer<'a> {
    pub(super) subject: &'a Name,
    pub(super) public_key_der: &'a [u8],
    pub(super) may_sign_crls: bool,
}

/// Looks a certificate up. Any authentic list that names it settles the matter, even one out of
/// date; that it is *not* revoked only a list in force can say.
pub(super) fn check(
    certificate: &Parsed<'_>,
    issuer: &Issuer<'_>,
    crls: &[Crl],
    most_age: Duration,
    now: OffsetDateTime,
    signatures_left: &mut u32,
) -> Result<CrlEvidence, PathError> {
    let mut problem = CrlProblem::Missing { issuer: issuer.subject.to_string() };
    let mut evidence: Option<CrlEvidence> = None;
    for crl in crls.iter().filter(|crl| name::same(&crl.issuer, issuer.subject)) {
        match usable(crl, certificate, issuer, signatures_left) {
            Ok(()) => {}
            Err(found) => {
                if evidence.is_none() {
                    problem = found;
                }
                continue;
            }
        }
        if let Some((at, reason)) = crl.entries.get(&certificate.serial) {
            return Err(PathError::Revoked {
                subject: certificate.subject().to_string(),
                at: *at,
                reason: *reason,
            });
        }
        match crl.in_force(most_age, now) {
            Ok(next_update) => {
                let newer =
                    evidence.as_ref().is_none_or(|evidence| evidence.this_update < crl.this_update);
                if newer {
                    evidence = Some(CrlEvidence {
                        serial: certificate.serial.clone(),
                        crl_sha256: crl.sha256,
                        this_update: crl.this_update,
                        next_update,
                    });
                }
            }
            Err(found) => problem = found,
        }
    }
    evidence.ok_or_else(|| PathError::RevocationUnknown {
        subject: certificate.subject().to_string(),
        problem,
    })
}

fn usable(
    crl: &Crl,
    certificate: &Parsed<'_>,
    issuer: &Issuer<'_>,
    signatures_left: &mut u32,
) -> Result<(), CrlProblem> {
    match &crl.scope {
        Err(oid) => return Err(CrlProblem::Unsupported { oid: *oid }),
        Ok(scope) if !scope.covers(certificate) => return Err(CrlProblem::OutOfScope),
        Ok(_) => {}
    }
    if !issuer.may_sign_crls {
        return Err(CrlProblem::NotForCrls);
    }
    *signatures_left = signatures_left.checked_sub(1).ok_or(CrlProblem::BudgetSpent)?;
    signature::verify(issuer.public_key_der, &crl.algorithm, &crl.to_be_signed, &crl.signature)
        .map_err(|_| CrlProblem::NotAuthentic)
}

impl PartialEq for Crl {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Crl::parse(&bytes);
            let _ = Crl::parse_file(&bytes);
            let _ = Parsed::parse(&bytes);
            let _ = super::super::Anchors::from_pem(&bytes);
        }
    }
}

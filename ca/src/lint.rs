//! Rules of the certificate policy on the octets about to be signed: one rule a file.
//!
//! The builder and the rules are written apart, so that one mistake does not stand in both. The
//! octets are read back from DER, put under a throwaway signature of the same kind as the real
//! one, and judged as the certificate that they would be. What passes is a [`LintedTbs`], and
//! only that can be signed.

mod alternative_names;
mod authority_access;
mod basic_constraints;
mod canonical;
mod crl_distribution;
mod extension_set;
mod issuer;
mod key_identifiers;
mod key_usage;
mod policy;
mod public_key;
mod purpose;
mod serial_number;
mod signature_algorithm;
mod size;
mod strength;
mod subject;
mod target_issuer;
mod target_key_usage;
mod target_names;
mod target_public_key;
mod target_purpose;
mod target_subject;
mod throwaway;
mod validity;
mod version;

#[cfg(test)]
mod examples;

use der::Decode;
use sekisho_key::KeyError;
use sekisho_pki::encoding::{serial::Serial, signed_object::assemble};
use x509_cert::Certificate;

use crate::issuance::{ApprovedRequest, Issuer};

/// A TBSCertificate that kept every rule. Linting makes it, signing consumes it; it cannot be
/// copied, so one linting allows one signature.
#[derive(Debug)]
pub struct LintedTbs {
    tbs_der: Vec<u8>,
}

impl LintedTbs {
    /// The octets to sign.
    #[must_use]
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs_der
    }
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule: the name of its file.
    pub rule: &'static str,
    /// What was found.
    pub what: String,
}

/// Why the octets may not be signed.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// Rules are broken; all of them are told.
    #[error("{}", list(.0))]
    Broken(Vec<Finding>),
    /// The octets are no certificate at all.
    #[error("the octets are not a TBSCertificate")]
    Malformed(#[source] der::Error),
    /// No throwaway key.
    #[error("there is no throwaway key to lint under")]
    Throwaway(#[source] KeyError),
}

fn list(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{}: {}", finding.rule, finding.what))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What the certificate should be.
pub(crate) struct Context<'a> {
    pub(crate) issuer: &'a Issuer<'a>,
    pub(crate) approved: &'a ApprovedRequest,
    pub(crate) serial: &'a Serial,
}

impl Context<'_> {
    fn self_signed(&self) -> bool {
        self.issuer.validity.is_none()
    }
}

/// What a rule looks at.
struct Subject<'a> {
    context: &'a Context<'a>,
    /// The certificate under a throwaway signature.
    certificate: &'a Certificate,
    certificate_der: &'a [u8],
    tbs_der: &'a [u8],
}

type Verdict = Result<(), String>;
type Rule = fn(&Subject<'_>) -> Verdict;

const RULES: [(&str, Rule); 25] = [
    ("canonical", canonical::check),
    ("version", version::check),
    ("serial_number", serial_number::check),
    ("signature_algorithm", signature_algorithm::check),
    ("issuer", issuer::check),
    ("validity", validity::check),
    ("subject", subject::check),
    ("public_key", public_key::check),
    ("extension_set", extension_set::check),
    ("basic_constraints", basic_constraints::check),
    ("key_usage", key_usage::check),
    ("purpose", purpose::check),
    ("policy", policy::check),
    ("alternative_names", alternative_names::check),
    ("key_identifiers", key_identifiers::check),
    ("crl_distribution", crl_distribution::check),
    ("authority_access", authority_access::check),
    ("size", size::check),
    ("strength", strength::check),
    ("target_subject", target_subject::check),
    ("target_names", target_names::check),
    ("target_key_usage", target_key_usage::check),
    ("target_purpose", target_purpose::check),
    ("target_public_key", target_public_key::check),
    ("target_issuer", target_issuer::check),
];

/// Judges the octets.
///
/// # Errors
/// [`LintError`].
pub(crate) fn lint(tbs_der: Vec<u8>, context: &Context<'_>) -> Result<LintedTbs, LintError> {
    let algorithm = context.issuer.algorithm;
    let signature = throwaway::sign(algorithm, &tbs_der).map_err(LintError::Throwaway)?;
    let certificate_der =
        assemble(&tbs_der, algorithm.identifier(), &signature).map_err(LintError::Malformed)?;
    let certificate = Certificate::from_der(&certificate_der).map_err(LintError::Malformed)?;
    let subject = Subject {
        context,
        certificate: &certificate,
        certificate_der: &certificate_der,
        tbs_der: &tbs_der,
    };
    let findings: Vec<Finding> = RULES
        .iter()
        .filter_map(|(rule, check)| check(&subject).err().map(|what| Finding { rule, what }))
        .collect();
    if findings.is_empty() { Ok(LintedTbs { tbs_der }) } else { Err(LintError::Broken(findings)) }
}

/// Reads one extension for a rule; `Err` if it stands twice or is not well formed.
fn extension<'a, T>(subject: &'a Subject<'_>) -> Result<Option<(bool, T)>, String>
where
    T: Decode<'a> + const_oid::AssociatedOid,
    <T as Decode<'a>>::Error: std::fmt::Display,
{
    subject
        .certificate
        .tbs_certificate()
        .get_extension::<T>()
        .map_err(|error| format!("extension {} is unreadable: {error}", T::OID))
}

/// The family that has to use the certificate, for the rules about it.
fn target<'a>(subject: &'a Subject<'_>) -> Option<&'a crate::profile::Target> {
    subject.context.approved.profile.target()
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

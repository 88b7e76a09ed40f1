//! Judging a certificate that a ceremony made elsewhere, before it is taken into an instance.

use der::{Decode, Encode};
use sekisho_pki::encoding::{
    instant,
    key_identifier::{fingerprint, public_key_sha256},
    serial::{Serial, SerialError},
    signed_object::SignedObject,
};
use time::OffsetDateTime;
use x509_cert::Certificate;

use super::prepare::{Party, PrepareError};
use crate::{
    authority::Publication,
    issuance::{ApprovedRequest, is_signed},
    lint::{self, LintError},
    profile::{Profile, ProfileError},
    record::{IssuedCertificate, Subscriber},
};

/// A certificate to be judged, and what it claims to be.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The certificate, DER.
    pub der: &'a [u8],
    /// Name of its profile: `issuing`, or `root`, whose issuer is itself.
    pub profile: &'a str,
    /// Identifier of the authority that signed it.
    pub issuer_id: &'a str,
    /// That authority's certificate, DER.
    pub issuer_der: &'a [u8],
    /// Where the authority publishes.
    pub publication: &'a Publication,
}

/// Why a certificate is not taken.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Not a certificate.
    #[error("it is not a certificate")]
    Malformed(#[from] der::Error),
    /// Its number.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// No such profile.
    #[error("its profile cannot be used")]
    Profile(#[from] ProfileError),
    /// The issuer's certificate.
    #[error("its issuer's certificate cannot be used")]
    Issuer(#[from] PrepareError),
    /// Another's signature.
    #[error("it is not signed by its issuer's key")]
    Signature,
    /// It breaks a rule of the certificate policy.
    #[error("it is not what its profile says")]
    Lint(#[from] LintError),
}

impl Candidate<'_> {
    /// Judges signature and profile, by the lints that every certificate of ours went through.
    /// Whether its issuer counts is for the path validator to say.
    ///
    /// # Errors
    /// [`JudgeError`]: the first thing that does not hold.
    pub fn judge(&self, at: OffsetDateTime) -> Result<IssuedCertificate, JudgeError> {
        let certificate = Certificate::from_der(self.der)?;
        let tbs = certificate.tbs_certificate();
        let serial = Serial::from_x509(tbs.serial_number())?;
        let public_key_der = tbs.subject_public_key_info().to_der()?;
        let approved = ApprovedRequest {
            profile: Profile::shipped(self.profile)?,
            subject: tbs.subject().clone(),
            alternative_names: Vec::new(),
            public_key_der: public_key_der.clone(),
            subscriber: Subscriber::default(),
        };
        let party = Party::of_certificate(self.issuer_id, self.issuer_der, self.publication)?;
        // A root is its own issuer, and ends when it ends.
        let issuer = party.issuer(if self.profile == "root" { None } else { party.validity });
        let to_be_signed = SignedObject::parse(self.der, false)?.to_be_signed.to_vec();
        if !is_signed(issuer.public_key_der, &to_be_signed, self.der) {
            return Err(JudgeError::Signature);
        }
        let context = lint::Context { issuer: &issuer, approved: &approved, serial: &serial };
        // The token that linting hands out is dropped: nothing is signed here.
        drop(lint::lint(to_be_signed, &context)?);
        let validity = tbs.validity();
        Ok(IssuedCertificate {
            issuer_id: self.issuer_id.to_owned(),
            serial,
            profile: self.profile.to_owned(),
            subscriber: Subscriber::default(),
            fingerprint: fingerprint(self.der),
            public_key_sha256: public_key_sha256(&public_key_der),
            der: self.der.to_vec(),
            not_before: instant::from_time(&validity.not_before),
            not_after: instant::from_time(&validity.not_after),
            issued_at: at,
        })
    }
}

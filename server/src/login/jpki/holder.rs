//! The holder of a My Number card: signature, path, purpose, policy, time and status all held.

use sekisho_pki::national::jpki::{JpkiError, VerifiedJpkiCertificate};
use sekisho_store::evidence::Evidence;
use sekisho_wire::domain;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use super::trust::JpkiTrust;
use crate::{
    app::App,
    keys::InstanceKeys,
    login::{hpki::VerifiedCardProof, refusal::Refusal, trust_sources::refusal_of_path},
};

/// Somebody whom a linked certificate may stand for. It holds no name and no serial number.
#[derive(Debug, Clone)]
pub struct VerifiedJpkiHolder {
    /// What was proven, to be kept.
    pub(super) evidence: Evidence,
    /// SHA-256 of the certificate.
    pub(super) fingerprint: [u8; 32],
    /// The bits of its public key.
    pub(super) public_key: Vec<u8>,
    /// End of its validity.
    pub(super) not_after: OffsetDateTime,
    /// By what its serial number is known again.
    pub(super) serial_hash: [u8; 32],
    /// The agent's name for the card in its reader.
    pub(super) presence_id: String,
}

impl VerifiedJpkiHolder {
    /// Validates the certificate of a verified proof, and asks whether it was revoked.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn validate(
        app: &App,
        proof: VerifiedCardProof,
        trust: &JpkiTrust,
    ) -> Result<Self, Refusal> {
        let at = proof.at();
        let unjudged = trust.examine(proof.certificate_der(), at).map_err(told)?;
        let answer = app.jpki_status().status(unjudged.query(), at).await;
        let answer = answer.map_err(|error| told(JpkiError::StatusUnknown { what: error.0 }))?;
        let verified = unjudged.with_status(answer, at).map_err(told)?;
        let fingerprint = verified.fingerprint();
        Ok(Self {
            fingerprint,
            public_key: proof.public_key().to_vec(),
            not_after: verified.not_after(),
            serial_hash: serial_hash(app.keys(), &verified)?,
            presence_id: proof.presence_id(),
            evidence: proof.into_evidence(fingerprint),
        })
    }
}

/// Keyed by the instance: who has the database cannot try serial numbers. With the issuer's key, because
/// all generations of the JPKI have one name and number by themselves.
fn serial_hash(
    keys: &InstanceKeys,
    verified: &VerifiedJpkiCertificate,
) -> Result<[u8; 32], Refusal> {
    let malformed = |_| Refusal::CertificatePath;
    let issuer = Certificate::from_der(verified.issuer_der()).map_err(malformed)?;
    let spki = issuer.tbs_certificate().subject_public_key_info().to_der().map_err(malformed)?;
    let issuer_key = Sha256::digest(spki);
    Ok(keys.keyed_hash(&[domain::JPKI_SERIAL, &issuer_key, verified.serial().as_octets()]))
}

/// What the person is told. The log learns the reason, never whose certificate it is: its subject and
/// its serial number are the person's.
fn told(error: JpkiError) -> Refusal {
    let refusal = match &error {
        JpkiError::SigningCertificate => Refusal::SigningCertificate,
        JpkiError::Path(error) => refusal_of_path(error),
        JpkiError::Revoked { .. } => Refusal::CertificateRevoked,
        JpkiError::StatusUnknown { .. } => Refusal::JpkiStatusUnknown,
        JpkiError::Malformed { .. } => Refusal::CertificateMalformed,
    };
    let why = match &error {
        JpkiError::StatusUnknown { what } => what.as_str(),
        _ => "",
    };
    tracing::info!(refused = refusal.code(), why, "My Number card refused");
    refusal
}

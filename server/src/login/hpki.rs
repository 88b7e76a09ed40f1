//! Verifying what a card signed, from our own side only.
//!
//! Two stages, two types: [`VerifiedCardProof`] says that the holder of *some* certificate's key
//! signed this challenge, for this origin, at this terminal, through this page;
//! [`VerifiedCardHolder`] that the certificate is an HPKI authentication certificate that holds now.
//! Only this module can build either.

use sekisho_pki::national::hc_role::HcRole;
use sekisho_protocol::{
    ChallengeNonce, Jwk, Sha256Digest,
    answer::{CardAnswer, LoginSubmission, PageProof, TerminalProof},
    occasion::Occasion,
    request::LoginRequest,
    signed_input::SignedInput,
};
use sekisho_store::{challenge::Challenge, evidence::Evidence, world::World};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_cert::{Certificate, der::Decode};

use super::{refusal::Refusal, trust_sources::CardTrust};

pub mod admission;

/// What this portal knows of the connection on which the submission arrived.
#[derive(Clone, Copy, Debug)]
pub struct ThisConnection<'a> {
    /// SHA-256 of the browser's cookie.
    pub browser_hash: &'a [u8; 32],
    /// SHA-256 of the terminal certificate that TLS showed.
    pub terminal_fingerprint: &'a [u8; 32],
    /// That certificate's key.
    pub terminal_key: &'a Jwk,
    /// Our own origin.
    pub origin: &'a str,
    /// Our own clock.
    pub now: OffsetDateTime,
}

/// The nonce that a submission's page proof names; nothing of it is believed but which challenge to
/// consume.
#[must_use]
pub fn named_nonce(submission: &LoginSubmission) -> Option<ChallengeNonce> {
    let mut parts = submission.page_proof.split('.');
    let (_, payload) = (parts.next()?, parts.next()?);
    let payload = sekisho_protocol::octets::decode(payload).ok()?;
    serde_json::from_slice::<PageProof>(&payload).ok().map(|proof| proof.nonce)
}

/// A card's signature over this challenge, verified.
#[derive(Debug, Clone)]
pub struct VerifiedCardProof {
    answer: CardAnswer,
    signed_input: Vec<u8>,
    request_jws: String,
    page_proof: String,
    terminal_fingerprint: [u8; 32],
    public_key: Vec<u8>,
    at: OffsetDateTime,
}

impl VerifiedCardProof {
    /// Verifies agent, page and card against the consumed challenge and this connection.
    ///
    /// # Errors
    /// The first [`Refusal`] in this order: time, browser, terminal, agent, page, card.
    pub fn verify(
        challenge: &Challenge,
        submission: &LoginSubmission,
        nonce: ChallengeNonce,
        here: ThisConnection<'_>,
    ) -> Result<Self, Refusal> {
        if here.now >= challenge.expires_at {
            return Err(Refusal::ChallengeExpired);
        }
        if challenge.browser_hash != *here.browser_hash {
            return Err(Refusal::OtherBrowser);
        }
        if challenge.terminal_fingerprint != *here.terminal_fingerprint {
            return Err(Refusal::OtherTerminal);
        }
        let request = our_request(&challenge.request_jws)?;
        let request_digest = Sha256Digest::of(&challenge.request_jws);
        let page_key: Sha256Digest =
            challenge.page_thumbprint.parse().map_err(|_| Refusal::PageProof)?;
        TerminalProof::verify(
            &submission.terminal_proof,
            here.terminal_key,
            request_digest,
            request.confirmation_code,
        )
        .map_err(|_| Refusal::TerminalProof)?;
        PageProof::verify(
            &submission.page_proof,
            page_key,
            request_digest,
            &submission.answer,
            nonce,
        )
        .map_err(|_| Refusal::PageProof)?;
        let answer = CardAnswer::parse(&submission.answer).map_err(|_| Refusal::Malformed)?;
        // Every field is ours: the origin that we serve, the nonce that we remember by hash, the
        // certificate of this connection, the key and the request that we stored.
        let occasion = Occasion {
            origin: Sha256Digest::of(here.origin),
            nonce,
            facility_x5t: Sha256Digest::new(*here.terminal_fingerprint),
            page_key,
            request: request_digest,
        };
        let input = SignedInput::new(occasion, answer.certificate.as_bytes());
        let certificate = Certificate::from_der(answer.certificate.as_bytes())
            .map_err(|_| Refusal::CertificateMalformed)?;
        let key = certificate
            .tbs_certificate()
            .subject_public_key_info()
            .subject_public_key
            .raw_bytes()
            .to_vec();
        answer.verify(&input, &key).map_err(|_| Refusal::CardSignature)?;
        Ok(Self {
            signed_input: input.to_bytes(),
            answer,
            request_jws: challenge.request_jws.clone(),
            page_proof: submission.page_proof.clone(),
            terminal_fingerprint: *here.terminal_fingerprint,
            public_key: key,
            at: here.now,
        })
    }

    /// The agent's name for the card in its reader.
    #[must_use]
    pub fn presence_id(&self) -> String {
        self.answer.presence.to_string()
    }

    /// The card's certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        self.answer.certificate.as_bytes()
    }

    /// The bits of its public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// When it was verified.
    #[must_use]
    pub fn at(&self) -> OffsetDateTime {
        self.at
    }

    /// What is kept of it, once the certificate of this fingerprint has been validated.
    pub(super) fn into_evidence(self, card_fingerprint: [u8; 32]) -> Evidence {
        Evidence {
            at: self.at,
            card_fingerprint,
            terminal_fingerprint: self.terminal_fingerprint,
            request_jws: self.request_jws,
            signed_input: self.signed_input,
            algorithm: "RS256".to_owned(),
            signature: self.answer.signature.0,
            page_proof: self.page_proof,
        }
    }
}

/// The request as we stored it. Our own words, so a failure is a defect that must still refuse.
pub(super) fn our_request(jws: &str) -> Result<LoginRequest, Refusal> {
    let payload = jws.split('.').nth(1).ok_or(Refusal::ChallengeUnknown)?;
    let payload =
        sekisho_protocol::octets::decode(payload).map_err(|_| Refusal::ChallengeUnknown)?;
    serde_json::from_slice(&payload).map_err(|_| Refusal::ChallengeUnknown)
}

/// The person behind a card: signature, path, purpose, policy, time and revocation all held.
#[derive(Debug, Clone)]
pub struct VerifiedCardHolder {
    /// What was proven, to be kept.
    pub(super) evidence: Evidence,
    /// The certificate, DER.
    pub(super) certificate_der: Vec<u8>,
    /// SHA-256 of it.
    pub(super) fingerprint: [u8; 32],
    /// End of its validity.
    pub(super) not_after: OffsetDateTime,
    /// SHA-256 of the issuer's DER name.
    pub(super) issuer_hash: [u8; 32],
    /// The issuer's name (RFC 4514).
    pub(super) issuer: String,
    /// Subject serialNumber.
    pub(super) serial_number: String,
    /// Name in kanji from the subjectAltName; the Latin one where the card has none.
    pub(super) name: String,
    /// Name in Latin letters from the subject.
    pub(super) name_romaji: String,
    /// hcRole, verbatim.
    pub(super) roles: Vec<HcRole>,
    /// The agent's name for the card in its reader.
    pub(super) presence_id: String,
    /// The world of the anchor that the certificate led to.
    pub(super) world: World,
}

impl VerifiedCardHolder {
    /// Validates the certificate of a verified proof against the configured trust.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn validate(proof: VerifiedCardProof, trust: &CardTrust) -> Result<Self, Refusal> {
        let certificate_der = proof.certificate_der().to_vec();
        let verified = trust.judge(&certificate_der, proof.at)?;
        let fingerprint = *verified.fingerprint();
        let issuer = verified.issuer().to_string();
        let name_romaji = verified.common_name().to_owned();
        let name = verified.kanji_name().filter(|name| !name.trim().is_empty());
        Ok(Self {
            presence_id: proof.presence_id(),
            evidence: proof.into_evidence(fingerprint),
            certificate_der,
            fingerprint,
            not_after: verified.not_after(),
            issuer_hash: Sha256::digest(verified.issuer_der()).into(),
            issuer,
            serial_number: verified.serial_number().to_owned(),
            name: name.unwrap_or(&name_romaji).to_owned(),
            roles: verified.roles().to_vec(),
            world: trust.world(),
            name_romaji,
        })
    }
}

//! Verifying a login again, from what was stored alone.

use sekisho_protocol::{
    JwkSet, Sha256Digest,
    answer::{CardAlgorithm, CardAnswer},
    jws,
    occasion::Occasion,
    octets::{Base64Url, PresenceId},
    request::LoginRequest,
    signed_input::SignedInput,
};
use sekisho_store::evidence::Evidence;
use sha2::{Digest, Sha256};
use x509_cert::{Certificate, der::Decode};

/// What is wrong with a stored login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The certificate is not the one that the record names.
    #[error("the card certificate is not the one of the record")]
    Certificate,
    /// The portal's own request does not verify under its published keys.
    #[error("the login request is not soundly signed by this portal")]
    Request,
    /// The signed octets do not follow from request, terminal and certificate.
    #[error("the signed octets do not follow from the request")]
    SignedInput,
    /// An algorithm that was never accepted.
    #[error("the algorithm was never accepted")]
    Algorithm,
    /// The card's signature does not verify.
    #[error("the card's signature does not verify")]
    Signature,
}

/// Under what a card's signature is verified.
#[derive(Debug, Clone, Copy)]
pub enum CardKey<'a> {
    /// The certificate, DER.
    Certificate(&'a [u8]),
    /// The bits of the public key, of a My Number card: its certificate is not kept.
    PublicKey(&'a [u8]),
}

/// Verifies a stored login: the portal's signature over the request, that the signed octets follow
/// from it, and the card's signature over them.
///
/// Whether the certificate was valid *then* is the question of the anchors and lists of that time.
///
/// # Errors
/// [`EvidenceError`], the first thing that is wrong.
pub fn verify(
    evidence: &Evidence,
    card: CardKey<'_>,
    login_request_keys: &JwkSet,
) -> Result<(), EvidenceError> {
    if let CardKey::Certificate(der) = card {
        let fingerprint: [u8; 32] = Sha256::digest(der).into();
        if fingerprint != evidence.card_fingerprint {
            return Err(EvidenceError::Certificate);
        }
    }
    let request: LoginRequest = jws::verify(
        &evidence.request_jws,
        sekisho_wire::typ::CARD_LOGIN_REQUEST,
        login_request_keys,
    )
    .map_err(|_| EvidenceError::Request)?;
    let occasion = Occasion::of_claims(&request, Sha256Digest::of(&evidence.request_jws));
    let card_certificate = Sha256Digest::new(evidence.card_fingerprint);
    let input = SignedInput { occasion, card_certificate };
    if input.to_bytes() != evidence.signed_input
        || request.facility.x5t_s256 != Sha256Digest::new(evidence.terminal_fingerprint)
    {
        return Err(EvidenceError::SignedInput);
    }
    if evidence.algorithm != "RS256" {
        return Err(EvidenceError::Algorithm);
    }
    let key = match card {
        CardKey::PublicKey(key) => key.to_vec(),
        CardKey::Certificate(der) => {
            let certificate = Certificate::from_der(der).map_err(|_| EvidenceError::Certificate)?;
            let spki = certificate.tbs_certificate().subject_public_key_info();
            spki.subject_public_key.raw_bytes().to_vec()
        }
    };
    let answer = CardAnswer {
        // Not looked at: the key was taken from it, or stands alone.
        certificate: Base64Url(Vec::new()),
        alg: CardAlgorithm::Rs256,
        signature: Base64Url(evidence.signature.clone()),
        presence: PresenceId::new([0; 16]),
    };
    answer.verify(&input, &key).map_err(|_| EvidenceError::Signature)
}

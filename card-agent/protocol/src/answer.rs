//! What comes back: the agent's proof, the card's answer, the page's proof.
//!
//! The agent's answer holds nothing that the portal must believe. It travels as one opaque text
//! ([`CardAnswer::to_text`]), so that the page can hash and forward it without re-encoding a
//! single octet.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::jwk::Jwk;
use crate::jws::{self, JwsError};
use crate::octets::{
    Base64Url, ChallengeNonce, ExchangeId, PresenceId, Sha256Digest, decode, encode,
};
use crate::request::{AgentVersion, ConfirmationCode};
use crate::signed_input::SignedInput;

/// The longest answer that is read, in octets of text: a certificate of 4 KiB and some.
pub const MAX_ANSWER_OCTETS: usize = 12 * 1024;

/// How the card signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CardAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    #[serde(rename = "RS256")]
    Rs256,
}

/// The card's answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardAnswer {
    /// The card's authentication certificate, DER.
    pub certificate: Base64Url,
    /// How it signed.
    pub alg: CardAlgorithm,
    /// The signature over [`SignedInput::to_bytes`].
    pub signature: Base64Url,
    /// Names the card in its reader, for later reports.
    pub presence: PresenceId,
}

/// Why a proof or an answer is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The signed object itself is unsound.
    #[error("the proof is not soundly signed")]
    Jws(#[from] JwsError),
    /// Not the text form of an answer.
    #[error("the card's answer is malformed")]
    Malformed,
    /// Longer than [`MAX_ANSWER_OCTETS`].
    #[error("the card's answer is too long")]
    TooLong,
    /// The proof speaks of another request.
    #[error("the proof belongs to another login request")]
    AnotherRequest,
    /// The proof speaks of another answer.
    #[error("the proof belongs to another answer")]
    AnotherAnswer,
    /// The proof carries another challenge.
    #[error("the proof belongs to another challenge")]
    AnotherNonce,
    /// The proof is by another key than the one the request named.
    #[error("the proof is by another page key")]
    AnotherPageKey,
    /// The agent shows another code than the page.
    #[error("the agent shows another confirmation code")]
    AnotherConfirmationCode,
    /// The card's signature doesn't verify over the input that we rebuilt.
    #[error("the card's signature does not verify")]
    CardSignature,
}

impl CardAnswer {
    /// The one text that travels: base64url of the JSON.
    pub fn to_text(&self) -> String {
        // A struct of octet strings always has a JSON form; an empty text is refused by parse.
        serde_json::to_vec(self).map(encode).unwrap_or_default()
    }

    /// Reads the text that travelled.
    ///
    /// # Errors
    /// [`ProofError::TooLong`], [`ProofError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_ANSWER_OCTETS {
            return Err(ProofError::TooLong);
        }
        let json = decode(text).map_err(|_| ProofError::Malformed)?;
        serde_json::from_slice(&json).map_err(|_| ProofError::Malformed)
    }

    /// Verifies the card's signature under the RSA public key of its certificate.
    ///
    /// `rsa_public_key_der` is the `subjectPublicKey` of the certificate (PKCS #1 RSAPublicKey,
    /// RFC 8017 appendix A.1.1). `input` must come from the portal's own session, never from the
    /// submission.
    ///
    /// # Errors
    /// [`ProofError::CardSignature`], also for moduli under 2048 bits.
    pub fn verify(&self, input: &SignedInput, rsa_public_key_der: &[u8]) -> Result<(), ProofError> {
        let CardAlgorithm::Rs256 = self.alg;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa_public_key_der)
            .verify(&input.to_bytes(), self.signature.as_bytes())
            .map_err(|_| ProofError::CardSignature)
    }
}

/// Proof by the terminal's key that the enrolled agent stands behind the loopback door, given
/// before anybody types a PIN (`typ` [`sekisho_wire::typ::TERMINAL_PROOF`]).
///
/// The page verifies it with WebCrypto under the key that the portal saw in TLS; the portal
/// verifies it again at submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalProof {
    /// SHA-256 of the login request, compact JWS.
    pub request: Sha256Digest,
    /// The exchange that this opens.
    pub exchange: ExchangeId,
    /// The code that the agent's window shows.
    pub confirmation_code: ConfirmationCode,
    /// Who answers.
    pub agent_version: AgentVersion,
    /// Made at, by the PC's own clock: for the log, not for a decision.
    pub iat: i64,
}

impl TerminalProof {
    /// Lays the proof out for signing by the terminal's key.
    ///
    /// # Errors
    /// [`JwsError`].
    pub fn prepare(&self, terminal_key: &Jwk) -> Result<jws::UnsignedJws, JwsError> {
        let kid = terminal_key.thumbprint().to_string();
        jws::prepare(sekisho_wire::typ::TERMINAL_PROOF, Some(&kid), self)
    }

    /// Verifies a proof: by the key of the facility certificate of this TLS connection, over this
    /// request and this code.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(
        text: &str,
        terminal_key: &Jwk,
        request: Sha256Digest,
        confirmation_code: ConfirmationCode,
    ) -> Result<Self, ProofError> {
        let proof: Self =
            jws::verify_with_key(text, sekisho_wire::typ::TERMINAL_PROOF, terminal_key)?;
        if proof.request != request {
            return Err(ProofError::AnotherRequest);
        }
        if proof.confirmation_code != confirmation_code {
            return Err(ProofError::AnotherConfirmationCode);
        }
        Ok(proof)
    }
}

/// Proof by the page's own non-extractable key that the page which began also submits
/// (`typ` [`sekisho_wire::typ::PAGE_PROOF`], key in the header).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageProof {
    /// SHA-256 of the login request, compact JWS.
    pub request: Sha256Digest,
    /// SHA-256 of the answer's text.
    pub answer: Sha256Digest,
    /// The portal's challenge.
    pub nonce: ChallengeNonce,
}

impl PageProof {
    /// Lays the proof out as the page's script does.
    ///
    /// # Errors
    /// [`JwsError`].
    pub fn prepare(&self, page_key: &Jwk) -> Result<jws::UnsignedJws, JwsError> {
        jws::prepare_with_own_key(sekisho_wire::typ::PAGE_PROOF, page_key, self)
    }

    /// Verifies a proof against what the portal's session remembers.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(
        text: &str,
        page_key: Sha256Digest,
        request: Sha256Digest,
        answer_text: &str,
        nonce: ChallengeNonce,
    ) -> Result<(), ProofError> {
        let (key, proof): (Jwk, Self) =
            jws::verify_with_own_key(text, sekisho_wire::typ::PAGE_PROOF)?;
        if key.thumbprint() != page_key {
            return Err(ProofError::AnotherPageKey);
        }
        if proof.request != request {
            return Err(ProofError::AnotherRequest);
        }
        if proof.answer != Sha256Digest::of(answer_text) {
            return Err(ProofError::AnotherAnswer);
        }
        if proof.nonce != nonce {
            return Err(ProofError::AnotherNonce);
        }
        Ok(())
    }
}

/// Page → portal: everything that ends a login.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSubmission {
    /// The agent's proof, compact JWS.
    pub terminal_proof: String,
    /// The answer's text, as the agent gave it.
    pub answer: String,
    /// The page's proof, compact JWS.
    pub page_proof: String,
    /// How long the page waited for what; bound to nothing, and good for nothing but to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<LoginTimes>,
}

/// Milliseconds of a login, as the page measured them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginTimes {
    /// From the beginning until the agent had proved itself.
    pub agent: u32,
    /// Until the card was read.
    pub card: u32,
    /// While the person typed the PIN.
    pub pin: u32,
    /// While the card signed.
    pub sign: u32,
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256};
    use proptest::prelude::*;

    use super::*;
    use crate::jws::tests::TestKey;
    use crate::occasion;

    fn input() -> SignedInput {
        SignedInput::new(occasion::tests::sample(), b"certificate")
    }

    #[test]
    fn a_card_signature_verifies_over_the_rebuilt_input_only() {
        let card = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut signature = vec![0; 256];
        card.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &input().to_bytes(), &mut signature)
            .unwrap();
        let answer = CardAnswer {
            certificate: vec![0x30, 0].into(),
            alg: CardAlgorithm::Rs256,
            signature: signature.into(),
            presence: PresenceId::new([8; 16]),
        };
        let public = card.public_key().as_ref();
        answer.verify(&input(), public).unwrap();

        for occasion in occasion::tests::others() {
            let relayed = SignedInput { occasion, ..input() };
            assert!(matches!(answer.verify(&relayed, public), Err(ProofError::CardSignature)));
        }
        assert_eq!(CardAnswer::parse(&answer.to_text()).unwrap(), answer);
    }

    #[test]
    fn a_terminal_proof_holds_for_its_key_request_and_code_only() {
        let (terminal, other) = (TestKey::generate(), TestKey::generate());
        let code: ConfirmationCode = "42".parse().unwrap();
        let request = Sha256Digest::of(b"request");
        let proof = TerminalProof {
            request,
            exchange: ExchangeId::new([1; 16]),
            confirmation_code: code,
            agent_version: "0.1.0".parse().unwrap(),
            iat: 0,
        };
        let unsigned = proof.prepare(&terminal.public()).unwrap();
        let signature = terminal.sign(unsigned.signing_input()).unwrap();
        let text = unsigned.attach(signature);

        let verify = |key: &TestKey, request, code: &str| {
            TerminalProof::verify(&text, &key.public(), request, code.parse().unwrap())
        };
        assert_eq!(verify(&terminal, request, "42").unwrap(), proof);
        assert!(matches!(verify(&other, request, "42"), Err(ProofError::Jws(JwsError::Signature))));
        let another = Sha256Digest::of(b"another");
        assert!(matches!(verify(&terminal, another, "42"), Err(ProofError::AnotherRequest)));
        assert!(matches!(
            verify(&terminal, request, "43"),
            Err(ProofError::AnotherConfirmationCode)
        ));
    }

    #[test]
    fn a_page_proof_holds_for_the_key_that_the_request_named_only() {
        let page = TestKey::generate();
        let nonce = ChallengeNonce::new([3; 32]);
        let request = Sha256Digest::of(b"request");
        let proof = PageProof { request, answer: Sha256Digest::of("answer"), nonce };
        let unsigned = proof.prepare(&page.public()).unwrap();
        let signature = page.sign(unsigned.signing_input()).unwrap();
        let text = unsigned.attach(signature);
        let key = page.public().thumbprint();

        PageProof::verify(&text, key, request, "answer", nonce).unwrap();
        let another = Sha256Digest::of(b"another");
        assert!(matches!(
            PageProof::verify(&text, another, request, "answer", nonce),
            Err(ProofError::AnotherPageKey)
        ));
        assert!(matches!(
            PageProof::verify(&text, key, another, "answer", nonce),
            Err(ProofError::AnotherRequest)
        ));
        assert!(matches!(
            PageProof::verify(&text, key, request, "other", nonce),
            Err(ProofError::AnotherAnswer)
        ));
        assert!(matches!(
            PageProof::verify(&text, key, request, "answer", ChallengeNonce::new([4; 32])),
            Err(ProofError::AnotherNonce)
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,300}") {
            let _ = CardAnswer::parse(&text);
        }
    }
}

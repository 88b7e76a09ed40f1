//! A consent: a person signs a text with the card's key for signatures (署名用), at the request of a page.
//!
//! The portal's request carries the text and its digest. The agent's window shows the text, and the card
//! makes a detached CAdES signature of exactly these octets: whoever has text and signature verifies both
//! without this protocol, today or in ten years. Beside the text the signature answers for its
//! [`Occasion`], in a signed attribute ([`sekisho_wire::oid::CONSENT_OCCASION`]) of
//!
//! ```text
//! SHA-256( u32 length ‖ "healthcare-card-consent/1"
//!          u32 32     ‖ SHA-256(origin)
//!          u32 32     ‖ nonce
//!          u32 32     ‖ SHA-256(facility certificate, DER)      x5t#S256
//!          u32 32     ‖ thumbprint of the page's key            RFC 7638
//!          u32 32     ‖ SHA-256(request, compact JWS) )
//! ```
//!
//! so that a text which was signed once, for another portal, page or day, or by a command on a desk, is no
//! answer to this request. A login it can never be: other octets (a SET in DER, where the input of a login
//! begins with the length of its tag), another key, another policy of its certificate. Nor can what a card
//! signed at login be a consent.

use sekisho_pki::encoding::cades::{BoundDigest, CadesError, SignedAttributes, VerifiedSignature};
use sekisho_pki::invisible::holds_invisible;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::answer::{MAX_ANSWER_OCTETS, ProofError};
use crate::occasion::Occasion;
use crate::octets::{Base64Url, Sha256Digest, decode, encode};

/// The longest text, in octets of UTF-8: about a page of Japanese. Nobody reads more in a window.
pub const MAX_TEXT_OCTETS: usize = 4 * 1024;

/// What a person is asked to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentText {
    /// The text: lines that end with a line feed, and no character that nobody sees.
    pub text: String,
    /// Its SHA-256: the page, the window and the record show the same.
    pub sha256: Sha256Digest,
}

impl ConsentText {
    /// A text with its digest.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { sha256: Sha256Digest::of(&text), text }
    }

    /// Returns the member that is not acceptable. Characters that hide or reorder others, and all controls
    /// but the line feed, are refused rather than spelled out: the portal wrote this text itself, and a
    /// genuine one has no use for them.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let seen = self.text.lines().any(|line| !line.trim().is_empty());
        if !seen || self.text.len() > MAX_TEXT_OCTETS {
            return Err("consent.text");
        }
        if self.text.split('\n').any(holds_invisible) {
            return Err("consent.text");
        }
        if self.sha256 != Sha256Digest::of(&self.text) {
            return Err("consent.sha256");
        }
        Ok(())
    }
}

impl Occasion {
    /// What a consent is bound to: SHA-256 of the framed fields.
    pub fn consent_digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.framed(sekisho_wire::domain::CARD_CONSENT, &[]))
    }

    /// What the card's key signs for this text on this occasion.
    ///
    /// # Errors
    /// [`CadesError`].
    pub fn consent_attributes(
        &self,
        text: &str,
        certificate_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<SignedAttributes, CadesError> {
        let bound = BoundDigest {
            attribute: sekisho_wire::oid::CONSENT_OCCASION,
            sha256: *self.consent_digest().as_bytes(),
        };
        SignedAttributes::new(text.as_bytes(), certificate_der, now, Some(bound))
    }
}

/// The card's answer to a request for a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentAnswer {
    /// Detached CAdES signature of the text, DER; the signer's certificate is in it.
    pub cades: Base64Url,
}

/// Why an answer is no consent.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// Not the text form of an answer.
    #[error("the consent cannot be read")]
    Answer(#[from] ProofError),
    /// The signature is not of this text, or does not count.
    #[error("the consent is not soundly signed")]
    Signature(#[from] CadesError),
    /// Signed on another occasion.
    #[error("the consent was given to another request")]
    AnotherOccasion,
}

impl ConsentAnswer {
    /// The one text that travels: base64url of the JSON.
    pub fn to_text(&self) -> String {
        // A struct of octet strings always has a JSON form; an empty text is refused by verify.
        serde_json::to_vec(self).map(encode).unwrap_or_default()
    }

    /// Verifies the text that travelled: a sound signature of `text`, given on this occasion. Both come
    /// from the portal's own session, never from the submission, whose nonce was consumed and whose page
    /// and terminal have proved themselves as at a login.
    ///
    /// Whose certificate it is and whether that counts, the rules for documents of
    /// [`sekisho_pki::national`] decide, at the time that the portal saw the answer.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub fn verify(
        travelled: &str,
        text: &str,
        occasion: &Occasion,
    ) -> Result<VerifiedSignature, ConsentError> {
        if travelled.len() > MAX_ANSWER_OCTETS {
            return Err(ProofError::TooLong.into());
        }
        let json = decode(travelled).map_err(|_| ProofError::Malformed)?;
        let answer: Self = serde_json::from_slice(&json).map_err(|_| ProofError::Malformed)?;
        let signature = VerifiedSignature::verify(answer.cades.as_bytes(), text.as_bytes())?;
        let bound = signature.bound(sekisho_wire::oid::CONSENT_OCCASION)?;
        if bound != *occasion.consent_digest().as_bytes() {
            return Err(ConsentError::AnotherOccasion);
        }
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jwk::JwkSet;
    use crate::jws::tests::TestKey;
    use crate::occasion;
    use crate::request::tests::{NOW, expectation, sample, signed};
    use crate::request::{
        LoginRequest, Purpose, RequestError, UnverifiedLoginRequest, VerifiedLoginRequest,
    };

    const TEXT: &str = "架空　花子は、説明を受け、情報の提供に同意します。\n";

    fn consent() -> LoginRequest {
        LoginRequest {
            purpose: Purpose::Consent,
            exp: NOW + 600,
            consent: Some(ConsentText::new(TEXT)),
            ..sample(Sha256Digest::of(b"page key"))
        }
    }

    fn judge(request: &LoginRequest) -> Result<VerifiedLoginRequest, RequestError> {
        let key = TestKey::generate();
        let keys = JwkSet::new(vec![key.public().with_kid("portal-1")]).unwrap();
        UnverifiedLoginRequest::new(signed(request, &key)).verify(&keys, &expectation(NOW + 1))
    }

    fn refused(request: &LoginRequest) -> &'static str {
        match judge(request) {
            Err(RequestError::Shape(member)) => member,
            other => panic!("{other:?}"),
        }
    }

    fn with(text: &str) -> LoginRequest {
        LoginRequest { consent: Some(ConsentText::new(text)), ..consent() }
    }

    #[test]
    fn a_request_with_a_text_and_its_digest_is_accepted() {
        assert_eq!(judge(&consent()).unwrap().claims(), &consent());
        let longest = "あ".repeat(MAX_TEXT_OCTETS / 3);
        assert!(judge(&with(&longest)).is_ok());
        // The form of a character in somebody's name is seen.
        assert!(judge(&with("辻\u{e0100}さん、\n葛飾区")).is_ok());
    }

    #[test]
    fn a_text_without_purpose_and_a_purpose_without_text_are_refused() {
        let mut login = consent();
        login.exp = NOW + 60;
        for purpose in [Purpose::Login, Purpose::Presence] {
            login.purpose = purpose;
            assert_eq!(refused(&login), "consent");
        }
        assert_eq!(refused(&LoginRequest { consent: None, ..consent() }), "consent");
    }

    #[test]
    fn only_a_consent_lives_for_ten_minutes() {
        assert_eq!(refused(&LoginRequest { exp: NOW + 601, ..consent() }), "exp");
        let login = LoginRequest { purpose: Purpose::Login, consent: None, ..consent() };
        assert_eq!(refused(&login), "exp");
    }

    #[test]
    fn a_text_that_is_not_what_its_digest_says_is_refused() {
        let mut swapped = consent();
        swapped.consent.as_mut().unwrap().text = TEXT.replace("同意します", "同意しません");
        assert_eq!(refused(&swapped), "consent.sha256");
    }

    #[test]
    fn a_text_that_nobody_could_read_is_refused() {
        for text in ["", "\n \n", &"あ".repeat(MAX_TEXT_OCTETS / 3 + 1)] {
            assert_eq!(refused(&with(text)), "consent.text");
        }
        for hidden in [
            "同意します\u{202e}。んせま",
            "同意\u{200b}します",
            "同意します\r\n",
            "同意します\t",
            "同意します\u{1b}[8mしません",
            "同意します\u{2028}しません",
            "\u{2066}同意します",
            "同意します\0",
            "同\u{ad}意",
        ] {
            assert_eq!(refused(&with(hidden)), "consent.text", "{hidden:?}");
        }
    }

    /// Made outside this code (Python hashlib over the layout of the module's documentation).
    const VECTOR: &str = "fee158cd3c974ca5a61e281fc5d99a806b6f6c2623b4de71c686355af74a4545";

    #[test]
    fn the_occasion_equals_the_vector_made_elsewhere_and_hangs_on_every_field() {
        let digest = occasion::tests::sample().consent_digest();
        let hex: String = digest.as_bytes().iter().map(|o| format!("{o:02x}")).collect();
        assert_eq!(hex, VECTOR);
        for other in occasion::tests::others() {
            assert_ne!(other.consent_digest(), digest);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,300}") {
            let occasion = occasion::tests::sample();
            prop_assert!(ConsentAnswer::verify(&text, TEXT, &occasion).is_err());
        }
    }
}

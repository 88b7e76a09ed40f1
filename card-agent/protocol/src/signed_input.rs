//! What the card signs at login: a domain tag and length-framed fields, never a caller's bytes.
//!
//! ```text
//! u32 length ‖ "healthcare-card-login/1"
//! u32 32     ‖ SHA-256(origin)
//! u32 32     ‖ nonce
//! u32 32     ‖ SHA-256(facility certificate, DER)      x5t#S256
//! u32 32     ‖ thumbprint of the page's key            RFC 7638
//! u32 32     ‖ SHA-256(login request, compact JWS)
//! u32 32     ‖ SHA-256(card certificate, DER)
//! ```
//!
//! Lengths are big-endian. The signature is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2) over
//! these octets. Each field closes one road: the origin the phishing page, the nonce the replay,
//! the facility certificate the relay to another facility, the page key the relay within one, the
//! request everything that was asked, the certificate an exchange of it for another of the same
//! key.

use crate::octets::{ChallengeNonce, Sha256Digest, framed};
use crate::request::VerifiedLoginRequest;

/// Everything that one card signature answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedInput {
    /// SHA-256 of the origin's text.
    pub origin: Sha256Digest,
    /// The portal's challenge.
    pub nonce: ChallengeNonce,
    /// SHA-256 of the facility certificate that this PC shows in TLS.
    pub facility_x5t: Sha256Digest,
    /// Thumbprint of the page's own key.
    pub page_key: Sha256Digest,
    /// SHA-256 of the login request as it was sent, compact JWS.
    pub request: Sha256Digest,
    /// SHA-256 of the card's authentication certificate.
    pub card_certificate: Sha256Digest,
}

impl SignedInput {
    /// The input for a request that the agent has verified.
    pub fn for_request(request: &VerifiedLoginRequest, card_certificate_der: &[u8]) -> Self {
        let claims = request.claims();
        Self {
            origin: Sha256Digest::of(&claims.origin),
            nonce: claims.nonce,
            facility_x5t: claims.facility.x5t_s256,
            page_key: claims.page_key,
            request: request.digest(),
            card_certificate: Sha256Digest::of(card_certificate_der),
        }
    }

    /// The octets that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let fields: [&[u8]; 7] = [
            sekisho_wire::domain::CARD_LOGIN,
            self.origin.as_bytes(),
            self.nonce.as_bytes(),
            self.facility_x5t.as_bytes(),
            self.page_key.as_bytes(),
            self.request.as_bytes(),
            self.card_certificate.as_bytes(),
        ];
        framed(&fields)
    }

    /// SHA-256 of [`Self::to_bytes`].
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SignedInput {
        let of = |octet: u8| Sha256Digest::new([octet; 32]);
        SignedInput {
            origin: of(1),
            nonce: ChallengeNonce::new([2; 32]),
            facility_x5t: of(3),
            page_key: of(4),
            request: of(5),
            card_certificate: of(6),
        }
    }

    /// Made outside this code (Python hashlib over the layout of the module's documentation), so
    /// that a change of the framing shows: signatures of years ago must stay verifiable.
    const VECTOR: &str = "d830628f905cd4e12ec13a5bca9a8142322bdf4adc225cea01bcba272ca29bb0";

    #[test]
    fn the_input_equals_the_vector_made_elsewhere() {
        let hex: String = sample().digest().as_bytes().iter().map(|o| format!("{o:02x}")).collect();
        assert_eq!(hex, VECTOR);
        assert_eq!(sample().to_bytes().len(), 4 + 23 + 6 * 36);
    }

    #[test]
    fn every_field_changes_what_is_signed() {
        let other = Sha256Digest::new([9; 32]);
        let variants = [
            SignedInput { origin: other, ..sample() },
            SignedInput { nonce: ChallengeNonce::new([9; 32]), ..sample() },
            SignedInput { facility_x5t: other, ..sample() },
            SignedInput { page_key: other, ..sample() },
            SignedInput { request: other, ..sample() },
            SignedInput { card_certificate: other, ..sample() },
        ];
        for variant in variants {
            assert_ne!(variant.digest(), sample().digest());
        }
        // Fields must not be interchangeable either.
        let swapped =
            SignedInput { origin: sample().page_key, page_key: sample().origin, ..sample() };
        assert_ne!(swapped.digest(), sample().digest());
    }
}

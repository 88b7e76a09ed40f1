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

use crate::occasion::Occasion;
use crate::octets::Sha256Digest;

/// Everything that one card signature answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedInput {
    /// What was asked for, where and when.
    pub occasion: Occasion,
    /// SHA-256 of the card's authentication certificate.
    pub card_certificate: Sha256Digest,
}

impl SignedInput {
    /// The input on this occasion for a card with this certificate.
    pub fn new(occasion: Occasion, card_certificate_der: &[u8]) -> Self {
        Self { occasion, card_certificate: Sha256Digest::of(card_certificate_der) }
    }

    /// The octets that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.occasion.framed(sekisho_wire::domain::CARD_LOGIN, &[self.card_certificate.as_bytes()])
    }

    /// SHA-256 of [`Self::to_bytes`].
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occasion;

    fn sample() -> SignedInput {
        let card_certificate = Sha256Digest::new([6; 32]);
        SignedInput { occasion: occasion::tests::sample(), card_certificate }
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
        let elsewhere = occasion::tests::others();
        let variants = elsewhere.into_iter().map(|occasion| SignedInput { occasion, ..sample() });
        let card_certificate = Sha256Digest::new([9; 32]);
        for variant in variants.chain([SignedInput { card_certificate, ..sample() }]) {
            assert_ne!(variant.digest(), sample().digest());
        }
    }
}

//! The next My Number card signs by ECDSA P-384 (facts: the digital agency's report of 2024-03). Until what
//! it wants to be told is published, no answer of one counts.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sekisho_protocol::answer::{CardAlgorithm, CardAnswer, ProofError};
use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, PresenceId, Sha256Digest};

#[test]
fn a_card_of_p_384_is_answered_for_by_no_algorithm() {
    let of = |octet: u8| Sha256Digest::new([octet; 32]);
    let occasion = Occasion {
        origin: of(1),
        nonce: ChallengeNonce::new([2; 32]),
        facility_x5t: of(3),
        page_key: of(4),
        request: of(5),
    };
    let input = SignedInput::new(occasion, b"certificate");
    let card = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
    let signed = card.sign(&SystemRandom::new(), &input.to_bytes()).unwrap();
    let answer = CardAnswer {
        certificate: vec![0x30, 0].into(),
        alg: CardAlgorithm::Rs256,
        signature: signed.as_ref().to_vec().into(),
        presence: PresenceId::new([8; 16]),
    };
    // Neither as what it says to be, nor as what it is.
    let verified = answer.verify(&input, card.public_key().as_ref());
    assert!(matches!(verified, Err(ProofError::CardSignature)));
    let mut honest = serde_json::to_value(&answer).unwrap();
    assert_eq!(honest["alg"], "RS256");
    honest["alg"] = "ES384".into();
    assert!(serde_json::from_value::<CardAnswer>(honest).is_err());
}

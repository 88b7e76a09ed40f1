//! What the tests of this folder have cards sign.

use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::signed_input::SignedInput;
use sekisho_protocol::{ChallengeNonce, Sha256Digest};

pub(super) fn input() -> SignedInput {
    let of = |octet: u8| Sha256Digest::new([octet; 32]);
    let occasion = Occasion {
        origin: of(1),
        nonce: ChallengeNonce::new([2; 32]),
        facility_x5t: of(3),
        page_key: of(4),
        request: of(5),
    };
    SignedInput { occasion, card_certificate: of(6) }
}

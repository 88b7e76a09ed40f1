use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use sekisho_software_card::{ApplicationData, Layout, Options, Personalisation, SoftwareCard};
use zeroize::Zeroizing;

use super::*;

struct Direct(SoftwareCard);

impl Transmit for Direct {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, CardError> {
        self.0.transmit(command).ok_or(CardError::Removed)
    }
}

fn input() -> SignedInput {
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

fn card(layout: Layout, options: Options) -> (Direct, RsaKeyPair, Vec<u8>) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let certificate_der = [&[0x30, 0x82, 0x05, 0x00][..], &[7; 0x500]].concat();
    let data = ApplicationData {
        certificate_der: certificate_der.clone(),
        chain_der: vec![vec![0x30, 0x82, 0, 1, 0]; 3],
        key_pkcs8_der: Zeroizing::new(pkcs8.as_ref().to_vec()),
    };
    let personal = Personalisation {
        layout,
        pin: Zeroizing::new("1234".into()),
        tries: 15,
        authentication: data.clone(),
        signature: Some(data),
    };
    (Direct(SoftwareCard::new(personal, options).unwrap()), key, certificate_der)
}

#[test]
fn every_kind_of_card_is_read_and_signs() {
    let kinds: [fn() -> Options; 3] = [
        Options::default,
        || Options { short_only: true, ..Options::default() },
        || Options { jicsap_only: true, ..Options::default() },
    ];
    for layout in [Layout::Ic31, Layout::Observed] {
        for options in kinds {
            let (mut card, key, certificate) = card(layout, options());
            let known = read(&mut card).unwrap();
            assert_eq!(known.certificate_der, certificate);
            assert_eq!(known.tries_left, Some(15));
            let signature = sign(&mut card, &known, b"1234", &input()).unwrap();
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
                .verify(&input().to_bytes(), &signature)
                .unwrap();
        }
    }
}

#[test]
fn after_a_signature_the_card_refuses_the_next_one() {
    let (mut card, ..) = card(Layout::Observed, Options::default());
    let known = read(&mut card).unwrap();
    sign(&mut card, &known, b"1234", &input()).unwrap();
    exchange(&mut card, &apdu::select_application(&AUTHENTICATION)).unwrap();
    let refused = sign_verified(&mut card, &known, &input());
    let status = StatusWord(0x6982);
    assert_eq!(refused, Err(CardError::Refused { step: "the signature", status }));
}

#[test]
fn a_wrong_pin_tells_the_tries_and_the_last_one_blocks() {
    let (mut card, ..) = card(Layout::Ic31, Options::default());
    let known = read(&mut card).unwrap();
    for left in (1..15).rev() {
        let wrong = sign(&mut card, &known, b"0000", &input());
        assert_eq!(wrong, Err(CardError::PinWrong { tries_left: Some(left) }));
    }
    assert_eq!(sign(&mut card, &known, b"0000", &input()), Err(CardError::PinBlocked));
    assert_eq!(sign(&mut card, &known, b"1234", &input()), Err(CardError::PinBlocked));
    assert_eq!(tries_left(&mut card, &known), Ok(Some(0)));
}

#[test]
fn the_card_may_leave_at_any_command() {
    for most in 0..12 {
        let options = Options { pull_after: Some(most), ..Options::default() };
        let (mut card, ..) = card(Layout::Observed, options);
        let outcome = read(&mut card).and_then(|known| sign(&mut card, &known, b"1234", &input()));
        assert_eq!(outcome, Err(CardError::Removed), "after {most} commands");
    }
}

#[test]
fn a_login_with_everything_read_ahead_costs_few_commands() {
    let (mut card, ..) = card(Layout::Observed, Options::default());
    let known = read(&mut card).unwrap();
    let before = card.0.commands();
    sign(&mut card, &known, b"1234", &input()).unwrap();
    // SELECT, VERIFY, MSE, PSO, and selecting away.
    assert_eq!(card.0.commands() - before, 5);
}

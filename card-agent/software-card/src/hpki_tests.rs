use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use zeroize::Zeroizing;

use super::{AID, OK};
use crate::{ApplicationData, Family, Layout, Options, Personalisation, SoftwareCard};

/// DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

fn application(key: &RsaKeyPair) -> ApplicationData {
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
    ApplicationData {
        certificate_der: [&[0x30, 0x82, 0x02, 0x00][..], &[7; 512]].concat(),
        chain_der: vec![],
        key_pkcs8_der: Zeroizing::new(pkcs8.as_ref().to_vec()),
    }
}

fn card(layout: Layout, options: Options) -> (SoftwareCard, RsaKeyPair) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let personal = Personalisation {
        family: Family::Hpki { layout, pin: "1234".into(), tries: 3 },
        authentication: application(&key),
        signature: Some(application(&key)),
    };
    (SoftwareCard::new(personal, options).unwrap(), key)
}

fn status(card: &mut SoftwareCard, octets: &[u8]) -> u16 {
    let answer = card.transmit(octets).unwrap();
    u16::from_be_bytes(*answer.last_chunk().unwrap())
}

fn select(card: &mut SoftwareCard, last: u8) {
    let command = [&[0, 0xa4, 4, 0, 16][..], &AID, &[last, 0]].concat();
    assert_eq!(status(card, &command), OK);
}

fn block(message: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, message);
    [&[0, 1][..], &[0xff; 202], &[0], &DIGEST_INFO, digest.as_ref()].concat()
}

fn pso(block: &[u8]) -> Vec<u8> {
    [&[0, 0x2a, 0x9e, 0x9a, 0, 1, 0][..], block, &[0, 0]].concat()
}

#[test]
fn both_layouts_sign_after_the_pin_only() {
    let observed: &[u8] = &[0, 0x22, 0x41, 0xb6, 4, 0x84, 2, 0, 0x0c];
    let ic31: &[u8] = &[0, 0x22, 0x41, 0xb6, 4, 0x81, 2, 0, 0x17];
    for (layout, mse, p2) in [(Layout::Observed, observed, 0x88), (Layout::Ic31, ic31, 0x96)] {
        let (mut card, key) = card(layout, Options::default());
        select(&mut card, 2);
        assert_eq!(status(&mut card, mse), OK);
        assert_eq!(status(&mut card, &pso(&block(b"m"))), 0x6982);
        assert_eq!(status(&mut card, &[0, 0x20, 0, p2, 4, b'1', b'2', b'3', b'4']), OK);
        let answer = card.transmit(&pso(&block(b"m"))).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            .verify(b"m", &answer[..256])
            .unwrap();
    }
}

#[test]
fn the_signature_application_wants_the_pin_for_every_signature() {
    let (mut card, _) = card(Layout::Observed, Options::default());
    select(&mut card, 1);
    assert_eq!(status(&mut card, &[0, 0x22, 0x41, 0xb6, 4, 0x84, 2, 0, 0x0c]), OK);
    assert_eq!(status(&mut card, &[0, 0x20, 0, 0x88, 4, b'1', b'2', b'3', b'4']), OK);
    assert_eq!(status(&mut card, &pso(&block(b"m"))), OK);
    assert_eq!(status(&mut card, &pso(&block(b"m"))), 0x6982);
}

#[test]
fn wrong_pins_count_down_to_a_block_that_the_right_one_does_not_lift() {
    let (mut card, _) = card(Layout::Observed, Options::default());
    select(&mut card, 2);
    let ask = [0, 0x20, 0, 0x88];
    let wrong = [0, 0x20, 0, 0x88, 4, b'0', b'0', b'0', b'0'];
    assert_eq!(status(&mut card, &ask), 0x63c3);
    assert_eq!(status(&mut card, &wrong), 0x63c2);
    assert_eq!(status(&mut card, &wrong), 0x63c1);
    assert_eq!(status(&mut card, &wrong), 0x6984);
    assert_eq!(status(&mut card, &[0, 0x20, 0, 0x88, 4, b'1', b'2', b'3', b'4']), 0x6984);
    assert_eq!(status(&mut card, &ask), 0x6984);
}

#[test]
fn a_verified_pin_ends_with_the_selection_of_the_other_application() {
    let (mut card, _) = card(Layout::Observed, Options::default());
    select(&mut card, 2);
    assert_eq!(status(&mut card, &[0, 0x20, 0, 0x88, 4, b'1', b'2', b'3', b'4']), OK);
    select(&mut card, 1);
    select(&mut card, 2);
    assert_eq!(status(&mut card, &[0, 0x22, 0x41, 0xb6, 4, 0x84, 2, 0, 0x0c]), OK);
    assert_eq!(status(&mut card, &pso(&block(b"m"))), 0x6982);
}

#[test]
fn a_short_only_card_takes_the_block_in_a_chain() {
    let (mut card, _) = card(Layout::Observed, Options { short_only: true, ..Options::default() });
    select(&mut card, 2);
    assert_eq!(status(&mut card, &[0, 0x22, 0x41, 0xb6, 4, 0x84, 2, 0, 0x0c]), OK);
    assert_eq!(status(&mut card, &[0, 0x20, 0, 0x88, 4, b'1', b'2', b'3', b'4']), OK);
    let block = block(b"m");
    assert_eq!(status(&mut card, &pso(&block)), 0x6700);
    let first = [&[0x10, 0x2a, 0x9e, 0x9a, 200][..], &block[..200]].concat();
    let last = [&[0, 0x2a, 0x9e, 0x9a, 56][..], &block[200..], &[0]].concat();
    assert_eq!(status(&mut card, &first), OK);
    assert_eq!(status(&mut card, &last), OK);
}

#[test]
fn a_block_of_any_other_form_is_not_signed() {
    let (mut card, _) = card(Layout::Observed, Options::default());
    select(&mut card, 2);
    assert_eq!(status(&mut card, &[0, 0x22, 0x41, 0xb6, 4, 0x84, 2, 0, 0x0c]), OK);
    assert_eq!(status(&mut card, &[0, 0x20, 0, 0x88, 4, b'1', b'2', b'3', b'4']), OK);
    for at in [0, 1, 2, 203, 204, 205] {
        let mut bad = block(b"m");
        bad[at] ^= 4;
        assert_eq!(status(&mut card, &pso(&bad)), 0x6a80, "octet {at}");
    }
}

#[test]
fn a_pulled_card_is_silent() {
    let (mut card, _) =
        card(Layout::Observed, Options { pull_after: Some(1), ..Options::default() });
    select(&mut card, 2);
    assert_eq!(card.transmit(&[0, 0xb0, 0x91, 0, 0]), None);
}

#[test]
fn a_folder_gives_back_the_card_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let personal = Personalisation {
        family: Family::Hpki { layout: Layout::Ic31, pin: "5678".into(), tries: 15 },
        authentication: application(&key),
        signature: None,
    };
    personal.write(folder.path()).unwrap();
    let read = Personalisation::load(folder.path()).unwrap();
    assert_eq!(read.family, personal.family);
    assert_eq!(read.authentication.certificate_der, personal.authentication.certificate_der);
    assert!(read.signature.is_none());
}

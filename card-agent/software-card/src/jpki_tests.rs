use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use zeroize::Zeroizing;

use super::{AID, OK, Token};
use crate::{ApplicationData, CardError, Family, Options, Personalisation, SoftwareCard};

/// DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
const PIN: &[u8] = b"1234";
const PASSWORD: &[u8] = b"ABC123";

fn personal(token: Token) -> (Personalisation, RsaKeyPair) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let data = |octet| ApplicationData {
        certificate_der: [&[0x30, 0x82, 0x02, 0x00][..], &[octet; 512]].concat(),
        chain_der: vec![vec![0x30, 0x82, 0, 1, octet]],
        key_pkcs8_der: Zeroizing::new(pkcs8.as_ref().to_vec()),
    };
    let family = Family::Jpki { token, pin: "1234".into(), password: Some("ABC123".into()) };
    (Personalisation { family, authentication: data(1), signature: Some(data(2)) }, key)
}

fn card(token: Token, options: Options) -> (SoftwareCard, RsaKeyPair) {
    let (personal, key) = personal(token);
    (SoftwareCard::new(personal, options).unwrap(), key)
}

fn send(card: &mut SoftwareCard, octets: &[u8]) -> (Vec<u8>, u16) {
    let mut answer = card.transmit(octets).unwrap();
    let status = u16::from_be_bytes(*answer.last_chunk().unwrap());
    answer.truncate(answer.len() - 2);
    (answer, status)
}

fn select(card: &mut SoftwareCard) {
    assert_eq!(send(card, &[&[0, 0xa4, 4, 0x0c, 10][..], &AID].concat()).1, OK);
}

fn select_file(card: &mut SoftwareCard, id: u8) -> u16 {
    send(card, &[0, 0xa4, 2, 0x0c, 2, 0, id]).1
}

fn read(card: &mut SoftwareCard, id: u8) -> (Vec<u8>, u16) {
    assert_eq!(select_file(card, id), OK);
    send(card, &[0, 0xb0, 0, 0, 0])
}

fn verify(card: &mut SoftwareCard, file: u8, pin: &[u8]) -> u16 {
    assert_eq!(select_file(card, file), OK);
    let head = if pin.is_empty() { vec![] } else { vec![pin.len() as u8] };
    send(card, &[&[0, 0x20, 0, 0x80][..], &head, pin].concat()).1
}

fn sign(card: &mut SoftwareCard, p1: u8, p2: u8, data: &[u8]) -> (Vec<u8>, u16) {
    send(card, &[&[0x80, 0x2a, p1, p2, data.len() as u8][..], data, &[0]].concat())
}

fn info(message: &[u8]) -> Vec<u8> {
    [&DIGEST_INFO, digest::digest(&digest::SHA256, message).as_ref()].concat()
}

#[test]
fn each_key_signs_after_its_own_pin_in_every_form() {
    let (mut card, key) = card(Token::MyNumberCard, Options::default());
    let digest = digest::digest(&digest::SHA256, b"m");
    let halves = [(0x17, 0x97, 0x18, PIN), (0x1a, 0x9a, 0x1b, PASSWORD)];
    for (key_file, short, pin_file, pin) in halves {
        select(&mut card);
        assert_eq!(sign(&mut card, 0, short, &info(b"m")).1, 0x6982);
        assert_eq!(verify(&mut card, pin_file, pin), OK);
        assert_eq!(select_file(&mut card, key_file), OK);
        let signatures = [
            (sign(&mut card, 0, 0x80, &info(b"m")), &RSA_PKCS1_2048_8192_SHA256),
            (sign(&mut card, 0, short, &info(b"m")), &RSA_PKCS1_2048_8192_SHA256),
            (sign(&mut card, 2, short, digest.as_ref()), &RSA_PKCS1_2048_8192_SHA256),
            (sign(&mut card, 4, short, digest.as_ref()), &RSA_PSS_2048_8192_SHA256),
        ];
        for ((signature, status), algorithm) in signatures {
            assert_eq!(status, OK);
            UnparsedPublicKey::new(algorithm, key.public_key().as_ref())
                .verify(b"m", &signature)
                .unwrap();
        }
        assert_eq!(sign(&mut card, 9, short, &info(b"m")).1, 0x6a86);
        assert_eq!(sign(&mut card, 0, short, b"no digest").1, 0x6a80);
    }
}

#[test]
fn one_pin_does_not_open_the_other_key() {
    let (mut card, _) = card(Token::MyNumberCard, Options::default());
    select(&mut card);
    assert_eq!(verify(&mut card, 0x18, PIN), OK);
    assert_eq!(sign(&mut card, 0, 0x9a, &info(b"m")).1, 0x6982);
    assert_eq!(read(&mut card, 0x01).1, 0x6982);
    assert_eq!(verify(&mut card, 0x1b, PASSWORD), OK);
    assert_eq!(read(&mut card, 0x01).0[..5], [0x30, 0x82, 2, 0, 2]);
}

#[test]
fn the_counters_are_three_and_five_and_apart() {
    let (mut card, _) = card(Token::MyNumberCard, Options::default());
    select(&mut card);
    assert_eq!(verify(&mut card, 0x18, b""), 0x63c3);
    assert_eq!(verify(&mut card, 0x1b, b""), 0x63c5);
    for left in [0x63c2, 0x63c1, 0x6984, 0x6984] {
        assert_eq!(verify(&mut card, 0x18, b"0000"), left);
    }
    assert_eq!(verify(&mut card, 0x18, PIN), 0x6984);
    assert_eq!(verify(&mut card, 0x1b, b"WRONG1"), 0x63c4);
    assert_eq!(verify(&mut card, 0x1b, PASSWORD), OK);
    assert_eq!(verify(&mut card, 0x1b, b""), OK);
    select(&mut card);
    assert_eq!(verify(&mut card, 0x1b, b""), 0x63c5);
}

#[test]
fn selecting_again_and_a_reset_end_what_was_verified() {
    let (mut card, _) = card(Token::MyNumberCard, Options::default());
    select(&mut card);
    assert_eq!(verify(&mut card, 0x18, PIN), OK);
    select(&mut card);
    assert_eq!(sign(&mut card, 0, 0x97, &info(b"m")).1, 0x6982);
    assert_eq!(verify(&mut card, 0x18, PIN), OK);
    card.reset();
    assert_eq!(select_file(&mut card, 0x18), 0x6a82);
    select(&mut card);
    assert_eq!(sign(&mut card, 0, 0x97, &info(b"m")).1, 0x6982);
}

#[test]
fn files_are_open_to_whom_they_should_be() {
    let (mut card, _) = card(Token::MyNumberCard, Options::default());
    select(&mut card);
    assert_eq!(read(&mut card, 0x0a).0[..5], [0x30, 0x82, 2, 0, 1]);
    assert_eq!(read(&mut card, 0x0b).0, [0x30, 0x82, 0, 1, 1]);
    assert_eq!(read(&mut card, 0x08), (vec![0x8f, 0x8f, 0], OK));
    for (file, status) in [(0x01, 0x6982), (0x09, 0x6982), (0x17, 0x6981), (0x18, 0x6981)] {
        assert_eq!(read(&mut card, file), (vec![], status), "{file:02x}");
    }
    assert_eq!(select_file(&mut card, 0x7e), 0x6a82);
}

#[test]
fn tokens_tell_what_they_are() {
    let kinds = [
        (Token::MyNumberCard, "JPKIAPICCTOKEN2", OK, OK),
        (Token::ResidentCard, "JPKIAPICCTOKEN", 0x6a82, 0x6a82),
        (Token::Android, "JPKIAPGPSETOKEN", OK, 0x6982),
        (Token::Iphone, "JPKIAPIOSTOKEN", OK, OK),
    ];
    for (token, label, there, readable) in kinds {
        let (mut card, _) = card(token, Options::default());
        select(&mut card);
        let (information, _) = read(&mut card, 0x06);
        assert_eq!(information.len(), 160);
        assert_eq!(information[..32], *format!("{label:32}").as_bytes());
        assert_eq!(select_file(&mut card, 0x0a), there);
        if there == OK {
            assert_eq!(send(&mut card, &[0, 0xb0, 0, 0, 0]).1, readable, "{token:?}");
        }
    }
}

#[test]
fn a_pin_is_changed_after_it_was_verified_only() {
    let (mut card, _) = card(Token::MyNumberCard, Options::default());
    select(&mut card);
    assert_eq!(select_file(&mut card, 0x18), OK);
    let change = [0, 0x24, 1, 0x80, 4, b'5', b'6', b'7', b'8'];
    assert_eq!(send(&mut card, &change).1, 0x6982);
    assert_eq!(verify(&mut card, 0x18, PIN), OK);
    assert_eq!(send(&mut card, &[0, 0x24, 1, 0x80, 2, b'1', b'1']).1, 0x6a80);
    assert_eq!(send(&mut card, &change).1, OK);
    select(&mut card);
    assert_eq!(verify(&mut card, 0x18, PIN), 0x63c2);
    assert_eq!(verify(&mut card, 0x18, b"5678"), OK);
}

#[test]
fn a_short_only_card_and_one_without_short_key_names_still_sign() {
    let (mut card, _) = card(
        Token::MyNumberCard,
        Options { short_only: true, selected_key_only: true, ..Options::default() },
    );
    select(&mut card);
    assert_eq!(select_file(&mut card, 0x0a), OK);
    assert_eq!(send(&mut card, &[0, 0xb0, 0, 0, 0, 0, 0]).1, 0x6700);
    assert_eq!(verify(&mut card, 0x18, PIN), OK);
    assert_eq!(sign(&mut card, 0, 0x97, &info(b"m")).1, 0x6a86);
    assert_eq!(select_file(&mut card, 0x17), OK);
    assert_eq!(sign(&mut card, 0, 0x80, &info(b"m")).1, OK);
}

#[test]
fn pins_of_another_form_are_not_written() {
    for (pin, password) in [("12345", "ABC123"), ("12a4", "ABC123"), ("1234", "abc123")] {
        let (mut personal, _) = personal(Token::MyNumberCard);
        personal.family = Family::Jpki {
            token: Token::MyNumberCard,
            pin: pin.into(),
            password: Some(password.into()),
        };
        let made = SoftwareCard::new(personal, Options::default());
        assert!(matches!(made, Err(CardError::Pin(_))), "{pin} {password}");
    }
}

#[test]
fn a_folder_gives_back_the_card_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (personal, _) = personal(Token::MyNumberCard);
    personal.write(folder.path()).unwrap();
    let read = Personalisation::load(folder.path()).unwrap();
    assert_eq!(read.family, personal.family);
    assert_eq!(read.signature.unwrap().certificate_der[4], 2);
}

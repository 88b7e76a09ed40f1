use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sekisho_software_card::{
    ApplicationData, Family, Options, Personalisation, SoftwareCard, Token as SoftwareToken,
};
use zeroize::Zeroizing;

use super::super::apdu::StatusWord;
use super::super::driver::Entered;
use super::super::sample::input;
use super::*;

fn card(token: SoftwareToken, options: Options) -> (SoftwareCard, RsaKeyPair) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let data = ApplicationData {
        certificate_der: [&[0x30, 0x82, 0x05, 0x00][..], &[7; 0x500]].concat(),
        chain_der: vec![],
        key_pkcs8_der: Zeroizing::new(pkcs8.as_ref().to_vec()),
    };
    let personal = Personalisation {
        family: Family::Jpki { token, pin: "1234".into(), password: Some("ABC123".into()) },
        authentication: data.clone(),
        signature: Some(data),
    };
    (SoftwareCard::new(personal, options).unwrap(), key)
}

fn known(card: &mut SoftwareCard, kind: &Arc<CardType>) -> Authentication {
    Authentication::read(&mut Session::new(card), kind).unwrap().unwrap().1
}

fn login(
    card: &mut SoftwareCard,
    driver: &Authentication,
    pin: &[u8],
) -> Result<Vec<u8>, CardError> {
    let mut card = Session::new(card);
    driver.verify(&mut card, Entered::Typed(pin))?;
    let signed = driver.sign(&mut card, &input());
    driver.leave(&mut card)?;
    signed
}

#[test]
fn every_kind_of_card_signs_and_its_type_is_learnt() {
    let kinds = [(false, false), (true, false), (false, true), (true, true)];
    for (short_only, selected_key_only) in kinds {
        let options = Options { short_only, selected_key_only, ..Options::default() };
        let (mut card, key) = card(SoftwareToken::MyNumberCard, options);
        let kind = Arc::<CardType>::default();
        let driver = known(&mut card, &kind);
        for _ in 0..2 {
            let signature = login(&mut card, &driver, b"1234").unwrap();
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
                .verify(&input().to_bytes(), &signature)
                .unwrap();
        }
        let name = if selected_key_only { KeyName::Selected } else { KeyName::Short };
        let learnt = (kind.here().short_only, kind.learnt().jpki.key_name);
        assert_eq!(learnt, (short_only, Some(name)));
    }
}

#[test]
fn after_a_signature_the_card_refuses_the_next_one() {
    let (mut card, _) = card(SoftwareToken::MyNumberCard, Options::default());
    let driver = known(&mut card, &Arc::default());
    login(&mut card, &driver, b"1234").unwrap();
    let refused = driver.sign(&mut Session::new(&mut card), &input());
    let status = StatusWord(0x6982);
    assert_eq!(refused, Err(CardError::Refused { step: "the signature", status }));
}

#[test]
fn three_wrong_pins_block_and_each_is_told() {
    let (mut card, _) = card(SoftwareToken::MyNumberCard, Options::default());
    let driver = known(&mut card, &Arc::default());
    assert_eq!(driver.tries_left(&mut Session::new(&mut card)), Ok(Some(3)));
    for left in [2, 1] {
        let wrong = login(&mut card, &driver, b"0000");
        assert_eq!(wrong, Err(CardError::PinWrong { tries_left: Some(left) }));
    }
    assert_eq!(login(&mut card, &driver, b"0000"), Err(CardError::PinBlocked));
    assert_eq!(login(&mut card, &driver, b"1234"), Err(CardError::PinBlocked));
    assert_eq!(driver.tries_left(&mut Session::new(&mut card)), Ok(Some(0)));
}

#[test]
fn what_is_no_my_number_card_is_called_by_its_name() {
    for (token, told) in [
        (SoftwareToken::ResidentCard, Token::ResidentCard),
        (SoftwareToken::Android, Token::Android),
    ] {
        let (mut card, _) = card(token, Options::default());
        let read = Authentication::read(&mut Session::new(&mut card), &Arc::default());
        assert_eq!(read.unwrap_err(), CardError::NotForLogin(told));
    }
}

#[test]
fn the_card_may_leave_at_any_command() {
    for most in 0..8 {
        let options = Options { pull_after: Some(most), ..Options::default() };
        let (mut card, _) = card(SoftwareToken::MyNumberCard, options);
        let outcome = Authentication::read(&mut Session::new(&mut card), &Arc::default())
            .and_then(|found| login(&mut card, &found.unwrap().1, b"1234"));
        assert_eq!(outcome, Err(CardError::Removed), "after {most} commands");
    }
}

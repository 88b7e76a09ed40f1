use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sekisho_software_card::{
    ApplicationData, Family, Layout, Options, Personalisation, SoftwareCard,
};
use zeroize::Zeroizing;

use super::super::driver::Entered;
use super::super::sample::input;
use super::{Arc, Authentication, CardError, CardType, Driver, Form, Session, StatusWord};

fn card(layout: Layout, options: Options) -> (SoftwareCard, RsaKeyPair, Vec<u8>) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let certificate_der = [&[0x30, 0x82, 0x05, 0x00][..], &[7; 0x500]].concat();
    let data = ApplicationData {
        certificate_der: certificate_der.clone(),
        chain_der: vec![vec![0x30, 0x82, 0, 1, 0]; 3],
        key_pkcs8_der: Zeroizing::new(pkcs8.as_ref().to_vec()),
    };
    let personal = Personalisation {
        family: Family::Hpki { layout, pin: "1234".into(), tries: 15 },
        authentication: data.clone(),
        signature: Some(data),
    };
    (SoftwareCard::new(personal, options).unwrap(), key, certificate_der)
}

fn known(card: &mut SoftwareCard, kind: &Arc<CardType>) -> (Vec<u8>, Authentication) {
    Authentication::read(&mut Session::new(card), kind).unwrap().unwrap()
}

fn login(card: &mut SoftwareCard, driver: &Authentication) -> Result<Vec<u8>, CardError> {
    let mut card = Session::new(card);
    driver.verify(&mut card, Entered::Typed(b"1234"))?;
    let signed = driver.sign(&mut card, &input());
    driver.leave(&mut card)?;
    signed
}

#[test]
fn every_kind_of_card_is_read_and_signs_and_its_type_is_learnt() {
    let kinds: [(fn() -> Options, Form); 3] = [
        (Options::default, Form::Extended),
        (|| Options { short_only: true, ..Options::default() }, Form::Chained),
        (|| Options { jicsap_only: true, ..Options::default() }, Form::Old),
    ];
    for (layout, reference) in [(Layout::Ic31, 0x96), (Layout::Observed, 0x88)] {
        for (options, form) in kinds {
            let (mut card, key, certificate) = card(layout, options());
            let kind = Arc::<CardType>::default();
            let (read, driver) = known(&mut card, &kind);
            assert_eq!(read, certificate);
            assert_eq!(driver.layout.pin_reference, reference);
            for _ in 0..2 {
                let signature = login(&mut card, &driver).unwrap();
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
                    .verify(&input().to_bytes(), &signature)
                    .unwrap();
            }
            assert_eq!(kind.here().form, Some(form));
        }
    }
}

#[test]
fn after_a_signature_the_card_refuses_the_next_one() {
    let (mut card, ..) = card(Layout::Observed, Options::default());
    let (_, driver) = known(&mut card, &Arc::default());
    login(&mut card, &driver).unwrap();
    let refused = driver.sign(&mut Session::new(&mut card), &input());
    let status = StatusWord(0x6982);
    assert_eq!(refused, Err(CardError::Refused { step: "the signature", status }));
}

#[test]
fn a_wrong_pin_tells_the_tries_and_the_last_one_blocks() {
    let (mut card, ..) = card(Layout::Ic31, Options::default());
    let (_, driver) = known(&mut card, &Arc::default());
    let mut card = Session::new(&mut card);
    for left in (1..15).rev() {
        let wrong = driver.verify(&mut card, Entered::Typed(b"0000"));
        assert_eq!(wrong, Err(CardError::PinWrong { tries_left: Some(left) }));
    }
    assert_eq!(driver.verify(&mut card, Entered::Typed(b"0000")), Err(CardError::PinBlocked));
    assert_eq!(driver.verify(&mut card, Entered::Typed(b"1234")), Err(CardError::PinBlocked));
    assert_eq!(driver.tries_left(&mut card), Ok(Some(0)));
}

#[test]
fn the_card_may_leave_at_any_command() {
    for most in 0..12 {
        let options = Options { pull_after: Some(most), ..Options::default() };
        let (mut card, ..) = card(Layout::Observed, options);
        let outcome = Authentication::read(&mut Session::new(&mut card), &Arc::default())
            .and_then(|found| login(&mut card, &found.unwrap().1));
        assert_eq!(outcome, Err(CardError::Removed), "after {most} commands");
    }
}

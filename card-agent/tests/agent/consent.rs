//! Consents at the portal's request: what the person is shown, what comes back, what the portal makes of
//! it, and whom else's signature it must not take. Requests that are refused at the door: `attacks`.

use std::path::Path;

use sekisho_agent::card::session::with_card;
use sekisho_agent::card::signature_key::SignatureKey;
use sekisho_pki::encoding::cades::{CadesError, SignedAttributes};
use sekisho_pki::national::hpki::{HpkiError, HpkiRules};
use sekisho_pki::national::jpki::{JpkiError, JpkiRules};
use sekisho_pki::path::{Anchors, Revocation, TrustAnchor};
use sekisho_protocol::answer::{CardAnswer, ProofError};
use sekisho_protocol::consent::{ConsentAnswer, ConsentError, ConsentText};
use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::request::{ExpectedSubject, LoginRequest, Purpose};
use sekisho_protocol::{ChallengeNonce, Sha256Digest};
use sekisho_software_card::Layout;
use serde_json::json;
use time::{OffsetDateTime, macros::offset};

use crate::cards::{Signs, write_card, write_my_number_card_that_signs, write_signing_card};
use crate::documents::judge;
use crate::world::{Answer, ORIGIN, PASSWORD, PIN, World};

const TEXT: &str =
    "架空クリニックが私の診療情報を地域医療連携に提供することに、\n説明を受け、同意します。\n";

fn request(world: &World) -> LoginRequest {
    let now = world.request();
    LoginRequest {
        purpose: Purpose::Consent,
        exp: now.iat + 600,
        consent: Some(ConsentText::new(TEXT)),
        ..now
    }
}

/// What the portal remembers of it.
fn occasion(request: &LoginRequest, jws: &str) -> Occasion {
    Occasion::of_claims(request, Sha256Digest::of(jws))
}

/// The whole exchange; the answer's text, and what the portal remembers.
async fn given(world: &World) -> (String, Occasion) {
    let request = request(world);
    let jws = world.sign(&request);
    let begun = world.post("/v1/card-login/begin", &json!({ "request": jws })).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let (_, done) = world.finish(&begun.json()["exchange"]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    (done.json()["answer"].as_str().unwrap().to_owned(), occasion(&request, &jws))
}

async fn hpki(signs: Signs) -> World {
    World::with_card(|folder| write_signing_card(folder, Layout::Observed, signs)).await
}

async fn my_number_card() -> World {
    let world = World::with_card(write_my_number_card_that_signs).await;
    world.set_pin(PASSWORD);
    world
}

fn anchors(card: &Path, file: &str) -> Anchors {
    let root = std::fs::read(card.join(file)).unwrap();
    Anchors::new(vec![TrustAnchor::from_der(&root).unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_sees_the_text_and_the_portal_gets_a_signature_that_openssl_takes() {
    for world in [hpki(Signs::Documents).await, my_number_card().await] {
        let (answer, occasion) = given(&world).await;
        let said = world.said.lock().unwrap().pop().unwrap();
        assert!(said.pages.concat().ends_with(TEXT), "{said:?}");
        let digest = hex::encode(Sha256Digest::of(TEXT).as_bytes());
        for part in [&*digest, ORIGIN, "架空クリニック", "42"] {
            assert!(said.description.contains(part), "{part}: {}", said.description);
        }

        let signature = ConsentAnswer::verify(&answer, TEXT, &occasion).unwrap();
        assert_eq!(signature.certificate_der(), world.certificate_der);
        let folder = world.card_folder.parent().unwrap();
        let json = sekisho_protocol::octets::decode(&answer).unwrap();
        let bare: ConsentAnswer = serde_json::from_slice(&json).unwrap();
        std::fs::write(folder.join("consent.p7s"), bare.cades.as_bytes()).unwrap();
        std::fs::write(folder.join("consent.txt"), TEXT).unwrap();
        judge(folder, "consent.p7s", "consent.txt");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_for_documents_take_its_certificate_and_those_for_logins_do_not() {
    let now = OffsetDateTime::now_utc();
    let world = hpki(Signs::Documents).await;
    let (answer, occasion) = given(&world).await;
    let signature = ConsentAnswer::verify(&answer, TEXT, &occasion).unwrap();
    let anchors_of = anchors(&world.card_folder, "signature-1.crt");
    let sub_ca = std::fs::read(world.card_folder.join("signature-2.crt")).unwrap();
    let judge = |rules: HpkiRules, der: &[u8]| {
        let revocation = Revocation::JudgedByCaller;
        rules.judge_by(der, &[sub_ca.as_slice()], &anchors_of, revocation, now).map(|_| ())
    };
    assert_eq!(judge(HpkiRules::documents(), signature.certificate_der()), Ok(()));
    let login = judge(HpkiRules::default(), signature.certificate_der());
    assert_eq!(login, Err(HpkiError::SigningCertificate));
    let other = std::fs::read(world.card_folder.join("authentication.crt")).unwrap();
    assert_eq!(judge(HpkiRules::default(), &other), Ok(()));
    assert!(matches!(judge(HpkiRules::documents(), &other), Err(HpkiError::Path(_))));

    let world = my_number_card().await;
    let (answer, occasion) = given(&world).await;
    let signature = ConsentAnswer::verify(&answer, TEXT, &occasion).unwrap();
    let judge = |rules: JpkiRules, half: &str, der: &[u8]| {
        let anchors = anchors(&world.card_folder, &format!("{half}-1.crt"));
        rules.examine(der, &[], &anchors, now).map(|_| ())
    };
    let signer = signature.certificate_der();
    assert_eq!(judge(JpkiRules::documents(), "signature", signer), Ok(()));
    let login = judge(JpkiRules::default(), "signature", signer);
    assert_eq!(login, Err(JpkiError::SigningCertificate));
    let other = std::fs::read(world.card_folder.join("authentication.crt")).unwrap();
    let documents = judge(JpkiRules::documents(), "authentication", &other);
    assert!(matches!(documents, Err(JpkiError::Path(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_counts_for_its_text_and_occasion_only() {
    let world = hpki(Signs::Documents).await;
    let (answer, occasion) = given(&world).await;
    let other = Sha256Digest::of(b"another");
    for elsewhere in [
        Occasion { origin: other, ..occasion.clone() },
        Occasion { nonce: ChallengeNonce::new([9; 32]), ..occasion.clone() },
        Occasion { facility_x5t: other, ..occasion.clone() },
        Occasion { page_key: other, ..occasion.clone() },
        Occasion { request: other, ..occasion.clone() },
    ] {
        let refused = ConsentAnswer::verify(&answer, TEXT, &elsewhere);
        assert!(matches!(refused, Err(ConsentError::AnotherOccasion)), "{refused:?}");
    }
    let swapped = TEXT.replace("同意します", "同意しません");
    let refused = ConsentAnswer::verify(&answer, &swapped, &occasion);
    assert!(matches!(refused, Err(ConsentError::Signature(CadesError::AnotherDocument))));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_login_nor_a_signed_file_is_a_consent_nor_a_consent_a_login() {
    let world = hpki(Signs::Documents).await;
    let (answer, occasion) = given(&world).await;
    assert!(matches!(CardAnswer::parse(&answer), Err(ProofError::Malformed)));
    let login = world.login(&world.request()).await;
    let login = login.json()["answer"].as_str().unwrap().to_owned();
    let refused = ConsentAnswer::verify(&login, TEXT, &occasion);
    assert!(matches!(refused, Err(ConsentError::Answer(ProofError::Malformed))));

    // The same text by the same key, as `sekisho-agent sign` has it.
    let slot = world.agent.watcher.seen().borrow().cards[0].slot.clone();
    let now = OffsetDateTime::now_utc();
    let signed = with_card(world.agent.readers.as_ref(), &slot.reader, |card| {
        let key = SignatureKey::read(card, &Default::default())?;
        key.sign(card, &PIN.into(), now, &mut |certificate_der, _| {
            Ok(SignedAttributes::new(TEXT.as_bytes(), certificate_der, now, None).unwrap())
        })
    });
    let file = ConsentAnswer { cades: signed.unwrap().signature_der.into() };
    let refused = ConsentAnswer::verify(&file.to_text(), TEXT, &occasion);
    assert!(matches!(refused, Err(ConsentError::Signature(CadesError::Attribute(_)))));
}

async fn refused(world: &World, request: &LoginRequest) -> Answer {
    let answer = world.login(request).await;
    assert_ne!(answer.status, 200, "{}", answer.body);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_may_not_sign_is_refused_in_words_before_any_window() {
    let expired = hpki(Signs::Expired).await;
    let answer = refused(&expired, &request(&expired)).await;
    assert_eq!(answer.code(), "certificate_expired");
    // As people in Japan reckon it.
    let ended = OffsetDateTime::now_utc() - time::Duration::MINUTE;
    let day = ended.to_offset(offset!(+9)).date().to_string();
    assert!(answer.body.contains(&day), "{}", answer.body);
    let other_key = hpki(Signs::Logins).await;
    assert_eq!(refused(&other_key, &request(&other_key)).await.code(), "card_not_supported");
    let none = World::with_card(|folder| write_card(folder, Layout::Observed)).await;
    assert_eq!(refused(&none, &request(&none)).await.code(), "card_not_supported");
    let another = hpki(Signs::AsAnother).await;
    let mut of_one = request(&another);
    of_one.expected_subject = Some(ExpectedSubject {
        issuer_name_sha256: Sha256Digest::of(of_one.card_issuers[0].subject_der.as_bytes()),
        serial_number: "DEMO00001".into(),
    });
    assert_eq!(refused(&another, &of_one).await.code(), "another_person");
    for world in [expired, other_key, none, another] {
        assert_eq!(world.shown.get(), 0);
    }
    // Of a My Number card the certificate is told after the password; then nothing is signed.
    let world = my_number_card().await;
    let mut foreign = request(&world);
    foreign.card_issuers[0].subject_der = vec![0x30, 0].into();
    assert_eq!(refused(&world, &foreign).await.code(), "card_not_accepted");
    world.set_pin("WRONG1");
    let wrong = refused(&world, &request(&world)).await;
    assert_eq!(
        (wrong.code(), &wrong.json()["error"]["tries_left"]),
        ("pin_wrong".into(), &4.into())
    );
}

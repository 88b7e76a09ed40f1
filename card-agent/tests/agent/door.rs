//! What the portal's page meets: the whole login, and what it is told when one fails. Whoever isn't
//! that page: `attacks`.

use std::sync::atomic::Ordering;

use sekisho_protocol::Sha256Digest;
use sekisho_protocol::answer::{CardAnswer, TerminalProof};
use sekisho_protocol::occasion::Occasion;
use sekisho_protocol::request::{ExpectedSubject, Language, Purpose};
use sekisho_protocol::signed_input::SignedInput;
use sekisho_software_card::Layout;
use serde_json::json;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::cards::{Whose, write_card_for, write_my_number_card};
use crate::world::{ORIGIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_portals_page_gets_a_proof_first_and_then_the_cards_signature() {
    let worlds = [
        World::new(Layout::Observed).await,
        World::new(Layout::Ic31).await,
        World::with_card(write_my_number_card).await,
    ];
    for world in worlds {
        let request = world.request();
        let jws = world.sign(&request);
        let digest = Sha256Digest::of(&jws);

        let begun = world.post("/v1/card-login/begin", &json!({ "request": jws })).await;
        assert!(begun.head.contains(&format!("access-control-allow-origin: {ORIGIN}")));
        let proof = begun.json()["terminal_proof"].as_str().unwrap().to_owned();
        let identity = world.agent.identity();
        let key = identity.key.public();
        TerminalProof::verify(&proof, key, digest, request.confirmation_code).unwrap();

        let (_, done) = world.finish(&begun.json()["exchange"]).await;
        let answer = CardAnswer::parse(done.json()["answer"].as_str().unwrap()).unwrap();
        assert_eq!(answer.certificate.as_bytes(), world.certificate_der);
        // Rebuilt as the portal does, from what it knows itself.
        let occasion = Occasion::of_claims(&request, digest);
        let input = SignedInput::new(occasion, &world.certificate_der);
        let certificate = Certificate::from_der(answer.certificate.as_bytes()).unwrap();
        let spki = certificate.tbs_certificate().subject_public_key_info();
        answer.verify(&input, spki.subject_public_key.raw_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_tried_once_and_counted() {
    let world = World::new(Layout::Observed).await;
    world.set_pin("0000");
    let refused = world.login(&world.request()).await;
    assert_eq!(refused.code(), "pin_wrong");
    assert_eq!(refused.json()["error"]["tries_left"], 14);
    world.set_pin(crate::world::PIN);
    assert_eq!(world.login(&world.request()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_tried_by_itself_when_few_tries_are_left() {
    let world = World::new(Layout::Observed).await;
    world.set_pin("0000");
    for _ in 0..12 {
        assert_eq!(world.login(&world.request()).await.code(), "pin_wrong");
    }
    let guarded = world.login(&world.request()).await;
    assert_eq!(guarded.code(), "pin_guarded");
    assert_eq!(guarded.json()["error"]["tries_left"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_of_a_wrong_length_may_have_cost_a_try_and_the_guard_goes_by_what_is_left() {
    let world = World::new(Layout::Observed).await;
    world.of_length.store(true, Ordering::SeqCst);
    world.set_pin("0000");
    let refused = world.login(&world.request()).await;
    assert_eq!(refused.code(), "pin_wrong");
    assert_eq!(refused.json()["error"]["tries_left"], 14);
    // Somebody who types the same again and again.
    world.person.here.store(true, Ordering::SeqCst);
    let guarded = world.login(&world.request()).await;
    assert_eq!(guarded.code(), "pin_guarded");
    assert_eq!(guarded.json()["error"]["tries_left"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_my_number_cards_three_tries_one_may_fail() {
    let world = World::with_card(write_my_number_card).await;
    // No PIN of such a card: it costs no try.
    world.set_pin("12345");
    let malformed = world.login(&world.request()).await;
    assert_eq!(malformed.code(), "pin_wrong");
    assert_eq!(malformed.json()["error"]["tries_left"], 3);
    world.set_pin("0000");
    let wrong = world.login(&world.request()).await;
    assert_eq!(wrong.code(), "pin_wrong");
    assert_eq!(wrong.json()["error"]["tries_left"], 2);
    let guarded = world.login(&world.request()).await;
    assert_eq!(guarded.code(), "pin_guarded");
    assert_eq!(guarded.json()["error"]["tries_left"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_of_another_issuer_or_person_is_named() {
    let world = World::new(Layout::Observed).await;
    let mut request = world.request();
    let issuer = request.card_issuers[0].subject_der.clone();
    request.card_issuers[0].subject_der = vec![0x30, 0].into();
    assert_eq!(world.login(&request).await.code(), "card_not_accepted");

    let mut step_up = world.request();
    step_up.purpose = Purpose::Stepup;
    step_up.expected_subject = Some(ExpectedSubject {
        issuer_name_sha256: Sha256Digest::of(issuer.as_bytes()),
        serial_number: "SOMEBODY".into(),
    });
    assert_eq!(world.login(&step_up).await.code(), "another_person");
    step_up.jti = "again".into();
    if let Some(expected) = &mut step_up.expected_subject {
        expected.serial_number = "DEMO00001".into();
    }
    assert_eq!(world.login(&step_up).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_card_is_told_with_its_last_day_in_japan() {
    let ended = Whose { ended: true, ..Whose::default() };
    let world = World::with_card(|folder| write_card_for(folder, Layout::Observed, ended)).await;
    let mut request = world.request();
    for (language, sentence) in [
        (Language::Ja, "有効期限は2026-10-09まででした。"),
        (Language::En, "It was valid until 2026-10-09."),
    ] {
        (request.language, request.jti) = (language, sentence.len().to_string());
        let refused = world.login(&request).await;
        assert_eq!(refused.code(), "certificate_expired");
        let error = &refused.json()["error"];
        assert_eq!(error["day"], "2026-10-09");
        assert!(error["message"].as_str().unwrap().ends_with(sentence), "{error}");
    }
    assert_eq!(world.shown.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_told_to_ask_for_a_card_and_goes_on_when_it_comes() {
    let world = World::new(Layout::Observed).await;
    world.pull();
    let mut seen = world.agent.watcher.seen();
    seen.wait_for(|seen| seen.ready && seen.cards.is_empty()).await.unwrap();
    let begun = world.begin(&world.request()).await;
    let exchange = begun.json()["exchange"].clone();
    let waiting = json!({ "exchange": exchange, "seen": "reading" });
    let first = world.post("/v1/card-login/finish", &waiting).await;
    assert_eq!(first.json()["state"], "waiting_for_card");
    world.insert();
    let (states, last) = world.finish(&exchange).await;
    assert_eq!(last.status, 200, "{states:?} {}", last.body);
}

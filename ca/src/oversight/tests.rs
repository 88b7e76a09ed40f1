use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use der::{Decode, Encode, asn1::OctetString};
use proptest::prelude::*;
use sekisho_key::{KeyError, SignatureAlgorithm, SigningKey, SoftwareKey, SystemRandomness};
use sekisho_pki::{
    encoding::{
        instant,
        ocsp::{OcspQuery, ResponseData},
        serial::Serial,
    },
    signature,
};
use time::{Duration, OffsetDateTime};
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use super::{AnswerKey, Editions, Ledger, OnRecord, Overseen, OversightError};
use crate::{
    authority::Authority,
    ceremony::{CeremonyNames, MadeAuthorities, make_authority},
    issuance::{Draft, tbs::Tbs},
    profile::Profile,
    record::RecordError,
    registration::{approve_ocsp_responder, approve_server},
    revocation::{
        CertificateStatus, RevocationReason,
        crl::{CrlKind, CrlSpec, ListToSign, RevokedEntry, encode_entries},
        ocsp::{OcspResponder, OcspResponders},
    },
};

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

/// A record of which a test writes every line itself.
#[derive(Default)]
struct Book {
    intentions: HashMap<(String, Vec<u8>), OnRecord>,
    opened: Vec<u64>,
    published: Option<u64>,
    is_away: bool,
}

#[async_trait]
impl Ledger for Book {
    async fn intention(
        &self,
        issuer_id: &str,
        serial: &Serial,
    ) -> Result<Option<OnRecord>, RecordError> {
        if self.is_away {
            return Err(RecordError::Unavailable("away".into()));
        }
        Ok(self.intentions.get(&(issuer_id.to_owned(), serial.as_octets().to_vec())).cloned())
    }

    async fn editions(&self, _: &str, number: u64) -> Result<Editions, RecordError> {
        let is_open = self.opened.contains(&number);
        Ok(Editions { is_open, newest_published: self.published })
    }
}

struct Scene {
    made: MadeAuthorities,
    book: Book,
}

impl Scene {
    async fn new() -> Self {
        let names = CeremonyNames {
            organisation: "Example".to_owned(),
            network: "Network".to_owned(),
            publication_base: "http://plain.example".to_owned(),
        };
        let begun = now() - Duration::days(10);
        let made = make_authority(begun, &SystemRandomness, &names, Duration::days(2));
        Self { made: made.await.unwrap(), book: Book::default() }
    }

    fn authority(&self, id: &str) -> &Authority {
        &self.made.find(id).unwrap().authority
    }

    fn overseen(&self, id: &str) -> Overseen {
        let profiles = ["server", "ocsp_responder"].map(|name| Profile::shipped(name).unwrap());
        Overseen::new(self.authority(id).clone(), profiles.into(), Duration::days(2))
    }

    /// A TBSCertificate as the ceremony of issuance would make it at `at`.
    fn tbs(&self, id: &str, at: OffsetDateTime) -> Vec<u8> {
        let key = SoftwareKey::generate_p256().unwrap();
        let profile = Profile::shipped("server").unwrap();
        let approved = approve_server(&key, &["login.example"], &profile).unwrap();
        let validity = (at - profile.backdate(), at + Duration::days(30));
        let serial = Serial::from_octets(&[0x4b; 16]).unwrap();
        let draft = Draft::new(&self.authority(id).issuer(), approved, serial, validity);
        draft.unwrap().tbs_der().to_vec()
    }

    /// Writes these octets down for the authority, changed in one thing.
    fn record(&mut self, id: &str, tbs_der: &[u8], change: impl FnOnce(&mut OnRecord)) {
        let mut on_record = OnRecord {
            profile: "server".to_owned(),
            tbs_der: tbs_der.to_vec(),
            at: now(),
            is_issued: false,
            issuer_is_revoked: false,
        };
        change(&mut on_record);
        self.book.intentions.insert((id.to_owned(), vec![0x4b; 16]), on_record);
    }

    async fn sign(&self, id: &str, message: &[u8]) -> Result<Vec<u8>, OversightError> {
        self.overseen(id).sign(message, &self.book, now()).await
    }

    async fn refuses(&self, id: &str, message: &[u8], code: &str) {
        assert_eq!(code_of(self.sign(id, message).await), code);
    }
}

fn code_of(outcome: Result<Vec<u8>, OversightError>) -> String {
    match outcome {
        Ok(_) => "signed".to_owned(),
        Err(OversightError::Refused(refusal)) => refusal.code().to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_on_record_and_keeps_every_rule_is_signed_by_the_authoritys_key() {
    let mut scene = Scene::new().await;
    let tbs = scene.tbs("servers", now());
    scene.record("servers", &tbs, |_| ());
    let signed = scene.sign("servers", &tbs).await.unwrap();
    let authority = scene.authority("servers");
    let algorithm = authority.algorithm().identifier();
    signature::verify(authority.public_key_der(), &algorithm, &tbs, &signed).unwrap();
}

#[tokio::test]
async fn what_is_not_on_record_octet_by_octet_and_fresh_is_refused() {
    let mut scene = Scene::new().await;
    let tbs = scene.tbs("servers", now());
    scene.refuses("servers", &tbs, "no_intention").await;
    let other = scene.tbs("servers", now());
    scene.record("servers", &other, |_| ());
    scene.refuses("servers", &tbs, "other_octets").await;
    scene.record("servers", &tbs, |on_record| on_record.is_issued = true);
    scene.refuses("servers", &tbs, "already_issued").await;
    scene.record("servers", &tbs, |on_record| on_record.issuer_is_revoked = true);
    scene.refuses("servers", &tbs, "issuer_revoked").await;
    scene.record("servers", &tbs, |on_record| on_record.profile = "issuing".to_owned());
    scene.refuses("servers", &tbs, "other_profile").await;
    for minutes in [-6, 6] {
        scene.record("servers", &tbs, |on_record| on_record.at += Duration::minutes(minutes));
        scene.refuses("servers", &tbs, "stale_intention").await;
    }
    scene.book.is_away = true;
    assert!(matches!(scene.sign("servers", &tbs).await, Err(OversightError::Record(_))));
}

#[tokio::test]
async fn another_authoritys_certificate_is_refused_even_if_it_is_on_record() {
    let mut scene = Scene::new().await;
    let tbs = scene.tbs("terminals", now());
    scene.record("servers", &tbs, |_| ());
    scene.refuses("servers", &tbs, "other_issuer").await;
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_even_if_it_is_on_record() {
    let mut scene = Scene::new().await;
    let good = Tbs::from_der(&scene.tbs("servers", now())).unwrap();
    let pointing_elsewhere = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(&[7; 20][..]).unwrap()),
        ..AuthorityKeyIdentifier::default()
    };
    let pointing_elsewhere = OctetString::new(pointing_elsewhere.to_der().unwrap()).unwrap();
    let mut broken = [good.clone(), good.clone(), good.clone(), good.clone()];
    broken[0].validity.not_after = instant::to_time(now() + Duration::days(500)).unwrap();
    broken[1].extensions.pop();
    // authorityKeyIdentifier, the first: of another key under the same name.
    broken[2].extensions[0].extn_value = pointing_elsewhere;
    broken[3].extensions.push(good.extensions[0].clone());
    for tbs in broken {
        let tbs = tbs.to_der().unwrap();
        scene.record("servers", &tbs, |_| ());
        scene.refuses("servers", &tbs, "lint").await;
    }
    // A certificate that begins at another time than now.
    for days in [-2, 2] {
        let tbs = scene.tbs("servers", now() + Duration::days(days));
        scene.record("servers", &tbs, |_| ());
        scene.refuses("servers", &tbs, "times").await;
    }
}

#[tokio::test]
async fn an_authority_that_has_ended_signs_nothing() {
    let mut scene = Scene::new().await;
    let tbs = scene.tbs("servers", now());
    scene.record("servers", &tbs, |_| ());
    let overseen = scene.overseen("servers");
    for at in [now() - Duration::days(11), now() + Duration::days(3700)] {
        let outcome = overseen.sign(&tbs, &scene.book, at).await;
        assert_eq!(code_of(outcome), "issuer_not_valid");
    }
}

fn spec(number: u64) -> CrlSpec<'static> {
    let kind = CrlKind::Complete { freshest_url: None };
    CrlSpec { kind, number, this_update: now(), next_update: now() + Duration::days(2) }
}

fn list(authority: &Authority, spec: &CrlSpec<'_>) -> Vec<u8> {
    let entries = encode_entries(&[RevokedEntry {
        serial: Serial::from_octets(&[0x4b; 16]).unwrap(),
        at: now(),
        reason: RevocationReason::KeyCompromise,
    }])
    .unwrap();
    let mut list = ListToSign::begin(&authority.issuer(), false, spec, entries.len()).unwrap();
    list.push(&entries);
    list.finish().unwrap().tbs_der().to_vec()
}

#[tokio::test]
async fn lists_of_each_kind_are_signed_if_their_number_was_opened() {
    let mut scene = Scene::new().await;
    scene.book.opened = vec![6, 7, 8];
    scene.book.published = Some(7);
    let authority = scene.authority("servers");
    for kind in [
        CrlKind::Complete { freshest_url: Some("http://plain.example/crl/servers-delta.crl") },
        CrlKind::Partition { url: "http://plain.example/crl/servers-1of2.crl" },
        CrlKind::Delta { base_number: 6 },
    ] {
        let tbs = list(authority, &CrlSpec { kind, ..spec(7) });
        let signed = scene.sign("servers", &tbs).await.unwrap();
        let algorithm = authority.algorithm().identifier();
        signature::verify(authority.public_key_der(), &algorithm, &tbs, &signed).unwrap();
    }
    let empty = ListToSign::begin(&authority.issuer(), false, &spec(8), 0).unwrap();
    let empty = empty.finish().unwrap().tbs_der().to_vec();
    scene.sign("servers", &empty).await.unwrap();
}

#[tokio::test]
async fn a_list_that_goes_back_was_not_opened_or_is_not_of_now_is_refused() {
    let mut scene = Scene::new().await;
    scene.book.opened = vec![6, 7];
    scene.book.published = Some(7);
    let authority = scene.authority("servers");
    for number in [6, 9] {
        scene.refuses("servers", &list(authority, &spec(number)), "list_number").await;
    }
    let kind = CrlKind::Delta { base_number: 7 };
    let tbs = list(authority, &CrlSpec { kind, ..spec(7) });
    scene.refuses("servers", &tbs, "list_number").await;
    for minutes in [-6, 6] {
        let this_update = now() + Duration::minutes(minutes);
        let next_update = this_update + Duration::hours(1);
        let tbs = list(authority, &CrlSpec { this_update, next_update, ..spec(7) });
        scene.refuses("servers", &tbs, "times").await;
    }
    let next_update = now() + Duration::days(2) + Duration::SECOND;
    let tbs = list(authority, &CrlSpec { next_update, ..spec(7) });
    scene.refuses("servers", &tbs, "times").await;
    let foreign = list(scene.authority("terminals"), &spec(7));
    scene.refuses("servers", &foreign, "other_issuer").await;
}

/// A key that keeps what it was asked to sign.
#[derive(Debug)]
struct Hears {
    key: Arc<SoftwareKey>,
    heard: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl SigningKey for Hears {
    fn public_key_der(&self) -> &[u8] {
        self.key.public_key_der()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.heard.lock().unwrap().push(message.to_vec());
        self.key.sign(message).await
    }
}

impl Scene {
    /// What the responder of the authority is asked to sign.
    async fn response_data(&self, id: &str, at: OffsetDateTime, valid_for: Duration) -> Vec<u8> {
        let made = self.made.find(id).unwrap();
        let (certificate, key) = made.ocsp_responder.as_ref().unwrap();
        let key = Arc::new(SoftwareKey::from_pkcs8_der(&key.pkcs8_der().unwrap()).unwrap());
        let hears = Arc::new(Hears { key, heard: Mutex::default() });
        let responder = OcspResponder::delegated(&made.authority, &certificate.der, hears.clone());
        let responders = OcspResponders::new(vec![responder.unwrap()]);
        let serial = Serial::from_octets(&[0x4b; 16]).unwrap();
        let authority = &made.authority;
        let request = OcspQuery::request(
            authority.subject(),
            authority.public_key_der(),
            &serial,
            Some(&[7; 32]),
        );
        let question = responders.question(&request.unwrap()).unwrap();
        question.answer(&[CertificateStatus::Good], at, valid_for).await.unwrap();
        hears.heard.lock().unwrap().pop().unwrap()
    }

    fn answer_key(&self, id: &str) -> AnswerKey {
        let made = self.made.find(id).unwrap();
        let (_, key) = made.ocsp_responder.as_ref().unwrap();
        let key = SoftwareKey::from_pkcs8_der(&key.pkcs8_der().unwrap()).unwrap();
        AnswerKey::new(&made.authority, Arc::new(key)).unwrap()
    }
}

#[tokio::test]
async fn a_responder_signs_its_own_answers_of_now_and_nothing_else() {
    let scene = Scene::new().await;
    let key = scene.answer_key("servers");
    let hour = Duration::hours(1);
    let data = scene.response_data("servers", now(), hour).await;
    let signed = key.sign(&data, now()).await.unwrap();
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256.identifier();
    signature::verify(key.public_key_der(), &algorithm, &data, &signed).unwrap();

    let of_another = scene.response_data("terminals", now(), hour).await;
    assert_eq!(code_of(key.sign(&of_another, now()).await), "other_responder");
    // Its own name under another authority's answer.
    let mut mixed = ResponseData::from_der(&of_another).unwrap();
    mixed.responder_id = ResponseData::from_der(&data).unwrap().responder_id;
    let mixed = mixed.to_der().unwrap();
    assert_eq!(code_of(key.sign(&mixed, now()).await), "other_responder");
    for minutes in [-6, 6] {
        let data = scene.response_data("servers", now() + Duration::minutes(minutes), hour).await;
        assert_eq!(code_of(key.sign(&data, now()).await), "times");
    }
    let long = scene.response_data("servers", now(), hour + Duration::SECOND).await;
    assert_eq!(code_of(key.sign(&long, now()).await), "times");
    let mut empty = ResponseData::from_der(&data).unwrap();
    empty.responses.clear();
    let empty = empty.to_der().unwrap();
    assert_eq!(code_of(key.sign(&empty, now()).await), "unknown_message");
}

#[tokio::test]
async fn a_key_signs_nothing_of_the_other_kinds() {
    let mut scene = Scene::new().await;
    scene.book.opened = vec![7];
    let tbs = scene.tbs("servers", now());
    scene.record("servers", &tbs, |_| ());
    let list = list(scene.authority("servers"), &spec(7));
    let data = scene.response_data("servers", now(), Duration::hours(1)).await;
    scene.refuses("servers", &data, "unknown_message").await;
    let responder = scene.answer_key("servers");
    for message in [&tbs, &list] {
        assert_eq!(code_of(responder.sign(message, now()).await), "unknown_message");
    }
    // An OCSP responder's own certificate is the authority's to sign.
    let key = SoftwareKey::generate_p256().unwrap();
    let profile = Profile::shipped("ocsp_responder").unwrap();
    let authority = scene.authority("servers");
    let approved = approve_ocsp_responder(authority, &key, &profile).unwrap();
    let serial = Serial::from_octets(&[0x4b; 16]).unwrap();
    let validity = (now(), now() + Duration::DAY);
    let draft = Draft::new(&authority.issuer(), approved, serial, validity).unwrap();
    let tbs = draft.tbs_der().to_vec();
    scene.record("servers", &tbs, |on_record| on_record.profile = "ocsp_responder".to_owned());
    scene.sign("servers", &tbs).await.unwrap();
}

#[test]
fn garbage_and_pieces_are_refused_without_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut scene = runtime.block_on(Scene::new());
    scene.book.opened = vec![7];
    let tbs = scene.tbs("servers", now());
    scene.record("servers", &tbs, |_| ());
    let list = list(scene.authority("servers"), &spec(7));
    let data = runtime.block_on(scene.response_data("servers", now(), Duration::hours(1)));
    let (overseen, responder) = (scene.overseen("servers"), scene.answer_key("servers"));
    let refused = |message: &[u8]| {
        let by_authority = runtime.block_on(overseen.sign(message, &scene.book, now()));
        let by_responder = runtime.block_on(responder.sign(message, now()));
        matches!(by_authority, Err(OversightError::Refused(_)))
            && matches!(by_responder, Err(OversightError::Refused(_)))
    };
    for whole in [&tbs, &list, &data] {
        for end in 0..whole.len() {
            assert!(refused(&whole[..end]));
        }
        assert!(refused(&[whole.as_slice(), &[0]].concat()));
    }
    proptest!(|(octets: Vec<u8>, at: prop::sample::Index, octet: u8, which in 0..2_usize)| {
        prop_assert!(refused(&octets));
        // A certificate is signed as it is on record; of a list what stands in an entry may differ.
        let mut changed = [&tbs, &list][which].clone();
        let at = at.index(changed.len());
        changed[at] = octet;
        let outcome = runtime.block_on(overseen.sign(&changed, &scene.book, now()));
        prop_assert!(which == 1 || changed == tbs || outcome.is_err());
    });
}

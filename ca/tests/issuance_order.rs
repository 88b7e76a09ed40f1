//! The ceremony keeps its order when the record, the key or the rules fail at each step.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sekisho_ca::{
    authority::{Authority, Publication},
    ceremony::{CeremonyNames, make_authority},
    issuance::{ApprovedRequest, IssuanceError},
    profile::Profile,
    record::{Intention, IssuedCertificate, Record, RecordError},
    registration::approve_server,
};
use sekisho_key::{
    KeyError, Randomness, RandomnessError, SignatureAlgorithm, SigningKey, SoftwareKey,
    SystemRandomness,
};
use sekisho_pki::encoding::{serial::Serial, signed_object::SignedObject};
use time::{Duration, OffsetDateTime};

type Diary = Arc<Mutex<Vec<String>>>;

fn note(diary: &Diary, what: &str) {
    diary.lock().unwrap().push(what.to_owned());
}

/// A key that writes down when it signs, and may sign wrongly or not at all.
#[derive(Debug)]
struct WatchedKey {
    key: Arc<SoftwareKey>,
    diary: Diary,
    behaviour: Behaviour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Honest,
    Refuses,
    Faulty,
}

#[async_trait]
impl SigningKey for WatchedKey {
    fn public_key_der(&self) -> &[u8] {
        self.key.public_key_der()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        note(&self.diary, "sign");
        match self.behaviour {
            Behaviour::Honest => self.key.sign(message).await,
            Behaviour::Refuses => Err(KeyError::Cryptography { act: "sign" }),
            Behaviour::Faulty => self.key.sign(b"something else").await,
        }
    }
}

/// A record that fails at one step and writes down every call.
#[derive(Default)]
struct WatchedRecord {
    diary: Diary,
    fails_at: Option<&'static str>,
    taken: Mutex<u32>,
    tbs_der: Mutex<Vec<u8>>,
    serials: Mutex<Vec<Serial>>,
}

impl WatchedRecord {
    fn step(&self, step: &'static str) -> Result<(), RecordError> {
        note(&self.diary, step);
        if self.fails_at == Some(step) {
            return Err(RecordError::Unavailable("the disk is full".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Record for WatchedRecord {
    async fn reserve_serial(
        &self,
        issuer_id: &str,
        serial: &Serial,
        _: OffsetDateTime,
    ) -> Result<(), RecordError> {
        self.step("reserve")?;
        let mut taken = self.taken.lock().unwrap();
        if *taken > 0 {
            *taken -= 1;
            return Err(RecordError::SerialTaken {
                issuer_id: issuer_id.to_owned(),
                serial: serial.clone(),
            });
        }
        self.serials.lock().unwrap().push(serial.clone());
        Ok(())
    }

    async fn record_intention(&self, intention: &Intention) -> Result<(), RecordError> {
        self.step("intention")?;
        *self.tbs_der.lock().unwrap() = intention.tbs_der.clone();
        assert_eq!(self.serials.lock().unwrap().last(), Some(&intention.serial));
        Ok(())
    }

    async fn record_certificate(&self, _: &IssuedCertificate) -> Result<(), RecordError> {
        self.step("certificate")
    }
}

struct Broken;

impl Randomness for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessError> {
        Err(RandomnessError)
    }
}

async fn authority(diary: &Diary, behaviour: Behaviour, publication: &str) -> Authority {
    let names = CeremonyNames {
        organisation: "Example".to_owned(),
        network: "Network".to_owned(),
        publication_base: "http://plain.example".to_owned(),
    };
    let made = make_authority(now(), &SystemRandomness, &names, Duration::days(2)).await.unwrap();
    let servers = made.find("servers").unwrap();
    let key = WatchedKey { key: servers.key.clone(), diary: diary.clone(), behaviour };
    Authority::new(
        "servers",
        &servers.certificate.der,
        Arc::new(key),
        Publication::under(publication, "servers", true),
    )
    .unwrap()
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

fn approved() -> ApprovedRequest {
    let key = SoftwareKey::generate_p256().unwrap();
    let profile = Profile::shipped("server").unwrap();
    approve_server(&key, &["login.example"], &profile).unwrap()
}

struct Run {
    outcome: Result<IssuedCertificate, IssuanceError>,
    diary: Vec<String>,
    record: WatchedRecord,
}

async fn run(behaviour: Behaviour, fails_at: Option<&'static str>, taken: u32, base: &str) -> Run {
    let diary = Diary::default();
    let authority = authority(&diary, behaviour, base).await;
    diary.lock().unwrap().clear();
    let record = WatchedRecord {
        diary: diary.clone(),
        fails_at,
        taken: Mutex::new(taken),
        ..WatchedRecord::default()
    };
    let outcome = authority.issue(&record, approved(), now(), &SystemRandomness).await;
    let diary = diary.lock().unwrap().clone();
    Run { outcome, diary, record }
}

const BASE: &str = "http://plain.example";

#[tokio::test]
async fn the_steps_come_in_order_and_the_recorded_octets_are_the_signed_ones() {
    let run = run(Behaviour::Honest, None, 0, BASE).await;
    assert_eq!(run.diary, ["reserve", "intention", "sign", "certificate"]);
    let issued = run.outcome.unwrap();
    let signed = SignedObject::parse(&issued.der, false).unwrap();
    assert_eq!(signed.to_be_signed, *run.record.tbs_der.lock().unwrap());
    assert_eq!(run.record.serials.lock().unwrap()[..], [issued.serial]);
}

#[tokio::test]
async fn without_a_recorded_intention_nothing_is_signed() {
    for (step, expected) in
        [("reserve", &["reserve"][..]), ("intention", &["reserve", "intention"])]
    {
        let run = run(Behaviour::Honest, Some(step), 0, BASE).await;
        assert!(matches!(run.outcome, Err(IssuanceError::Record(_))));
        assert_eq!(run.diary, expected);
    }
}

#[tokio::test]
async fn an_unrecorded_certificate_is_not_given_out() {
    let run = run(Behaviour::Honest, Some("certificate"), 0, BASE).await;
    assert!(matches!(run.outcome, Err(IssuanceError::Record(_))));
    assert_eq!(run.diary, ["reserve", "intention", "sign", "certificate"]);
}

#[tokio::test]
async fn a_key_that_refuses_or_errs_leaves_an_intention_and_no_certificate() {
    let refused = run(Behaviour::Refuses, None, 0, BASE).await;
    assert!(matches!(refused.outcome, Err(IssuanceError::Sign(_))));
    assert_eq!(refused.diary, ["reserve", "intention", "sign"]);
    let faulty = run(Behaviour::Faulty, None, 0, BASE).await;
    assert!(matches!(faulty.outcome, Err(IssuanceError::FaultySignature(_))));
    assert_eq!(faulty.diary, ["reserve", "intention", "sign"]);
}

#[tokio::test]
async fn what_breaks_a_rule_is_neither_intended_nor_signed() {
    let run = run(Behaviour::Honest, None, 0, "https://not.plain").await;
    match run.outcome {
        Err(IssuanceError::Lint(error)) => assert!(error.to_string().contains("crl_distribution")),
        other => panic!("{other:?}"),
    }
    assert_eq!(run.diary, ["reserve"]);
}

#[tokio::test]
async fn a_taken_serial_number_is_drawn_again_but_not_for_ever() {
    let twice = run(Behaviour::Honest, None, 2, BASE).await;
    assert!(twice.outcome.is_ok());
    assert_eq!(twice.diary, ["reserve", "reserve", "reserve", "intention", "sign", "certificate"]);
    let always = run(Behaviour::Honest, None, 99, BASE).await;
    assert!(matches!(always.outcome, Err(IssuanceError::Record(RecordError::SerialTaken { .. }))));
    assert_eq!(always.diary, ["reserve"; 3]);
}

#[tokio::test]
async fn without_randomness_nothing_happens() {
    let diary = Diary::default();
    let authority = authority(&diary, Behaviour::Honest, BASE).await;
    diary.lock().unwrap().clear();
    let record = WatchedRecord { diary: diary.clone(), ..WatchedRecord::default() };
    let outcome = authority.issue(&record, approved(), now(), &Broken).await;
    assert!(matches!(outcome, Err(IssuanceError::Record(RecordError::Randomness(_)))));
    assert!(diary.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_foreign_key_or_an_end_entity_makes_no_authority() {
    let diary = Diary::default();
    let servers = authority(&diary, Behaviour::Honest, BASE).await;
    let other = Arc::new(SoftwareKey::generate_p256().unwrap());
    let publication = Publication::under(BASE, "servers", true);
    assert!(
        Authority::new("servers", servers.certificate_der(), other, publication.clone()).is_err()
    );
    let key = Arc::new(SoftwareKey::generate_p256().unwrap());
    let profile = Profile::shipped("server").unwrap();
    let approved = approve_server(&*key, &["a.example"], &profile).unwrap();
    let leaf =
        servers.issue(&WatchedRecord::default(), approved, now(), &SystemRandomness).await.unwrap();
    assert!(Authority::new("servers", &leaf.der, key, publication).is_err());
}

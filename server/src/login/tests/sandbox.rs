//! What is invented and what is real, each brought to the other.

use std::sync::OnceLock;

use sekisho_ca::lookalike::LookalikeHpki;
use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    card::{self, CardSubject, PersonNames},
    transaction,
    world::World,
};
use sha2::{Digest, Sha256};
use x509_cert::der::Encode;

use super::desk::{
    Card, Desk, NOW, count, desk, hpki, instance_with, live_sessions, physician, request_of, told,
    write,
};
use crate::{config::Settings, login::trust_sources::TrustSources, testing::TestApp};

/// Signs the cards of invented people.
fn invented_hpki() -> &'static LookalikeHpki {
    static MADE: OnceLock<LookalikeHpki> = OnceLock::new();
    MADE.get_or_init(|| LookalikeHpki::sandbox(NOW, "http://lists.sandbox.invalid").unwrap())
}

/// The very card of the physician, but for its issuer.
fn invented() -> Card {
    Card { hpki: invented_hpki(), ..physician() }
}

/// A desk of a facility that is real, and one of a test facility.
async fn desks() -> (TestApp, Desk, Desk) {
    let mut settings = Settings::default();
    settings.sandbox.facilities = vec![FacilityIdentifier::from_random(2).to_string()];
    let test = instance_with(settings).await;
    trust_invented(&test).await;
    let (real, trial) = (desk(&test, 1).await, desk(&test, 2).await);
    (test, real, trial)
}

async fn trust_invented(test: &TestApp) {
    for folder in ["anchors/sandbox", "crls/sandbox"] {
        std::fs::create_dir_all(test.folder.path().join(folder)).unwrap();
    }
    let (of_root, of_cards) =
        invented_hpki().crls(&[], NOW, NOW + time::Duration::days(365)).unwrap();
    write(test, "anchors/sandbox/root.pem", invented_hpki().anchor_pem().unwrap().as_bytes());
    write(test, "anchors/sandbox/sub.pem", invented_hpki().sub_ca_pem().unwrap().as_bytes());
    write(test, "crls/sandbox/root.crl", &of_root);
    write(test, "crls/sandbox/cards.crl", &of_cards);
    test.app.card_trust().reload().await;
}

async fn people(test: &TestApp) -> i64 {
    count(test, "SELECT COUNT(*) FROM card_identity").await
}

#[tokio::test]
async fn a_card_of_the_sandbox_counts_at_a_test_facility_and_never_at_another() {
    let (test, mut real, mut trial) = desks().await;
    trial.admit(&test, &invented()).await;
    assert_eq!(live_sessions(&test).await, 1);
    // Whatever role it names, invited or not, and for somebody who is known already.
    for role in ["Medical Doctor", "Director of Hospital", "Pharmacist"] {
        let refused = real.login(&test, &Card { role, ..invented() }, false).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "sandbox-card"), "{role}");
    }
    let code = real.invite(&test, "山田 太郎", "Medical Doctor").await;
    let refused = real.redeem(&test, &code, &invented()).await;
    assert_eq!(refused.code(), "sandbox-card", "{}", refused.text);
    assert!(real.session_cookie.is_none());
    assert_eq!((live_sessions(&test).await, people(&test).await), (1, 1));
    assert!(told(&test, "login.card", Some("sandbox-card")).await);
}

#[tokio::test]
async fn a_real_card_does_not_count_at_a_test_facility_and_its_holder_is_not_affected() {
    let (test, mut real, mut trial) = desks().await;
    trial.admit(&test, &invented()).await;
    real.admit(&test, &physician()).await;
    let refused = trial.login(&test, &physician(), false).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "real-card"));
    let mut other = desk(&test, 2_000).await;
    other.terminal = trial.terminal.clone();
    let code = trial.invite(&test, "山田 太郎", "Medical Doctor").await;
    let refused = other.redeem(&test, &code, &physician()).await;
    assert_eq!(refused.code(), "real-card", "{}", refused.text);
    // Two people with the same name, number and role, each where they belong.
    assert_eq!((live_sessions(&test).await, people(&test).await), (2, 2));
    let again = real.login(&test, &physician(), false).await;
    assert_eq!(again.status, 200, "{}", again.text);
}

#[tokio::test]
async fn each_facilitys_agent_is_told_of_the_issuers_that_count_there() {
    let (test, mut real, mut trial) = desks().await;
    for (desk, hpki) in [(&mut real, hpki()), (&mut trial, invented_hpki())] {
        let challenge = desk.begin(&test, false).await;
        let issuers = request_of(&challenge).card_issuers;
        let name = hpki.sub_ca.subject.to_der().unwrap();
        let named: Vec<_> = issuers.iter().map(|issuer| &issuer.subject_der.0).collect();
        assert_eq!(named, [&name]);
    }
}

#[tokio::test]
async fn without_a_test_facility_no_card_of_the_sandbox_counts_anywhere() {
    let test = instance_with(Settings::default()).await;
    trust_invented(&test).await;
    let mut desk = desk(&test, 2).await;
    let refused = desk.login(&test, &invented(), false).await;
    assert_eq!(refused.code(), "foreign-issuer", "{}", refused.text);
}

#[tokio::test]
async fn what_is_trusted_for_both_stops_the_start_and_later_counts_for_neither() {
    let (test, mut real, mut trial) = desks().await;
    real.admit(&test, &physician()).await;
    trial.admit(&test, &invented()).await;
    // A name is enough: by it people are told apart.
    let namesake = LookalikeHpki::sandbox(NOW, "http://elsewhere.example").unwrap();
    for (file, shared) in
        [("sub.pem", invented_hpki().sub_ca_pem()), ("namesake.pem", namesake.sub_ca_pem())]
    {
        let path = format!("anchors/hpki/shared-{file}");
        write(&test, &path, shared.unwrap().as_bytes());
        let refused = TrustSources::load(test.app.config()).unwrap_err().to_string();
        assert!(refused.contains("LookalikeSandboxAuthCA"), "{refused}");
        assert!(refused.contains("anchors/sandbox"), "{refused}");
        // In a process that runs, the sandbox is closed, and real people come in.
        assert!(test.app.card_trust().reload().await);
        trial.get(&test, "/login").await;
        let refused = trial.ask(&test, serde_json::json!({ "invitation": false })).await;
        assert_eq!((refused.status, refused.code().as_str()), (503, "not-configured"));
        let refused = real.login(&test, &invented(), false).await;
        assert_eq!(refused.code(), "foreign-issuer", "{}", refused.text);
        let admitted = real.login(&test, &physician(), false).await;
        assert_eq!(admitted.status, 200, "{}", admitted.text);
        std::fs::remove_file(test.folder.path().join(path)).unwrap();
        test.app.card_trust().reload().await;
    }
    TrustSources::load(test.app.config()).unwrap();
}

/// Enters somebody of `world` whose card was of this issuer and bore the physician's number.
async fn known_before(test: &TestApp, hpki: &LookalikeHpki, world: World) {
    let issuer = hpki.sub_ca.subject.to_der().unwrap();
    let outcome: Result<_, StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let subject = CardSubject {
            issuer_hash: &Sha256::digest(&issuer).into(),
            issuer: "CN=before",
            serial_number: physician().serial_number,
        };
        let names =
            PersonNames { name: "前田　花子", name_kana: "", name_romaji: "MAEDA HANAKO" };
        card::enter_person(tx, subject, names, world, NOW).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, NOW)))
    });
    outcome.unwrap();
}

#[tokio::test]
async fn nobody_takes_the_identity_of_somebody_of_the_other_world_by_the_same_issuer_and_number() {
    let (test, mut real, mut trial) = desks().await;
    known_before(&test, invented_hpki(), World::Real).await;
    known_before(&test, hpki(), World::Sandbox).await;
    for (desk, card) in [(&mut trial, invented()), (&mut real, physician())] {
        let code = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
        let refused = desk.redeem(&test, &code, &card).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "other-world"));
    }
    assert_eq!((live_sessions(&test).await, people(&test).await), (0, 2));
    let unchanged = "SELECT COUNT(*) FROM person_name WHERE name = '前田　花子'";
    assert_eq!(count(&test, unchanged).await, 2);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM membership").await, 0);
}

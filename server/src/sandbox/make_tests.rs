use der::Decode;
use sekisho_store::{Queries, audit::Actor, organisation, sql};
use x509_cert::Certificate;

use sekisho_software_card::{Family, Layout, Personalisation, SoftwareCard};

use super::*;
use crate::login::refusal::Refusal;
use crate::testing::{TestApp, app};

async fn asked(test: &TestApp, order: Order) -> Result<Standing, MakeError> {
    let app = &test.app;
    make(app.store(), app.config(), app.random(), app.now(), order).await
}

async fn count(test: &TestApp, text: &'static str) -> i64 {
    let (count,): (i64,) = test.app.store().read().fetch_one(sql(text)).await.unwrap();
    count
}

fn file(test: &TestApp, path: &str) -> Vec<u8> {
    std::fs::read(test.folder.path().join(path)).unwrap()
}

const ONE: Order = Order { people: Some(1), anew: false };

#[tokio::test]
async fn it_is_made_once_and_what_is_missing_is_made_again() {
    let test = app().await;
    let first = asked(&test, ONE).await.unwrap();
    assert!(first.made && first.people == 1, "{first:?}");
    let root = file(&test, "anchors/sandbox/invented-root.cer");
    let mut reader = test.app.store().read();
    assert!(organisation::is_active(&mut reader, &first.facility_id).await.unwrap());
    assert_eq!(count(&test, "SELECT COUNT(*) FROM card_identity WHERE world = 'sandbox'").await, 1);

    // Nothing is said, or the same, or files were lost: as it was.
    std::fs::remove_file(test.folder.path().join("crls/sandbox/invented-cards.crl")).unwrap();
    std::fs::write(test.folder.path().join("anchors/sandbox/invented-root.cer"), "half").unwrap();
    for order in [ONE, Order::default()] {
        let again = asked(&test, order).await.unwrap();
        assert_eq!(again, Standing { made: false, ..first.clone() });
        assert_eq!(file(&test, "anchors/sandbox/invented-root.cer"), root);
        file(&test, "crls/sandbox/invented-cards.crl");
    }

    // Other people, or anew: other anchors for the same facility and people.
    let two = asked(&test, Order { people: Some(2), anew: false }).await.unwrap();
    assert!(two.made && two.people == 2 && two.facility_id == first.facility_id, "{two:?}");
    assert_ne!(file(&test, "anchors/sandbox/invented-root.cer"), root);
    let anew = asked(&test, Order { people: None, anew: true }).await.unwrap();
    assert!(anew.made && anew.people == 2);
    // The last thirty days are a reason, too.
    test.clock.advance(LIFETIME - SOON);
    assert!(asked(&test, Order::default()).await.unwrap().made);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM card_identity").await, 2);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM organisation").await, 1);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM membership").await, 2);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM sandbox_card").await, 2);
    let open =
        "SELECT COUNT(*) FROM application a WHERE NOT EXISTS (SELECT 1 FROM application_event e
                WHERE e.application_id = a.id AND e.kind = 'approved')";
    assert_eq!(count(&test, open).await, 0, "nothing waits for an officer");
}

#[tokio::test]
async fn the_first_person_has_a_card_in_each_state_and_each_is_what_it_is_called() {
    let test = app().await;
    asked(&test, Order { people: Some(2), anew: false }).await.unwrap();
    let mut reader = test.app.store().read();
    let cards = sandbox::cards(&mut reader).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut folders = Vec::new();
    for card in &cards {
        let archive = sandbox::archive(&mut reader, &card.name).await.unwrap().unwrap();
        folders.push(hand_out::folders(&archive).unwrap());
        tar::Archive::new(archive.as_slice()).unpack(folder.path()).unwrap();
    }
    let named = State::ALL.map(|state| state.folder(PEOPLE[0].card));
    assert_eq!(folders, [named.to_vec(), vec![PEOPLE[1].card.to_owned()]]);

    let text = instance::configuration_text(&Settings::default());
    std::fs::write(test.folder.path().join(config::FILE_NAME), text).unwrap();
    let facility = sandbox::hierarchy(&mut reader).await.unwrap().unwrap().organisation_id;
    configure(test.folder.path(), &facility).unwrap();
    let config = Config::read(test.folder.path()).unwrap();
    let trust = crate::login::trust_sources::TrustSources::load(&config).unwrap();
    let trust = trust.at(&facility);
    for state in State::ALL {
        let name = state.folder(PEOPLE[0].card);
        let card = Personalisation::load(&folder.path().join(&name)).unwrap();
        let judged = trust.judge(&card.authentication.certificate_der, test.app.now());
        let expected = match state {
            State::Expired => Some(Refusal::CertificateExpired),
            State::Revoked => Some(Refusal::CertificateRevoked),
            State::MyNumber => Some(Refusal::ForeignIssuer),
            State::Usual | State::Guideline | State::FewTries | State::Blocked => None,
        };
        assert_eq!(judged.err(), expected, "{name}");
        let signing = Certificate::from_der(&card.signature.as_ref().unwrap().certificate_der);
        let ends = signing.unwrap().tbs_certificate().validity().not_after.to_system_time();
        assert_eq!(OffsetDateTime::from(ends) < test.app.now(), state == State::Expired, "{name}");
        let tries = match &card.family {
            Family::Hpki { layout, tries, .. } => {
                assert_eq!(*layout == Layout::Ic31, state == State::Guideline, "{name}");
                *tries
            }
            Family::Jpki { .. } => {
                assert_eq!(state, State::MyNumber);
                3
            }
        };
        let expected = match state {
            State::FewTries => 2,
            State::Blocked => 0,
            State::MyNumber => 3,
            _ => 15,
        };
        assert_eq!(tries, expected, "{name}");
        SoftwareCard::new(card, sekisho_software_card::Options::default()).unwrap();
    }
}

#[tokio::test]
async fn nobody_invented_takes_the_place_of_somebody_real() {
    let test = app().await;
    let now = test.app.now();
    let signs = LookalikeHpki::sandbox(now, LISTS).unwrap();
    let issuer = signs.sub_ca.certificate().unwrap();
    let issuer = issuer.tbs_certificate().subject();
    transaction!(test.app.store(), StoreError, |tx| {
        let subject = CardSubject {
            issuer_hash: &Sha256::digest(issuer.to_der().unwrap()).into(),
            issuer: "CN=real",
            serial_number: PEOPLE[0].serial_number,
        };
        let names = PersonNames { name: "前田　花子", name_kana: "", name_romaji: "" };
        card::enter_person(tx, subject, names, World::Real, now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let refused = asked(&test, ONE).await.unwrap_err();
    assert!(matches!(refused, MakeError::Taken { .. }), "{refused}");
    for table in [
        "SELECT COUNT(*) FROM organisation",
        "SELECT COUNT(*) FROM sandbox_hierarchy",
        "SELECT COUNT(*) FROM membership",
    ] {
        assert_eq!(count(&test, table).await, 0, "{table}");
    }
    assert!(!test.folder.path().join("anchors/sandbox").exists());
}

#[tokio::test]
async fn the_configuration_names_the_test_facility_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(config::FILE_NAME);
    let id = "123456789007";
    let made = instance::configuration_text(&Settings::default());
    let with_comments =
        "# Ours. 病院のサーバー\n[oidc]  # as agreed\nallow_loopback_clients = true # for now\n";
    let with_others = format!(
        "{with_comments}\n[sandbox]\n# The first one.\nfacilities = [\n  \"123456789015\", # theirs\n]\n"
    );
    for text in [made.as_str(), with_comments, &with_others, "", "sandbox.facilities = []\n"] {
        std::fs::write(&path, text).unwrap();
        assert!(configure(folder.path(), id).unwrap());
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(!configure(folder.path(), id).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
        let mut facilities = Settings::read(folder.path()).unwrap().sandbox.facilities;
        assert_eq!(facilities.pop().as_deref(), Some(id), "{written}");
        assert_eq!(facilities.len(), usize::from(text.contains("theirs")));
        // What somebody wrote stays, line by line, but for a list on one line.
        for line in text.lines().filter(|line| !line.ends_with("facilities = []")) {
            assert!(written.lines().any(|kept| kept == line), "{line} is not in {written}");
        }
    }
}

//! Each situation of a PC, and which word stands before which line.

use sekisho_ca::lookalike::Forge;
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::name::{Part, name};
use sekisho_protocol::JwkSet;
use sekisho_protocol::trust::{Named, TerminalTrust};
use time::Duration;

use super::*;
use crate::card::pcsc::{CardStatus, ReaderStatus, Use};
use crate::card::reader::CardError;
use crate::terminal::enrol::EnrolError;
use crate::terminal::key::FileKey;
use crate::terminal::place::{Enrolment, PlaceError, Settings};

const ORDER: [&str; 7] =
    ["enrolment", "server", "clock", "portal", "certificate", "browser store", "browser policy"];

/// `subject` and the word before it, without what is said of it.
fn words(lines: &[Line]) -> Vec<(String, &'static str)> {
    let word = |(subject, found): &Line| (found.line(subject)[..5].trim().to_owned(), *subject);
    lines.iter().map(word).collect()
}

/// Nobody has to look up what a word of a line is for.
fn assert_each_says_what_is_next(lines: &[Line]) {
    for (subject, found) in lines {
        let line = found.line(subject);
        assert_eq!(line.lines().count(), 1, "{line}");
        if !matches!(found, Finding::Well(_)) {
            let next = line.trim_end().rsplit_once("; ").unwrap().1;
            assert!(next.len() >= "close it".len(), "{line}");
        }
    }
}

/// What is known of an enrolment, without key and certificate; the browser's store was taken away.
fn enrolled_with_two_portals(place: &Place) {
    let nowhere = "https://nowhere.localhost:1";
    place
        .remember(&Enrolment {
            server: nowhere.into(),
            root_sha256: "00".repeat(32),
            terminal: "T0123456789".into(),
            code_sha256: None,
        })
        .unwrap();
    place
        .pin(&TerminalTrust {
            issuer: "https://login.example".into(),
            portal_origins: ["https://a.localhost:1", "https://b.localhost:1"]
                .map(Into::into)
                .into(),
            login_request_keys: JwkSet::new(vec![]).unwrap(),
            terminal: Named { id: "T0123456789".into(), name: "外来1号機".into() },
            facility: Named { id: "123456789015".into(), name: "架空クリニック".into() },
            card_issuers: vec![],
            accepted_policies: vec![],
            presence_url: format!("{nowhere}/presence"),
            minimum_agent_version: "0.1.0".parse().unwrap(),
            navigation: false,
        })
        .unwrap();
    place.choose(&Settings { nss: Some(place.folder.join("taken-away")) }).unwrap();
}

#[tokio::test]
async fn a_pc_that_was_never_enrolled_has_its_lines_and_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let lines = of_terminal(&Place { folder: folder.path().to_owned() }).await;
    let expected = ORDER
        .map(|subject| (if subject == "enrolment" { "FAULT" } else { "?" }.to_owned(), subject));
    assert_eq!(words(&lines), expected);
    assert_each_says_what_is_next(&lines);
    let remedy = |of_administrator| PlaceError::NotEnrolled {
        missing: "terminal.json".into(),
        remedy: crate::terminal::place::remedy(of_administrator),
    };
    for of_administrator in [false, true] {
        let told = terminal::of_place(remedy(of_administrator)).line("enrolment");
        for part in ["sekisho-agent enroll --server", "facility's administrator", "code"] {
            assert!(told.contains(part), "{told}");
        }
    }
    let told = terminal::of_place(remedy(true)).line("enrolment");
    assert!(told.contains("name the folder of the user"), "{told}");
}

#[tokio::test]
async fn without_its_key_or_with_broken_files_a_pc_has_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path().to_owned() };
    enrolled_with_two_portals(&place);
    let lines = of_terminal(&place).await;
    let expected = [
        ("ok", "enrolment"),
        ("FAULT", "server"),
        ("?", "clock"),
        ("?", "portal"),
        ("?", "portal"),
        ("FAULT", "certificate"),
        ("FAULT", "browser store"),
        ("FAULT", "browser policy"),
    ];
    assert_eq!(words(&lines), expected.map(|(word, subject)| (word.to_owned(), subject)));
    assert_each_says_what_is_next(&lines);

    std::fs::write(place.pinned(), "{").unwrap();
    let lines = of_terminal(&place).await;
    assert_eq!(lines.len(), ORDER.len());
    assert_each_says_what_is_next(&lines);
    let told = lines[0].1.line("enrolment");
    assert!(told.starts_with("FAULT") && told.contains("is malformed"), "{told}");
}

#[tokio::test]
async fn where_the_clock_is_wrong_portals_wait_and_the_certificate_is_judged_by_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { folder: folder.path().to_owned() };
    let key = FileKey::load_or_make(&place.key()).unwrap();
    let now = OffsetDateTime::now_utc();
    let authority = SoftwareKey::generate_p256().unwrap();
    let subject = name(&[Part::CommonName("T0123456789")]).unwrap();
    let forge = Forge::new(&subject, &subject, &authority, now, now + Duration::days(30));
    std::fs::write(place.certificate(), forge.sign(&authority).unwrap()).unwrap();
    let origins = ["https://a.localhost:1", "https://b.localhost:1"].map(str::to_owned);
    let days = |days| Duration::days(days).whole_seconds();
    let no_certificate_fits = |seconds| Err(EnrolError::Clock { seconds });
    let away = EnrolError::Unreachable { server: "https://c.example".into(), why: "x".into() };
    for (situation, told, expected) in [
        ("right", Ok(-300), ["ok", "ok", "FAULT", "FAULT", "ok"]),
        ("an hour behind", Ok(3600), ["ok", "FAULT", "?", "?", "ok"]),
        ("weeks behind", Ok(days(21)), ["ok", "FAULT", "?", "?", "FAULT"]),
        ("a year behind", no_certificate_fits(days(365)), ["?", "FAULT", "?", "?", "FAULT"]),
        ("a year ahead", no_certificate_fits(days(-365)), ["?", "FAULT", "?", "?", "ok"]),
        ("not known", Err(away), ["FAULT", "?", "FAULT", "FAULT", "?"]),
    ] {
        let lines = of_server(&place, Ok(&key), &origins, Asked::of(told), now).await;
        let subjects = ["server", "clock", "portal", "portal", "certificate"];
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).zip(subjects).collect();
        assert_eq!(words(&lines), expected, "{situation}");
        assert_each_says_what_is_next(&lines);
    }
}

#[test]
fn everything_between_the_agent_and_a_card_has_its_line_in_each_situation() {
    let reader = |used| ReaderStatus {
        reader: "ACS ACR39U 00 00".into(),
        card: Some(CardStatus { atr: vec![0x3b], used }),
    };
    let plugged = ["ACR39U".to_owned()];
    let away = || CardError::NoService("no socket".into());
    for (situation, statuses, expected) in [
        ("service away", Err(away()), ["FAULT", "?", "?", "?"]),
        ("no driver", Ok(vec![]), ["ok", "FAULT", "FAULT", "ok"]),
        ("a card held", Ok(vec![reader(Use::Exclusive)]), ["ok", "ok", "ok", "FAULT"]),
        ("all well", Ok(vec![reader(Use::Shared)]), ["ok", "ok", "ok", "ok"]),
    ] {
        let lines = readers::judge(statuses, &plugged);
        let subjects = ["card service", "drivers", "readers", "cards"];
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).zip(subjects).collect();
        assert_eq!(words(&lines), expected, "{situation}");
        assert_each_says_what_is_next(&lines);
    }
}

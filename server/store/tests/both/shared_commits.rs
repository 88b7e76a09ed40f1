//! Issuances whose steps share commits: each is told its own outcome, and only when it is durable.

use std::{collections::BTreeSet, time::Duration as StdDuration};

use sekisho_ca::record::{self, IssuedCertificate, Record, RecordError, Subscriber};
use sekisho_key::SystemRandomness;
use sekisho_pki::encoding::serial::Serial;
use sekisho_store::{
    Store, StoreError,
    audit::{self, Actor},
    certificate,
    enrolment_code::{self, Attempt, NewCode},
    issuer,
    issuing::{Enrolment, Right},
    revocation::{self, Status},
    terminal::{self, Revocation, TerminalStatus},
    terminal_hold,
};
use time::Duration;

use crate::{FACILITY, NOW, databases::Databases, entry, once::prepared};

const ISSUER: &str = "terminals";

on_both! { prepared:
    steps_that_wait_share_a_commit_and_none_is_told_before_it
    a_step_that_is_refused_harms_none_beside_it
    a_code_is_used_up_with_the_intention_and_tied_with_the_certificate
    of_two_that_bring_one_code_or_one_key_one_goes_on
    what_no_longer_holds_writes_no_intention
    a_revoked_issuer_intends_nothing_and_uses_no_code_up
    a_certificate_is_kept_though_its_terminal_was_revoked_meanwhile
    older_certificates_have_to_be_taken_back_by_whoever_enrols
    a_renewal_needs_its_certificate_until_the_end
    numbers_are_reserved_in_blocks_and_handed_out_once
    a_lost_database_is_told_to_each_that_waits
    a_bare_commit_is_counted
}

/// A number of its own for each step of a test.
fn serial(number: u8) -> Serial {
    Serial::from_octets(&[0x4b, number]).unwrap()
}

fn subscriber(terminal_id: &str) -> Subscriber {
    Subscriber {
        organisation_id: Some(FACILITY.to_owned()),
        terminal_id: Some(terminal_id.to_owned()),
    }
}

fn intention(number: u8, terminal_id: &str) -> record::Intention {
    record::Intention {
        issuer_id: ISSUER.to_owned(),
        serial: serial(number),
        profile: "terminal".to_owned(),
        subscriber: subscriber(terminal_id),
        tbs_der: vec![0x30, number],
        at: NOW,
    }
}

fn signed(number: u8, terminal_id: &str) -> IssuedCertificate {
    IssuedCertificate {
        issuer_id: ISSUER.to_owned(),
        serial: serial(number),
        profile: "terminal".to_owned(),
        subscriber: subscriber(terminal_id),
        der: vec![0x30, number],
        fingerprint: [number; 32],
        public_key_sha256: [number; 32],
        not_before: NOW,
        not_after: NOW + Duration::days(365),
        issued_at: NOW,
    }
}

fn terminal_of(number: u8) -> String {
    format!("T{number:010}")
}

fn right(number: u8) -> Right {
    Right::Code {
        code_hash: [100 + number; 32],
        terminal_id: terminal_of(number),
        spki_sha256: [number; 32],
    }
}

/// Terminals, each with a code and a reserved number.
async fn newcomers(store: &Store, numbers: std::ops::Range<u8>) {
    for number in numbers {
        let id = terminal_of(number);
        change!(store, |tx| {
            terminal::create(tx, &id, FACILITY, &id, "p", NOW).await?;
            let code = NewCode {
                code_hash: &[100 + number; 32],
                terminal_id: &id,
                tries: 5,
                person_id: "p",
                created_at: NOW,
                expires_at: NOW + Duration::DAY,
                needs_approval: false,
            };
            enrolment_code::issue(tx, code).await?;
        });
        store.reserve_serial(ISSUER, serial(number).as_octets(), NOW).await.unwrap();
    }
}

fn enrolment(store: &Store, number: u8) -> Enrolment<'_> {
    Enrolment::new(store, right(number), entry(), entry())
}

async fn is_unused(store: &Store, number: u8) -> bool {
    let id = terminal_of(number);
    let attempt = Attempt {
        terminal_id: &id,
        code_hash: &[100 + number; 32],
        spki_sha256: &[number; 32],
        at: NOW,
    };
    enrolment_code::unused(&mut store.read(), attempt).await.unwrap().is_some()
}

async fn is_intended(store: &Store, number: u8) -> bool {
    let (mut reader, number) = (store.read(), serial(number));
    certificate::intention(&mut reader, ISSUER, number.as_octets()).await.unwrap().is_some()
}

async fn steps_that_wait_share_a_commit_and_none_is_told_before_it(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..17).await;
    let before = store.shared_commits();
    let tasks: Vec<_> = (1..17)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = terminal_of(number);
                let enrolment = Enrolment::new(&store, right(number), entry(), entry());
                enrolment.record_intention(&intention(number, &id)).await.unwrap();
                // Told: another connection sees it.
                assert!(is_intended(&store, number).await);
                enrolment.record_certificate(&signed(number, &id)).await.unwrap();
                assert!(enrolment.is_concluded());
                let found =
                    certificate::find_by_fingerprint(&mut store.read(), &[number; 32]).await;
                assert!(found.unwrap().is_some());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let shared = store.shared_commits();
    assert_eq!(shared.steps - before.steps, 32);
    assert!(shared.commits - before.commits < 32, "{before:?} {shared:?}");
    assert!(certificate::without_intention(&mut store.read()).await.unwrap().is_empty());
}

async fn a_step_that_is_refused_harms_none_beside_it(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..8).await;
    let tasks: Vec<_> = (1..9)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                // The last one's number was never reserved.
                let id = terminal_of(number);
                (
                    number,
                    store
                        .record_intention(
                            certificate::Intention {
                                issuer_id: ISSUER,
                                serial: serial(number).as_octets(),
                                profile: "terminal",
                                tbs_der: &[0x30],
                                organisation_id: Some(FACILITY),
                                terminal_id: Some(&id),
                            },
                            NOW,
                        )
                        .await,
                )
            })
        })
        .collect();
    for task in tasks {
        let (number, outcome) = task.await.unwrap();
        assert_eq!(outcome.is_ok(), number < 8, "{number}: {outcome:?}");
        assert_eq!(is_intended(store, number).await, number < 8);
    }
}

async fn a_code_is_used_up_with_the_intention_and_tied_with_the_certificate(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..2).await;
    let (id, enrolment) = (terminal_of(1), enrolment(store, 1));
    assert!(is_unused(store, 1).await);
    assert!(!certificate::key_is_certified(&mut store.read(), &[1; 32]).await.unwrap());
    enrolment.record_intention(&intention(1, &id)).await.unwrap();
    assert!(!is_unused(store, 1).await);
    let found = terminal::find(&mut store.read(), &id).await.unwrap().unwrap();
    assert_eq!(found.status, TerminalStatus::Created);
    enrolment.record_certificate(&signed(1, &id)).await.unwrap();
    assert!(enrolment.is_concluded());
    assert!(certificate::key_is_certified(&mut store.read(), &[1; 32]).await.unwrap());
    let found = terminal::find(&mut store.read(), &id).await.unwrap().unwrap();
    assert_eq!(found.status, TerminalStatus::Enrolled);
    // Three records: the code's use, which is the intention, the certificate, the conclusion.
    let records = audit::list(&mut store.read(), "", None, 100).await.unwrap();
    let forms: Vec<serde_json::Value> = records
        .iter()
        .rev()
        .take(3)
        .map(|record| serde_json::from_slice(&record.canonical).unwrap())
        .collect();
    let acts: Vec<_> = forms.iter().map(|form| form["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["test", "certificate.issue", "test"]);
    let used = &forms[2];
    assert_eq!(used["on"]["certificate"], forms[1]["on"]["certificate"]);
    assert_eq!(used["facts"]["profile"], "terminal");
}

async fn of_two_that_bring_one_code_or_one_key_one_goes_on(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..4).await;
    let same_key =
        Right::Code { code_hash: [102; 32], terminal_id: terminal_of(2), spki_sha256: [1; 32] };
    let rights = [(1, right(1)), (3, right(1)), (2, same_key)];
    let tasks = rights.map(|(number, right)| {
        let store = store.clone();
        tokio::spawn(async move {
            let id = right_terminal(&right);
            let enrolment = Enrolment::new(&store, right, entry(), entry());
            let outcome = enrolment.record_intention(&intention(number, &id)).await;
            if outcome.is_ok() {
                let mut signed = signed(number, &id);
                signed.public_key_sha256 = [1; 32];
                enrolment.record_certificate(&signed).await.unwrap();
            }
            outcome
        })
    });
    let mut won = [false; 3];
    for (won, task) in won.iter_mut().zip(tasks) {
        match task.await.unwrap() {
            Ok(()) => *won = true,
            Err(error) => assert!(matches!(error, RecordError::NoLongerApproved), "{error:?}"),
        }
    }
    // One code is used once. One key has one certificate unless two other codes were used before
    // either was known: that is for the rules of registration, which see what is kept.
    assert!(!(won[0] && won[1]), "{won:?}");
    assert!(won.contains(&true));
}

fn right_terminal(right: &Right) -> String {
    match right {
        Right::Code { terminal_id, .. } | Right::Renewal { terminal_id, .. } => terminal_id.clone(),
    }
}

async fn what_no_longer_holds_writes_no_intention(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..5).await;
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "", person_id: Some("p"), at: NOW };
    let id = terminal_of(1);
    // Revoking a terminal withdraws its codes, too; the second has lost its tries, the third its
    // time; the fourth is on hold.
    let held = terminal_of(4);
    change!(store, |tx| terminal_hold::begin(tx, &held, "", NOW).await?);
    change!(store, |tx| terminal::revoke(tx, &id, FACILITY, revocation).await?).unwrap();
    for _ in 0..5 {
        let policy = enrolment_code::ClaimPolicy {
            same_key_grace: Duration::ZERO,
            issuance_limit: Duration::ZERO,
        };
        let id = terminal_of(2);
        let wrong =
            Attempt { terminal_id: &id, code_hash: &[9; 32], spki_sha256: &[2; 32], at: NOW };
        change!(store, |tx| enrolment_code::claim(tx, wrong, policy).await?);
    }
    for number in 1..5 {
        let id = terminal_of(number);
        let mut late = intention(number, &id);
        if number == 3 {
            late.at = NOW + Duration::DAY;
        }
        let outcome = enrolment(store, number).record_intention(&late).await;
        assert!(matches!(outcome, Err(RecordError::NoLongerApproved)), "{number}: {outcome:?}");
        assert!(!is_intended(store, number).await);
    }
}

async fn a_revoked_issuer_intends_nothing_and_uses_no_code_up(databases: Databases) {
    newcomers(&databases.one, 1..9).await;
    let other = Serial::from_octets(&[0x4b, 99]).unwrap();
    change!(databases.one, |tx| issuer::add(tx, "routers", &[0x30], NOW, Actor::System, NOW)
        .await?);
    databases.one.reserve_serial("routers", other.as_octets(), NOW).await.unwrap();
    // The other process takes the authority back while this one issues.
    let tasks: Vec<_> = (1..8)
        .map(|number| {
            let store = databases.one.clone();
            tokio::spawn(async move {
                let id = terminal_of(number);
                enrolment(&store, number).record_intention(&intention(number, &id)).await
            })
        })
        .collect();
    change!(databases.two, |tx| revocation::revoke_issuer(tx, ISSUER, 2, NOW).await?);
    let is_refusal = |outcome: &Result<(), RecordError>| matches!(outcome, Err(RecordError::IssuerRevoked { issuer_id }) if issuer_id == ISSUER);
    let mut refused = 0;
    for (number, task) in (1..8).zip(tasks) {
        let outcome = task.await.unwrap();
        assert!(outcome.is_ok() || is_refusal(&outcome), "{outcome:?}");
        assert_eq!(is_intended(&databases.two, number).await, outcome.is_ok());
        assert_eq!(is_unused(&databases.two, number).await, outcome.is_err());
        refused += usize::from(outcome.is_err());
    }
    // Known from now on to each process and by each road; another authority beside it goes on.
    let id = terminal_of(8);
    for store in [&databases.one, &databases.two] {
        let late = enrolment(store, 8);
        let elsewhere = record::Intention {
            issuer_id: "routers".to_owned(),
            serial: other.clone(),
            ..intention(8, &id)
        };
        let wished = intention(8, &id);
        let (by_code, by_itself, beside) = tokio::join!(
            late.record_intention(&wished),
            Record::record_intention(store, &wished),
            Record::record_intention(store, &elsewhere),
        );
        assert!(is_refusal(&by_code) && is_refusal(&by_itself), "{by_code:?} {by_itself:?}");
        // The second process finds the first one's row, which is another refusal.
        assert_eq!(beside.is_ok(), std::ptr::eq(store, &databases.one), "{beside:?}");
    }
    assert!(is_unused(&databases.one, 8).await && !is_intended(&databases.one, 8).await);
    let records = audit::list(&mut databases.one.read(), "", None, 100).await.unwrap();
    let told = records
        .iter()
        .map(|record| serde_json::from_slice::<serde_json::Value>(&record.canonical).unwrap())
        .filter(|form| form["act"] == "certificate.intend" && form["reason"] == "issuer_revoked");
    assert_eq!(told.count(), refused + 4);
}

async fn a_certificate_is_kept_though_its_terminal_was_revoked_meanwhile(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..2).await;
    let (id, enrolment) = (terminal_of(1), enrolment(store, 1));
    enrolment.record_intention(&intention(1, &id)).await.unwrap();
    let revocation =
        Revocation { crl_reason: 1, cause: "lost", note: "", person_id: Some("p"), at: NOW };
    change!(store, |tx| terminal::revoke(tx, &id, FACILITY, revocation).await?).unwrap();
    enrolment.record_certificate(&signed(1, &id)).await.unwrap();
    assert!(!enrolment.is_concluded());
    let kept = certificate::find_by_fingerprint(&mut store.read(), &[1; 32]).await.unwrap();
    assert_eq!(kept.unwrap().status, Status::Good, "whoever enrols takes it back");
}

async fn older_certificates_have_to_be_taken_back_by_whoever_enrols(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..3).await;
    let id = terminal_of(1);
    let first = enrolment(store, 1);
    first.record_intention(&intention(1, &id)).await.unwrap();
    first.record_certificate(&signed(1, &id)).await.unwrap();
    assert!(first.is_concluded());
    change!(store, |tx| {
        let code = NewCode {
            code_hash: &[7; 32],
            terminal_id: &id,
            tries: 5,
            person_id: "p",
            created_at: NOW,
            expires_at: NOW + Duration::DAY,
            needs_approval: false,
        };
        enrolment_code::issue(tx, code).await?;
    });
    let anew = Right::Code { code_hash: [7; 32], terminal_id: id.clone(), spki_sha256: [2; 32] };
    let second = Enrolment::new(store, anew, entry(), entry());
    second.record_intention(&intention(2, &id)).await.unwrap();
    second.record_certificate(&signed(2, &id)).await.unwrap();
    assert!(!second.is_concluded());
}

async fn a_renewal_needs_its_certificate_until_the_end(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..4).await;
    let id = terminal_of(1);
    let first = enrolment(store, 1);
    first.record_intention(&intention(1, &id)).await.unwrap();
    first.record_certificate(&signed(1, &id)).await.unwrap();
    let renewal = |key: u8| Right::Renewal {
        terminal_id: id.clone(),
        issuer_id: ISSUER.to_owned(),
        serial: serial(1).as_octets().to_vec(),
        spki_sha256: [key; 32],
    };
    let renewed = Enrolment::new(store, renewal(2), entry(), entry());
    renewed.record_intention(&intention(2, &id)).await.unwrap();
    renewed.record_certificate(&signed(2, &id)).await.unwrap();
    assert!(renewed.is_concluded());
    // A key that has a certificate now.
    let again = Enrolment::new(store, renewal(2), entry(), entry());
    let outcome = again.record_intention(&intention(3, &id)).await;
    assert!(matches!(outcome, Err(RecordError::NoLongerApproved)), "{outcome:?}");
    let overtaken = Enrolment::new(store, renewal(3), entry(), entry());
    overtaken.record_intention(&intention(3, &id)).await.unwrap();
    let old = serial(1);
    change!(store, |tx| revocation::revoke(tx, ISSUER, old.as_octets(), 1, NOW).await?);
    overtaken.record_certificate(&signed(3, &id)).await.unwrap();
    assert!(!overtaken.is_concluded());
    let outcome = Enrolment::new(store, renewal(9), entry(), entry())
        .record_intention(&intention(9, &id))
        .await;
    assert!(matches!(outcome, Err(RecordError::NoLongerApproved)), "{outcome:?}");
}

async fn numbers_are_reserved_in_blocks_and_handed_out_once(databases: Databases) {
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let store = if task % 2 == 0 { &databases.one } else { &databases.two };
            let store = store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for _ in 0..100 {
                    mine.push(store.next_serial(ISSUER, &SystemRandomness, NOW).await.unwrap());
                }
                mine
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    for task in tasks {
        for serial in task.await.unwrap() {
            // Reserved before it was handed out, so it cannot be reserved again.
            assert_eq!(serial.as_octets().len(), 16);
            assert!(all.insert(serial));
        }
    }
    assert_eq!(all.len(), 800);
    for serial in all.iter().take(20) {
        let again = databases.one.reserve_serial(ISSUER, serial.as_octets(), NOW).await;
        assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    }
    // 1 + 2 + 4 + ... + 256 numbers take nine commits; 800 of them were not reserved one by one.
    assert!(databases.one.shared_commits().commits < 60);
}

async fn a_lost_database_is_told_to_each_that_waits(databases: Databases) {
    let store = &databases.one;
    newcomers(store, 1..5).await;
    store.close().await;
    for number in 1..5 {
        let id = terminal_of(number);
        let outcome = enrolment(store, number).record_intention(&intention(number, &id)).await;
        assert!(matches!(outcome, Err(RecordError::Unavailable(_))), "{outcome:?}");
    }
    assert!(!is_intended(&databases.two, 1).await);
}

async fn a_bare_commit_is_counted(databases: Databases) {
    let lasting = StdDuration::from_millis(20);
    assert!(databases.one.bare_commits(16, lasting).await.unwrap() > 0.0);
}

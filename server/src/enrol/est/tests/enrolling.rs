//! A code becomes a certificate: whatever the request wishes, once, and not around a hold.

use std::collections::BTreeSet;

use der::Decode;
use futures_util::future::join_all;
use http::StatusCode;
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_key::SigningKey;
use sekisho_pki::encoding::{
    key_identifier::fingerprint,
    name::{Part, name},
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    enrolment_code::{self, Attempt, Claim, ClaimPolicy},
    revocation,
    terminal::{self, TerminalStatus},
    transaction,
};
use time::Duration;
use x509_cert::{Certificate, name::Name};

use super::scene::{
    Answer, Ask, FACILITY, TERMINAL, acts, certificates, csr, instance, key, new_code,
};
use crate::{
    paper_code::PaperCode,
    revocation::{Measure, Order, Target, carry_out},
};

#[tokio::test]
async fn a_code_gives_a_certificate_that_names_the_facility_whatever_the_request_wishes() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let key = key();
    // Another country and a facility number of its own: neither gets into the certificate.
    let wish = name(&[Part::Country("US"), Part::SerialNumber("999999999999")]).unwrap();
    let der = Ask::enrol(TERMINAL, &code, &csr(&key, &wish)).send(&test).await.certificate();

    let certificate = Certificate::from_der(&der).unwrap();
    let expected =
        name(&[Part::Country("JP"), Part::CommonName(TERMINAL), Part::SerialNumber(FACILITY)])
            .unwrap();
    assert_eq!(certificate.tbs_certificate().subject(), &expected);
    assert!(der.len() <= 900, "{} octets", der.len());
    let kept = certificates(&test, TERMINAL).await;
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].der, kept[0].status), (&der, revocation::Status::Good));
    let terminal = terminal::find(&mut test.app.store().read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(terminal.status, TerminalStatus::Enrolled);
    let acts = acts(&test).await;
    for act in ["terminal.claim_code", "certificate.issue", "terminal.enrol"] {
        assert!(acts.iter().any(|found| found == act), "{act} in {acts:?}");
    }
}

#[tokio::test]
async fn sixteen_enrolments_at_once_share_their_commits_and_take_two_each() {
    let test = instance().await;
    let mut asks = Vec::new();
    for number in 0..16 {
        let terminal_id = TerminalIdentifier::from_random(number).to_string();
        let at = test.app.now();
        change!(test, |tx| {
            terminal::create(tx, &terminal_id, FACILITY, &terminal_id, "p", at).await?
        });
        let code = new_code(&test, &terminal_id).await;
        asks.push(Ask::enrol(&terminal_id, &code, &csr(&key(), &Name::default())));
    }
    let before = test.app.store().shared_commits();
    let answers = join_all(asks.into_iter().map(|ask| ask.send(&test))).await;
    let after = test.app.store().shared_commits();
    let certificates: BTreeSet<Vec<u8>> = answers.iter().map(Answer::certificate).collect();
    assert_eq!(certificates.len(), 16);
    // Sixteen intentions, sixteen certificates, and blocks of 1, 2, 4, 8 and 16 serial numbers.
    assert!(after.steps - before.steps <= 32 + 5, "{before:?} {after:?}");
    assert!(after.commits - before.commits <= 16, "{before:?} {after:?}");
}

#[tokio::test]
async fn bodies_with_line_breaks_and_without_padding_are_read() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let key = key();
    let mut ask = Ask::enrol(TERMINAL, &code, &csr(&key, &Name::default()));
    let lines: Vec<&[u8]> = ask.body.chunks(64).collect();
    ask.body = lines.join(&b"\r\n"[..]);
    ask.content_type = "Application/PKCS10; charset=us-ascii";
    let first = ask.send(&test).await.certificate();
    let mut again = Ask::enrol(TERMINAL, &code, &csr(&key, &Name::default()));
    while again.body.last() == Some(&b'=') {
        again.body.pop();
    }
    assert_eq!(again.send(&test).await.certificate(), first);
}

#[tokio::test]
async fn the_same_key_gets_the_same_certificate_for_a_quarter_of_an_hour() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let key = key();
    let ask = || Ask::enrol(TERMINAL, &code, &csr(&key, &Name::default())).send(&test);
    let first = ask().await.certificate();
    test.clock.advance(Duration::minutes(15));
    assert_eq!(ask().await.certificate(), first);
    test.clock.advance(Duration::SECOND);
    ask().await.is_refused(StatusCode::FORBIDDEN, "used before with the same key");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
}

#[tokio::test]
async fn enrolling_anew_takes_the_old_certificate_back() {
    let test = instance().await;
    for expected in 1..=2 {
        let code = new_code(&test, TERMINAL).await;
        let der = csr(&key(), &Name::default());
        Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
        let all = certificates(&test, TERMINAL).await;
        assert_eq!(all.len(), expected);
        let good = all.iter().filter(|c| c.status == revocation::Status::Good).count();
        assert_eq!(good, 1);
        test.clock.advance(Duration::MINUTE);
    }
}

#[tokio::test]
async fn a_new_code_is_no_way_round_a_hold() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let old = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await;
    let old = old.certificate();
    let order = |measure| Order {
        target: Target::Terminal(TERMINAL.to_owned()),
        measure,
        invalidity_at: None,
        note: "being looked for".to_owned(),
        actor: Actor::System,
        at: test.app.now(),
    };
    carry_out(test.app.store(), &order(Measure::Hold)).await.unwrap();
    test.clock.advance(Duration::SECOND);
    let code = new_code(&test, TERMINAL).await;
    let new = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default()));
    new.clone().send(&test).await.is_refused(StatusCode::FORBIDDEN, "on hold");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    test.clock.advance(Duration::SECOND);
    carry_out(test.app.store(), &order(Measure::Release)).await.unwrap();
    let new = new.send(&test).await.certificate();
    let all = certificates(&test, TERMINAL).await;
    let status = |der: &[u8]| all.iter().find(|c| c.der == der).unwrap().status;
    assert_eq!(status(&new), revocation::Status::Good);
    assert!(status(&old).is_final());
}

#[tokio::test]
async fn an_older_code_never_comes_back_over_a_newer_enrolment() {
    let test = instance().await;
    let (first, second) = (key(), key());
    let old_code = new_code(&test, TERMINAL).await;
    let by_old = || Ask::enrol(TERMINAL, &old_code, &csr(&first, &Name::default())).send(&test);
    by_old().await.certificate();
    // A second code was brought, and the process died before anything came of it.
    test.clock.advance(Duration::SECOND);
    let dead_code = new_code(&test, TERMINAL).await;
    let dead_csr = csr(&second, &Name::default());
    let hash = PaperCode::parse(&dead_code).unwrap().hash();
    let spki_sha256 = fingerprint(second.public_key_der());
    change!(test, |tx| {
        let attempt = Attempt {
            terminal_id: TERMINAL,
            code_hash: &hash,
            spki_sha256: &spki_sha256,
            at: test.app.now(),
        };
        let policy = ClaimPolicy {
            same_key_grace: Duration::minutes(15),
            issuance_limit: Duration::seconds(10),
        };
        assert!(matches!(enrolment_code::claim(tx, attempt, policy).await?, Claim::Won(_)));
    });
    test.clock.advance(Duration::SECOND);
    let code = new_code(&test, TERMINAL).await;
    let newest = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await;
    let newest = newest.certificate();
    test.clock.advance(Duration::MINUTE);
    by_old().await.is_refused(StatusCode::FORBIDDEN, "was revoked since");
    let answer = Ask::enrol(TERMINAL, &dead_code, &dead_csr).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "was revoked since");
    let all = certificates(&test, TERMINAL).await;
    let good: Vec<_> = all.iter().filter(|c| c.status == revocation::Status::Good).collect();
    assert_eq!(good.len(), 1);
    assert_eq!(good[0].der, newest);
}

//! What is kept of a certificate: its status, and answers that are ready before somebody asks.

use sekisho_pki::encoding::ocsp::{CertStatus, OcspQuery};
use time::Duration;

use super::{
    ocsp_ahead::renew_due,
    ocsp_tests::{LOST, act, ask, look, question},
};
use crate::{
    app::App,
    clock::Clock,
    revocation::Measure,
    testing::{self, TestTerminal},
};

fn with_nonce(app: &App, terminal: &TestTerminal, nonce: u8) -> Vec<u8> {
    let issuer = app.authority().terminals(app.now());
    let serial = &terminal.certificate.serial;
    let nonce = [nonce; 32];
    OcspQuery::request(issuer.subject(), issuer.public_key_der(), serial, Some(&nonce)).unwrap()
}

async fn is_good(app: &App, question: &[u8]) -> bool {
    matches!(ask(app, question).await.0, CertStatus::Good(_))
}

#[tokio::test]
async fn a_known_status_is_told_without_the_database_and_never_after_it_changed() {
    let test = testing::app().await;
    let other = testing::second_process(&test, "node-2").await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = |nonce| with_nonce(&test.app, &terminal, nonce);
    for app in [&test.app, &other] {
        look(app).await;
        assert!(is_good(app, &question(1)).await);
    }
    act(&test.app, &terminal, Measure::Hold).await;
    assert!(!is_good(&test.app, &question(2)).await, "with the commit");
    look(&other).await;
    assert!(!is_good(&other, &question(2)).await, "with the next look");
    act(&test.app, &terminal, Measure::Release).await;
    assert!(is_good(&test.app, &question(3)).await);
    act(&test.app, &terminal, LOST).await;
    look(&test.app).await;
    assert!(!is_good(&test.app, &question(4)).await);
    test.app.store().close().await;
    let (status, this_update, ..) = ask(&test.app, &question(5)).await;
    assert!(matches!(status, CertStatus::Revoked(_)));
    assert_eq!(this_update, test.clock.now().replace_nanosecond(0).unwrap());
}

#[tokio::test]
async fn an_answer_is_signed_anew_before_it_ends_while_somebody_asks() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    look(&test.app).await;
    let (_, first, ..) = ask(&test.app, &question).await;
    assert_eq!(renew_due(&test.app).await.unwrap(), 0, "it is new");
    // 20 minutes of its 60 have passed. It stays in force by the clock of the test.
    test.clock.advance(Duration::minutes(20));
    assert_eq!(renew_due(&test.app).await.unwrap(), 1);
    assert_eq!(renew_due(&test.app).await.unwrap(), 0);
    look(&test.app).await;
    let (status, second, _, produced_at) = ask(&test.app, &question).await;
    assert!(matches!(status, CertStatus::Good(_)));
    assert_eq!(second - first, Duration::minutes(20));
    // Asked at a time when the first one would no longer be given out: it was signed before.
    let made = test.clock.now();
    test.clock.advance(Duration::minutes(15));
    assert_eq!(ask(&test.app, &question).await.3, produced_at);
    assert!(produced_at <= made);
    // Nobody asks for two hours.
    for _ in 0..6 {
        test.clock.advance(Duration::minutes(21));
        renew_due(&test.app).await.unwrap();
    }
    test.clock.advance(Duration::minutes(21));
    assert_eq!(renew_due(&test.app).await.unwrap(), 0);
}

#[tokio::test]
async fn what_was_taken_back_meanwhile_is_signed_as_that() {
    let test = testing::app().await;
    let other = testing::second_process(&test, "node-2").await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    look(&other).await;
    assert!(is_good(&other, &question).await);
    act(&test.app, &terminal, LOST).await;
    // The other process has not looked since; its renewal reads the status all the same.
    test.clock.advance(Duration::minutes(20));
    assert_eq!(renew_due(&other).await.unwrap(), 1);
    assert!(matches!(ask(&other, &question).await.0, CertStatus::Revoked(_)));
}

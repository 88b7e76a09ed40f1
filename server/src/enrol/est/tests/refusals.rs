//! What is refused, what the refusal says, and what it leaves unused.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{StatusCode, header};
use sekisho_key::{RsaSize, SoftwareKey, SystemRandomness};
use sekisho_pki::encoding::name::{Part, name};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    enrolment_code, revocation, terminal, terminal_hold, transaction,
};
use time::Duration;
use x509_cert::name::Name;

use super::scene::{
    Ask, FACILITY, OTHER, TERMINAL, acts, certificates, csr, instance, key, new_code, notices,
    revoke, signed_by,
};
use crate::paper_code::PaperCode;

#[tokio::test]
async fn a_used_code_with_another_key_is_refused_and_the_administrator_told_once() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await.certificate();
    for _ in 0..2 {
        let answer = Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await;
        answer.is_refused(StatusCode::FORBIDDEN, "administrator has been told");
    }
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    assert_eq!(notices(&test).await, 1);
    let terminal = terminal::find(&mut test.app.store().read(), TERMINAL).await.unwrap().unwrap();
    assert_eq!(terminal.code_misused_at, Some(test.app.now()));
    let refused = "terminal.enrol:code_used_with_another_key";
    assert_eq!(acts(&test).await.iter().filter(|act| *act == refused).count(), 2);
}

#[tokio::test]
async fn of_two_enrolments_with_one_code_exactly_one_wins() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let keys = [key(), key()];
    let ask = |key: &SoftwareKey| Ask::enrol(TERMINAL, &code, &csr(key, &Name::default()));
    let (one, two) = tokio::join!(ask(&keys[0]).send(&test), ask(&keys[1]).send(&test));
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::FORBIDDEN]);
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
}

#[tokio::test]
async fn an_unknown_terminal_and_a_wrong_code_get_the_same_challenge() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let wrong = PaperCode::generate(&SystemRandomness).unwrap().reveal().to_string();
    let der = csr(&key(), &Name::default());
    let mut answers = vec![
        Ask::enrol(TERMINAL, &wrong, &der).send(&test).await,
        Ask::enrol("T5555555555", &code, &der).send(&test).await,
        Ask::enrol(OTHER, &code, &der).send(&test).await,
        Ask::enrol("admin", "secret", &der).send(&test).await,
    ];
    let silent = Ask { authorization: None, ..Ask::enrol(TERMINAL, &code, &der) };
    answers.push(silent.send(&test).await);
    for answer in &answers {
        answer.is_refused(StatusCode::UNAUTHORIZED, "terminal and code are not accepted");
        assert_eq!(answer.text, answers[0].text);
        assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic "));
    }
    assert!(certificates(&test, TERMINAL).await.is_empty());
    // The wrong attempts did not use the right code up.
    Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
}

#[tokio::test]
async fn a_refusal_is_of_the_terminals_facility_wherever_the_terminal_exists() {
    let test = instance().await;
    let wrong = PaperCode::generate(&SystemRandomness).unwrap().reveal().to_string();
    let der = csr(&key(), &Name::default());
    for (named, code) in [
        (TERMINAL, wrong.as_str()),
        (TERMINAL, "no code"),
        ("T5555555555", "no code"),
        ("T5555555555", &wrong),
        ("admin", "secret"),
    ] {
        Ask::enrol(named, code, &der).send(&test).await;
    }
    let records =
        sekisho_store::audit::list(&mut test.app.store().read(), "", None, 1000).await.unwrap();
    let mut refused: Vec<_> = records
        .iter()
        .filter(|record| record.columns.act == "terminal.enrol")
        .map(|record| {
            let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
            let organisation = record.columns.organisation_id.clone();
            (
                form["reason"].as_str().unwrap().to_owned(),
                organisation,
                form.to_string().contains(TERMINAL),
            )
        })
        .collect();
    refused.sort();
    let of = |reason: &str, facility: Option<&str>| {
        (reason.to_owned(), facility.map(str::to_owned), facility.is_some())
    };
    assert_eq!(
        refused,
        [
            of("malformed_credentials", None),
            of("malformed_credentials", None),
            of("malformed_credentials", Some(FACILITY)),
            of("unknown_terminal", None),
            of("wrong_code", Some(FACILITY)),
        ]
    );
}

#[tokio::test]
async fn an_expired_code_and_a_revoked_terminal_give_nothing() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let der = csr(&key(), &Name::default());
    test.clock.advance(Duration::DAY);
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "its time is over");

    let code = new_code(&test, TERMINAL).await;
    revoke(&test).await;
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "revoked");
    assert!(certificates(&test, TERMINAL).await.is_empty());
}

#[tokio::test]
async fn a_terminal_held_before_its_first_certificate_gets_it_when_it_is_released() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let der = csr(&key(), &Name::default());
    let at = test.app.now();
    change!(test, |tx| terminal_hold::begin(tx, TERMINAL, "", at).await?);
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "on hold");
    assert!(certificates(&test, TERMINAL).await.is_empty());
    assert!(acts(&test).await.contains(&"terminal.enrol:terminal_held".to_owned()));
    change!(test, |tx| terminal_hold::end(tx, TERMINAL, "", at).await?);
    Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
}

#[tokio::test]
async fn a_revoked_authority_gives_nothing_and_leaves_the_code_unused() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let mine =
        Ask::enrol(TERMINAL, &code, &csr(&key(), &Name::default())).send(&test).await.certificate();
    let code = new_code(&test, OTHER).await;
    let at = test.app.now();
    change!(test, |tx| revocation::revoke_issuer(tx, "terminals", 2, at).await?);

    let (key, der) = (key(), |key: &SoftwareKey| csr(key, &Name::default()));
    for _ in 0..2 {
        let answer = Ask::enrol(OTHER, &code, &der(&key)).send(&test).await;
        answer.is_refused(StatusCode::SERVICE_UNAVAILABLE, "was revoked");
        assert!(!answer.headers.contains_key(header::RETRY_AFTER), "waiting does not help");
    }
    Ask::renew(&mine, &der(&key)).send(&test).await.is_refused(StatusCode::FORBIDDEN, "revoked");
    assert!(certificates(&test, OTHER).await.is_empty());
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    let refusals =
        acts(&test).await.into_iter().filter(|a| a == "certificate.intend:issuer_revoked");
    assert_eq!(refusals.count(), 2);
    let kept = enrolment_code::latest(&mut test.app.store().read(), OTHER).await.unwrap().unwrap();
    assert!(kept.used_at.is_none(), "{kept:?}");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_leaves_the_code_unused() {
    let test = instance().await;
    let code = new_code(&test, TERMINAL).await;
    let good = csr(&key(), &Name::default());
    let bad = |status: StatusCode, says: &'static str, body: Vec<u8>| {
        let ask = Ask { body, ..Ask::enrol(TERMINAL, &code, &good) };
        let test = &test;
        async move { ask.send(test).await.is_refused(status, says) }
    };
    let base64 = |der: &[u8]| STANDARD.encode(der).into_bytes();
    bad(StatusCode::BAD_REQUEST, "empty", Vec::new()).await;
    bad(StatusCode::BAD_REQUEST, "not base64", b"!!!!".to_vec()).await;
    bad(StatusCode::BAD_REQUEST, "not a PKCS #10", base64(b"hello")).await;
    bad(StatusCode::BAD_REQUEST, "not a PKCS #10", base64(&good[..good.len() - 1])).await;
    bad(StatusCode::PAYLOAD_TOO_LARGE, "16 KiB", vec![b'A'; 16 * 1024 + 1]).await;
    let foreign = signed_by(&key(), &key(), &Name::default());
    bad(StatusCode::BAD_REQUEST, "not signed by the key", base64(&foreign)).await;
    let short = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    bad(StatusCode::BAD_REQUEST, "RSA of 2048 bits", base64(&csr(&short, &Name::default()))).await;
    let wish = name(&[Part::CommonName(OTHER)]).unwrap();
    bad(StatusCode::FORBIDDEN, "asks for the name", base64(&csr(&key(), &wish))).await;
    let wrong_type = Ask { content_type: "text/plain", ..Ask::enrol(TERMINAL, &code, &good) };
    let answer = wrong_type.send(&test).await;
    answer.is_refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/pkcs10");

    assert!(certificates(&test, TERMINAL).await.is_empty());
    Ask::enrol(TERMINAL, &code, &good).send(&test).await.certificate();
}

#[tokio::test]
async fn a_key_of_another_terminal_is_refused() {
    let test = instance().await;
    let key = key();
    let der = csr(&key, &Name::default());
    let code = new_code(&test, OTHER).await;
    Ask::enrol(OTHER, &code, &der).send(&test).await.certificate();
    let code = new_code(&test, TERMINAL).await;
    let answer = Ask::enrol(TERMINAL, &code, &der).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "belongs to another terminal");
    assert!(!answer.text.contains(OTHER), "{}", answer.text);
}

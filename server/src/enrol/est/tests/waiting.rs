//! A code that needs approval: nothing is issued before a person has approved the key, and no other key is.

use futures_util::future::join_all;
use http::{StatusCode, header};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::encoding::key_identifier::public_key_sha256;
use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    enrolment_code,
    organisation::{self, StatusChange},
    sql,
    terminal::{self, Revocation},
    transaction,
    waiting_enrolment::{self, Decision},
};
use time::Duration;
use x509_cert::name::Name;

use super::scene::{
    Answer, Ask, FACILITY, OTHER, TERMINAL, acts, certificates, csr, decide, instance, key,
    new_code, new_code_to_approve,
};
use crate::{instance::fingerprint_groups, testing::TestApp};

fn sha256(key: &SoftwareKey) -> [u8; 32] {
    public_key_sha256(key.public_key_der())
}

fn ask(code: &str, key: &SoftwareKey) -> Ask {
    Ask::enrol(TERMINAL, code, &csr(key, &Name::default()))
}

fn waits(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    assert_eq!(answer.headers[header::RETRY_AFTER], "60");
}

async fn approve(test: &TestApp, key: &SoftwareKey) -> bool {
    decide(test, (TERMINAL, key), Decision::Approve { until: test.app.now() + Duration::days(7) })
        .await
}

#[tokio::test]
async fn a_request_waits_until_its_key_is_approved_and_says_which_key_that_is() {
    let test = instance().await;
    let code = new_code_to_approve(&test, TERMINAL).await;
    let key = key();
    for _ in 0..3 {
        let answer = ask(&code, &key).send(&test).await;
        waits(&answer);
        let fingerprint = fingerprint_groups(&hex::encode(sha256(&key)));
        assert!(answer.text.contains(&fingerprint), "{}", answer.text);
    }
    assert!(certificates(&test, TERMINAL).await.is_empty());
    let count = |acts: Vec<String>| {
        acts.iter().filter(|act| act.as_str() == "terminal.await_approval").count()
    };
    assert_eq!(count(acts(&test).await), 1, "asking again changes nothing and records nothing");
    let mut reader = test.app.store().read();
    let told: Vec<(String,)> = reader.fetch_all(sql("SELECT payload FROM outbox")).await.unwrap();
    let tells = |(payload,): &(String,)| payload.contains("enrolment_awaits_approval");
    assert_eq!(told.iter().filter(|message| tells(message)).count(), 1, "{told:?}");
    let at = test.app.now();
    let waiting = waiting_enrolment::of_terminal(&mut reader, TERMINAL, at).await.unwrap().unwrap();
    assert_eq!(waiting.spki_sha256, sha256(&key));
    assert_eq!((waiting.key_kind.as_str(), waiting.door.as_str()), ("P-256", "est"));
    assert_eq!(waiting.address, "192.0.2.1");
    drop(reader);
    assert!(approve(&test, &key).await);
    let certificate = ask(&code, &key).send(&test).await.certificate();
    assert_eq!(ask(&code, &key).send(&test).await.certificate(), certificate);
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    assert!(!approve(&test, &key).await, "there is nothing left to approve");
}

#[tokio::test]
async fn another_key_neither_takes_the_place_of_the_first_nor_shares_its_approval() {
    let test = instance().await;
    let code = new_code_to_approve(&test, TERMINAL).await;
    let (ours, theirs) = (key(), key());
    waits(&ask(&code, &ours).send(&test).await);
    let refused = || ask(&code, &theirs).send(&test);
    refused().await.is_refused(StatusCode::FORBIDDEN, "with another key");
    assert!(!approve(&test, &theirs).await, "their key does not wait");
    assert!(approve(&test, &ours).await);
    refused().await.is_refused(StatusCode::FORBIDDEN, "with another key");
    let terminal = terminal::find(&mut test.app.store().read(), TERMINAL).await.unwrap().unwrap();
    assert!(terminal.code_misused_at.is_some(), "the administrators are told");
    ask(&code, &ours).send(&test).await.certificate();
    refused().await.is_refused(StatusCode::FORBIDDEN, "with another key");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
}

#[tokio::test]
async fn of_many_keys_at_once_one_waits() {
    let test = instance().await;
    let code = new_code_to_approve(&test, TERMINAL).await;
    let keys: Vec<_> = (0..6).map(|_| key()).collect();
    let answers = join_all(keys.iter().map(|key| ask(&code, key).send(&test))).await;
    let waiting = answers.iter().filter(|answer| answer.status == StatusCode::ACCEPTED).count();
    assert_eq!(waiting, 1, "{answers:?}");
    assert!(certificates(&test, TERMINAL).await.is_empty());
}

#[tokio::test]
async fn what_a_person_refuses_is_refused_and_its_code_has_ended() {
    let test = instance().await;
    let code = new_code_to_approve(&test, TERMINAL).await;
    let key = key();
    waits(&ask(&code, &key).send(&test).await);
    assert!(decide(&test, (TERMINAL, &key), Decision::Refuse { reason: "違う機器" }).await);
    for _ in 0..2 {
        let answer = ask(&code, &key).send(&test).await;
        answer.is_refused(StatusCode::FORBIDDEN, "did not approve it");
    }
    assert!(!approve(&test, &key).await);
    assert!(certificates(&test, TERMINAL).await.is_empty());
    let acts = acts(&test).await;
    assert!(acts.contains(&"terminal.enrol:not_approved".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn a_request_waits_a_week_and_an_approved_key_has_another() {
    let test = instance().await;
    let code = new_code_to_approve(&test, TERMINAL).await;
    let key = key();
    waits(&ask(&code, &key).send(&test).await);
    test.clock.advance(Duration::days(6));
    waits(&ask(&code, &key).send(&test).await);
    assert!(approve(&test, &key).await);
    test.clock.advance(Duration::days(6));
    ask(&code, &key).send(&test).await.certificate();

    let code = new_code_to_approve(&test, TERMINAL).await;
    let next = super::scene::key();
    waits(&ask(&code, &next).send(&test).await);
    test.clock.advance(Duration::days(7));
    ask(&code, &next).send(&test).await.is_refused(StatusCode::FORBIDDEN, "its time is over");
    assert!(!approve(&test, &next).await);
}

#[tokio::test]
async fn a_terminal_or_facility_that_is_stopped_meanwhile_waits_for_nothing() {
    let test = instance().await;
    let code = new_code_to_approve(&test, TERMINAL).await;
    let key = key();
    waits(&ask(&code, &key).send(&test).await);
    let stand = async |change| {
        test.clock.advance(Duration::SECOND);
        let at = test.app.now();
        let changed = change!(test, |tx| {
            organisation::change_status(tx, FACILITY, change, "p", "test", at).await?
        });
        assert!(changed.is_some(), "{change:?}");
    };
    stand(StatusChange::Suspend).await;
    ask(&code, &key).send(&test).await.is_refused(StatusCode::FORBIDDEN, "not active");
    stand(StatusChange::Resume).await;
    waits(&ask(&code, &key).send(&test).await);
    let at = test.app.now();
    change!(test, |tx| {
        let revocation = Revocation { crl_reason: 1, cause: "lost", note: "", person_id: None, at };
        terminal::revoke(tx, TERMINAL, FACILITY, revocation).await?
    });
    ask(&code, &key).send(&test).await.is_refused(StatusCode::FORBIDDEN, "revoked, for ever");
    assert!(!approve(&test, &key).await, "revoking ends the code");
}

#[tokio::test]
async fn what_could_not_be_issued_does_not_wait() {
    let test = instance().await;
    let of_other = key();
    let code = new_code(&test, OTHER).await;
    let der = csr(&of_other, &Name::default());
    Ask::enrol(OTHER, &code, &der).send(&test).await.certificate();
    let code = new_code_to_approve(&test, TERMINAL).await;
    let answer = ask(&code, &of_other).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "belongs to another terminal");
    let at = test.app.now();
    let mut reader = test.app.store().read();
    assert_eq!(waiting_enrolment::of_terminal(&mut reader, TERMINAL, at).await.unwrap(), None);
    let state = enrolment_code::latest(&mut reader, TERMINAL).await.unwrap().unwrap();
    assert_eq!((state.used_at, state.misused_at), (None, None));
    drop(reader);
    waits(&ask(&code, &key()).send(&test).await);
}

//! The same answer to the same transaction and signer, for a while, and to nobody else.

use der::Encode;
use sekisho_pki::scep::{FailInfo, MessageType};
use time::Duration;
use x509_cert::{Certificate, der::Decode};

use super::{
    client::{Heard, Message, common_name, key, self_signed},
    scene::{send, with_scep},
};
use crate::enrol::est::tests::{
    routers::ROUTER,
    scene::{acts, certificates, new_code},
};

/// IssuerAndSubject (RFC 8894 §3.3.3).
fn issuer_and_subject(subject: &str) -> Vec<u8> {
    vec![common_name("any"), common_name(subject)].to_der().unwrap()
}

fn poll<'a>(asked: &Message<'a>) -> Message<'a> {
    asked.clone().of(MessageType::CertPoll, issuer_and_subject(ROUTER))
}

#[tokio::test]
async fn a_repeated_request_and_a_poll_get_the_same_certificate_for_a_quarter_of_an_hour() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    let first = send(&test, &asked).await.certificate();
    test.clock.advance(Duration::minutes(14));
    assert_eq!(send(&test, &asked).await.certificate(), first);
    assert_eq!(send(&test, &poll(&asked)).await.certificate(), first);
    test.clock.advance(Duration::minutes(2));
    send(&test, &asked).await.is_refused(FailInfo::BadRequest, "used before with the same key");
    send(&test, &poll(&asked)).await.is_refused(FailInfo::BadCertId, "nothing is known");
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
    let acts = acts(&test).await;
    assert!(acts.contains(&"terminal.enrol_again".to_owned()), "{acts:?}");
    assert!(acts.contains(&"terminal.enrol:scep_not_found".to_owned()), "{acts:?}");
}

#[tokio::test]
async fn another_transaction_and_another_signer_get_nothing() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    send(&test, &asked).await.certificate();
    // The same key and code in another transaction.
    let elsewhere = asked.clone().in_transaction("t-9");
    send(&test, &elsewhere).await.is_refused(FailInfo::BadRequest, "in another transaction");
    send(&test, &poll(&elsewhere)).await.is_refused(FailInfo::BadCertId, "nothing is known");
    // Another key in the same transaction: it is written in the clear.
    let mut stranger = poll(&asked);
    stranger.signer = (key(1), self_signed(key(1), &common_name(ROUTER)));
    send(&test, &stranger).await.is_refused(FailInfo::BadCertId, "nothing is known");
    let other_key = Message::enrol(key(1), ROUTER, &code);
    send(&test, &other_key).await.is_refused(FailInfo::BadRequest, "with another key");
    // Who signs with the right key's certificate and the wrong key is nobody.
    let mut forged = poll(&asked);
    forged.signer = (key(1), asked.signer.1.clone());
    send(&test, &forged).await.is_refused(FailInfo::BadMessageCheck, "does not count");
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
}

#[tokio::test]
async fn a_poll_before_any_request_is_refused() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    send(&test, &poll(&asked)).await.is_refused(FailInfo::BadCertId, "Send the request anew");
}

#[tokio::test]
async fn of_two_routers_with_one_code_at_once_one_gets_a_certificate() {
    let test = with_scep().await;
    let code = new_code(&test, ROUTER).await;
    let asked = [0, 1, 2].map(|number| Message::enrol(key(number), ROUTER, &code));
    let (a, b, c) =
        tokio::join!(send(&test, &asked[0]), send(&test, &asked[1]), send(&test, &asked[2]));
    let all = [a, b, c];
    let good = all.iter().filter(|heard| matches!(heard, Heard::Success(_))).count();
    assert_eq!(good, 1, "{all:?}");
    let kept = certificates(&test, ROUTER).await;
    assert_eq!(kept.len(), 1);
    Certificate::from_der(&kept[0].der).unwrap();
}

//! A router whose key a person has to approve polls until then (RFC 8894 §4.4).

use sekisho_pki::scep::{FailInfo, MessageType};
use sekisho_store::{Queries, sql, waiting_enrolment::Decision};
use time::Duration;
use x509_cert::der::Encode;

use super::{
    client::{Heard, Message, common_name, key, self_signed},
    scene::{send, with_scep},
};
use crate::enrol::est::tests::{
    routers::ROUTER,
    scene::{acts, certificates, decide, new_code_to_approve},
};

fn poll<'a>(asked: &Message<'a>) -> Message<'a> {
    let content = vec![common_name("any"), common_name(ROUTER)].to_der().unwrap();
    asked.clone().of(MessageType::CertPoll, content)
}

#[tokio::test]
async fn a_router_polls_until_its_key_is_approved() {
    let test = with_scep().await;
    let code = new_code_to_approve(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    assert_eq!(send(&test, &asked).await, Heard::Pending);
    test.clock.advance(Duration::hours(30));
    assert_eq!(send(&test, &poll(&asked)).await, Heard::Pending, "the code outlasts its day");
    assert_eq!(send(&test, &asked).await, Heard::Pending);
    assert!(certificates(&test, ROUTER).await.is_empty());

    let until = test.app.now() + Duration::days(7);
    assert!(decide(&test, (ROUTER, key(0)), Decision::Approve { until }).await);
    let first = send(&test, &poll(&asked)).await.certificate();
    assert_eq!(send(&test, &poll(&asked)).await.certificate(), first);
    assert_eq!(send(&test, &asked).await.certificate(), first);
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
    let acts = acts(&test).await;
    let waited = acts.iter().filter(|act| act.as_str() == "terminal.await_approval").count();
    assert_eq!(waited, 1, "{acts:?}");
}

#[tokio::test]
async fn a_poll_of_another_transaction_or_key_is_told_nothing_of_what_waits() {
    let test = with_scep().await;
    let code = new_code_to_approve(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    assert_eq!(send(&test, &asked).await, Heard::Pending);
    let elsewhere = asked.clone().in_transaction("t-9");
    send(&test, &poll(&elsewhere)).await.is_refused(FailInfo::BadCertId, "nothing is known");
    let mut stranger = poll(&asked);
    stranger.signer = (key(1), self_signed(key(1), &common_name(ROUTER)));
    send(&test, &stranger).await.is_refused(FailInfo::BadCertId, "nothing is known");
    let other_key = Message::enrol(key(1), ROUTER, &code);
    send(&test, &other_key).await.is_refused(FailInfo::BadRequest, "with another key");
    // A router that was started anew asks in a new transaction, and polls in that.
    assert_eq!(send(&test, &elsewhere).await, Heard::Pending);
    assert_eq!(send(&test, &poll(&elsewhere)).await, Heard::Pending);
    send(&test, &poll(&asked)).await.is_refused(FailInfo::BadCertId, "nothing is known");
}

#[tokio::test]
async fn a_refused_key_is_refused_at_the_poll() {
    let test = with_scep().await;
    let code = new_code_to_approve(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    assert_eq!(send(&test, &asked).await, Heard::Pending);
    assert!(decide(&test, (ROUTER, key(0)), Decision::Refuse { reason: "違う機器" }).await);
    send(&test, &poll(&asked)).await.is_refused(FailInfo::BadRequest, "did not approve it");
    assert!(certificates(&test, ROUTER).await.is_empty());
}

#[tokio::test]
async fn the_code_in_a_request_that_waits_is_sealed() {
    let test = with_scep().await;
    let code = new_code_to_approve(&test, ROUTER).await;
    let asked = Message::enrol(key(0), ROUTER, &code);
    assert_eq!(send(&test, &asked).await, Heard::Pending);
    let mut reader = test.app.store().read();
    let kept: Vec<(Vec<u8>,)> =
        reader.fetch_all(sql("SELECT sealed_request FROM waiting_enrolment")).await.unwrap();
    let [(sealed,)] = &kept[..] else { panic!("{kept:?}") };
    assert!(sealed.len() > 200, "the request is there");
    assert!(!sealed.windows(code.len()).any(|octets| octets == code.as_bytes()));
    assert!(!sealed.windows(ROUTER.len()).any(|octets| octets == ROUTER.as_bytes()));
}

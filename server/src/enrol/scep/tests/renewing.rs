//! The next certificate by the present one, and what a router with a certificate may look up.

use der::Encode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_pki::scep::{Cipher, FailInfo, MessageType};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    revocation::{self, Status},
    scep_ra, sql, terminal, transaction,
};
use time::Duration;
use x509_cert::{Certificate, der::Decode, name::Name};

use super::{
    client::{Heard, Message, common_name, heard, key, request},
    scene::{post, ra_der, send, send_octets, with_scep},
};
use crate::{
    enrol::{
        est::tests::{
            routers::{FIXED, ROUTER},
            scene::{FACILITY, acts, certificates, new_code},
        },
        ra,
    },
    repository::publish,
    testing::{self, TestApp},
};

async fn enrolled(test: &TestApp, id: &str, number: usize) -> Vec<u8> {
    let code = new_code(test, id).await;
    let message = Message::enrol(key(number), id, &code).in_transaction("t-0");
    send(test, &message).await.certificate()
}

#[tokio::test]
async fn a_router_renews_by_its_certificate_in_both_ways_that_clients_know() {
    for kind in [MessageType::RenewalReq, MessageType::PkcsReq] {
        let test = with_scep().await;
        let first = enrolled(&test, ROUTER, 0).await;
        test.clock.advance(Duration::days(300));
        ra::keep_up(&test.app).await.unwrap();
        let asked = Message { kind, ..Message::renew(key(1), (key(0), &first)) };
        let second = send(&test, &asked).await.certificate();
        assert_ne!(second, first);
        assert_eq!(send(&test, &asked).await.certificate(), second, "the answer was lost");
        let good = async || {
            let all = certificates(&test, ROUTER).await;
            all.iter().filter(|certificate| certificate.status == Status::Good).count()
        };
        assert_eq!(good().await, 2, "the old one is good until the next is used");
        // The next renewal shows that the router has the new one.
        let asked = Message::renew(key(2), (key(1), &second)).in_transaction("t-3");
        send(&test, &asked).await.certificate();
        let asked = Message::renew(key(1), (key(0), &first)).in_transaction("t-4");
        send(&test, &asked).await.is_refused(FailInfo::BadRequest, "replaced by another one");
        assert_eq!(good().await, 2);
    }
}

#[tokio::test]
async fn a_client_that_keeps_its_key_renews_in_the_transaction_that_the_key_stands_for() {
    for kind in [MessageType::RenewalReq, MessageType::PkcsReq] {
        let test = with_scep().await;
        let first = enrolled(&test, ROUTER, 0).await;
        test.clock.advance(Duration::days(300));
        ra::keep_up(&test.app).await.unwrap();
        let asked = Message { kind, ..Message::renew(key(0), (key(0), &first)) };
        let asked = asked.in_transaction("t-0");
        let second = send(&test, &asked).await.certificate();
        assert_ne!(second, first);
        // By the next certificate it goes on.
        test.clock.advance(Duration::days(200));
        ra::keep_up(&test.app).await.unwrap();
        let asked = Message { kind, ..Message::renew(key(0), (key(0), &second)) };
        send(&test, &asked.in_transaction("t-0")).await.certificate();
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_by_another_message_and_a_recorded_one_by_no_certificate() {
    let test = with_scep().await;
    let ra = ra_der(&test).await;
    let first = enrolled(&test, ROUTER, 0).await;
    let asked = Message::renew(key(0), (key(0), &first)).in_transaction("t-0");
    let recorded = asked.sealed(&ra);
    let second = send_octets(&test, &asked, asked.around(recorded.clone())).await.certificate();
    test.clock.advance(Duration::minutes(16));
    // With another certificate of the same key beside the signature, which does not cover it.
    let exchanged = Message { signer: (key(0), second), ..asked.clone() };
    for message in [&asked, &exchanged] {
        let refused = send_octets(&test, message, message.around(recorded.clone())).await;
        refused.is_refused(FailInfo::BadRequest, "answered before");
    }
    assert_eq!(certificates(&test, ROUTER).await.len(), 2);
    // A message of its own, in the same transaction and with the same key.
    send(&test, &asked).await.certificate();
}

#[tokio::test]
async fn a_router_gets_nothing_for_a_request_that_another_made() {
    let test = with_scep().await;
    let first = enrolled(&test, ROUTER, 0).await;
    let code = new_code(&test, FIXED).await;
    let envelopes = [
        Message::enrol(key(1), FIXED, &code),
        // No name that would tell whose it is.
        Message::enrol(key(1), "", &format!("{FIXED}:{code}")),
    ];
    for captured in envelopes {
        let stolen =
            Message::renew(key(2), (key(0), &first)).of(MessageType::RenewalReq, captured.content);
        let refused = send(&test, &stolen).await;
        refused.is_refused(FailInfo::BadMessageCheck, "cannot be opened or read");
    }
    assert!(certificates(&test, FIXED).await.is_empty());
    send(&test, &Message::enrol(key(1), FIXED, &code)).await.certificate();
}

#[tokio::test]
async fn what_is_too_weak_takes_no_certificate_back() {
    let test = with_scep().await;
    let first = enrolled(&test, ROUTER, 0).await;
    let asked = Message::renew(key(1), (key(0), &first));
    let second = send(&test, &asked).await.certificate();
    let next = Message::renew(key(2), (key(1), &second)).in_transaction("t-3");
    let weak = Message { cipher: Cipher::TripleDes, ..next.clone() };
    send(&test, &weak).await.is_refused(FailInfo::BadAlg, "triple DES");
    let good = certificates(&test, ROUTER).await;
    assert!(good.iter().all(|certificate| certificate.status == Status::Good));
    send(&test, &next).await.certificate();
}

#[tokio::test]
async fn a_look_up_says_one_and_the_same_of_what_does_not_open_or_read_or_is_not_there() {
    let test = with_scep().await;
    let ra = ra_der(&test).await;
    let first = enrolled(&test, ROUTER, 0).await;
    let code = new_code(&test, FIXED).await;
    // Another router's message, brought by one with a certificate.
    let captured = Message::enrol(key(1), FIXED, &code).sealed(&ra);
    for kind in [MessageType::GetCert, MessageType::GetCrl] {
        let asked = Message::renew(key(0), (key(0), &first)).of(kind, b"garbage".to_vec());
        let mut told = vec![send(&test, &asked).await];
        for octet in [0, captured.len() - 1, captured.len() - 33] {
            let mut envelope = captured.clone();
            envelope[octet] ^= u8::from(octet > 0);
            told.push(send_octets(&test, &asked, asked.around(envelope)).await);
        }
        assert!(matches!(&told[0], Heard::Failure(FailInfo::BadCertId, _)), "{told:?}");
        assert!(told.iter().all(|refused| *refused == told[0]), "{told:?}");
    }
}

#[tokio::test]
async fn a_registration_authority_whose_key_is_spoilt_is_followed() {
    let test = with_scep().await;
    let before = ra_der(&test).await;
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(sql("UPDATE scep_ra SET sealed_key = certificate_der")).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    test.clock.advance(Duration::SECOND);
    ra::keep_up(&test.app).await.unwrap();
    assert_ne!(ra_der(&test).await, before);
    enrolled(&test, ROUTER, 0).await;
}

#[tokio::test]
async fn a_recorded_renewal_counts_once() {
    let test = with_scep().await;
    let first = enrolled(&test, ROUTER, 0).await;
    let recorded = Message::renew(key(1), (key(0), &first)).octets(&ra_der(&test).await);
    let ra = ra_der(&test).await;
    let again = async || {
        let answer = post(&test, recorded.clone()).await;
        heard(&answer.octets, "t-2", key(0), &ra)
    };
    let second = again().await.certificate();
    assert_eq!(again().await.certificate(), second);
    test.clock.advance(Duration::minutes(16));
    again().await.is_refused(FailInfo::BadRequest, "answered before");
    assert_eq!(certificates(&test, ROUTER).await.len(), 2);
    assert!(acts(&test).await.contains(&"terminal.enrol:scep_replayed".to_owned()));
}

#[tokio::test]
async fn neither_an_expired_nor_a_revoked_nor_a_foreign_certificate_renews() {
    let test = with_scep().await;
    let first = enrolled(&test, ROUTER, 0).await;
    let asked = Message::renew(key(1), (key(0), &first));
    // Another facility's PC, whose key is not RSA, cannot even ask; another router asks for itself only.
    let other = enrolled(&test, FIXED, 2).await;
    let named = Message {
        content: request(key(1), &common_name(ROUTER), None),
        ..Message::renew(key(1), (key(2), &other))
    };
    send(&test, &named).await.is_refused(FailInfo::BadMessageCheck, "cannot be opened or read");
    // A certificate that nobody of us signed.
    let mut foreign = asked.clone();
    foreign.signer = Message::enrol(key(0), ROUTER, "x").signer;
    send(&test, &foreign).await.is_refused(FailInfo::BadMessageCheck, "another key than the one");
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        let revocation = terminal::Revocation {
            crl_reason: RevocationReason::CessationOfOperation.code(),
            cause: "retired",
            note: "",
            person_id: Some("p"),
            at,
        };
        terminal::revoke(tx, FIXED, FACILITY, revocation).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    let revoked = Message::renew(key(1), (key(2), &other)).in_transaction("t-5");
    send(&test, &revoked).await.is_refused(FailInfo::BadRequest, "revoked");
    assert!(acts(&test).await.contains(&"terminal.enrol:scep_certificate".to_owned()));
    test.clock.advance(Duration::days(800));
    ra::keep_up(&test.app).await.unwrap();
    send(&test, &asked).await.is_refused(FailInfo::BadRequest, "expired");
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
    assert_eq!(certificates(&test, FIXED).await.len(), 1);
}

fn issuer_and_serial(der: &[u8]) -> Vec<u8> {
    let certificate = Certificate::from_der(der).unwrap();
    let tbs = certificate.tbs_certificate();
    cms::cert::IssuerAndSerialNumber {
        issuer: tbs.issuer().clone(),
        serial_number: tbs.serial_number().clone(),
    }
    .to_der()
    .unwrap()
}

#[tokio::test]
async fn a_router_looks_up_its_own_certificate_and_the_list_and_no_other() {
    let test = with_scep().await;
    let (mine, other) = (enrolled(&test, ROUTER, 0).await, enrolled(&test, FIXED, 1).await);
    publish::publish_due(&test.app).await.unwrap();
    let asks = |kind, content| Message::renew(key(0), (key(0), &mine)).of(kind, content);
    let own = send(&test, &asks(MessageType::GetCert, issuer_and_serial(&mine))).await;
    assert_eq!(own.certificate(), mine);
    let others = send(&test, &asks(MessageType::GetCert, issuer_and_serial(&other))).await;
    others.is_refused(FailInfo::BadCertId, "nothing is known");
    let list = send(&test, &asks(MessageType::GetCrl, issuer_and_serial(&mine))).await;
    let Heard::Success(message) = list else { panic!("{list:?}") };
    let newest = crate::repository::complete_list(&test.app, "routers", 1 << 20).await.unwrap();
    let newest = newest.unwrap();
    assert!(message.windows(newest.len()).any(|window| window == newest));
    // A stranger looks nothing up.
    let mut stranger = asks(MessageType::GetCrl, issuer_and_serial(&mine));
    stranger.signer = Message::enrol(key(2), ROUTER, "x").signer;
    send(&test, &stranger).await.is_refused(FailInfo::BadMessageCheck, "another key");
    let nonsense =
        send(&test, &asks(MessageType::GetCert, Name::default().to_der().unwrap())).await;
    nonsense.is_refused(FailInfo::BadCertId, "nothing is known");
}

#[tokio::test]
async fn a_registration_authority_that_was_taken_back_opens_nothing_and_is_followed() {
    let test = with_scep().await;
    let old = ra_der(&test).await;
    let serial = Certificate::from_der(&old).unwrap();
    let serial = serial.tbs_certificate().serial_number().as_bytes().to_vec();
    let at = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        let compromised = RevocationReason::KeyCompromise.code();
        assert!(revocation::revoke(tx, "routers", &serial, compromised, at).await?);
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
    test.clock.advance(Duration::SECOND);
    ra::keep_up(&test.app).await.unwrap();
    let new = ra_der(&test).await;
    assert_ne!(new, old);
    let code = new_code(&test, ROUTER).await;
    let message = Message::enrol(key(0), ROUTER, &code);
    let answer = post(&test, message.octets(&old)).await;
    let refused = heard(&answer.octets, message.transaction, key(0), &new);
    refused.is_refused(FailInfo::BadMessageCheck, "another certificate");
    let answer = post(&test, message.octets(&new)).await;
    heard(&answer.octets, message.transaction, key(0), &new).certificate();
}

#[tokio::test]
async fn the_registration_authority_is_followed_in_time_and_the_old_one_still_answers() {
    let test = with_scep().await;
    let old = ra_der(&test).await;
    ra::keep_up(&test.app).await.unwrap();
    assert_eq!(ra_der(&test).await, old, "nothing was due");
    test.clock.advance(Duration::days(250));
    ra::keep_up(&test.app).await.unwrap();
    let new = ra_der(&test).await;
    assert_ne!(new, old);
    // By another process, to a router that fetched the old one's certificate long ago.
    let second = testing::second_process(&test, "node-2").await;
    let code = new_code(&test, ROUTER).await;
    let message = Message::enrol(key(0), ROUTER, &code);
    let there =
        TestApp { app: second, clock: test.clock.clone(), folder: tempfile::tempdir().unwrap() };
    let answer = post(&there, message.octets(&old)).await;
    heard(&answer.octets, message.transaction, key(0), &old).certificate();
    test.clock.advance(Duration::days(120));
    let mut reader = test.app.store().read();
    let left = scep_ra::in_force(&mut reader, "scep", test.app.now()).await.unwrap();
    assert_eq!(left.len(), 1, "the old one has ended");
    let answer = post(&test, message.octets(&old)).await;
    let refused = heard(&answer.octets, message.transaction, key(0), &new);
    refused.is_refused(FailInfo::BadMessageCheck, "another certificate");
}

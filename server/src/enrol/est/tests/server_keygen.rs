//! Keys made here: who gets one, that it belongs to its certificate, and who gets none.

use base64::{Engine, engine::general_purpose::STANDARD};
use der::Encode;
use futures_util::future::join_all;
use http::{StatusCode, header};
use sekisho_key::{RsaSize, SigningKey, SoftwareKey};
use sekisho_pki::encoding::cms;
use x509_cert::{Certificate, der::Decode, name::Name};

use super::{
    routers::{ROUTER, enter_routers},
    scene::{
        Answer, Ask, TERMINAL, acts, certificates, csr, instance, instance_with, key, new_code,
        new_code_to_approve, notices, signed_by,
    },
};
use crate::{
    config::{ServerMadeKeys, Settings},
    testing::TestApp,
};

async fn with_routers() -> TestApp {
    let test = instance().await;
    enter_routers(&test).await;
    test
}

fn of_router(ask: Ask) -> Ask {
    Ask { operation: "routers/serverkeygen", ..ask }
}

fn request(key: &SoftwareKey) -> Vec<u8> {
    csr(key, &Name::default())
}

/// Key and certificate of a good answer.
fn handed_out(answer: &Answer) -> (SoftwareKey, Vec<u8>) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let media_type = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    let (kind, boundary) = media_type.split_once("; boundary=").unwrap();
    assert_eq!(kind, "multipart/mixed");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let parts: Vec<_> = answer.text.split(&format!("--{boundary}")).collect();
    let ["", key, certificate, "--\r\n"] = parts[..] else { panic!("{parts:?}") };
    let part = |text: &str, announced: &str| {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Type: {announced}\r\n")), "{head}");
        STANDARD.decode(body.trim_end()).unwrap()
    };
    let key = SoftwareKey::from_pkcs8_der(&part(key, "application/pkcs8")).unwrap();
    let message = part(certificate, "application/pkcs7-mime; smime-type=certs-only");
    let mut all = cms::parse_certs_only(&message).unwrap();
    assert_eq!(all.len(), 1);
    let der = all.remove(0);
    let certificate = Certificate::from_der(&der).unwrap();
    let certified = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    assert_eq!(certified, key.public_key_der(), "they belong together");
    (key, der)
}

#[tokio::test]
async fn a_router_gets_key_and_certificate_that_belong_together() {
    let test = with_routers().await;
    for asker in [key(), SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap()] {
        let code = new_code(&test, ROUTER).await;
        let answer = of_router(Ask::enrol(ROUTER, &code, &request(&asker))).send(&test).await;
        let (key, der) = handed_out(&answer);
        assert_eq!(key.algorithm(), asker.algorithm(), "the kind is the request's");
        assert_ne!(key.public_key_der(), asker.public_key_der());
        assert_eq!(certificates(&test, ROUTER).await[0].der, der);
    }
    assert_eq!(acts(&test).await.iter().filter(|act| *act == "terminal.enrol").count(), 2);
}

#[tokio::test]
async fn the_same_request_gets_the_same_and_another_one_nothing() {
    let test = with_routers().await;
    let (code, asker) = (new_code(&test, ROUTER).await, key());
    let ask = of_router(Ask::enrol(ROUTER, &code, &request(&asker)));
    let (first, der) = handed_out(&ask.clone().send(&test).await);
    let (again, same) = handed_out(&ask.clone().send(&test).await);
    assert_eq!((again.public_key_der(), same), (first.public_key_der(), der));
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
    // The same key in another request: a signature has chance in it.
    for other in [request(&asker), request(&key())] {
        let refused = of_router(Ask::enrol(ROUTER, &code, &other)).send(&test).await;
        refused.is_refused(StatusCode::FORBIDDEN, "with another key");
    }
    assert_eq!(notices(&test).await, 1, "somebody else may have the code");
    test.clock.advance(test.app.config().enrolment().same_key_grace());
    handed_out(&ask.clone().send(&test).await);
    test.clock.advance(time::Duration::SECOND);
    ask.send(&test).await.is_refused(StatusCode::FORBIDDEN, "with another key");
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
}

#[tokio::test]
async fn of_many_at_once_with_one_code_one_key_is_certified() {
    let test = with_routers().await;
    let (code, asker) = (new_code(&test, ROUTER).await, key());
    let same = of_router(Ask::enrol(ROUTER, &code, &request(&asker)));
    let others: Vec<_> =
        (0..3).map(|_| of_router(Ask::enrol(ROUTER, &code, &request(&key())))).collect();
    let asks: Vec<_> = std::iter::repeat_n(same, 3).chain(others).collect();
    let answers = join_all(asks.into_iter().map(|ask| ask.send(&test))).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    assert!(!good.is_empty(), "{answers:?}");
    let keys: std::collections::BTreeSet<_> =
        good.iter().map(|answer| handed_out(answer).0.public_key_der().to_vec()).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
}

#[tokio::test]
async fn without_a_good_code_nothing_is_made_and_the_answer_is_that_of_any_door() {
    let test = with_routers().await;
    let code = new_code(&test, ROUTER).await;
    let wrong = "0000-0000-0000-0000-0000";
    let asker = SoftwareKey::generate_rsa(RsaSize::Bits3072).unwrap();
    for (id, code) in [(ROUTER, wrong), ("T9999999999", code.as_str())] {
        let keygen = of_router(Ask::enrol(id, code, &request(&asker)));
        let simple = Ask { operation: "routers/simpleenroll", ..keygen.clone() };
        let (keygen, simple) = (keygen.send(&test).await, simple.send(&test).await);
        keygen.is_refused(StatusCode::UNAUTHORIZED, "not accepted");
        assert_eq!(keygen.text, simple.text);
    }
    let nobody =
        Ask { authorization: None, ..of_router(Ask::enrol(ROUTER, &code, &request(&asker))) };
    let challenged = nobody.send(&test).await;
    challenged.is_refused(StatusCode::UNAUTHORIZED, "");
    assert!(challenged.headers.contains_key(header::WWW_AUTHENTICATE));
    assert!(certificates(&test, ROUTER).await.is_empty());
    // The code lived through it.
    handed_out(&of_router(Ask::enrol(ROUTER, &code, &request(&asker))).send(&test).await);
}

#[tokio::test]
async fn a_code_that_needs_approval_makes_no_key_and_is_not_used_up() {
    let test = with_routers().await;
    let (code, asker) = (new_code_to_approve(&test, ROUTER).await, key());
    let ask = Ask::enrol(ROUTER, &code, &request(&asker));
    let refused = of_router(ask.clone()).send(&test).await;
    refused.is_refused(StatusCode::FORBIDDEN, "enrol by simpleenroll");
    assert!(acts(&test).await.contains(&"terminal.enrol:key_cannot_be_compared".to_owned()));
    let simple = Ask { operation: "routers/simpleenroll", ..ask }.send(&test).await;
    assert_eq!(simple.status, StatusCode::ACCEPTED, "{}", simple.text);
}

#[tokio::test]
async fn keys_are_made_for_whom_the_operating_body_says() {
    for (made_for, router, pc) in [
        (ServerMadeKeys::None, StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        (ServerMadeKeys::Routers, StatusCode::OK, StatusCode::FORBIDDEN),
        (ServerMadeKeys::All, StatusCode::OK, StatusCode::OK),
    ] {
        let mut settings = Settings::default();
        settings.enrolment.server_made_keys = made_for;
        let test = instance_with(settings).await;
        enter_routers(&test).await;
        for (id, operation, status) in
            [(ROUTER, "routers/serverkeygen", router), (TERMINAL, "serverkeygen", pc)]
        {
            let code = new_code(&test, id).await;
            let ask = Ask { operation, ..Ask::enrol(id, &code, &request(&key())) };
            let answer = ask.clone().send(&test).await;
            assert_eq!(answer.status, status, "{made_for:?} {operation}: {}", answer.text);
            assert_eq!(certificates(&test, id).await.len(), usize::from(status == StatusCode::OK));
            // A code at the other door is told so and keeps.
            let code = new_code(&test, id).await;
            let elsewhere = if id == ROUTER { "serverkeygen" } else { "routers/serverkeygen" };
            let ask = Ask { operation: elsewhere, ..Ask::enrol(id, &code, &request(&key())) };
            ask.send(&test).await.is_refused(StatusCode::FORBIDDEN, "");
        }
    }
}

#[tokio::test]
async fn a_router_renews_by_its_certificate_and_the_old_one_stays() {
    let test = with_routers().await;
    let code = new_code(&test, ROUTER).await;
    let first = of_router(Ask::enrol(ROUTER, &code, &request(&key()))).send(&test).await;
    let (old_key, old) = handed_out(&first);
    let renew = of_router(Ask::renew(&old, &request(&key())));
    let (new_key, new) = handed_out(&renew.clone().send(&test).await);
    assert_ne!(new_key.public_key_der(), old_key.public_key_der());
    let (again, same) = handed_out(&renew.send(&test).await);
    assert_eq!((again.public_key_der(), &same), (new_key.public_key_der(), &new));
    let all = certificates(&test, ROUTER).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.status == sekisho_store::revocation::Status::Good));
    // A PC's certificate, or a stranger's, is none of a router.
    let refused = of_router(Ask::renew(b"no certificate", &request(&key()))).send(&test).await;
    refused.is_refused(StatusCode::FORBIDDEN, "renewal");
}

#[tokio::test]
async fn what_the_request_holds_besides_is_not_looked_at_but_must_be_a_request() {
    let test = with_routers().await;
    let asker = key();
    // RFC 7030 §4.4.1: key and signature are there so that old programs can write requests.
    let code = new_code(&test, ROUTER).await;
    let foreign = signed_by(&asker, &key(), &Name::default());
    handed_out(&of_router(Ask::enrol(ROUTER, &code, &foreign)).send(&test).await);

    let code = new_code(&test, ROUTER).await;
    let weak = SoftwareKey::generate_rsa(RsaSize::Bits2048).unwrap();
    let good = request(&asker);
    let mut refusals = vec![
        (Vec::new(), "empty"),
        (b"no DER".to_vec(), "PKCS #10"),
        (request(&weak), "which kind is to be made"),
    ];
    for length in 1..good.len() {
        refusals.push((good[..length].to_vec(), "PKCS #10"));
    }
    for (der, says) in refusals {
        let refused = of_router(Ask::enrol(ROUTER, &code, &der)).send(&test).await;
        refused.is_refused(StatusCode::BAD_REQUEST, says);
    }
    let typed = Ask { content_type: "text/plain", ..of_router(Ask::enrol(ROUTER, &code, &good)) };
    typed.send(&test).await.is_refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/pkcs10");
    assert_eq!(certificates(&test, ROUTER).await.len(), 1);
    handed_out(&of_router(Ask::enrol(ROUTER, &code, &good)).send(&test).await);
}

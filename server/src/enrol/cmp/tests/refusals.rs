//! What is refused: nothing is issued, and the record says so.

use http::StatusCode;
use sekisho_pki::cmp::{BodyKind, FailInfo};
use sekisho_store::enrolment_code;
use time::Duration;

use super::{
    client::{Client, Sender},
    scene::{code, post, post_as, send, with_cmp},
};
use crate::enrol::{
    est::tests::{
        routers::ROUTER,
        scene::{OTHER, TERMINAL, acts, certificates, key},
    },
    ra,
};

#[tokio::test]
async fn a_wrong_secret_is_told_as_an_unknown_device_and_costs_a_try() {
    let test = with_cmp().await;
    let (secret, key) = (code(&test, TERMINAL, false).await, key());
    let mut texts = Vec::new();
    for (id, secret) in [
        (TERMINAL, "0000-0000-0000-0000-0000"),
        (OTHER, secret.as_str()),
        ("T0000000000", secret.as_str()),
        ("nobody", secret.as_str()),
    ] {
        let client = Client::of_code(id, secret);
        let asked = client.request(BodyKind::Ir, (&key, &key), TERMINAL);
        let told = send(&test, &client, asked).await;
        assert!(!told.is_protected && told.kind == BodyKind::Error);
        told.is_refused(FailInfo::BadMessageCheck, "hmacWithSHA256");
        let body = told.octets.windows(4).position(|at| at == b"CMP:").unwrap();
        texts.push(told.octets[body..].to_vec());
    }
    assert!(texts.iter().all(|text| *text == texts[0]));
    let left = enrolment_code::latest(&mut test.app.store().read(), TERMINAL).await.unwrap();
    let tries = i64::from(test.app.config().enrolment().code_tries());
    assert_eq!(left.unwrap().tries_left, tries - 1);
    let acts = acts(&test).await;
    assert_eq!(acts.iter().filter(|act| *act == "terminal.enrol:wrong_code").count(), 2);
    assert_eq!(acts.iter().filter(|act| *act == "terminal.enrol:unknown_terminal").count(), 2);
    assert!(certificates(&test, TERMINAL).await.is_empty());
}

#[tokio::test]
async fn what_is_cut_off_swollen_or_of_another_kind_is_refused() {
    let test = with_cmp().await;
    let (secret, key) = (code(&test, TERMINAL, false).await, key());
    let client = Client::of_code(TERMINAL, &secret);
    let asked = client.request(BodyKind::Ir, (&key, &key), TERMINAL);
    for end in 0..asked.len() {
        let status = post(&test, asked[..end].to_vec()).await.status;
        let expected = [StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS];
        assert!(expected.contains(&status), "{end}: {status}");
    }
    assert_eq!(post(&test, vec![0; 10 << 20]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let wrong = post_as(&test, "/.well-known/cmp", "application/pkcs10", asked.clone()).await;
    assert_eq!(wrong.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(acts(&test).await.contains(&"terminal.enrol:cmp_malformed".to_owned()));
    assert!(certificates(&test, TERMINAL).await.is_empty());
    // None of it used the code up.
    test.clock.advance(Duration::HOUR);
    send(&test, &client, asked).await.certificate();
}

#[tokio::test]
async fn a_request_of_another_key_name_or_device_is_refused_and_the_code_stays() {
    let test = with_cmp().await;
    let (secret, mine, other) = (code(&test, TERMINAL, false).await, key(), key());
    let client = |number| Client::of_code(TERMINAL, &secret).in_transaction(number);
    let forged = client(10).request(BodyKind::Ir, (&mine, &other), TERMINAL);
    send(&test, &client(10), forged).await.is_refused(FailInfo::BadPop, "not signed by the key");
    let named = client(11).request(BodyKind::Ir, (&mine, &mine), "T9999999999");
    send(&test, &client(11), named).await.is_refused(FailInfo::NotAuthorized, "T9999999999");
    let kur = client(12).request(BodyKind::Kur, (&mine, &mine), TERMINAL);
    send(&test, &client(12), kur).await.is_refused(FailInfo::BadRequest, "kur");
    let router = Client::of_code(ROUTER, &code(&test, ROUTER, false).await);
    let at_pcs = router.request(BodyKind::Ir, (&mine, &mine), ROUTER);
    send(&test, &router, at_pcs).await.is_refused(FailInfo::NotAuthorized, "for a router");
    assert!(certificates(&test, TERMINAL).await.is_empty());
    let good = client(13).request(BodyKind::Ir, (&mine, &mine), TERMINAL);
    send(&test, &client(13), good).await.certificate();
}

#[tokio::test]
async fn a_message_signed_by_another_key_or_by_an_ended_certificate_is_refused() {
    let test = with_cmp().await;
    let (mine, other, next) = (key(), key(), key());
    let client = Client::of_code(TERMINAL, &code(&test, TERMINAL, false).await);
    let asked = client.request(BodyKind::Ir, (&mine, &mine), TERMINAL);
    let der = send(&test, &client, asked).await.certificate();
    let forged = Client::of_certificate(&other, &der);
    let asked = forged.request(BodyKind::Kur, (&next, &next), TERMINAL);
    let told = send(&test, &forged, asked).await;
    assert!(!told.is_protected);
    told.is_refused(FailInfo::BadMessageCheck, "not accepted");
    let holder = Client::of_certificate(&mine, &der);
    test.clock.advance(Duration::days(400));
    // Who answers has ended, too.
    ra::keep_up(&test.app).await.unwrap();
    let asked = holder.request(BodyKind::Kur, (&next, &next), TERMINAL);
    send(&test, &holder, asked).await.is_refused(FailInfo::SignerNotTrusted, "expired");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
}

#[tokio::test]
async fn one_code_spent_twice_at_once_brings_one_certificate() {
    let test = with_cmp().await;
    let (secret, one, two) = (code(&test, TERMINAL, false).await, key(), key());
    let client = |number| Client::of_code(TERMINAL, &secret).in_transaction(number);
    let ask = |number, key| client(number).request(BodyKind::Ir, (key, key), TERMINAL);
    let (first, second) = tokio::join!(post(&test, ask(30, &one)), post(&test, ask(31, &two)));
    let granted = [(30, first), (31, second)].into_iter().filter(|(number, answer)| {
        answer.status == StatusCode::OK
            && super::client::heard(&answer.octets, &client(*number)).is_granted()
    });
    assert_eq!(granted.count(), 1);
    let all = certificates(&test, TERMINAL).await;
    assert_eq!(all.iter().filter(|one| !one.status.is_final()).count(), 1);
}

#[tokio::test]
async fn a_code_that_was_made_while_cmp_was_off_does_not_open_the_door() {
    let test = with_cmp().await;
    let secret = crate::enrol::est::tests::scene::new_code(&test, TERMINAL).await;
    let client = Client::of_code(TERMINAL, &secret);
    let Sender::Code { .. } = &client.sender else { unreachable!() };
    let asked = client.genm();
    send(&test, &client, asked).await.is_refused(FailInfo::BadMessageCheck, "not accepted");
}

//! OCSP answers of several processes, and as OpenSSL reads them.

use std::{path::Path, process::Command, sync::Arc};

use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
use http::{HeaderName, Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_ca::revocation::{
    CertificateStatus, RevocationReason,
    ocsp::{OcspResponder, OcspResponders},
};
use sekisho_pki::encoding::{
    instant,
    ocsp::{
        BasicOcspResponse, CertStatus, OcspQuery, OcspRequest, OcspResponse, OcspResponseStatus,
    },
};
use sekisho_store::audit::Actor;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;
use x509_cert::{
    der::{
        Decode, Encode,
        asn1::OctetString,
        pem::{LineEnding, encode_string},
    },
    ext::Extension,
};

use crate::{
    app::App,
    clock::{Clock, ManualClock},
    names::NameRole,
    revocation::{Measure, Order, Target, carry_out},
    router,
    testing::{self, TestTerminal},
};

pub(super) fn question(app: &App, terminal: &TestTerminal) -> Vec<u8> {
    let issuer = app.authority().terminals(app.now());
    let serial = &terminal.certificate.serial;
    OcspQuery::request(issuer.subject(), issuer.public_key_der(), serial, None).unwrap()
}

async fn get(app: &App, question: &[u8], asked: Option<(HeaderName, &str)>) -> Response {
    let path = STANDARD.encode(question).replace('/', "%2F").replace('+', "%2B");
    let mut request = Request::get(format!("/ocsp/{}", path.replace('=', "%3D")));
    if let Some((name, value)) = asked {
        request = request.header(name, value);
    }
    let request = request
        .header(header::HOST, "plain.sekisho.localhost:8080")
        .extension(testing::peer(NameRole::Plain, &[]))
        .body(Body::empty())
        .unwrap();
    router::plain(app).oneshot(request).await.unwrap()
}

/// Status, thisUpdate, nextUpdate and producedAt of the first certificate.
pub(super) async fn ask(
    app: &App,
    question: &[u8],
) -> (CertStatus, OffsetDateTime, OffsetDateTime, OffsetDateTime) {
    let octets = get(app, question, None).await.into_body().collect().await.unwrap().to_bytes();
    let basic = OcspResponse::from_der(&octets).unwrap().response_bytes.unwrap().response;
    let data = BasicOcspResponse::from_der(basic.as_bytes()).unwrap().tbs_response_data;
    let one = &data.responses[0];
    (
        one.cert_status,
        instant::from_generalized(&one.this_update.0),
        instant::from_generalized(&one.next_update.unwrap().0),
        instant::from_generalized(&data.produced_at.0),
    )
}

pub(super) async fn act(app: &App, terminal: &TestTerminal, measure: Measure) {
    let order = Order {
        target: Target::Certificate {
            issuer_id: "terminals".to_owned(),
            serial: terminal.certificate.serial.as_octets().to_vec(),
        },
        measure,
        invalidity_at: None,
        note: String::new(),
        actor: Actor::System,
        at: app.now(),
    };
    assert!(carry_out(app.store(), &order).await.unwrap().changed);
}

pub(super) async fn look(app: &App) {
    app.ocsp().follow(app.store(), &["terminals", "routers", "servers"]).await.unwrap();
}

pub(super) const LOST: Measure = Measure::Revoke(RevocationReason::KeyCompromise);

#[tokio::test]
async fn a_kept_answer_is_gone_with_the_commit_that_makes_it_wrong() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    for measure in [Measure::Hold, Measure::Release, LOST] {
        look(&test.app).await;
        for _ in 0..3 {
            let good = matches!(ask(&test.app, &question).await.0, CertStatus::Good(_));
            assert_eq!(good, measure != Measure::Release);
        }
        act(&test.app, &terminal, measure).await;
        let good = matches!(ask(&test.app, &question).await.0, CertStatus::Good(_));
        assert_eq!(good, measure == Measure::Release);
    }
}

#[tokio::test]
async fn what_another_process_took_back_is_known_after_the_next_look() {
    let test = testing::app().await;
    let other = testing::second_process(&test, "node-2").await;
    let terminals = [testing::terminal(&test.app, 1).await, testing::terminal(&test.app, 2).await];
    let questions = terminals.each_ref().map(|terminal| question(&test.app, terminal));
    let states = async || {
        let mut states = Vec::new();
        for question in &questions {
            states.push(matches!(ask(&other, question).await.0, CertStatus::Good(_)));
        }
        states
    };
    look(&other).await;
    assert_eq!(states().await, [true, true]);
    act(&test.app, &terminals[0], LOST).await;
    look(&other).await;
    assert_eq!(states().await, [false, true]);
    // Whether the lists have taken it in before the look, or never.
    act(&test.app, &terminals[1], Measure::Hold).await;
    super::publish::publish_due(&test.app).await.unwrap();
    super::publish::publish_due(&test.app).await.unwrap();
    look(&other).await;
    assert_eq!(states().await, [false, false]);
    act(&test.app, &terminals[1], Measure::Release).await;
    look(&other).await;
    assert_eq!(states().await, [false, true]);
    // An authority takes everything along.
    let order = Order {
        target: Target::Issuer("terminals".to_owned()),
        measure: Measure::Revoke(RevocationReason::CaCompromise),
        invalidity_at: None,
        note: String::new(),
        actor: Actor::System,
        at: test.app.now(),
    };
    carry_out(test.app.store(), &order).await.unwrap();
    look(&other).await;
    assert_eq!(states().await, [false, false]);
}

#[tokio::test]
async fn clocks_five_seconds_wrong_never_let_good_outdo_revoked() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    let at = |seconds| {
        let clock = ManualClock::new(test.clock.now());
        clock.advance(Duration::seconds(seconds));
        Arc::new(clock)
    };
    let ahead = testing::second_process_at(&test, "ahead", at(5)).await;
    let behind = testing::second_process_at(&test, "behind", at(-5)).await;
    let (good, good_update, ..) = ask(&ahead, &question).await;
    assert!(matches!(good, CertStatus::Good(_)));
    // Revoked by the one, shown by the other: nobody's clock makes it good or yet to come.
    act(&ahead, &terminal, LOST).await;
    for app in [&ahead, &behind, &test.app] {
        look(app).await;
        let (status, this_update, next_update, produced_at) = ask(app, &question).await;
        let CertStatus::Revoked(revoked) = status else { panic!("{status:?}") };
        assert!(good_update < this_update, "a client that keeps the later one keeps this");
        assert!(instant::from_generalized(&revoked.revocation_time.0) <= produced_at);
        assert!(next_update - this_update <= Duration::HOUR);
    }
    // The lists of both are in one order too, and no entry lies ahead.
    super::publish::publish_due(&ahead).await.unwrap();
    let first = newest(&ahead).await;
    let other = testing::terminal(&test.app, 2).await;
    act(&behind, &other, LOST).await;
    super::publish::publish_due(&behind).await.unwrap();
    let second = newest(&behind).await;
    assert!(second.number > first.number && second.this_update >= first.this_update);
    for serial in [&terminal, &other].map(|t| t.certificate.serial.as_octets()) {
        assert!(second.der.windows(serial.len()).any(|octets| octets == serial));
    }
}

async fn newest(app: &App) -> sekisho_store::crl::Crl {
    sekisho_store::crl::latest(&mut app.store().read(), "terminals").await.unwrap().unwrap()
}

#[tokio::test]
async fn an_answer_without_a_nonce_may_be_kept_for_a_minute() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    look(&test.app).await;
    let response = get(&test.app, &question, None).await;
    let headers = response.headers().clone();
    let control = headers[header::CACHE_CONTROL].to_str().unwrap();
    assert!(control.contains("max-age=60") && control.contains("must-revalidate"), "{control}");
    assert!(headers.contains_key(header::LAST_MODIFIED));
    let modified = headers[header::LAST_MODIFIED].to_str().unwrap();
    let again = get(&test.app, &question, Some((header::IF_MODIFIED_SINCE, modified))).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let other = get(&test.app, &question, Some((header::IF_NONE_MATCH, "\"x\""))).await;
    assert_eq!(other.status(), StatusCode::OK);
    // With a nonce, or about nothing that was issued, it is for this asker only.
    let issuer = test.app.authority().terminals(test.app.now());
    let (subject, key) = (issuer.subject(), issuer.public_key_der());
    let serial = &terminal.certificate.serial;
    let with_nonce = OcspQuery::request(subject, key, serial, Some(&[7; 32])).unwrap();
    let never = sekisho_pki::encoding::serial::Serial::from_hex("4b01").unwrap();
    let unknown = OcspQuery::request(subject, key, &never, None).unwrap();
    for question in [with_nonce, unknown] {
        let response = get(&test.app, &question, None).await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}

/// RFC 9654 §2.1: a nonce has 1 to 128 octets, an old client's may be shorter than the 32 that a new
/// one sends, and the answer bears the same.
#[tokio::test]
async fn a_nonce_within_its_limits_comes_back_and_any_other_is_malformed() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let asked: OcspRequest = Decode::from_der(&question(&test.app, &terminal)).unwrap();
    for length in [1, 16, 31, 32, 127, 128, 0, 129, 1000] {
        let value = OctetString::new(vec![0x5a; length]).unwrap().to_der().unwrap();
        let nonce = Extension {
            extn_id: ID_PKIX_OCSP_NONCE,
            critical: false,
            extn_value: OctetString::new(value).unwrap(),
        };
        let mut asked = asked.clone();
        asked.tbs_request.request_extensions = Some(vec![nonce.clone()]);
        let response = get(&test.app, &asked.to_der().unwrap(), None).await;
        assert_eq!(response.status(), StatusCode::OK);
        let octets = response.into_body().collect().await.unwrap().to_bytes();
        let response = OcspResponse::from_der(&octets).unwrap();
        let Some(basic) = response.response_bytes else {
            assert_eq!(response.response_status, OcspResponseStatus::MalformedRequest);
            assert!(length == 0 || length > 128, "{length}");
            continue;
        };
        assert!((1..=128).contains(&length), "{length}");
        let basic = BasicOcspResponse::from_der(basic.response.as_bytes()).unwrap();
        let extensions = basic.tbs_response_data.response_extensions.unwrap();
        assert_eq!(extensions, [nonce], "{length}");
    }
}

#[tokio::test]
async fn a_question_of_two_media_types_is_malformed() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    let post = async |types: &[&'static str]| {
        let authority = test.app.names().authority(NameRole::Plain);
        let mut request = Request::post("/ocsp").header(header::HOST, authority);
        for named in types {
            request = request.header(header::CONTENT_TYPE, *named);
        }
        let request = request.body(Body::from(question.clone())).unwrap();
        let response = router::plain(&test.app).oneshot(request).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    };
    let ours = "application/ocsp-request";
    assert_eq!(post(&[ours]).await.0, StatusCode::OK);
    for two in [[ours, "text/plain"], ["text/plain", ours]] {
        let (status, body) = post(&two).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{two:?}");
        let refused = OcspResponse::from_der(&body).unwrap();
        assert!(refused.response_bytes.is_none(), "{two:?}");
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// Two authorities of one name, as before and after a key change; each answers for its own.
#[tokio::test]
async fn after_a_key_change_each_key_answers_for_its_own_certificates() {
    let (before, after) = (testing::app().await, testing::app().await);
    let folder = tempfile::tempdir().unwrap();
    let keep = |name: &str, der: &[u8]| {
        let text = encode_string("CERTIFICATE", LineEnding::LF, der).unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    let mut responders = Vec::new();
    for (name, test) in [("old", &before), ("new", &after)] {
        let authority = test.app.authority().terminals(test.app.now());
        keep(name, authority.certificate_der());
        keep(&format!("{name}-root"), test.app.authority().root_der(test.app.now()));
        responders.push(OcspResponder::direct(authority).unwrap());
    }
    assert_eq!(
        before.app.authority().terminals(before.app.now()).subject(),
        after.app.authority().terminals(after.app.now()).subject()
    );
    let unknown = testing::app().await;
    keep("stranger", unknown.app.authority().terminals(unknown.app.now()).certificate_der());
    let responders = OcspResponders::new(responders);
    let time = before.clock.now();
    for hash in ["-sha1", "-sha256"] {
        for name in ["old", "new"] {
            openssl(
                folder.path(),
                &["ocsp", hash, "-issuer", name, "-serial", "0x4b11", "-nonce", "-reqout", "q"],
            );
            let asked = std::fs::read(folder.path().join("q")).unwrap();
            let question = responders.question(&asked).unwrap();
            assert!(question.has_nonce());
            let status =
                CertificateStatus::Revoked { at: time, reason: RevocationReason::Superseded };
            let der = question.answer(&[status], time, Duration::HOUR).await.unwrap();
            std::fs::write(folder.path().join("a"), der).unwrap();
            let root = format!("{name}-root");
            let attime = time.unix_timestamp().to_string();
            let said = openssl(
                folder.path(),
                &[
                    "ocsp",
                    "-reqin",
                    "q",
                    "-respin",
                    "a",
                    "-CAfile",
                    &root,
                    "-verify_other",
                    name,
                    "-attime",
                    &attime,
                    "-validity_period",
                    "9999999999",
                    "-resp_text",
                ],
            );
            assert!(said.contains("Response verify OK"), "{said}");
            assert!(!said.contains("Nonce Verify") && !said.contains("WARNING"), "{said}");
            assert!(said.contains("Cert Status: revoked"), "{said}");
        }
        openssl(
            folder.path(),
            &["ocsp", hash, "-issuer", "stranger", "-serial", "0x4b11", "-reqout", "q"],
        );
        let asked = std::fs::read(folder.path().join("q")).unwrap();
        assert!(responders.question(&asked).is_err(), "one name, but nobody's key");
    }
}

//! What the plain name answers, through its router.

use axum::{body::Body, response::Response};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_pki::encoding::ocsp::{BasicOcspResponse, CertStatus, OcspQuery, OcspResponse};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    crl, revocation, transaction,
};
use time::Duration;
use tower::ServiceExt;
use x509_cert::{
    crl::CertificateList,
    der::{Decode, oid::AssociatedOid},
    ext::pkix::CrlNumber,
};

use super::publish;
use crate::{
    app::App,
    names::NameRole,
    router,
    testing::{self, TestTerminal},
};

async fn ask(app: &App, request: http::request::Builder, body: Vec<u8>) -> Response {
    let request = request
        .header(header::HOST, "plain.sekisho.localhost:8080")
        .extension(testing::peer(NameRole::Plain, &[]))
        .body(Body::from(body))
        .unwrap();
    router::plain(app).oneshot(request).await.unwrap()
}

async fn get(app: &App, path: &str) -> Response {
    ask(app, Request::get(path), Vec::new()).await
}

async fn octets(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn revoke(app: &App, terminal: &TestTerminal) {
    let (issuer, serial) = (&terminal.certificate.issuer_id, &terminal.certificate.serial);
    let at = app.now();
    transaction!(app.store(), StoreError, |tx| {
        assert!(revocation::revoke(tx, issuer, serial.as_octets(), 1, at).await?);
        Ok(Audited::new((), Entry::done("certificate.revoke", Actor::System, at)))
    })
    .unwrap();
}

async fn listed(app: &App) -> usize {
    let response = get(app, "/crl/terminals.crl").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/pkix-crl");
    let list: CertificateList = CertificateList::from_der(&octets(response).await).unwrap();
    list.tbs_cert_list.revoked_certificates.unwrap_or_default().len()
}

#[tokio::test]
async fn a_revocation_is_on_the_next_list_at_once() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    publish::publish_due(&test.app).await.unwrap();
    assert_eq!(listed(&test.app).await, 0);
    test.clock.advance(Duration::SECOND);
    revoke(&test.app, &terminal).await;
    publish::publish_due(&test.app).await.unwrap();
    assert_eq!(listed(&test.app).await, 1);
}

#[tokio::test]
async fn a_list_is_renewed_by_the_clock_and_its_number_grows() {
    let test = testing::app().await;
    let number = async || {
        crl::latest(&mut test.app.store().read(), "routers").await.unwrap().unwrap().number
    };
    let first = number().await;
    publish::publish_due(&test.app).await.unwrap();
    assert_eq!(number().await, first, "nothing happened, nothing is due");
    test.clock.advance(test.app.config().authority().crl_every());
    publish::publish_due(&test.app).await.unwrap();
    assert_eq!(number().await, first + 1);
    publish::publish_now(&test.app, "routers").await.unwrap();
    assert_eq!(number().await, first + 1);
    assert!(publish::publish_now(&test.app, "root").await.is_err());
}

#[tokio::test]
async fn two_processes_that_publish_at_once_never_reuse_a_number() {
    let test = testing::app().await;
    let other = testing::second_process(&test, "node-2").await;
    for seed in 1..=5 {
        let terminal = testing::terminal(&test.app, seed).await;
        revoke(&test.app, &terminal).await;
        let (one, two) = tokio::join!(
            publish::publish_now(&test.app, "terminals"),
            publish::publish_now(&other, "terminals"),
        );
        one.unwrap();
        two.unwrap();
        assert_eq!(listed(&test.app).await, usize::try_from(seed).unwrap());
    }
    let newest = crl::latest(&mut test.app.store().read(), "terminals").await.unwrap().unwrap();
    // After the first list one or two editions a revocation: the other process may see the change
    // taken in but no list of it yet.
    assert!((6..=11).contains(&newest.number), "{}", newest.number);
    let list: CertificateList = CertificateList::from_der(&newest.der).unwrap();
    let extensions = list.tbs_cert_list.crl_extensions.unwrap();
    let number = extensions.iter().find(|e| e.extn_id == CrlNumber::OID).unwrap();
    let number = CrlNumber::from_der(number.extn_value.as_bytes()).unwrap();
    assert_eq!(number.0.as_bytes(), [u8::try_from(newest.number).unwrap()]);
}

fn answered(der: &[u8]) -> CertStatus {
    let response = OcspResponse::from_der(der).unwrap();
    let basic = response.response_bytes.unwrap().response;
    let basic = BasicOcspResponse::from_der(basic.as_bytes()).unwrap();
    basic.tbs_response_data.responses[0].cert_status
}

fn question(app: &App, terminal: &TestTerminal) -> Vec<u8> {
    let issuer = app.authority().terminals(app.now());
    let serial = &terminal.certificate.serial;
    OcspQuery::request(issuer.subject(), issuer.public_key_der(), serial, Some(&[7; 32])).unwrap()
}

#[tokio::test]
async fn ocsp_answers_by_post_and_by_get_and_knows_a_revocation_at_once() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let question = question(&test.app, &terminal);
    let post = async || {
        let request =
            Request::post("/ocsp").header(header::CONTENT_TYPE, "application/ocsp-request");
        let response = ask(&test.app, request, question.clone()).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/ocsp-response");
        answered(&octets(response).await)
    };
    assert!(matches!(post().await, CertStatus::Good(_)));
    revoke(&test.app, &terminal).await;
    assert!(matches!(post().await, CertStatus::Revoked(_)));
    use base64::{Engine, engine::general_purpose::STANDARD};
    let path = STANDARD.encode(&question);
    for path in [path.clone(), path.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")] {
        let response = get(&test.app, &format!("/ocsp/{path}")).await;
        assert!(matches!(answered(&octets(response).await), CertStatus::Revoked(_)), "{path}");
    }
}

#[tokio::test]
async fn a_certificate_that_was_never_issued_is_unknown_and_another_issuers_is_refused() {
    let test = testing::app().await;
    let other = testing::app().await;
    let terminal = testing::terminal(&other.app, 1).await;
    let ask_for = async |octets_of: Vec<u8>| {
        let request =
            Request::post("/ocsp").header(header::CONTENT_TYPE, "application/ocsp-request");
        octets(ask(&test.app, request, octets_of).await).await
    };
    let issuer = test.app.authority().terminals(test.app.now());
    let serial = &terminal.certificate.serial;
    let never =
        OcspQuery::request(issuer.subject(), issuer.public_key_der(), serial, None).unwrap();
    assert!(matches!(answered(&ask_for(never).await), CertStatus::Unknown(_)));
    // RFC 6960 §2.3: unauthorized (6), malformedRequest (1).
    assert_eq!(ask_for(question(&other.app, &terminal)).await, [0x30, 3, 0x0a, 1, 6]);
    assert_eq!(ask_for(b"nonsense".to_vec()).await, [0x30, 3, 0x0a, 1, 1]);
}

#[tokio::test]
async fn what_is_not_a_question_is_refused_by_http() {
    let test = testing::app().await;
    let typed = |kind: &'static str| Request::post("/ocsp").header(header::CONTENT_TYPE, kind);
    let status = async |request, body| ask(&test.app, request, body).await.status();
    assert_eq!(status(typed("text/plain"), vec![1]).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let long = vec![0; 20_000];
    assert_eq!(
        status(typed("application/ocsp-request"), long).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(status(Request::put("/ocsp"), vec![]).await, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn authorities_certificates_and_lists_are_served_and_nothing_else() {
    let test = testing::app().await;
    let root = octets(get(&test.app, "/ca/root.crt").await).await;
    assert_eq!(root, test.app.authority().root_der(test.app.now()));
    for id in ["terminals", "routers", "servers"] {
        let served = octets(get(&test.app, &format!("/ca/{id}.crt")).await).await;
        assert_eq!(served, test.app.authority().find(id).unwrap().certificate_der());
        assert_eq!(get(&test.app, &format!("/crl/{id}.crl")).await.status(), StatusCode::OK);
    }
    assert_eq!(get(&test.app, "/crl/root.crl").await.status(), StatusCode::OK);
    for path in ["/ca/terminals", "/ca/admin.crt", "/crl/x.crl", "/crl/terminals", "/", "/ca/"] {
        assert_eq!(get(&test.app, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn an_unchanged_list_is_not_sent_again() {
    let test = testing::app().await;
    let terminal = testing::terminal(&test.app, 1).await;
    let response = get(&test.app, "/crl/terminals.crl").await;
    let tag = response.headers()[header::ETAG].clone();
    let again = async || {
        let request = Request::get("/crl/terminals.crl").header(header::IF_NONE_MATCH, &tag);
        ask(&test.app, request, vec![]).await.status()
    };
    assert_eq!(again().await, StatusCode::NOT_MODIFIED);
    revoke(&test.app, &terminal).await;
    publish::publish_now(&test.app, "terminals").await.unwrap();
    assert_eq!(again().await, StatusCode::OK);
}

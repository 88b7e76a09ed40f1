//! Renewal by the terminal's own certificate, and the authorities' certificates for anybody.

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::{
    cms,
    name::{Part, name},
};
use sekisho_store::revocation;
use time::Duration;
use tower::ServiceExt;

use super::scene::{Ask, OTHER, TERMINAL, certificates, csr, instance, key, new_code, revoke};
use crate::{names::NameRole, router};

#[tokio::test]
async fn a_terminal_renews_by_its_certificate_and_keeps_the_old_one() {
    let test = instance().await;
    let key = key();
    let der = csr(&key, &name(&[Part::CommonName(TERMINAL)]).unwrap());
    let code = new_code(&test, TERMINAL).await;
    let old = Ask::enrol(TERMINAL, &code, &der).send(&test).await.certificate();
    test.clock.advance(Duration::days(200));
    let new = Ask::renew(&old, &der).send(&test).await.certificate();
    assert_ne!(new, old);
    // The answer was lost: the same again.
    assert_eq!(Ask::renew(&old, &der).send(&test).await.certificate(), new);
    let all = certificates(&test, TERMINAL).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|c| c.status == revocation::Status::Good));
}

#[tokio::test]
async fn renewal_needs_the_terminals_own_unrevoked_certificate() {
    let test = instance().await;
    let (own, others) = (key(), key());
    let csr_of = |key: &SoftwareKey, id| csr(key, &name(&[Part::CommonName(id)]).unwrap());
    let code = new_code(&test, TERMINAL).await;
    let mine = Ask::enrol(TERMINAL, &code, &csr_of(&own, TERMINAL)).send(&test).await.certificate();
    let code = new_code(&test, OTHER).await;
    let theirs = Ask::enrol(OTHER, &code, &csr_of(&others, OTHER)).send(&test).await.certificate();

    // Another terminal's certificate renews neither my name nor my key.
    let answer = Ask::renew(&theirs, &csr_of(&key(), TERMINAL)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "asks for the name");
    let answer = Ask::renew(&theirs, &csr_of(&own, OTHER)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "belongs to another terminal");

    let bare = Ask { chain: Vec::new(), ..Ask::renew(&mine, &csr_of(&own, TERMINAL)) };
    bare.send(&test).await.is_refused(StatusCode::FORBIDDEN, "no certificate");
    let mut forged = mine.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let answer = Ask::renew(&forged, &csr_of(&own, TERMINAL)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "not one that we issued");

    revoke(&test).await;
    let answer = Ask::renew(&mine, &csr_of(&own, TERMINAL)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "revoked");
    test.clock.advance(Duration::days(400));
    let answer = Ask::renew(&theirs, &csr_of(&others, OTHER)).send(&test).await;
    answer.is_refused(StatusCode::FORBIDDEN, "expired");
    assert_eq!(certificates(&test, TERMINAL).await.len(), 1);
    assert_eq!(certificates(&test, OTHER).await.len(), 1);
}

#[tokio::test]
async fn the_authorities_certificates_are_given_to_anybody() {
    let test = instance().await;
    let request = Request::get("/.well-known/est/cacerts")
        .header(header::HOST, test.app.names().authority(NameRole::Enrol))
        .body(Body::empty())
        .unwrap();
    let response = router::enrol(&test.app).oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/pkcs7-mime");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let all = cms::parse_certs_only(&STANDARD.decode(body).unwrap()).unwrap();
    let authority = test.app.authority();
    for expected in
        [authority.root_der(test.app.now()), authority.terminals(test.app.now()).certificate_der()]
    {
        assert!(all.iter().any(|der| der == expected));
    }
    assert_eq!(all.len(), 2);
}

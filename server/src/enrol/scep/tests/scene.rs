//! An instance with SCEP switched on, two routers, and the road to its door.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Request, StatusCode, Version, header};
use http_body_util::BodyExt;
use sekisho_store::scep_ra;
use tower::ServiceExt;

use super::client::{Heard, Message, heard};
use crate::{
    config::Settings,
    enrol::{
        est::tests::{routers::enter_routers, scene::instance_with},
        ra,
    },
    listener::Peer,
    names::NameRole,
    router,
    testing::TestApp,
};

pub(super) fn enabled() -> Settings {
    let mut settings = Settings::default();
    settings.scep.enabled = true;
    // A shorter key is made sooner; the longer one is the default's, and the real clients'.
    settings.scep.ra_key_bits = 2048;
    settings
}

pub(super) async fn with_scep() -> TestApp {
    with_settings(enabled()).await
}

pub(super) async fn with_settings(settings: Settings) -> TestApp {
    let test = instance_with(settings).await;
    enter_routers(&test).await;
    ra::keep_up(&test.app).await.unwrap();
    test
}

/// The certificate of the newest registration authority.
pub(super) async fn ra_der(test: &TestApp) -> Vec<u8> {
    let now = test.app.now();
    scep_ra::in_force(&mut test.app.store().read(), "scep", now).await.unwrap()[0]
        .certificate_der
        .clone()
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) media_type: String,
    pub(super) octets: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets).into_owned()
    }
}

pub(super) async fn ask(test: &TestApp, mut request: Request<Body>) -> Answer {
    if request.version() != Version::HTTP_10 {
        let host = test.app.names().authority(NameRole::Plain).parse().unwrap();
        request.headers_mut().insert(header::HOST, host);
    }
    let addr = SocketAddr::from(([192, 0, 2, 1], 50_000));
    request.extensions_mut().insert(Peer { addr, role: NameRole::Plain, chain: [].into() });
    let response = router::plain(&test.app).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let media_type = parts.headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap());
    Answer {
        status: parts.status,
        media_type: media_type.to_owned(),
        octets: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

pub(super) async fn get(test: &TestApp, query: &str) -> Answer {
    ask(test, Request::get(format!("/scep?{query}")).body(Body::empty()).unwrap()).await
}

pub(super) async fn post(test: &TestApp, octets: Vec<u8>) -> Answer {
    let request = Request::post("/scep?operation=PKIOperation")
        .header(header::CONTENT_TYPE, "application/x-pki-message")
        .body(Body::from(octets))
        .unwrap();
    ask(test, request).await
}

/// Sends octets in a transaction and reads the answer as who signed with this message's key.
pub(super) async fn send_octets(test: &TestApp, message: &Message<'_>, octets: Vec<u8>) -> Heard {
    let answer = post(test, octets).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.media_type, "application/x-pki-message");
    heard(&answer.octets, message.transaction, message.signer.0, &ra_der(test).await)
}

pub(super) async fn send(test: &TestApp, message: &Message<'_>) -> Heard {
    let octets = message.octets(&ra_der(test).await);
    send_octets(test, message, octets).await
}

//! An instance with CMP switched on, two PCs and two routers, and the road to its door.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    terminal::Device,
    transaction,
};
use tower::ServiceExt;

use super::client::{Client, Heard, heard};
use crate::{
    config::Settings,
    enrol::{
        est::tests::{routers::enter_routers, scene::instance_with},
        new_code::NewCode,
        ra,
    },
    listener::Peer,
    names::NameRole,
    router,
    testing::TestApp,
};

pub(super) async fn with_cmp() -> TestApp {
    let mut settings = Settings::default();
    settings.cmp.enabled = true;
    let test = instance_with(settings).await;
    enter_routers(&test).await;
    ra::keep_up(&test.app).await.unwrap();
    test
}

/// A code as the console makes it.
pub(super) async fn code(test: &TestApp, terminal_id: &str, approve_first: bool) -> String {
    let (app, now) = (&test.app, test.app.now());
    let sealing = &app.keys().sealing;
    let code = NewCode::draw(app.random(), sealing, app.config(), now).unwrap().for_device(
        app.config(),
        Device::Pc,
        approve_first,
    );
    transaction!(app.store(), StoreError, |tx| {
        code.keep(tx, terminal_id, "p").await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    code.code().reveal().to_string()
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) octets: Vec<u8>,
}

pub(super) async fn post_as(
    test: &TestApp,
    path: &str,
    media_type: &str,
    octets: Vec<u8>,
) -> Answer {
    let addr = SocketAddr::from(([192, 0, 2, 1], 50_000));
    let request = Request::post(path)
        .header(header::HOST, test.app.names().authority(NameRole::Enrol))
        .header(header::CONTENT_TYPE, media_type)
        .extension(Peer { addr, role: NameRole::Enrol, chain: [].into() })
        .body(Body::from(octets))
        .unwrap();
    let response = router::enrol(&test.app).oneshot(request).await.unwrap();
    let status = response.status();
    let octets = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    Answer { status, octets }
}

pub(super) async fn post(test: &TestApp, octets: Vec<u8>) -> Answer {
    post_as(test, "/.well-known/cmp", "application/pkixcmp", octets).await
}

/// Sends what this client made and reads the answer.
pub(super) async fn send(test: &TestApp, client: &Client<'_>, octets: Vec<u8>) -> Heard {
    let answer = post(test, octets).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.octets));
    heard(&answer.octets, client)
}

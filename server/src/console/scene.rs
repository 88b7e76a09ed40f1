//! What the tests of these pages share: people who are signed in, and requests as a browser sends them.

use std::{net::SocketAddr, sync::Arc};

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_store::{
    StoreError, account,
    activation_code::{self, NewLetter},
    application::{self, Particulars},
    audit::{self, Actor, Audited, Entry},
    organisation::{self, RegisteredAddress},
    organisation_kind::OrganisationKind,
    person, role_grant,
    session::{self, Realm, Session},
    transaction,
};
use sha2::{Digest, Sha256};
use time::Duration;
use tower::ServiceExt;

use crate::{
    app::App,
    listener::Peer,
    names::NameRole,
    people::{role::Role, session::COOKIE},
    router,
};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub location: String,
    pub text: String,
    pub octets: Vec<u8>,
}

/// Enters a person with an account and these roles, who is signed in under `cookie`: 43 characters,
/// as every session's. Answers the person's identifier.
pub(crate) async fn signed_in(app: &App, name: &str, roles: &[Role], cookie: &str) -> String {
    let at = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let id = person::enter(tx, name, "", at).await?;
        account::open(tx, &id, &cookie[..8].to_lowercase(), "").await?;
        for role in roles {
            role_grant::grant(tx, &id, role.token(), role.organisation(), None, at).await?;
        }
        let opened = Session {
            id_hash: Sha256::digest(cookie).into(),
            realm: Realm::Console,
            person_id: id.clone(),
            at_terminal: None,
            hc_roles: Vec::new(),
            acr: sekisho_wire::acr::PASSWORD_TOTP.to_owned(),
            amr: vec!["pwd".to_owned(), "otp".to_owned()],
            auth_time: at,
            created_at: at,
            last_seen_at: at,
            expires_at: at + Duration::hours(8),
            locked_at: None,
            ended: None,
        };
        session::open(tx, &opened).await?;
        Ok(Audited::new(id, Entry::done("test", Actor::System, at)))
    })
    .unwrap()
}

/// Enters a facility of this identifier that is in operation.
pub(crate) async fn facility(app: &App, id: &str) {
    let at = app.now();
    let asked = Particulars {
        kind: OrganisationKind::Vendor,
        name: format!("組織{id}"),
        name_kana: "ソシキ".into(),
        prefecture: 13,
        postal_code: "100-0001".into(),
        address: "東京都".into(),
        contact_name: "中村".into(),
        contact_phone: "03-0000-0000".into(),
        contact_email: "n@example.jp".into(),
        codes: vec![],
    };
    let mut code = [0; 32];
    code[..id.len()].copy_from_slice(id.as_bytes());
    transaction!(app.store(), StoreError, |tx| {
        let application = application::create(tx, id, &asked, None, at).await?;
        let address = RegisteredAddress { postal_code: "100-0001", address: "東京都" };
        organisation::enter(tx, id, &application, &asked, address, "p", at).await?;
        let letter = NewLetter {
            organisation_id: id,
            code_hash: &code,
            issued_by: "p",
            reason: "",
            expires_at: at + Duration::DAY,
        };
        activation_code::issue(tx, letter, at).await?;
        activation_code::redeem(tx, &code, "p", at).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    })
    .unwrap();
}

/// Sends a request with this session's cookie to the public name.
pub(crate) async fn send(app: &App, method: &str, path: &str, cookie: &str, form: &str) -> Answer {
    let own = request(app, NameRole::Public, method, path);
    send_public(app, own, cookie, form).await
}

/// Posts as a page of another site does, with this session's cookie.
pub(crate) async fn post_from_elsewhere(app: &App, path: &str, cookie: &str) -> Answer {
    let foreign = Request::post(path)
        .header(header::HOST, app.names().authority(NameRole::Public))
        .header(header::ORIGIN, "https://evil.example")
        .header(header::ACCEPT, "text/html");
    send_public(app, foreign, cookie, "").await
}

async fn send_public(
    app: &App,
    request: http::request::Builder,
    cookie: &str,
    form: &str,
) -> Answer {
    let peer = Peer {
        addr: SocketAddr::from(([192, 0, 2, 7], 50_000)),
        role: NameRole::Public,
        chain: Arc::new([]),
    };
    let request = request
        .header(header::COOKIE, format!("{COOKIE}={cookie}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(peer)
        .body(Body::from(form.to_owned()))
        .unwrap();
    answer(router::public(app).oneshot(request).await.unwrap()).await
}

/// Opens a page of the portal over this connection.
pub(crate) async fn open_at(app: &App, peer: &Peer, path: &str) -> Answer {
    let request = request(app, NameRole::Terminal, "GET", path)
        .extension(peer.clone())
        .body(Body::empty())
        .unwrap();
    answer(router::terminal(app).oneshot(request).await.unwrap()).await
}

fn request(app: &App, role: NameRole, method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, app.names().authority(role))
        .header(header::ORIGIN, app.names().origin(role))
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "text/html")
}

async fn answer(response: axum::response::Response) -> Answer {
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|l| l.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    Answer { status, location, text, octets: body.to_vec() }
}

/// A form's body.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Every record of the trail: act, outcome, role, and the reason of a refusal.
pub(crate) async fn acts(app: &App) -> Vec<String> {
    let records = audit::list(&mut app.store().read(), "", None, 1000).await.unwrap();
    let act = |record: audit::Record| {
        let form: serde_json::Value = serde_json::from_slice(&record.canonical).unwrap();
        let word = |key: &str| form[key].as_str().unwrap_or_default().to_owned();
        let line = [word("act"), word("outcome"), word("role"), word("reason")].join(" ");
        line.trim_end().to_owned()
    };
    records.into_iter().map(act).collect()
}

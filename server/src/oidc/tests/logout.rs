//! Logout that a service asks for, and logout that services are told of.

use std::sync::{Arc, Mutex};

use axum::{Form, Router, body::Body, extract::State, routing::post};
use http::{Request, header};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    session, transaction,
};
use serde_json::Value;
use tower::ServiceExt;

use super::{
    own_keys::{signed, verified},
    scene::{Answer, PHYSICIANS, Scene, payload, peer, query, service_file},
};
use crate::{
    config::Settings,
    names::NameRole,
    oidc::logout::backchannel,
    outbox::{self, Deliverers},
    router,
};

const BYE: &str = "https://referral.example/bye";

impl Scene {
    pub(super) async fn ask_to_end(&self, parameters: &[(&str, &str)]) -> Answer {
        self.get(&format!("/end-session?{}", query(parameters)), true, &self.terminal).await
    }

    /// A form sent to `/end-session` by a page of `origin`, with these cookies.
    async fn post_to_end(
        &self,
        parameters: &[(&str, &str)],
        origin: &str,
        cookie: Option<&str>,
    ) -> Answer {
        let app = &self.test.app;
        let mut request = Request::post("/end-session")
            .header(header::HOST, app.names().authority(NameRole::Terminal))
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "text/html")
            .extension(peer(NameRole::Terminal, &self.terminal));
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(query(parameters))).unwrap();
        Answer::of(router::terminal(app).oneshot(request).await.unwrap()).await
    }

    /// Whatever a browser does with the answer to a POST of another site: the cookie comes with a GET.
    async fn followed(&self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, 303);
        self.get(answer.headers["location"].to_str().unwrap(), true, &self.terminal).await
    }

    async fn ended(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM session WHERE ended_at IS NOT NULL").await
    }
}

#[tokio::test]
async fn an_id_token_of_this_session_ends_it_at_once_and_leads_back() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let id_token = tokens["id_token"].as_str().unwrap();
    let answer = scene
        .ask_to_end(&[
            ("id_token_hint", id_token),
            ("post_logout_redirect_uri", BYE),
            ("state", "x&y"),
        ])
        .await;
    assert_eq!(answer.headers["location"], "https://referral.example/bye?state=x%26y");
    assert_eq!(scene.ended().await, 1);
    let told = scene.userinfo(tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(told.status, 401);
}

#[tokio::test]
async fn without_such_a_token_the_person_is_asked_and_nothing_ends() {
    let scene = Scene::new().await;
    let answer =
        scene.ask_to_end(&[("client_id", "referral"), ("post_logout_redirect_uri", BYE)]).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (200, None));
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://referral.example"), "{policy}");
    assert_eq!(scene.ended().await, 0);
}

const SERVICE: &str = "https://referral.example";
const OURS: &str = "https://terminal.sekisho.localhost:8443";

#[tokio::test]
async fn a_service_may_ask_by_post_and_an_id_token_of_this_session_ends_it() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let asked = [
        ("id_token_hint", tokens["id_token"].as_str().unwrap()),
        ("post_logout_redirect_uri", BYE),
        ("state", "x&y"),
        ("logout_hint", "of no use to us"),
    ];
    // SameSite=Lax: the browser keeps the cookie from a POST of another site.
    let answer = scene.post_to_end(&asked, SERVICE, None).await;
    assert_eq!(scene.ended().await, 0);
    let answer = scene.followed(&answer).await;
    assert_eq!(answer.headers["location"], "https://referral.example/bye?state=x%26y");
    assert_eq!(scene.ended().await, 1);
}

#[tokio::test]
async fn a_post_of_another_site_without_such_a_token_ends_nothing_and_the_person_is_asked() {
    let scene = Scene::new().await;
    let asked = [("client_id", "referral"), ("post_logout_redirect_uri", BYE), ("agreed", "yes")];
    // A service below our own domain is of another origin but of the same site: its POST has the cookie.
    for (origin, cookie) in [
        (SERVICE, None),
        ("null", None),
        ("https://service.sekisho.localhost:8443", Some(scene.cookie.as_str())),
        (SERVICE, Some(scene.cookie.as_str())),
    ] {
        let answer = scene.post_to_end(&asked, origin, cookie).await;
        let answer = scene.followed(&answer).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (200, None), "{origin}");
        assert_eq!(scene.ended().await, 0, "{origin}");
    }
    // Our own page asks the person, who agrees there.
    let not_agreed = scene.post_to_end(&asked[..2], OURS, Some(&scene.cookie)).await;
    assert_eq!((not_agreed.status.as_u16(), scene.ended().await), (303, 0));
    let answer = scene.post_to_end(&asked, OURS, Some(&scene.cookie)).await;
    assert_eq!((answer.headers["location"].to_str().unwrap(), scene.ended().await), (BYE, 1));
}

#[tokio::test]
async fn an_address_or_hint_that_is_not_the_services_is_refused_and_nothing_ends() {
    let scene = Scene::new().await;
    let tokens = scene.token(&Scene::exchange(&scene.code().await)).await.json();
    let (id_token, access) =
        (tokens["id_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());
    let mut forged = payload(id_token);
    forged["aud"] = "other".into();
    let stranger = crate::testing::app().await;
    let forged = signed(&stranger.app, "JWT", &forged).await;
    for parameters in [
        vec![("id_token_hint", id_token), ("post_logout_redirect_uri", "https://evil.example/")],
        vec![("id_token_hint", id_token), ("client_id", "other")],
        vec![("id_token_hint", access)],
        vec![("id_token_hint", &forged)],
        vec![("post_logout_redirect_uri", BYE)],
        vec![("client_id", "referral"), ("client_id", "referral")],
    ] {
        let answer = scene.ask_to_end(&parameters).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (400, None), "{parameters:?}");
        let answer = scene.post_to_end(&parameters, SERVICE, None).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (400, None), "{parameters:?}");
    }
    assert_eq!(scene.ended().await, 0);
}

/// The logout tokens that a service was sent.
pub(super) type Heard = Arc<Mutex<Vec<String>>>;

/// A service's ear, on any host name of this machine: its port, and what it hears.
pub(super) async fn listening() -> (u16, Heard) {
    let heard = Heard::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let receive = async |State(heard): State<Heard>, Form(form): Form<Vec<(String, String)>>| {
        heard.lock().unwrap().extend(form.into_iter().map(|(_, value)| value));
    };
    let router = Router::new().route("/told", post(receive)).with_state(Arc::clone(&heard));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, heard)
}

/// A service's file with the address of its ear.
pub(super) fn telling(file: &str, port: u16) -> String {
    let told = format!("backchannel_logout_uri = \"http://x.localhost:{port}/told\"");
    file.replace("authentication =", &format!("{told}\nauthentication ="))
}

#[tokio::test]
async fn a_service_is_told_by_a_signed_token_that_names_its_own_session() {
    let (port, heard) = listening().await;
    let mut settings = Settings::default();
    settings.oidc.allow_loopback_clients = true;
    let mut scene = Scene::with(settings).await;
    let secret = scene.register(&telling(&service_file("telling", PHYSICIANS), port)).await;
    let mut request = Scene::request();
    request.retain(|(name, _)| !matches!(*name, "client_id" | "redirect_uri"));
    request
        .extend([("client_id", "telling"), ("redirect_uri", "https://telling.example/callback")]);
    let location = scene.authorize(&request).await.location().unwrap();
    let (_, code) = location.query_pairs().find(|(name, _)| name == "code").unwrap();
    let mut form = Scene::exchange(&code);
    form[2].1 = "https://telling.example/callback".to_owned();
    scene.secret = secret;
    let tokens = scene.token_as("telling", &scene.secret, &form).await.json();
    let id = payload(tokens["id_token"].as_str().unwrap());

    let (app, now, hash) = (&scene.test.app, scene.test.app.now(), scene.session_hash);
    transaction!(app.store(), StoreError, |tx| {
        session::end(tx, &hash, "logout", now).await?;
        Ok(Audited::new((), Entry::done("test.end", Actor::System, now)))
    })
    .unwrap();
    let deliverers = Deliverers::new().with(backchannel::KIND, backchannel::deliver);
    outbox::deliver_due(app, &deliverers).await.unwrap();

    let token = heard.lock().unwrap().pop().unwrap();
    let claims: Value = verified(app, "logout+jwt", &token).await;
    assert_eq!((&claims["sub"], &claims["sid"]), (&id["sub"], &id["sid"]));
    assert_eq!(claims["aud"], "telling");
    assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert!(claims.get("nonce").is_none());
    outbox::deliver_due(app, &deliverers).await.unwrap();
    assert!(heard.lock().unwrap().is_empty(), "told once");
}

//! An instance with two live services, whose hosts lead here, and a web server at their port.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use sekisho_store::{
    Queries,
    audit::{Actor, Entry},
    sql,
};
use tokio::net::TcpListener;

use super::client::Client;
use crate::{
    app::App,
    config::Settings,
    enrol::est::tests::scene::{FACILITY, instance_with},
    oidc::client::{self, Registry},
    testing::TestApp,
};

pub(crate) const SERVICE: &str = "referral";
pub(crate) const HOST: &str = "referral.localhost";
pub(crate) const SECOND_HOST: &str = "notice.localhost";
pub(crate) const OTHER_SERVICE: &str = "imaging";
pub(crate) const OTHER_HOST: &str = "imaging.localhost";

/// What is answered at a path.
#[derive(Clone)]
pub(crate) enum Page {
    Text(String),
    Status(StatusCode),
    MovedTo(String),
}

/// What the web server answers for each token, and how often it was asked for whatever.
#[derive(Clone, Default)]
pub(crate) struct Web {
    pages: Arc<Mutex<HashMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    pub(crate) fn put(&self, token: &str, page: Page) {
        self.pages.lock().unwrap().insert(token.to_owned(), page);
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(listener: TcpListener, web: Self) {
        let pages = Router::new()
            .route("/.well-known/acme-challenge/{token}", get(answer))
            .fallback(|| async { "elsewhere" })
            .with_state(web);
        axum::serve(listener, pages).await.unwrap();
    }
}

async fn answer(State(web): State<Web>, Path(token): Path<String>) -> Response {
    web.asked.lock().unwrap().push(token.clone());
    match web.pages.lock().unwrap().get(&token).cloned() {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Page::Text(text)) => text.into_response(),
        Some(Page::Status(status)) => status.into_response(),
        Some(Page::MovedTo(place)) => {
            (StatusCode::FOUND, [(header::LOCATION, place)]).into_response()
        }
    }
}

pub(crate) struct Scene {
    pub(crate) test: TestApp,
    pub(crate) web: Web,
}

pub(crate) fn file(id: &str, hosts: &[&str]) -> String {
    let uris: Vec<_> = hosts.iter().map(|host| format!("\"https://{host}/callback\"")).collect();
    let (host, uris) = (hosts[0], uris.join(", "));
    format!(
        r#"
id = "{id}"
operated_by = "{FACILITY}"
name = {{ ja = "紹介状", en = "Referral letters" }}
description = {{ ja = "紹介状を書き、読む。", en = "Write and read referral letters." }}
home_url = "https://{host}/"
redirect_uris = [{uris}]
sector = "{host}"
authentication = "none"
scopes = ["openid"]
"#
    )
}

pub(crate) async fn register(app: &App, text: &str) {
    let registry = Registry::of(app);
    let prepared = client::prepare(&registry, text).await.unwrap();
    let entry = Entry::done("service.register", Actor::System, app.now());
    prepared.keep(&registry, entry).await.unwrap();
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let mut settings = Settings::default();
        settings.oidc.allow_loopback_clients = true;
        settings.acme.http_port = listener.local_addr().unwrap().port();
        change(&mut settings);
        let test = instance_with(settings).await;
        let web = Web::default();
        tokio::spawn(Web::serve(listener, web.clone()));
        register(&test.app, &file(SERVICE, &[HOST, SECOND_HOST])).await;
        register(&test.app, &file(OTHER_SERVICE, &[OTHER_HOST])).await;
        Self { test, web }
    }

    pub(crate) fn app(&self) -> &App {
        &self.test.app
    }

    pub(crate) async fn client(&self) -> Client<'_> {
        Client::of(self.app(), SERVICE).await
    }

    /// An order of one name that is ready.
    pub(crate) async fn ready(&self, client: &Client<'_>, name: &str) -> serde_json::Value {
        let begun = client.order(&[name]).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
        let order = begun.json();
        let challenge = client.challenge(&order, "http-01").await;
        let answer = client.key_authorization(&challenge);
        self.web.put(challenge["token"].as_str().unwrap(), Page::Text(answer));
        let tried = client.post(challenge["url"].as_str().unwrap(), &serde_json::json!({})).await;
        assert_eq!(tried.json()["status"], "valid", "{tried:?} {}", tried.json());
        let order = client.fetch(&begun.location()).await.json();
        assert_eq!(order["status"], "ready");
        order
    }

    /// How many certificates were made for servers of services.
    pub(crate) async fn issued(&self) -> i64 {
        let counted: Option<(i64,)> = self
            .app()
            .store()
            .read()
            .fetch_optional(sql("SELECT COUNT(*) FROM issuance_intention
                 WHERE profile = 'server' AND organisation_id IS NOT NULL"))
            .await
            .unwrap();
        counted.unwrap().0
    }

    /// What the audit trail holds of acts of this beginning, newest last: act and outcome.
    pub(crate) async fn trail(&self, act: &str) -> Vec<String> {
        let rows: Vec<(String, String)> = self
            .app()
            .store()
            .read()
            .fetch_all(
                sql("SELECT act, outcome FROM audit_record WHERE act LIKE $1 ORDER BY id")
                    .bind(format!("{act}%")),
            )
            .await
            .unwrap();
        rows.into_iter().map(|(act, outcome)| format!("{act} {outcome}")).collect()
    }
}

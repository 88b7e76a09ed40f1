//! One browser, one person after the other: services that did not confirm the first one's logout stay closed to the
//! second.

use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicUsize, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    sql,
    token_grant::{self, Grant},
    transaction,
};
use serde_json::json;
use time::Duration;

use super::desk::{
    Answered, Card, Desk, count, desk, instance_with, live_sessions, physician, told,
};
use crate::{
    config::Settings,
    oidc::tests::scene::{PHYSICIANS, register, service_file},
    testing::TestApp,
};

/// What a service does with a logout token.
struct Ear {
    /// The status that it answers; 0: it takes the connection and says nothing.
    answers: AtomicU16,
    heard: AtomicUsize,
}

impl Ear {
    fn new(answers: u16) -> Arc<Self> {
        Arc::new(Self { answers: AtomicU16::new(answers), heard: AtomicUsize::new(0) })
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

async fn hear(State(ear): State<Arc<Ear>>) -> StatusCode {
    ear.heard.fetch_add(1, Ordering::SeqCst);
    match ear.answers.load(Ordering::SeqCst) {
        0 => std::future::pending().await,
        status => StatusCode::from_u16(status).unwrap(),
    }
}

/// Registers a service for physicians that is told of logouts there.
async fn service(test: &TestApp, id: &str, ear: &Arc<Ear>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/told", post(hear)).with_state(Arc::clone(ear));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let file = service_file(id, PHYSICIANS).replace("紹介状\"", &format!("{id}\""));
    let told = format!("backchannel_logout_uri = \"http://x.localhost:{port}/told\"");
    register(test, &file.replace("authentication =", &format!("{told}\nauthentication ="))).await;
}

async fn instance() -> TestApp {
    let mut settings = Settings::default();
    settings.oidc.allow_loopback_clients = true;
    instance_with(settings).await
}

fn colleague() -> Card {
    Card { kanji: "佐藤　花子", serial_number: "DEMO00002", serial: 101, ..physician() }
}

/// Notes that these services got tokens from the one session that lives.
async fn granted(test: &TestApp, services: &[&str]) {
    let live: (Vec<u8>,) = test
        .app
        .store()
        .read()
        .fetch_one(sql("SELECT id_hash FROM session WHERE ended_at IS NULL"))
        .await
        .unwrap();
    let session_hash: [u8; 32] = live.0.try_into().unwrap();
    let now = test.app.now();
    transaction!(test.app.store(), StoreError, |tx| {
        for id in services {
            let grant = Grant {
                id: format!("{id}-{}", hex::encode(&session_hash[..4])),
                service_id: (*id).to_owned(),
                session_hash,
                code_hash: None,
                scope: "openid".into(),
                claims: "{}".into(),
                details: "{}".into(),
                emergency_id: None,
                created_at: now,
            };
            token_grant::add(tx, &grant).await?;
        }
        Ok(Audited::new((), Entry::done("test.grant", Actor::System, now)))
    })
    .unwrap();
}

async fn authorize(test: &TestApp, desk: &mut Desk, id: &str, more: &str) -> Answered {
    let callback = format!("https%3A%2F%2F{id}.example%2Fcallback");
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    desk.get(
        test,
        &format!(
            "/authorize?response_type=code&client_id={id}&redirect_uri={callback}&scope=openid\
             &code_challenge={challenge}&code_challenge_method=S256&state=s{more}"
        ),
    )
    .await
}

fn redirect(answered: &Answered) -> String {
    assert_eq!(answered.status, 200, "{}", answered.text);
    answered.json()["redirect"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn of_twenty_services_those_that_did_not_confirm_stay_closed_to_the_next_person() {
    let test = instance().await;
    let (good, failing, silent) = (Ear::new(200), Ear::new(503), Ear::new(0));
    let names: Vec<String> = (0..20).map(|number| format!("service{number:02}")).collect();
    for (number, name) in names.iter().enumerate() {
        let ear = [&failing, &silent].get(number).copied().unwrap_or(&good);
        service(&test, name, ear).await;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    assert!(!desk.get(&test, "/?lang=ja").await.text.contains("まだ確認していません"));
    granted(&test, &names).await;
    desk.post_form(&test, "/logout", "").await;
    // The next person, in the same browser.
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    let answered = desk.redeem(&test, &code, &colleague()).await;
    assert_eq!(redirect(&answered), "/", "the portal names them itself");
    assert_eq!((good.heard(), failing.heard(), silent.heard()), (18, 1, 1));
    assert!(told(&test, "session.withhold", None).await);
    let portal = desk.get(&test, "/?lang=ja").await.text;
    assert!(portal.contains("id=\"withheld\""), "{portal}");
    for (number, name) in names.iter().enumerate() {
        let offered = portal.contains(&format!("href=\"https://{name}.example/\""));
        assert_eq!(offered, number >= 2, "{name}");
        assert!(portal.contains(name), "{name}");
    }
    // Neither does the way past the portal open them.
    let refused = authorize(&test, &mut desk, "service00", "").await;
    assert_eq!((refused.status, refused.location.as_deref()), (403, None));
    assert!(refused.text.contains("前に使った人がログアウトした"), "{}", refused.text);
    assert!(told(&test, "service.authorize", Some("logout_unconfirmed")).await);
    let silently = authorize(&test, &mut desk, "service01", "&prompt=none").await;
    assert!(silently.location.unwrap().contains("error=interaction_required"));
    let opened = authorize(&test, &mut desk, "service02", "").await;
    assert!(opened.location.unwrap().contains("code="));
    assert_eq!(count(&test, "SELECT COUNT(*) FROM authorization_code").await, 1);

    // Asked once more at once, nobody is bothered; later one of them confirms.
    failing.answers.store(204, Ordering::SeqCst);
    let again = desk.post_form(&test, "/handover", "return_to=%2Fauthorize%3Fx%3D1").await;
    assert_eq!(again.location.as_deref(), Some("/handover?return_to=%2Fauthorize%3Fx%3D1"));
    assert_eq!(failing.heard(), 1);
    test.clock.advance(Duration::seconds(6));
    desk.post_form(&test, "/handover", "").await;
    assert_eq!((failing.heard(), silent.heard()), (2, 2));
    assert!(told(&test, "session.ask_confirmation", None).await);
    let page = desk.get(&test, "/handover?return_to=%2Fauthorize%3Fx%3D1&lang=ja").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<li>service01</li>") && !page.text.contains("<li>service00</li>"));
    assert!(page.text.contains("href=\"/authorize?x=1\""), "{}", page.text);
    assert!(authorize(&test, &mut desk, "service00", "").await.location.is_some());

    // Whom it was of is withheld nothing, nor is anybody in another browser.
    desk.post_form(&test, "/logout", "").await;
    assert_eq!(redirect(&desk.login(&test, &physician(), false).await), "/");
    assert!(!desk.get(&test, "/").await.text.contains("id=\"withheld\""));
    let mut beside = desk.beside();
    beside.login(&test, &colleague(), false).await;
    assert!(!beside.get(&test, "/").await.text.contains("id=\"withheld\""));
}

#[tokio::test]
async fn a_login_of_which_the_cookie_was_lost_ends_with_the_next_in_this_browser() {
    let test = instance().await;
    let ear = Ear::new(503);
    service(&test, "records", &ear).await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    granted(&test, &["records"]).await;
    let lost = desk.session_cookie.take();
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    desk.redeem(&test, &code, &colleague()).await;
    assert_eq!((live_sessions(&test).await, ear.heard()), (1, 1));
    let next = std::mem::replace(&mut desk.session_cookie, lost);
    assert_eq!(desk.get(&test, "/").await.location.as_deref(), Some("/login?notice=ended"));
    desk.session_cookie = next;
    // A service waits for the login: the page that names what is withheld comes first.
    desk.get(&test, "/login").await;
    let challenge = desk.ask(&test, json!({"return_to": "/authorize/resume?id=a"})).await.json();
    let submission = desk.answer(&challenge, &colleague(), |_| {}).await;
    let answered = desk.submit(&test, &submission).await;
    assert_eq!(redirect(&answered), "/handover?return_to=%2Fauthorize%2Fresume%3Fid%3Da");
    // Confirmed meanwhile, it is passed by.
    ear.answers.store(200, Ordering::SeqCst);
    test.clock.advance(Duration::seconds(6));
    desk.post_form(&test, "/handover", "").await;
    let passed = desk.get(&test, "/handover?return_to=%2Fauthorize%2Fresume%3Fid%3Da").await;
    assert_eq!(passed.location.as_deref(), Some("/authorize/resume?id=a"));
    // A name that was planted, cut off or sent twice is a new one's place, and nothing fails.
    for planted in ["__Host-profile=AAAA", "__Host-profile=x; __Host-profile=y", "__Host-profile="]
    {
        desk.post_form(&test, "/logout", "").await;
        desk.profile_cookie = Some(planted.to_owned());
        assert_eq!(desk.login(&test, &colleague(), false).await.status, 200, "{planted}");
        assert_ne!(desk.profile_cookie.as_deref(), Some(planted));
    }
}

#[tokio::test]
async fn the_same_profile_at_another_terminal_is_another_one() {
    let test = instance().await;
    let ear = Ear::new(503);
    service(&test, "records", &ear).await;
    let mut here = desk(&test, 1).await;
    here.admit(&test, &physician()).await;
    granted(&test, &["records"]).await;
    // A disk was copied, or somebody took the cookie along.
    let mut there = desk(&test, 2).await;
    there.profile_cookie = here.profile_cookie.clone();
    let code = there.invite(&test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(redirect(&there.redeem(&test, &code, &colleague()).await), "/");
    assert_eq!((live_sessions(&test).await, ear.heard()), (2, 0));
    here.post_form(&test, "/logout", "").await;
    let withheld = there.get(&test, "/").await.text;
    assert!(!withheld.contains("id=\"withheld\""), "{withheld}");
}

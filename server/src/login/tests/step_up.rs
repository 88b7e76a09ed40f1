//! The card asked for again within a living session: it is this person's, or nobody's.

use sekisho_key::SystemRandomness;
use sekisho_protocol::{
    PresenceId,
    presence::{PresenceEvent, PresenceReport},
    request::Purpose,
};
use sekisho_store::{Queries, audit::Actor, sql};
use sekisho_wire::acr;
use serde_json::json;
use time::Duration;

use super::desk::{
    Card, Desk, PRESENCE, count, desk, instance, live_sessions, physician, request_of, told,
};
use crate::{
    oidc::client::{self, Registry},
    testing::TestApp,
};

pub fn colleague() -> Card {
    Card { kanji: "佐藤　花子", serial_number: "DEMO00002", serial: 101, ..physician() }
}

/// Two members of the facility; the physician is logged in.
async fn at_work() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &colleague()).await.status, 200);
    desk.post_form(&test, "/logout", "").await;
    desk.admit(&test, &physician()).await;
    assert_eq!(live_sessions(&test).await, 1);
    (test, desk)
}

/// Name, start and proof of the one live session.
async fn session(test: &TestApp) -> (Vec<u8>, i64, i64) {
    let statement = "SELECT id_hash, created_at, auth_time FROM session
                     WHERE ended_at IS NULL AND realm = 'portal'";
    test.app.store().read().fetch_one(sql(statement)).await.unwrap()
}

pub async fn remove_card(test: &TestApp, desk: &mut Desk) {
    let report = PresenceReport {
        presence: PresenceId::new(PRESENCE),
        event: PresenceEvent::Removed,
        sequence: 1,
    };
    let body = serde_json::to_string(&report).unwrap();
    desk.post_json(test, "/agent/presence", body).await;
    let found = "SELECT COUNT(*) FROM session WHERE locked_at IS NOT NULL AND ended_at IS NULL";
    assert_eq!(count(test, found).await, 1);
}

#[tokio::test]
async fn within_a_living_session_the_request_names_the_person_whose_card_must_answer() {
    let (test, mut desk) = at_work().await;
    let page = desk.get(&test, "/login?lang=en").await;
    assert!(page.text.contains("山田　太郎 is logged in"), "{}", page.text);
    assert!(page.text.contains(r#"action="/logout""#), "the way for somebody else");
    let request = request_of(&desk.begin(&test, false).await);
    assert_eq!(request.purpose, Purpose::Stepup);
    assert_eq!(request.expected_subject.unwrap().serial_number, "DEMO00001");
    assert_eq!(
        count(&test, "SELECT COUNT(*) FROM login_challenge WHERE purpose = 'stepup'").await,
        1
    );

    desk.post_form(&test, "/logout", "").await;
    let request = request_of(&desk.begin(&test, false).await);
    assert_eq!((request.purpose, request.expected_subject), (Purpose::Login, None));
}

#[tokio::test]
async fn another_persons_card_is_refused_and_the_session_stays_as_it_was() {
    let (test, mut desk) = at_work().await;
    let before = session(&test).await;
    test.clock.advance(Duration::minutes(1));
    // An agent that looks at nothing, or a card swapped behind its back: the portal compares again.
    let answered = desk.login(&test, &colleague(), false).await;
    assert_eq!((answered.status, answered.code().as_str()), (403, "another-person"));
    assert!(answered.json()["help"].as_str().unwrap().contains("ログアウト"));
    assert_eq!(session(&test).await, before);
    assert!(told(&test, "login.card", Some("another-person")).await);
    let open = count(&test, "SELECT COUNT(*) FROM login_challenge WHERE consumed_at IS NULL").await;
    assert_eq!(open, 0);
    let page = desk.get(&test, "/?lang=en").await;
    assert!(page.text.contains("山田　太郎") && !page.text.contains("佐藤"));

    desk.post_form(&test, "/logout", "").await;
    assert_eq!(desk.login(&test, &colleague(), false).await.status, 200, "after logging out");
}

#[tokio::test]
async fn the_same_person_keeps_the_session_under_a_new_cookie() {
    let (test, mut desk) = at_work().await;
    let (name, created, proven) = session(&test).await;
    let old = desk.session_cookie.clone();
    test.clock.advance(Duration::minutes(5));
    // A renewed certificate of the same issuer and serialNumber is the same person.
    let renewed = Card { serial: 102, ..physician() };
    assert_eq!(desk.login(&test, &renewed, false).await.status, 200);
    let after = session(&test).await;
    assert_eq!((after.0, after.1), (name, created));
    assert_eq!(after.2 - proven, 300, "seconds");
    assert_ne!(desk.session_cookie, old);
    assert_eq!(desk.get(&test, "/").await.status, 200);
    let new = std::mem::replace(&mut desk.session_cookie, old);
    assert_eq!(desk.get(&test, "/").await.status, 303, "the old cookie is dead");
    // Again, and logged out under the cookie of the third login.
    desk.session_cookie = new;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    desk.post_form(&test, "/logout", "").await;
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn a_locked_session_opens_for_its_own_card_and_gives_way_to_another_persons() {
    let (test, mut desk) = at_work().await;
    let (name, ..) = session(&test).await;
    remove_card(&test, &mut desk).await;
    let request = request_of(&desk.begin(&test, false).await);
    assert_eq!(request.purpose, Purpose::Login, "anybody may come to a locked screen");
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_eq!(session(&test).await.0, name);
    assert_eq!(desk.get(&test, "/").await.status, 200);

    remove_card(&test, &mut desk).await;
    assert_eq!(desk.login(&test, &colleague(), false).await.status, 200);
    assert_ne!(session(&test).await.0, name);
    let replaced = "SELECT COUNT(*) FROM session WHERE end_reason = 'replaced'";
    assert_eq!(count(&test, replaced).await, 1);
}

#[tokio::test]
async fn an_ended_or_overdue_session_is_never_renewed() {
    let (test, mut desk) = at_work().await;
    let (name, ..) = session(&test).await;
    let challenge = desk.begin(&test, false).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    // Ended by an administrator between the page's request and its answer.
    let end = "UPDATE session SET ended_at = 1, end_reason = 'membership_ended'";
    let mut tx = test.app.store().begin().await.unwrap();
    tx.execute(sql(end)).await.unwrap();
    let entry = sekisho_store::audit::Entry::done("test.end", Actor::System, test.app.now());
    tx.commit(sekisho_store::audit::Audited::new((), entry)).await.unwrap();
    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    assert_ne!(session(&test).await.0, name, "a new session, not the ended one");
}

#[tokio::test]
async fn a_service_that_wants_a_fresh_login_gets_it_from_the_same_person_only() {
    let (test, mut desk) = at_work().await;
    register(&test).await;
    test.clock.advance(Duration::minutes(1));
    let parked = desk.get(&test, &format!("{AUTHORIZE}&prompt=login")).await;
    let login = parked.location.unwrap();
    assert!(login.starts_with("/login?return_to="), "{login}");
    let page = desk.get(&test, &login).await;
    assert!(page.text.contains(r#"data-start="click""#) && page.text.contains("山田　太郎"));
    let (_, return_to) = url::form_urlencoded::parse(&login.as_bytes()[7..]).next().unwrap();

    let challenge = desk.ask(&test, json!({"return_to": return_to})).await.json();
    assert_eq!(request_of(&challenge).purpose, Purpose::Stepup);
    let submission = desk.answer(&challenge, &colleague(), |_| {}).await;
    assert_eq!(desk.submit(&test, &submission).await.code(), "another-person");
    assert_eq!(count(&test, "SELECT COUNT(*) FROM authorization_code").await, 0);

    let challenge = desk.ask(&test, json!({"return_to": return_to})).await.json();
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let next =
        desk.submit(&test, &submission).await.json()["redirect"].as_str().unwrap().to_owned();
    let arrived = desk.get(&test, &next).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    assert_eq!(live_sessions(&test).await, 1);
}

/// The service's request, with nothing but what it must have.
pub(super) const AUTHORIZE: &str = "/authorize?response_type=code&client_id=referral&scope=openid\
     &redirect_uri=https%3A%2F%2Freferral.example%2Fcallback\
     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

/// One rule for physicians, of the strongest level, since it names none.
pub(super) const RULE: &str = "id = \"physicians\"\nroles = [\"Medical Doctor\"]";

/// A service for physicians, who have logged in by whatever we take.
pub(super) async fn register(test: &TestApp) {
    register_with(test, &format!("{RULE}\nminimum_acr = \"{}\"", acr::PASSKEY)).await;
}

/// A service with this rule that says who logged in and no more.
pub(super) async fn register_with(test: &TestApp, rule: &str) {
    register_with_scopes(test, &["openid"], rule).await;
}

/// A service with these scopes and this rule.
pub(super) async fn register_with_scopes(test: &TestApp, scopes: &[&str], rule: &str) {
    let registry = Registry {
        store: test.app.store(),
        config: test.app.config(),
        vocabulary: test.app.entitlements().vocabulary(),
        random: &SystemRandomness,
        now: test.app.now(),
    };
    let file = format!(
        r#"
id = "referral"
name = {{ ja = "紹介状", en = "Referral letters" }}
description = {{ ja = "紹介状を書き、読む。", en = "Write and read referral letters." }}
home_url = "https://referral.example/"
redirect_uris = ["https://referral.example/callback"]
authentication = "client_secret_basic"
scopes = {scopes:?}
[[rules]]
{rule}
"#
    );
    client::register(&registry, &file, Actor::System).await.unwrap();
}

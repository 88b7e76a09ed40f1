//! The session: bound to its terminal, ended by card, silence, time and logout.

use sekisho_protocol::{
    JwkSet, PresenceId,
    octets::encode,
    presence::{PresenceEvent, PresenceReport},
};
use sekisho_store::{
    Queries, card, evidence,
    facility_policy::{self, CardRemoval, FacilityPolicy},
    sql,
};
use time::Duration;

use super::desk::{Desk, PRESENCE, count, desk, instance, live_sessions, physician, told};
use crate::{
    config::{RemovalPolicy, Settings},
    login::{evidence::EvidenceError, presence, upkeep},
    testing::TestApp,
};

async fn logged_in() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    assert_eq!(live_sessions(&test).await, 1);
    (test, desk)
}

fn report(event: PresenceEvent, sequence: u64) -> String {
    let report = PresenceReport { presence: PresenceId::new(PRESENCE), event, sequence };
    serde_json::to_string(&report).unwrap()
}

#[tokio::test]
async fn a_cookie_stolen_to_another_terminal_ends_the_session_for_everybody() {
    let (test, mut here) = logged_in().await;
    let mut there = desk(&test, 2).await;
    there.session_cookie = here.session_cookie.clone();
    let answered = there.get(&test, "/?lang=ja").await;
    assert_eq!(answered.status, 403);
    let brought = "別の端末で始まったログインが、この端末で使われました";
    let taken = "このログインは別の端末で使われたため終了しました";
    assert!(answered.text.contains(brought), "{}", answered.text);
    assert!(!answered.text.contains(taken) && !answered.text.contains("山田"));
    assert_eq!(there.session_cookie, None, "the cookie is taken away");
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "session.use", Some("other_terminal")).await);
    let cookie = here.session_cookie.clone();
    let answered = here.get(&test, "/?lang=ja").await;
    assert_eq!(answered.status, 403, "whoever it was: ended, and the page says so");
    assert!(answered.text.contains(taken) && answered.text.contains("管理者に知らせて"));
    assert!(!answered.text.contains(brought), "{}", answered.text);
    assert_eq!(here.session_cookie, None, "the next request leads to the login page");
    // Brought there once more, it is still another terminal's.
    there.session_cookie = cookie;
    let answered = there.get(&test, "/?lang=ja").await;
    assert_eq!(answered.status, 403);
    assert!(answered.text.contains(brought) && !answered.text.contains(taken));
}

#[tokio::test]
async fn a_terminal_with_a_new_certificate_asks_for_a_login_and_cries_no_theft() {
    let (test, mut here) = logged_in().await;
    here.terminal = crate::testing::renewed(&test.app, 1).await;
    let answered = here.get(&test, "/").await;
    assert_eq!(answered.location.as_deref(), Some("/login?notice=terminal-renewed"));
    assert_eq!(live_sessions(&test).await, 0, "the session belongs to the certificate");
    assert!(told(&test, "terminal.supersede", None).await);
    let page = here.get(&test, "/login?notice=terminal-renewed&lang=ja").await;
    assert!(page.text.contains("証明書が更新されました"));
}

#[tokio::test]
async fn the_identifier_changes_with_each_login_and_the_old_one_is_dead() {
    let (test, mut desk) = logged_in().await;
    let old = desk.session_cookie.clone();
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_ne!(desk.session_cookie, old);
    assert_eq!(live_sessions(&test).await, 1);
    desk.session_cookie = old;
    assert_eq!(desk.get(&test, "/").await.status, 303);
}

/// Session fixation: whoever knows what stood in the browser before the login knows nothing of what stands
/// there after it.
#[tokio::test]
async fn what_was_planted_in_the_browser_before_a_login_opens_nothing_after_it() {
    let planted = |name: &str| Some(format!("__Host-{name}={}", encode([9; 32])));
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    desk.post_form(&test, "/logout", "").await;
    // In place before the login page is opened, and put back while the card is read.
    (desk.session_cookie, desk.browser_cookie) = (planted("session"), planted("browser"));
    let challenge = desk.begin(&test, false).await;
    desk.session_cookie = planted("session");
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    assert!(desk.session_cookie.is_some());
    assert_ne!(desk.session_cookie, planted("session"));
    assert_eq!(desk.get(&test, "/").await.status, 200);
    assert_eq!(live_sessions(&test).await, 1);
    desk.session_cookie = planted("session");
    assert_eq!(desk.get(&test, "/").await.status, 303, "at the same terminal");
    desk.session_cookie = None;
    assert_eq!(desk.get(&test, "/").await.status, 303, "the browser's own cookie alone");
}

#[tokio::test]
async fn without_a_session_the_portal_leads_to_the_login_page() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let answered = desk.get(&test, "/").await;
    assert_eq!((answered.status, answered.location.as_deref()), (303, Some("/login")));
    let page = desk.get(&test, "/login?return_to=/authorize/resume").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(r#"data-start="click""#), "nothing says that a person opened it");
    let (_, button) = page.text.split_once("id=\"login-start\"").unwrap();
    let (button, _) = button.split_once('>').unwrap();
    assert!(button.ends_with(" hidden"), "without script it would do nothing: {button}");
    for elsewhere in ["//evil.example", "https://evil.example/"] {
        let refused = desk.get(&test, &format!("/login?return_to={elsewhere}&lang=ja")).await;
        assert_eq!(refused.status, 400, "{elsewhere}");
        assert!(refused.text.contains("この仕組みの外のアドレス"), "{}", refused.text);
        assert!(!refused.text.contains("malformed"), "{}", refused.text);
    }
    assert!(desk.browser_cookie.is_some());
}

#[tokio::test]
async fn logging_out_ends_the_session_and_takes_the_cookie() {
    let (test, mut desk) = logged_in().await;
    let answered = desk.post_form(&test, "/logout", "").await;
    assert_eq!(answered.location.as_deref(), Some("/login?notice=logged-out"));
    assert_eq!((live_sessions(&test).await, desk.session_cookie.clone()), (0, None));
    assert!(told(&test, "session.logout", None).await);
}

#[tokio::test]
async fn a_cookie_of_no_session_is_recorded_once_a_minute_at_either_way_out() {
    const LOGOUT: &str = "SELECT COUNT(*) FROM audit_record
                          WHERE act = 'session.logout' AND outcome = 'refused'";
    let (test, mut desk) = logged_in().await;
    let ended = desk.session_cookie.clone();
    desk.post_form(&test, "/logout", "").await;
    for _ in 0..5 {
        for (path, form) in [("/logout", ""), ("/end-session", "agreed=yes")] {
            desk.session_cookie.clone_from(&ended);
            let answered = desk.post_form(&test, path, form).await;
            assert_eq!(answered.location.as_deref(), Some("/login?notice=logged-out"));
        }
    }
    assert!(told(&test, "session.logout", Some("no_session")).await);
    assert_eq!(count(&test, LOGOUT).await, 1);
    test.clock.advance(Duration::MINUTE);
    desk.session_cookie = ended;
    desk.post_form(&test, "/logout", "").await;
    assert_eq!(count(&test, LOGOUT).await, 2);
}

#[tokio::test]
async fn idle_and_absolute_limits_end_a_session() {
    let (test, mut desk) = logged_in().await;
    let idle = test.app.config().session().portal_idle();
    test.clock.advance(idle - Duration::seconds(1));
    assert_eq!(desk.get(&test, "/").await.status, 200);
    test.clock.advance(idle);
    let answered = desk.get(&test, "/").await;
    assert_eq!(answered.location.as_deref(), Some("/login?notice=expired"));
    assert!(told(&test, "session.use", Some("expired")).await);
    let (test, _desk) = logged_in().await;
    test.clock.advance(test.app.config().session().portal_lifetime());
    upkeep::end_overdue(&test.app).await.unwrap();
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "session.end", None).await);
}

#[tokio::test]
async fn a_removed_card_is_dealt_with_by_the_facilitys_policy() {
    for (policy, live, locked) in [("logout", 0, 0), ("lock", 1, 1), ("keep", 1, 0)] {
        let (test, mut desk) = logged_in().await;
        let policy = CardRemoval::parse(policy).unwrap();
        let (organisation, now) = (desk.terminal.organisation_id.clone(), test.app.now());
        let set: Result<(), sekisho_store::StoreError> =
            sekisho_store::transaction!(test.app.store(), sekisho_store::StoreError, |tx| {
                facility_policy::choose(tx, &organisation, policy, "a", now).await?;
                let entry = sekisho_store::audit::Entry::done(
                    "test",
                    sekisho_store::audit::Actor::System,
                    now,
                );
                Ok(sekisho_store::audit::Audited::new((), entry))
            });
        set.unwrap();
        let body = report(PresenceEvent::Present, 1);
        let answered = desk.post_json(&test, "/agent/presence", body).await;
        assert_eq!(answered.json()["watched"], true);
        let body = report(PresenceEvent::Removed, 2);
        desk.post_json(&test, "/agent/presence", body).await;
        assert_eq!(live_sessions(&test).await, live, "{policy:?}");
        let found = "SELECT COUNT(*) FROM session WHERE locked_at IS NOT NULL";
        assert_eq!(count(&test, found).await, locked, "{policy:?}");
        assert!(told(&test, "card.leave", None).await);
        let answered = desk.get(&test, "/").await;
        match policy.as_str() {
            "keep" => assert_eq!(answered.status, 200),
            "lock" => assert_eq!(answered.location.as_deref(), Some("/login?notice=locked")),
            _ => assert_eq!(answered.location.as_deref(), Some("/login?notice=card-removed")),
        }
    }
}

#[tokio::test]
async fn another_terminal_cannot_report_a_card_removed() {
    let (test, _here) = logged_in().await;
    let mut there = desk(&test, 2).await;
    let body = report(PresenceEvent::Removed, 9);
    let answered = there.post_json(&test, "/agent/presence", body).await;
    assert_eq!(answered.json()["watched"], false);
    assert_eq!(live_sessions(&test).await, 1);
}

#[tokio::test]
async fn an_agents_silence_counts_as_removal() {
    let (test, mut desk) = logged_in().await;
    presence::judge_silence(&test.app).await.unwrap();
    assert_eq!(desk.get(&test, "/").await.status, 200);
    test.clock.advance(sekisho_protocol::presence::SILENCE);
    presence::judge_silence(&test.app).await.unwrap();
    assert!(told(&test, "card.leave", None).await);
    assert_eq!(desk.get(&test, "/").await.status, 303);
    assert_eq!(Settings::default().card_login.card_removal, RemovalPolicy::Lock);
}

#[tokio::test]
async fn the_evidence_of_a_login_verifies_again_and_any_change_shows() {
    let (test, _desk) = logged_in().await;
    let mut reader = test.app.store().read();
    let (id,): (String,) = reader.fetch_one(sql("SELECT id FROM login_evidence")).await.unwrap();
    let kept = evidence::find(&mut reader, &id).await.unwrap().unwrap();
    let der = card::certificate_der(&mut reader, &kept.card_fingerprint).await.unwrap().unwrap();
    let published = test.app.login_request_keys().published(&test.app).await.unwrap();
    let keys: JwkSet = serde_json::from_value(published).unwrap();
    let verify = |evidence: &evidence::Evidence| {
        let card = crate::login::evidence::CardKey::Certificate(&der);
        crate::login::evidence::verify(evidence, card, &keys)
    };
    assert_eq!(verify(&kept), Ok(()));
    let mut changed = kept.clone();
    changed.signature[10] ^= 1;
    assert_eq!(verify(&changed), Err(EvidenceError::Signature));
    let mut changed = kept.clone();
    changed.terminal_fingerprint[0] ^= 1;
    assert_eq!(verify(&changed), Err(EvidenceError::SignedInput));
    let mut changed = kept.clone();
    changed.request_jws.push('A');
    assert_eq!(verify(&changed), Err(EvidenceError::Request));
}

#[tokio::test]
async fn only_a_person_makes_the_login_begin_by_itself() {
    let test = instance().await;
    let desk = desk(&test, 1).await;
    for (waits, site, user, start) in [
        (true, Some("none"), Some("?1"), "auto"),
        (true, Some("same-origin"), None, "auto"),
        // A link to a service, which sent the browser here.
        (true, Some("cross-site"), Some("?1"), "auto"),
        // A page that sends the browser here by itself.
        (true, Some("cross-site"), None, "click"),
        (true, Some("same-site"), None, "click"),
        (true, Some("cross-site"), Some("?0"), "click"),
        (true, None, None, "click"),
        // Nobody waits: the person begins.
        (false, Some("none"), Some("?1"), "click"),
    ] {
        let query = if waits { "?return_to=/authorize/resume" } else { "" };
        let headers = [("sec-fetch-site", site), ("sec-fetch-user", user)];
        let page = desk.open_with(&test, &format!("/login{query}"), &headers).await;
        let expected = format!("data-start=\"{start}\"");
        assert!(page.contains(&expected), "{waits} {site:?} {user:?}: {page}");
    }
}

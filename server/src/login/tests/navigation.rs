//! Login by navigation: the answer comes home with a post from another site, and every threat that
//! a login by script is safe from stays outside.

use axum::body::Body;
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use sekisho_key::SoftwareKey;
use sekisho_protocol::{Sha256Digest, answer::LoginSubmission, octets};
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use super::desk::{
    Desk, count, desk, instance, instance_with, live_sessions, physician, request_of, told,
};
use crate::{config::Settings, listener::Peer, router, testing::TestApp};

const AGENT: &str = "http://127.0.0.1:14790";

/// What the agent's page makes the browser send.
const FROM_AGENT: [(&str, &str); 5] = [
    ("origin", AGENT),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("content-type", "application/x-www-form-urlencoded"),
];

/// A desk whose physician is a member and logged out, where navigation is allowed.
async fn member() -> (TestApp, Desk) {
    let mut settings = Settings::default();
    settings.card_login.navigation = true;
    let test = instance_with(settings).await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    desk.post_form(&test, "/logout", "").await;
    (test, desk)
}

/// Opens the login page and gets a challenge to leave with.
async fn leave(test: &TestApp, desk: &mut Desk) -> Json {
    desk.get(test, "/login").await;
    let answered = desk.ask(test, json!({"navigation": true})).await;
    assert_eq!(answered.status, 200, "{}", answered.text);
    answered.json()
}

struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

/// The browser arrives with a form, and without a cookie unless `headers` has one.
async fn bring(test: &TestApp, peer: &Peer, form: &str, headers: &[(&str, &str)]) -> Page {
    let mut request = Request::post("/login/return?lang=en")
        .header(header::HOST, test.app.names().authority(peer.role))
        .header(header::ACCEPT, "text/html")
        .extension(peer.clone());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(form.to_owned())).unwrap();
    let response = router::terminal(&test.app).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let text = String::from_utf8(body).unwrap();
    Page { status: parts.status.as_u16(), headers: parts.headers, text }
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The form of the agent's page for an answer.
fn answer_form(challenge: &Json, submission: &LoginSubmission) -> String {
    form(&[
        ("request", &Sha256Digest::of(challenge["request"].as_str().unwrap()).to_string()),
        ("terminal_proof", &submission.terminal_proof),
        ("answer", &submission.answer),
    ])
}

#[tokio::test]
async fn an_answer_that_came_by_navigation_logs_in_once_the_page_has_added_its_proof() {
    let (test, mut desk) = member().await;
    let challenge = leave(&test, &mut desk).await;
    let home = request_of(&challenge).return_address.unwrap();
    assert_eq!(home, format!("{}/login/return?lang=ja", test.app.names().terminal));

    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let brought = answer_form(&challenge, &submission);
    let page = bring(&test, &desk.terminal.peer, &brought, &FROM_AGENT).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains(&format!(r#"data-answer="{}""#, submission.answer)));
    // The browser's own cookies were not to be seen: none may be put in their place.
    let set: Vec<_> = page.headers.get_all(header::SET_COOKIE).iter().collect();
    assert!(set.iter().all(|cookie| !cookie.to_str().unwrap().starts_with("__Host-browser")));
    assert_eq!(live_sessions(&test).await, 0, "the post alone decides nothing");

    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    assert_eq!(live_sessions(&test).await, 1);
    assert!(told(&test, "login.challenge.issue", None).await);
    assert!(told(&test, "login.challenge.consume", None).await);
    assert!(told(&test, "login.card", None).await);
}

#[tokio::test]
async fn without_script_the_page_says_what_is_needed_and_speaks_of_no_button() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    for (lang, begin, needed) in
        [("ja", "ログインを始める", "止められている"), ("en", "Begin", "switched off")]
    {
        let page = desk.get(&test, &format!("/login?lang={lang}")).await.text;
        let (_, without) = page.split_once("<noscript>").unwrap();
        let (without, _) = without.split_once("</noscript>").unwrap();
        assert!(
            without.contains(needed) && without.contains(&test.app.names().terminal),
            "{without}"
        );
        // Shown by the script, which makes the button work.
        for spoken in page.match_indices(begin) {
            let (before, _) = page.split_at(spoken.0);
            let (_, element) = before.rsplit_once('<').unwrap();
            assert!(element.contains(" hidden"), "<{element}{begin}");
        }
    }
}

#[tokio::test]
async fn where_it_is_off_no_page_offers_it_and_nothing_of_it_is_accepted() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let page = desk.get(&test, "/login").await;
    assert!(!page.text.contains("/v1/card-login/navigate"));
    let answered = desk.ask(&test, json!({"navigation": true})).await;
    assert_eq!((answered.status, answered.code().as_str()), (403, "navigation-off"));
    let brought = form(&[("request", &Sha256Digest::of("r").to_string()), ("error", "busy")]);
    let page = bring(&test, &desk.terminal.peer, &brought, &FROM_AGENT).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("navigation-off"), "{}", page.text);
    assert!(told(&test, "login.challenge.issue", Some("navigation-off")).await);
    assert!(told(&test, "login.return", Some("navigation-off")).await);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM login_challenge").await, 0);
}

#[tokio::test]
async fn the_page_may_lead_to_the_agents_door_only_where_it_is_on() {
    for on in [false, true] {
        let mut settings = Settings::default();
        settings.card_login.navigation = on;
        let test = instance_with(settings).await;
        let peer = desk(&test, 1).await.terminal.peer;
        let request = Request::get("/login")
            .header(header::HOST, test.app.names().authority(peer.role))
            .extension(peer)
            .body(Body::empty())
            .unwrap();
        let response = router::terminal(&test.app).oneshot(request).await.unwrap();
        let of = |name| response.headers()[name].to_str().unwrap().to_owned();
        let policy = of(header::CONTENT_SECURITY_POLICY);
        let form_action = policy.split("; ").find(|part| part.starts_with("form-action")).unwrap();
        let (leads_to, referrer) = if on {
            (format!("form-action 'self' {AGENT}"), "origin")
        } else {
            ("form-action 'self'".to_owned(), "same-origin")
        };
        assert_eq!(
            (form_action, of(header::REFERRER_POLICY).as_str()),
            (leads_to.as_str(), referrer)
        );
    }
}

#[tokio::test]
async fn an_answer_that_any_other_page_brings_is_refused_unread() {
    let (test, mut desk) = member().await;
    let challenge = leave(&test, &mut desk).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let brought = answer_form(&challenge, &submission);
    let own = test.app.names().terminal.clone();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", own.as_str()),
        ("origin", "http://127.0.0.1:14791"),
        ("origin", "http://localhost:14790"),
        ("origin", "https://127.0.0.1:14790"),
        ("origin", ""),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "iframe"),
        ("sec-fetch-dest", ""),
    ] {
        let mut headers = FROM_AGENT.to_vec();
        headers.retain(|(existing, _)| *existing != name);
        if !value.is_empty() {
            headers.push((name, value));
        }
        let page = bring(&test, &desk.terminal.peer, &brought, &headers).await;
        assert_eq!(page.status, 403, "{name}: {value}");
        assert!(!page.text.contains(&submission.answer), "{name}: {value}");
    }
    let mut twice = FROM_AGENT.to_vec();
    twice.push(("origin", "https://evil.example"));
    assert_eq!(bring(&test, &desk.terminal.peer, &brought, &twice).await.status, 403);
    assert!(told(&test, "login.return", Some("not-from-agent")).await);
}

#[tokio::test]
async fn a_form_that_no_agent_sends_is_refused_and_nothing_of_it_is_shown() {
    let (test, desk) = member().await;
    let request = Sha256Digest::of("r").to_string();
    let long = "a".repeat(20_000);
    for fields in [
        vec![],
        vec![("request", "short"), ("answer", "a")],
        vec![("request", request.as_str())],
        vec![("request", &request), ("answer", "a"), ("error", "busy")],
        vec![("request", &request), ("answer", "a"), ("answer", "b")],
        vec![("request", &request), ("answer", "a"), ("more", "b")],
        vec![("request", &request), ("answer", &long)],
        vec![("request", &request), ("answer", "a"), ("terminal_proof", &long)],
        vec![("request", &request), ("error", "<script>")],
        vec![("request", &request), ("error", "")],
        vec![("request", &request), ("error", "pin wrong")],
        vec![("request", &request), ("error", &long[..41])],
        vec![("request", &request), ("error", "pin_wrong"), ("tries_left", "256")],
        vec![("request", &request), ("error", "certificate_expired"), ("day", "yesterday")],
    ] {
        let page = bring(&test, &desk.terminal.peer, &form(&fields), &FROM_AGENT).await;
        assert_eq!(page.status, 400, "{fields:.80?}");
        assert!(!page.text.contains("login-returned") && !page.text.contains("<script>"));
    }
    assert!(told(&test, "login.return", Some("malformed")).await);
    // What has the form of an answer is shown to the page's script, and as text only.
    let fields = [("request", request.as_str()), ("answer", r#""><script>alert(1)</script>"#)];
    let page = bring(&test, &desk.terminal.peer, &form(&fields), &FROM_AGENT).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script>alert") && !page.text.contains(r#"answer="""#));
}

#[tokio::test]
async fn a_failure_of_the_agent_is_told_by_name_with_the_tries_that_are_left() {
    let (test, desk) = member().await;
    let request = Sha256Digest::of("r").to_string();
    let fields = [("request", request.as_str()), ("error", "pin_wrong"), ("tries_left", "14")];
    let page = bring(&test, &desk.terminal.peer, &form(&fields), &FROM_AGENT).await;
    assert!(page.text.contains(r#"data-error="pin-wrong" data-tries-left="14""#), "{}", page.text);
    assert!(page.text.contains(r#"<li data-key="error-pin-wrong">The PIN is wrong."#));
    let fields =
        [("request", request.as_str()), ("error", "certificate_expired"), ("day", "2026-10-09")];
    let page = bring(&test, &desk.terminal.peer, &form(&fields), &FROM_AGENT).await;
    assert!(page.text.contains(r#"data-error="certificate-expired""#), "{}", page.text);
    assert!(page.text.contains(r#"data-day="2026-10-09""#), "{}", page.text);
    assert!(
        page.text.contains(r#"<li data-key="error-certificate-expired">This card’s certificate"#)
    );
}

#[tokio::test]
async fn a_code_of_a_newer_agent_comes_home_and_has_no_words_of_its_own() {
    let (test, desk) = member().await;
    let request = Sha256Digest::of("r").to_string();
    let fields = [("request", request.as_str()), ("error", "card_of_another_age")];
    let page = bring(&test, &desk.terminal.peer, &form(&fields), &FROM_AGENT).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains(r#"data-error="card-of-another-age""#), "{}", page.text);
    // The script says these where it finds none.
    assert!(!page.text.contains(r#"data-key="error-card-of-another-age""#));
    assert!(page.text.contains(r#"<li data-key="error-agent-failed">The card agent failed."#));
}

#[tokio::test]
async fn a_browser_that_sends_its_cookies_along_or_shows_no_certificate_gets_no_further() {
    let (test, mut desk) = member().await;
    let challenge = leave(&test, &mut desk).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let brought = answer_form(&challenge, &submission);
    let mut with_cookie = FROM_AGENT.to_vec();
    with_cookie.push(("cookie", desk.browser_cookie.as_deref().unwrap()));
    assert_eq!(bring(&test, &desk.terminal.peer, &brought, &with_cookie).await.status, 403);
    let stranger = Peer { chain: std::sync::Arc::new([]), ..desk.terminal.peer.clone() };
    let page = bring(&test, &stranger, &brought, &FROM_AGENT).await;
    assert!((400..500).contains(&page.status) && !page.text.contains(&submission.answer));
}

/// Submits for a challenge that left by navigation; expects this refusal, no session, and the
/// challenge spent.
async fn assert_refused(test: &TestApp, by: &mut Desk, submission: &LoginSubmission, code: &str) {
    assert_eq!(by.submit(test, submission).await.code(), code);
    assert_eq!((live_sessions(test).await, by.session_cookie.clone()), (0, None));
    assert!(told(test, "login.card", Some(code)).await, "no record of {code}");
    let open = count(test, "SELECT COUNT(*) FROM login_challenge WHERE consumed_at IS NULL").await;
    assert_eq!(open, 0, "a challenge was left unspent");
}

#[tokio::test]
async fn an_answer_counts_once() {
    let (test, mut desk) = member().await;
    let challenge = leave(&test, &mut desk).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    desk.post_form(&test, "/logout", "").await;
    desk.browser_cookie = browser;
    assert_refused(&test, &mut desk, &submission, "challenge-replayed").await;
}

#[tokio::test]
async fn another_browsers_page_cannot_finish_what_this_one_left_with() {
    let (test, mut desk) = member().await;
    let challenge = leave(&test, &mut desk).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    desk.browser_cookie = Some(format!("__Host-browser={}", octets::encode([8; 32])));
    assert_refused(&test, &mut desk, &submission, "other-browser").await;
}

#[tokio::test]
async fn a_page_without_the_key_that_waited_cannot_finish() {
    let (test, mut desk) = member().await;
    let challenge = leave(&test, &mut desk).await;
    desk.page_key = SoftwareKey::generate_p256().unwrap();
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    assert_refused(&test, &mut desk, &submission, "page-proof").await;
}

#[tokio::test]
async fn another_terminals_agent_cannot_answer() {
    let (test, mut here) = member().await;
    let there = desk(&test, 2).await;
    let challenge = leave(&test, &mut here).await;
    let mut submission = here.answer(&challenge, &physician(), |_| {}).await;
    submission.terminal_proof = there.answer(&challenge, &physician(), |_| {}).await.terminal_proof;
    assert_refused(&test, &mut here, &submission, "terminal-proof").await;
}

#[tokio::test]
async fn an_answer_to_another_request_of_the_same_page_is_refused() {
    let (test, mut desk) = member().await;
    let first = leave(&test, &mut desk).await;
    let second = leave(&test, &mut desk).await;
    let answer = desk.answer(&first, &physician(), |_| {}).await;
    let mut submission = desk.answer(&second, &physician(), |_| {}).await;
    (submission.answer, submission.terminal_proof) = (answer.answer, answer.terminal_proof);
    assert_eq!(desk.submit(&test, &submission).await.code(), "terminal-proof");
    assert_eq!(live_sessions(&test).await, 0);
}

//! Threats of `docs/card-login.md` §3 that the portal stops, and cards that must not log in.
//! Each asserts what must not have happened: no session, and the challenge is spent.

use sekisho_ca::lookalike::CardUse;
use sekisho_key::SoftwareKey;
use sekisho_protocol::{Sha256Digest, octets};
use time::Duration;

use super::desk::{
    Card, Desk, NOW, count, desk, foreign_hpki, instance, live_sessions, physician, publish, told,
};
use crate::testing::TestApp;

/// A desk whose physician is a member, logged out again.
async fn member() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    desk.post_form(&test, "/logout", "").await;
    assert_eq!(live_sessions(&test).await, 0);
    (test, desk)
}

/// Nobody got in, it is on record, and the challenge cannot be used again.
async fn assert_refused(test: &TestApp, desk: &Desk, code: &str) {
    assert_eq!(live_sessions(test).await, 0);
    assert_eq!(desk.session_cookie, None);
    assert!(told(test, "login.card", Some(code)).await, "no record of {code}");
    let open = count(test, "SELECT COUNT(*) FROM login_challenge WHERE consumed_at IS NULL").await;
    assert_eq!(open, 0, "a challenge was left unspent");
}

async fn refused_card(card: Card, code: &str) {
    let (test, mut desk) = member().await;
    let answered = desk.login(&test, &card, false).await;
    assert_eq!(answered.code(), code);
    assert_refused(&test, &desk, code).await;
}

#[tokio::test]
async fn a_replayed_submission_is_refused() {
    let (test, mut desk) = member().await;
    let challenge = desk.begin(&test, false).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    desk.post_form(&test, "/logout", "").await;
    desk.browser_cookie = browser;
    assert_eq!(desk.submit(&test, &submission).await.code(), "challenge-replayed");
    assert_refused(&test, &desk, "challenge-replayed").await;
}

#[tokio::test]
async fn a_terminal_that_asks_without_end_is_recorded_once_a_minute_for_each_reason() {
    const REFUSED: &str = "SELECT COUNT(*) FROM audit_record WHERE outcome = 'refused'";
    let (test, mut desk) = member().await;
    let submission = {
        let challenge = desk.begin(&test, false).await;
        desk.answer(&challenge, &physician(), |_| {}).await
    };
    assert_eq!(desk.submit(&test, &submission).await.status, 200);
    desk.post_form(&test, "/logout", "").await;
    let before = count(&test, REFUSED).await;
    for _ in 0..10 {
        assert_eq!(desk.post_json(&test, "/login/card", "{".into()).await.code(), "malformed");
        assert_eq!(desk.submit(&test, &submission).await.code(), "challenge-replayed");
    }
    assert_eq!(count(&test, REFUSED).await, before + 2);
    test.clock.advance(Duration::MINUTE);
    assert_eq!(desk.post_json(&test, "/login/card", "{".into()).await.code(), "malformed");
    assert_eq!(count(&test, REFUSED).await, before + 3);
}

#[tokio::test]
async fn another_terminals_request_is_refused_and_spent() {
    let (test, mut here) = member().await;
    let mut there = desk(&test, 2).await;
    let challenge = here.begin(&test, false).await;
    let submission = here.answer(&challenge, &physician(), |_| {}).await;
    there.browser_cookie = here.browser_cookie.clone();
    assert_eq!(there.submit(&test, &submission).await.code(), "other-terminal");
    assert_refused(&test, &there, "other-terminal").await;
    assert_eq!(here.submit(&test, &submission).await.code(), "challenge-replayed");
}

#[tokio::test]
async fn another_browsers_challenge_is_refused() {
    let (test, mut desk) = member().await;
    let challenge = desk.begin(&test, false).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    desk.browser_cookie = Some(format!("__Host-browser={}", octets::encode([8; 32])));
    assert_eq!(desk.submit(&test, &submission).await.code(), "other-browser");
    assert_refused(&test, &desk, "other-browser").await;
}

#[tokio::test]
async fn another_page_key_is_refused() {
    let (test, mut desk) = member().await;
    let challenge = desk.begin(&test, false).await;
    desk.page_key = SoftwareKey::generate_p256().unwrap();
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    assert_eq!(desk.submit(&test, &submission).await.code(), "page-proof");
    assert_refused(&test, &desk, "page-proof").await;
}

#[tokio::test]
async fn an_agent_without_the_terminals_key_is_refused() {
    let (test, mut here) = member().await;
    let there = desk(&test, 2).await;
    let challenge = here.begin(&test, false).await;
    let mut submission = here.answer(&challenge, &physician(), |_| {}).await;
    submission.terminal_proof = there.answer(&challenge, &physician(), |_| {}).await.terminal_proof;
    assert_eq!(here.submit(&test, &submission).await.code(), "terminal-proof");
    assert_refused(&test, &here, "terminal-proof").await;
}

#[tokio::test]
async fn a_signature_over_anything_else_than_our_own_input_is_refused() {
    let (test, mut desk) = member().await;
    let other = Sha256Digest::of("https://phishing.example");
    for field in 0..5 {
        let challenge = desk.begin(&test, false).await;
        let submission = desk
            .answer(&challenge, &physician(), |input| match field {
                0 => input.occasion.origin = other,
                1 => input.occasion.facility_x5t = other,
                2 => input.occasion.page_key = other,
                3 => input.occasion.request = other,
                _ => input.card_certificate = other,
            })
            .await;
        assert_eq!(desk.submit(&test, &submission).await.code(), "card-signature", "{field}");
        assert_refused(&test, &desk, "card-signature").await;
    }
}

#[tokio::test]
async fn an_expired_challenge_is_refused_and_spent() {
    let (test, mut desk) = member().await;
    let challenge = desk.begin(&test, false).await;
    let submission = desk.answer(&challenge, &physician(), |_| {}).await;
    test.clock.advance(Duration::seconds(60));
    assert_eq!(desk.submit(&test, &submission).await.code(), "challenge-expired");
    assert_refused(&test, &desk, "challenge-expired").await;
    assert_eq!(desk.submit(&test, &submission).await.code(), "challenge-replayed");
}

#[tokio::test]
async fn a_card_of_a_foreign_authority_is_refused() {
    refused_card(Card { hpki: foreign_hpki(), ..physician() }, "foreign-issuer").await;
}

#[tokio::test]
async fn an_expired_card_is_refused() {
    let card = Card { not_after: NOW - Duration::seconds(1), ..physician() };
    refused_card(card, "certificate-expired").await;
}

#[tokio::test]
async fn a_signing_certificate_is_refused() {
    let card = Card { used_for: CardUse::Signing, ..physician() };
    refused_card(card, "signing-certificate").await;
}

#[tokio::test]
async fn a_revoked_card_is_refused_as_soon_as_the_list_is_read() {
    let (test, mut desk) = member().await;
    publish(&test, &[100], NOW).await;
    let answered = desk.login(&test, &physician(), false).await;
    assert_eq!(answered.code(), "certificate-revoked");
    assert_refused(&test, &desk, "certificate-revoked").await;
}

#[tokio::test]
async fn without_a_current_revocation_list_nobody_logs_in_until_there_is_one() {
    let (test, mut desk) = member().await;
    test.clock.advance(Duration::days(5));
    let answered = desk.login(&test, &physician(), false).await;
    assert_eq!((answered.status, answered.code().as_str()), (503, "revocation-unknown"));
    assert_refused(&test, &desk, "revocation-unknown").await;
    // A newer list in the folder counts at once, without a restart or the scheduled look.
    let list = super::desk::hpki().card_crl(&[], NOW + Duration::days(5)).unwrap();
    super::desk::write(&test, "crls/hpki/auth-2.crl", &list);
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
}

#[tokio::test]
async fn malformed_and_oversized_bodies_are_refused_without_a_trace_but_the_record() {
    let (test, mut desk) = member().await;
    desk.get(&test, "/login").await;
    let repeated = r#"{"answer":"a","answer":"b","page_proof":"x","terminal_proof":"y"}"#;
    let long = "a".repeat(40_000);
    for body in [
        "",
        "{}",
        "[]",
        "null",
        repeated,
        r#"{"terminal_proof":"","answer":"","page_proof":"..","more":1}"#,
        &long,
    ] {
        let refusal = if body == long { (413, "too-large") } else { (400, "malformed") };
        for path in ["/login/card", "/login/challenge"] {
            let answered = desk.post_json(&test, path, body.to_owned()).await;
            assert_eq!((answered.status, answered.code().as_str()), refusal, "{path} {body:.40}");
        }
    }
    assert_eq!(live_sessions(&test).await, 0);
    assert!(told(&test, "login.card", Some("malformed")).await);
    let open = count(&test, "SELECT COUNT(*) FROM login_challenge WHERE consumed_at IS NULL").await;
    assert_eq!(open, 0);
}

#[tokio::test]
async fn a_terminal_is_not_given_challenges_without_end() {
    let (test, mut desk) = member().await;
    for _ in 0..30 {
        desk.begin(&test, false).await;
    }
    let body = serde_json::json!({"page_key": super::desk::jwk(&desk.page_key)}).to_string();
    let answered = desk.post_json(&test, "/login/challenge", body).await;
    assert_eq!((answered.status, answered.code().as_str()), (429, "too-many-challenges"));
}

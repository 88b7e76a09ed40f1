//! A passkey in place of an account's one-time password, through the real router: the honest way, and what it carries.

use sekisho_store::{Queries, sql};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};
use time::Duration;

use super::{
    authenticator::Authenticator,
    desk::{Answered, Desk, count, desk, instance_with, live_sessions, physician},
    passwords::{Clerk, clerk_of, logged_in, passwords},
    standing::{roles_now, session},
};
use crate::{
    config::Settings,
    people::tests::{PASSWORD, form},
    testing::TestApp,
};

const ENROLLED: &str = "SELECT COUNT(*) FROM account_passkey WHERE removed_at IS NULL";

fn settings() -> Settings {
    let mut settings = passwords();
    settings.card_login.passkeys = true;
    settings
}

impl Desk {
    pub async fn ask_for_second(&mut self, test: &TestApp, name: &str) -> Answered {
        self.get(test, "/second-factor").await;
        self.post_json(test, "/second-factor/challenge", json!({ "name": name }).to_string()).await
    }

    /// Enrols a passkey in place of the code, honestly from end to end.
    pub async fn enrol_second(&mut self, test: &TestApp, name: &str) -> Authenticator {
        let mut passkey = Authenticator::at(&test.app.names().terminal);
        let options = self.ask_for_second(test, name).await;
        assert_eq!(options.status, 200, "{}", options.text);
        let answer = passkey.enrol(&options.json());
        let answered = self.post_json(test, "/second-factor/enrol", answer.to_string()).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        assert_eq!(answered.json()["redirect"], "/second-factor?notice=enrolled");
        passkey
    }

    pub async fn ask_beside(&mut self, test: &TestApp) -> Json {
        self.get(test, "/login").await;
        let body = r#"{"return_to":null}"#.to_owned();
        let options = self.post_json(test, "/login/second-factor/challenge", body).await;
        assert_eq!(options.status, 200, "{}", options.text);
        options.json()
    }

    pub async fn bring_both(
        &mut self,
        test: &TestApp,
        (login_name, password): (&str, &str),
        answer: &Json,
    ) -> Answered {
        let body = json!({ "login_name": login_name, "password": password, "answer": answer });
        self.post_json(test, "/login/second-factor", body.to_string()).await
    }

    /// Logs in by a password and a passkey.
    pub async fn login_by_both(
        &mut self,
        test: &TestApp,
        typed: (&str, &str),
        passkey: &mut Authenticator,
    ) -> Answered {
        let options = self.ask_beside(test).await;
        let answer = passkey.sign(&options);
        self.bring_both(test, typed, &answer).await
    }
}

pub const RIGHT: (&str, &str) = ("suzuki", PASSWORD);

/// A clerk who opened an account, enrolled a passkey right then, and logged out.
pub async fn enrolled() -> (TestApp, Desk, Clerk, Authenticator) {
    let test = instance_with(settings()).await;
    let mut desk = desk(&test, 1).await;
    let clerk = desk.join(&test, "鈴木 一郎", "suzuki").await;
    let passkey = desk.enrol_second(&test, "赤い鍵").await;
    desk.log_out(&test).await;
    test.clock.advance(Duration::minutes(1));
    (test, desk, clerk, passkey)
}

#[tokio::test]
async fn password_and_passkey_reach_the_level_of_both_factors_and_carry_no_profession() {
    let (test, mut desk, clerk, mut passkey) = enrolled().await;
    assert!(desk.get(&test, "/login").await.text.contains("id=\"second-factor\""));
    let answered = desk.login_by_both(&test, (" Suzuki ", PASSWORD), &mut passkey).await;
    assert_eq!((answered.status, answered.json()["redirect"].as_str()), (200, Some("/")));
    let (level, methods, roles) = session(&test).await;
    assert_eq!((level.as_str(), roles.as_str()), (acr::PASSWORD_TOTP, "[]"));
    assert_eq!(methods, r#"["mfa","passkey","pwd","user"]"#);
    assert!(roles_now(&test).await.is_empty());
    let kept =
        "SELECT COUNT(*) FROM account_passkey_login u JOIN password_login l ON l.id = u.login_id
                JOIN session s ON s.evidence_id = l.id
                WHERE l.second_factor = 'passkey' AND s.ended_at IS NULL";
    assert_eq!(count(&test, kept).await, 1);
    let page = desk.get(&test, "/second-factor").await.text;
    for part in ["赤い鍵", "最後にログインした日時", "action=\"/second-factor/remove\""]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("HPKI証明書の有効期限"), "{page}");
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("href=\"/second-factor\""), "{portal}");
    assert!(portal.contains("パスワードとパスキー（施設の登録端末にて）"), "{portal}");
    let notices = "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%second_factor_enrolled%'";
    assert_eq!(count(&test, notices).await, 1);
    // Code and recovery codes do as before.
    desk.log_out(&test).await;
    let recovery = &clerk.recovery_codes[0];
    logged_in(&desk.type_in(&test, "suzuki", PASSWORD, recovery).await);
    desk.log_out(&test).await;
    logged_in(&desk.login_with(&test, &clerk).await);
    desk.log_out(&test).await;
    // And who used the recovery code is asked about at the next login by passkey, too.
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.type_in(&test, "suzuki", PASSWORD, &clerk.recovery_codes[1]).await);
    desk.log_out(&test).await;
    desk.login_by_both(&test, RIGHT, &mut passkey).await;
    assert!(desk.get(&test, "/").await.text.contains("id=\"recovery-used\""));
}

#[tokio::test]
async fn enrolling_wants_both_factors_of_these_minutes_in_the_session_that_asked() {
    let mut lenient = settings();
    lenient.card_login.password_with_facility_certificate = true;
    let test = instance_with(lenient).await;
    let mut desk = desk(&test, 1).await;
    assert_eq!(desk.post_json(&test, "/second-factor/challenge", "{}".into()).await.status, 400);
    assert_eq!(desk.ask_for_second(&test, "鍵").await.code(), "other-session");
    let clerk = clerk_of(&test, &mut desk).await;
    logged_in(&desk.type_in(&test, "suzuki", PASSWORD, "").await);
    assert_eq!(desk.ask_for_second(&test, "鍵").await.code(), "both-factors-needed");
    let page = desk.get(&test, "/second-factor").await.text;
    assert!(page.contains("パスワードと確認コードで確認する"), "{page}");
    logged_in(&desk.login_with(&test, &clerk).await);
    for name in ["", " ", &"あ".repeat(41), "a\nb"] {
        assert_eq!(desk.ask_for_second(&test, name).await.code(), "passkey-name", "{name:?}");
    }
    // Asked in time and answered too late, or in a session that was proven anew meanwhile.
    let mut passkey = Authenticator::at(&test.app.names().terminal);
    test.clock.advance(Duration::minutes(4));
    let options = desk.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    test.clock.advance(Duration::minutes(2));
    let late = desk.post_json(&test, "/second-factor/enrol", answer).await;
    assert_eq!(late.code(), "both-factors-needed");
    assert_eq!(desk.ask_for_second(&test, "鍵").await.code(), "both-factors-needed");
    logged_in(&desk.login_with(&test, &clerk).await);
    let options = desk.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.login_with(&test, &clerk).await);
    // The browser's name before a login ends with it; with that of the question it is another proof's session.
    let before = desk.post_json(&test, "/second-factor/enrol", answer.clone()).await;
    assert_eq!(before.code(), "other-browser");
    let asking = desk.browser_cookie.clone();
    let options = desk.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    let asked = desk.browser_cookie.clone();
    assert_ne!(asking, asked);
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.login_with(&test, &clerk).await);
    desk.browser_cookie = asked;
    let before = desk.post_json(&test, "/second-factor/enrol", answer).await;
    assert_eq!(before.code(), "other-session");
    // To one question only, and not where another kind is enrolled.
    let options = desk.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    let crossed = desk.post_json(&test, "/passkeys/enrol", answer).await;
    assert_eq!(crossed.code(), "other-purpose");
    assert_eq!(count(&test, ENROLLED).await, 0);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM passkey").await, 0);
    // The same credential once, whoever brings it.
    let options = desk.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    assert_eq!(desk.post_json(&test, "/second-factor/enrol", answer).await.status, 200);
    let options = desk.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    let twice = desk.post_json(&test, "/second-factor/enrol", answer).await;
    assert_eq!(twice.code(), "passkey-unsound", "the question excluded it");
    let mut beside = desk.beside();
    beside.join(&test, "田中 二郎", "tanaka").await;
    let options = beside.ask_for_second(&test, "鍵").await.json();
    let answer = passkey.enrol(&options).to_string();
    let twice = beside.post_json(&test, "/second-factor/enrol", answer).await;
    assert_eq!(twice.code(), "passkey-enrolled");
    assert_eq!(count(&test, ENROLLED).await, 1);
    for number in 2..=10 {
        desk.enrol_second(&test, &format!("鍵{number}")).await;
    }
    assert_eq!(desk.ask_for_second(&test, "鍵").await.code(), "too-many-passkeys");
}

#[tokio::test]
async fn it_raises_a_session_that_the_password_alone_opened() {
    let mut lenient = settings();
    lenient.card_login.password_with_facility_certificate = true;
    let test = instance_with(lenient).await;
    let mut desk = desk(&test, 1).await;
    desk.join(&test, "鈴木 一郎", "suzuki").await;
    let mut passkey = desk.enrol_second(&test, "赤い鍵").await;
    desk.log_out(&test).await;
    logged_in(&desk.type_in(&test, "suzuki", PASSWORD, "").await);
    assert_eq!(session(&test).await.0, acr::PASSWORD_AT_FACILITY);
    assert_eq!(desk.login_by_both(&test, RIGHT, &mut passkey).await.status, 200);
    assert_eq!(session(&test).await.0, acr::PASSWORD_TOTP);
    assert_eq!(live_sessions(&test).await, 1);
    // Another clerk's does not slip into it.
    let mut beside = desk.beside();
    beside.join(&test, "田中 二郎", "tanaka").await;
    let mut others = beside.enrol_second(&test, "青い鍵").await;
    let refused = desk.login_by_both(&test, ("tanaka", PASSWORD), &mut others).await;
    assert_eq!(refused.code(), "another-person");
    // Nor into what a card opened.
    desk.log_out(&test).await;
    desk.admit(&test, &physician()).await;
    desk.get(&test, "/login").await;
    let body = r#"{"return_to":null}"#.to_owned();
    let refused = desk.post_json(&test, "/login/second-factor/challenge", body).await;
    assert_eq!(refused.code(), "password-too-weak");
}

#[tokio::test]
async fn its_person_removes_it_and_what_it_opened_ends() {
    let (test, mut desk, clerk, mut passkey) = enrolled().await;
    assert_eq!(desk.login_by_both(&test, RIGHT, &mut passkey).await.status, 200);
    let statement = sql("SELECT id FROM account_passkey");
    let (id,): (String,) = test.app.store().read().fetch_one(statement).await.unwrap();
    let mut beside = desk.beside();
    beside.join(&test, "田中 二郎", "tanaka").await;
    let remove = form(&[("passkey", &id), ("sure", "yes")]);
    assert_eq!(beside.post_form(&test, "/second-factor/remove", &remove).await.status, 404);
    let unticked = desk.post_form(&test, "/second-factor/remove", &format!("passkey={id}")).await;
    assert_eq!(unticked.location.as_deref(), Some("/second-factor?notice=unticked"));
    assert_eq!(count(&test, ENROLLED).await, 1);
    let removed = desk.post_form(&test, "/second-factor/remove", &remove).await;
    assert_eq!(removed.location.as_deref(), Some("/login?notice=passkey-removed"));
    assert_eq!(desk.get(&test, "/").await.status, 303);
    desk.session_cookie = None;
    let gone = desk.login_by_both(&test, RIGHT, &mut passkey).await;
    assert_eq!(gone.code(), "password-wrong");
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn off_where_either_is_off() {
    for (passwords, passkeys) in [(true, false), (false, true)] {
        let mut settings = Settings::default();
        settings.card_login.passwords = passwords;
        settings.card_login.passkeys = passkeys;
        let test = instance_with(settings).await;
        let mut desk = desk(&test, 1).await;
        let page = desk.get(&test, "/login").await.text;
        assert!(!page.contains("id=\"second-factor\""), "{page}");
        let body = r#"{"return_to":null}"#.to_owned();
        let refused = desk.post_json(&test, "/login/second-factor/challenge", body).await;
        assert_eq!(refused.code(), "passkeys-off");
        assert_eq!(desk.ask_for_second(&test, "鍵").await.code(), "passkeys-off");
    }
}

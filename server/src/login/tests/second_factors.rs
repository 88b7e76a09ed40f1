//! A passkey in place of an account's one-time password, through the real router: the honest way, and each attack.

use sekisho_store::{
    Queries,
    audit::{self},
    sql,
};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};
use time::Duration;

use super::{
    authenticator::Authenticator,
    desk::{Answered, Desk, count, desk, instance_with, live_sessions, physician, told},
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
    async fn ask_for_second(&mut self, test: &TestApp, name: &str) -> Answered {
        self.get(test, "/second-factor").await;
        self.post_json(test, "/second-factor/challenge", json!({ "name": name }).to_string()).await
    }

    /// Enrols a passkey in place of the code, honestly from end to end.
    async fn enrol_second(&mut self, test: &TestApp, name: &str) -> Authenticator {
        let mut passkey = Authenticator::at(&test.app.names().terminal);
        let options = self.ask_for_second(test, name).await;
        assert_eq!(options.status, 200, "{}", options.text);
        let answer = passkey.enrol(&options.json());
        let answered = self.post_json(test, "/second-factor/enrol", answer.to_string()).await;
        assert_eq!(answered.status, 200, "{}", answered.text);
        assert_eq!(answered.json()["redirect"], "/second-factor?notice=enrolled");
        passkey
    }

    async fn ask_beside(&mut self, test: &TestApp) -> Json {
        self.get(test, "/login").await;
        let body = r#"{"return_to":null}"#.to_owned();
        let options = self.post_json(test, "/login/second-factor/challenge", body).await;
        assert_eq!(options.status, 200, "{}", options.text);
        options.json()
    }

    async fn bring_both(
        &mut self,
        test: &TestApp,
        (login_name, password): (&str, &str),
        answer: &Json,
    ) -> Answered {
        let body = json!({ "login_name": login_name, "password": password, "answer": answer });
        self.post_json(test, "/login/second-factor", body.to_string()).await
    }

    /// Logs in by a password and a passkey.
    async fn login_by_both(
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

const RIGHT: (&str, &str) = ("suzuki", PASSWORD);

/// A clerk who opened an account, enrolled a passkey right then, and logged out.
async fn enrolled() -> (TestApp, Desk, Clerk, Authenticator) {
    let test = instance_with(settings()).await;
    let mut desk = desk(&test, 1).await;
    let clerk = desk.join(&test, "鈴木 一郎", "suzuki").await;
    let passkey = desk.enrol_second(&test, "赤い鍵").await;
    desk.log_out(&test).await;
    test.clock.advance(Duration::minutes(1));
    (test, desk, clerk, passkey)
}

/// Why passwords were refused, in the trail's words, oldest first.
async fn whys(test: &TestApp) -> Vec<String> {
    let records = audit::list(&mut test.app.store().read(), "", None, 10_000).await.unwrap();
    let forms = records.iter().map(|of| serde_json::from_slice::<Json>(&of.canonical).unwrap());
    let refused = forms.filter(|form| form["reason"] == "password-wrong");
    refused.map(|form| form["facts"]["why"].as_str().unwrap().to_owned()).collect()
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
async fn one_answer_for_whatever_is_wrong() {
    let (test, mut desk, _, mut passkey) = enrolled().await;
    let _tanaka = desk.join(&test, "田中 二郎", "tanaka").await;
    let mut others = desk.enrol_second(&test, "青い鍵").await;
    desk.log_out(&test).await;
    let mut answers = Vec::new();
    for which in 0..10 {
        // Not so often that the name or the terminal rests.
        test.clock.advance(Duration::minutes(20));
        let right = passkey.clone();
        let mut spoilt = passkey.clone();
        let (typed, brought) = match which {
            0 => (("suzuki", "wrong-password"), &mut passkey),
            1 => (("nobody", PASSWORD), &mut passkey),
            2 => (RIGHT, &mut others),
            3 => (("tanaka", PASSWORD), &mut passkey),
            4 => {
                spoilt.origin = "https://evil.example".to_owned();
                (RIGHT, &mut spoilt)
            }
            5 => {
                spoilt.rp_id = "evil.example".to_owned();
                (RIGHT, &mut spoilt)
            }
            6 => {
                spoilt.verifies = false;
                (RIGHT, &mut spoilt)
            }
            7 => {
                spoilt.user_handle = others.user_handle.clone();
                (RIGHT, &mut spoilt)
            }
            8 => {
                // Its name, and a key of somebody's own.
                spoilt = Authenticator::at(&test.app.names().terminal);
                spoilt.credential_id = right.credential_id.clone();
                spoilt.user_handle = right.user_handle.clone();
                (RIGHT, &mut spoilt)
            }
            _ => {
                spoilt = Authenticator::at(&test.app.names().terminal);
                spoilt.user_handle = right.user_handle.clone();
                (RIGHT, &mut spoilt)
            }
        };
        let answered = desk.login_by_both(&test, typed, brought).await;
        assert_eq!((answered.status, answered.code().as_str()), (401, "password-wrong"), "{which}");
        answers.push(answered.text);
        assert_eq!((live_sessions(&test).await, desk.session_cookie.clone()), (0, None));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    let other = "passkey-of-another";
    assert_eq!(
        whys(&test).await,
        [
            "wrong_credentials",
            "wrong_credentials",
            other,
            other,
            "origin",
            "relying-party",
            "user-verification",
            "user-handle",
            "signature",
            "unknown",
        ]
    );
    let held = "SELECT COUNT(*) FROM account_passkey WHERE held_at IS NOT NULL";
    assert_eq!(count(&test, held).await, 0, "who does not have its key holds nobody's passkey");
    test.clock.advance(Duration::minutes(20));
    assert_eq!(desk.login_by_both(&test, RIGHT, &mut passkey).await.status, 200);
}

#[tokio::test]
async fn an_answer_counts_once_in_its_browser_at_its_terminal_and_in_time() {
    let (test, mut desk, _, mut passkey) = enrolled().await;
    let options = desk.ask_beside(&test).await;
    let answer = passkey.sign(&options);
    assert_eq!(desk.bring_both(&test, RIGHT, &answer).await.status, 200);
    desk.log_out(&test).await;
    let again = desk.bring_both(&test, RIGHT, &answer).await;
    assert_eq!((again.status, again.code().as_str()), (403, "challenge-replayed"));
    // Nor of two at once.
    let options = desk.ask_beside(&test).await;
    let answer = passkey.sign(&options);
    let mut twin = desk.beside();
    twin.browser_cookie = desk.browser_cookie.clone();
    let (one, two) = tokio::join!(
        desk.bring_both(&test, RIGHT, &answer),
        twin.bring_both(&test, RIGHT, &answer)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "{} {}", one.text, two.text);
    desk.log_out(&test).await;
    twin.log_out(&test).await;
    let options = desk.ask_beside(&test).await;
    let answer = passkey.sign(&options);
    let mut beside = desk.beside();
    beside.get(&test, "/login").await;
    assert_eq!(beside.bring_both(&test, RIGHT, &answer).await.code(), "other-browser");
    let options = desk.ask_beside(&test).await;
    let answer = passkey.sign(&options);
    let mut elsewhere = super::desk::desk(&test, 2).await;
    elsewhere.browser_cookie = desk.browser_cookie.clone();
    assert_eq!(elsewhere.bring_both(&test, RIGHT, &answer).await.code(), "other-terminal");
    let options = desk.ask_beside(&test).await;
    let answer = passkey.sign(&options);
    test.clock.advance(Duration::minutes(3));
    assert_eq!(desk.bring_both(&test, RIGHT, &answer).await.code(), "challenge-expired");
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn one_that_exists_twice_is_held_and_what_it_opened_ends() {
    let (test, mut desk, clerk, mut passkey) = enrolled().await;
    let mut copy = passkey.clone();
    for _ in 0..3 {
        assert_eq!(desk.login_by_both(&test, RIGHT, &mut passkey).await.status, 200);
    }
    let mut elsewhere = desk.beside();
    // A wrong password tells nothing, and holds nothing.
    let wrong = elsewhere.login_by_both(&test, ("suzuki", "wrong-password"), &mut copy).await;
    assert_eq!(wrong.code(), "password-wrong");
    assert_eq!(live_sessions(&test).await, 1);
    let refused = elsewhere.login_by_both(&test, RIGHT, &mut copy).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "passkey-copied"));
    assert!(told(&test, "second_factor.hold", None).await);
    assert_eq!(live_sessions(&test).await, 0, "whose it is nobody knows");
    let desk = &mut desk;
    desk.session_cookie = None;
    assert_eq!(desk.login_by_both(&test, RIGHT, &mut passkey).await.code(), "passkey-copied");
    // The code goes on, and the portal says what happened.
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.login_with(&test, &clerk).await);
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("「赤い鍵」は、複製されたおそれ"), "{portal}");
}

#[tokio::test]
async fn it_is_nothing_without_the_password_and_a_passkey_of_a_card_is_none_of_these() {
    let (test, mut desk, _, mut passkey) = enrolled().await;
    let alone = desk.login_by(&test, &mut passkey).await;
    assert_eq!((alone.status, alone.code().as_str()), (403, "passkey-unknown"));
    // Its answer to the one question is none to the other.
    let options = desk.ask_beside(&test).await;
    let crossed = passkey.sign(&options);
    assert_eq!(desk.bring(&test, &crossed).await.code(), "other-purpose");
    let options = desk.ask_for_passkey(&test).await.json();
    let crossed = passkey.sign(&options);
    assert_eq!(desk.bring_both(&test, RIGHT, &crossed).await.code(), "other-purpose");
    desk.admit(&test, &physician()).await;
    // Whoever has a card has the other kind.
    assert_eq!(desk.get(&test, "/second-factor").await.location.as_deref(), Some("/passkeys"));
    assert_eq!(desk.ask_for_second(&test, "鍵").await.code(), "both-factors-needed");
    let mut of_card = desk.enrol(&test, "青い鍵").await;
    desk.log_out(&test).await;
    let mixed = desk.login_by_both(&test, RIGHT, &mut of_card).await;
    assert_eq!((mixed.status, mixed.code().as_str()), (401, "password-wrong"));
    assert_eq!(whys(&test).await, ["unknown"]);
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
async fn guesses_are_counted_with_those_of_the_form() {
    let (test, mut desk, clerk, mut passkey) = enrolled().await;
    let mut rested = false;
    for _ in 0..12 {
        let answered = desk.login_by_both(&test, ("suzuki", "wrong-password"), &mut passkey).await;
        rested |= answered.code() == "resting";
        if rested {
            assert_eq!(answered.status, 429, "{}", answered.text);
            break;
        }
    }
    assert!(rested);
    // The right ones have to wait as well, by whichever door.
    assert_eq!(desk.login_by_both(&test, RIGHT, &mut passkey).await.code(), "resting");
    assert_eq!(desk.login_with(&test, &clerk).await.status, 429);
    assert_eq!(live_sessions(&test).await, 0);
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

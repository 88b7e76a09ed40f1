//! A passkey in place of an account's one-time password, attacked: each refusal leaves everything as it was.

use sekisho_store::audit;
use serde_json::Value as Json;
use time::Duration;

use super::{
    authenticator::Authenticator,
    desk::{count, live_sessions, physician, told},
    passwords::logged_in,
    second_factors::{RIGHT, enrolled},
};
use crate::{people::tests::PASSWORD, testing::TestApp};

/// Why passwords were refused, in the trail's words, oldest first.
async fn whys(test: &TestApp) -> Vec<String> {
    let records = audit::list(&mut test.app.store().read(), "", None, 10_000).await.unwrap();
    let forms = records.iter().map(|of| serde_json::from_slice::<Json>(&of.canonical).unwrap());
    let refused = forms.filter(|form| form["reason"] == "password-wrong");
    refused.map(|form| form["facts"]["why"].as_str().unwrap().to_owned()).collect()
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

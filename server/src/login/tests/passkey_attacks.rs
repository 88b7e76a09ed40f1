//! Enrolment and login by passkey, attacked: each refusal names its reason, is told of, and leaves
//! everything as it was.

use sekisho_pki::national::facility_identifier::FacilityIdentifier;
use sekisho_store::{
    Queries, StoreError,
    audit::{self, Actor, Audited, Entry},
    sql, transaction,
};
use serde_json::Value as Json;
use time::Duration;

use super::{
    authenticator::Authenticator,
    desk::{Answered, Desk, count, desk, instance_with, live_sessions, physician, publish, told},
    passkeys::{enrolled_by, instance},
    step_up::colleague,
};
use crate::{config::Settings, testing::TestApp};

async fn passkeys(test: &TestApp) -> i64 {
    count(test, "SELECT COUNT(*) FROM passkey WHERE removed_at IS NULL").await
}

/// The physician, logged in by HPKI card just now.
async fn at_work() -> (TestApp, Desk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    (test, desk)
}

/// A colleague at this desk, who has a passkey as well and is logged out.
async fn colleague_with_passkey(test: &TestApp, desk: &mut Desk) -> Authenticator {
    let code = desk.invite(test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(desk.redeem(test, &code, &colleague()).await.status, 200);
    let passkey = desk.enrol(test, "赤い鍵").await;
    desk.log_out(test).await;
    passkey
}

fn refused(answered: &Answered, code: &str) {
    assert_eq!((answered.status, answered.code().as_str()), (403, code), "{}", answered.text);
}

/// Whether the trail tells of a login by passkey that was worth nothing for this reason.
async fn told_why(test: &TestApp, why: &str) -> bool {
    let records = audit::list(&mut test.app.store().read(), "", None, 10_000).await.unwrap();
    records.iter().any(|record| {
        let form = String::from_utf8_lossy(&record.canonical);
        let parsed: Json = serde_json::from_slice(&record.canonical).unwrap();
        parsed["act"] == "login.passkey" && form.contains(&format!("\"{why}\""))
    })
}

/// The passkey answers, spoilt; nobody is logged in, and the trail says why.
async fn worth_nothing(
    test: &TestApp,
    desk: &mut Desk,
    passkey: &Authenticator,
    why: &str,
    spoil: impl FnOnce(&mut Authenticator),
) {
    let mut spoilt = passkey.clone();
    spoil(&mut spoilt);
    // Each reason is told of once a minute at a terminal.
    test.clock.advance(Duration::minutes(1));
    let answered = desk.login_by(test, &mut spoilt).await;
    refused(&answered, "passkey-unknown");
    assert!(told_why(test, why).await, "{why}");
    assert_eq!(live_sessions(test).await, 0);
}

#[tokio::test]
async fn an_answer_for_another_page_person_or_without_its_person_is_worth_nothing() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    let other = colleague_with_passkey(&test, &mut desk).await;
    let elsewhere = "https://terminal.sekisho.localhost:9443".to_owned();
    worth_nothing(&test, &mut desk, &passkey, "origin", |p| {
        p.origin = "https://terminal.sekisho.example".to_owned();
    })
    .await;
    worth_nothing(&test, &mut desk, &passkey, "origin", |p| p.origin = elsewhere).await;
    worth_nothing(&test, &mut desk, &passkey, "relying-party", |p| {
        p.rp_id = "sekisho.localhost".to_owned();
    })
    .await;
    worth_nothing(&test, &mut desk, &passkey, "user-verification", |p| p.verifies = false).await;
    // A passkey that says to be another person's.
    worth_nothing(&test, &mut desk, &passkey, "user-handle", |p| {
        p.user_handle.clone_from(&other.user_handle);
    })
    .await;
    // The other person's name for a passkey, signed by one's own key.
    let (id, handle) = (other.credential_id.clone(), other.user_handle.clone());
    worth_nothing(&test, &mut desk, &passkey, "signature", |p| {
        (p.credential_id, p.user_handle) = (id, handle);
    })
    .await;
    // None of it has cost anything.
    passkey.counter += 10;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
}

#[tokio::test]
async fn an_unknown_and_a_removed_passkey_look_the_same() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    let mut unknown = Authenticator::at(&test.app.names().terminal);
    unknown.user_handle.clone_from(&passkey.user_handle);
    let answered = desk.login_by(&test, &mut unknown).await;
    refused(&answered, "passkey-unknown");
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    let statement = sql("SELECT id FROM passkey");
    let (id,): (String,) = test.app.store().read().fetch_one(statement).await.unwrap();
    desk.post_form(&test, "/passkeys/remove", &format!("passkey={id}&sure=yes")).await;
    let removed = desk.login_by(&test, &mut passkey).await;
    refused(&removed, "passkey-unknown");
    assert_eq!(answered.text, removed.text);
    // And one that is there, with a wrong signature.
    let mut wrong = colleague_with_passkey(&test, &mut desk).await;
    wrong.verifies = false;
    assert_eq!(desk.login_by(&test, &mut wrong).await.text, removed.text);
    assert!(told_why(&test, "unknown").await);
    // The question names nobody's either.
    let asked = desk.ask_for_passkey(&test).await.json();
    assert_eq!(asked["publicKey"]["allowCredentials"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn an_answer_counts_once_in_time_in_its_browser_and_at_its_terminal() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    let options = desk.ask_for_passkey(&test).await.json();
    let answer = passkey.sign(&options);
    assert_eq!(desk.bring(&test, &answer).await.status, 200);
    desk.log_out(&test).await;
    refused(&desk.bring(&test, &answer).await, "challenge-replayed");
    assert!(told(&test, "login.passkey", Some("challenge-replayed")).await);
    // The old answer to a new question: the challenge that it names is consumed.
    desk.ask_for_passkey(&test).await;
    refused(&desk.bring(&test, &answer).await, "challenge-replayed");
    // A question that was never asked.
    let made_up = serde_json::json!({"publicKey": {"challenge": "AAAA"}});
    refused(&desk.bring(&test, &passkey.sign(&made_up)).await, "challenge-unknown");

    let options = desk.ask_for_passkey(&test).await.json();
    test.clock.advance(Duration::minutes(3));
    refused(&desk.bring(&test, &passkey.sign(&options)).await, "challenge-expired");
    let options = desk.ask_for_passkey(&test).await.json();
    let cookie = desk.browser_cookie.take();
    desk.get(&test, "/login").await;
    refused(&desk.bring(&test, &passkey.sign(&options)).await, "other-browser");
    desk.browser_cookie = cookie.clone();
    refused(&desk.bring(&test, &passkey.sign(&options)).await, "challenge-replayed");

    let options = desk.ask_for_passkey(&test).await.json();
    let mut elsewhere = super::desk::desk(&test, 2).await;
    elsewhere.browser_cookie = cookie;
    refused(&elsewhere.bring(&test, &passkey.sign(&options)).await, "other-terminal");
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn an_answer_to_one_purpose_is_none_to_the_other() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let options = desk.begin_passkey(&test, "x").await.json();
    refused(&desk.bring(&test, &passkey.sign(&options)).await, "other-purpose");
    desk.log_out(&test).await;
    let mut options = desk.ask_for_passkey(&test).await.json();
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    desk.browser_cookie = browser;
    options["publicKey"]["user"] = serde_json::json!({"id": "AAAA"});
    let answer = passkey.clone().enrol(&options).to_string();
    refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "other-purpose");
    assert_eq!(passkeys(&test).await, 1);
}

#[tokio::test]
async fn a_counter_that_goes_back_holds_the_passkey_and_its_person_is_told() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    let mut copy = passkey.clone();
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    let mut elsewhere = super::desk::desk(&test, 2).await;
    let answered = elsewhere.login_by(&test, &mut copy).await;
    refused(&answered, "passkey-copied");
    assert!(
        answered.json()["help"].as_str().unwrap().contains("施設の管理者"),
        "{}",
        answered.text
    );
    assert!(told(&test, "login.passkey", Some("passkey-copied")).await);
    assert!(told(&test, "passkey.hold", None).await);
    // Whose session the first one was, nobody knows any more.
    let ended = desk.get(&test, "/").await;
    assert_eq!(ended.location.as_deref(), Some("/login?notice=passkey-held"));
    assert_eq!(live_sessions(&test).await, 0);
    // Neither counts again, whatever its counter says.
    passkey.counter += 100;
    refused(&desk.login_by(&test, &mut passkey).await, "passkey-copied");
    // Who does not hold the key learns nothing of it.
    let mut stranger = Authenticator::at(&test.app.names().terminal);
    (stranger.credential_id, stranger.user_handle) =
        (passkey.credential_id.clone(), passkey.user_handle.clone());
    refused(&desk.login_by(&test, &mut stranger).await, "passkey-unknown");
    // The person reads it after the next login by card, until they remove it.
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let portal = desk.get(&test, "/").await.text;
    assert!(portal.contains("パスキー「青い鍵」は、複製されたおそれ"), "{portal}");
    assert!(desk.get(&test, "/passkeys?lang=en").await.text.contains("may have been copied"));
}

#[tokio::test]
async fn only_a_session_that_the_hpki_card_proved_these_minutes_enrols_a_passkey() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    // Nobody is logged in.
    refused(&desk.begin_passkey(&test, "x").await, "other-session");
    // By passkey.
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    refused(&desk.begin_passkey(&test, "x").await, "card-level-needed");
    // By HPKI card, and then left alone: whoever finds the screen open has not its PIN.
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    test.clock.advance(Duration::minutes(5) + Duration::SECOND);
    refused(&desk.begin_passkey(&test, "x").await, "card-level-needed");
    assert!(desk.get(&test, "/passkeys").await.text.contains("/login?return_to=%2Fpasskeys"));
    assert!(told(&test, "passkey.challenge.issue", Some("card-level-needed")).await);
    // Begun in time, and ended too late.
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    test.clock.advance(Duration::minutes(4) + Duration::seconds(30));
    let options = desk.begin_passkey(&test, "x").await.json();
    test.clock.advance(Duration::seconds(31));
    let answer = Authenticator::at(&test.app.names().terminal).enrol(&options).to_string();
    refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "card-level-needed");
    assert_eq!(passkeys(&test).await, 1);
}

#[tokio::test]
async fn a_passkey_of_somebody_who_left_the_facility_is_refused() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    desk.end_memberships(&test).await;
    refused(&desk.login_by(&test, &mut passkey).await, "not-a-member");
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn a_passkey_of_the_other_world_is_refused() {
    let mut settings = Settings::default();
    settings.card_login.passkeys = true;
    settings.sandbox.facilities = vec![FacilityIdentifier::from_random(2).to_string()];
    let test = instance_with(settings).await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    let mut passkey = desk.enrol(&test, "青い鍵").await;
    desk.log_out(&test).await;
    let mut trial = super::desk::desk(&test, 2).await;
    refused(&trial.login_by(&test, &mut passkey).await, "real-card");
    // Somebody invented at a real facility, as if it had been a test facility before.
    let invented = "UPDATE card_identity SET world = 'sandbox'";
    let outcome: Result<(), StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        tx.execute(sql(invented)).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, test.app.now())))
    });
    outcome.unwrap();
    refused(&desk.login_by(&test, &mut passkey).await, "sandbox-card");
    assert!(told(&test, "login.passkey", Some("sandbox-card")).await);
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn a_new_passkey_counts_for_the_session_that_asked_and_only_as_it_was() {
    let (test, mut desk) = at_work().await;
    let mut passkey = Authenticator::at(&test.app.names().terminal);
    // Proved anew meanwhile.
    let options = desk.begin_passkey(&test, "x").await.json();
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    desk.browser_cookie = browser;
    let answer = passkey.enrol(&options).to_string();
    refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "other-session");
    // Another person's session in this browser.
    let options = desk.begin_passkey(&test, "x").await.json();
    let browser = desk.browser_cookie.clone();
    desk.log_out(&test).await;
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &colleague()).await.status, 200);
    desk.browser_cookie = browser;
    let answer = passkey.enrol(&options).to_string();
    refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "other-session");
    // A card that was revoked this minute vouches for nothing: its session is over.
    desk.log_out(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    let options = desk.begin_passkey(&test, "x").await.json();
    publish(&test, &[physician().serial], test.app.now()).await;
    let answer = passkey.enrol(&options).to_string();
    refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "other-session");
    assert!(told(&test, "session.use", Some("card_revoked")).await);
    assert!(told(&test, "passkey.enrol", Some("other-session")).await);
    assert_eq!(passkeys(&test).await, 0);
}

#[tokio::test]
async fn a_new_passkey_must_be_of_this_page_verify_its_person_and_be_new() {
    let (test, mut desk) = at_work().await;
    type Spoil = fn(&mut Authenticator);
    let spoils: [Spoil; 3] = [
        |passkey| passkey.verifies = false,
        |passkey| passkey.origin = "https://terminal.sekisho.example".to_owned(),
        |passkey| passkey.rp_id = "sekisho.localhost".to_owned(),
    ];
    for spoil in spoils {
        let mut passkey = Authenticator::at(&test.app.names().terminal);
        spoil(&mut passkey);
        let options = desk.begin_passkey(&test, "x").await.json();
        let answer = passkey.enrol(&options).to_string();
        refused(&desk.post_json(&test, "/passkeys/enrol", answer.clone()).await, "passkey-unsound");
        refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "challenge-replayed");
    }
    assert_eq!(passkeys(&test).await, 0);
    // One that somebody has is nobody else's.
    let mut passkey = desk.enrol(&test, "青い鍵").await;
    desk.log_out(&test).await;
    let code = desk.invite(&test, "佐藤 花子", "Medical Doctor").await;
    assert_eq!(desk.redeem(&test, &code, &colleague()).await.status, 200);
    let options = desk.begin_passkey(&test, "x").await.json();
    let answer = passkey.clone().enrol(&options).to_string();
    refused(&desk.post_json(&test, "/passkeys/enrol", answer).await, "passkey-enrolled");
    desk.log_out(&test).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    assert!(desk.get(&test, "/").await.text.contains("山田　太郎"), "still the first person's");
}

#[tokio::test]
async fn a_passkey_has_a_name_and_a_person_only_so_many() {
    let (test, mut desk) = at_work().await;
    for name in ["", "   ", &"鍵".repeat(41), "a\u{200B}b", "a\nb"] {
        let answered = desk.begin_passkey(&test, name).await;
        assert_eq!((answered.status, answered.code().as_str()), (400, "passkey-name"), "{name:?}");
    }
    for number in 0..10 {
        desk.enrol(&test, &format!("鍵{number}")).await;
    }
    refused(&desk.begin_passkey(&test, "もう一つ").await, "too-many-passkeys");
    assert!(desk.get(&test, "/passkeys").await.text.contains("登録できる数に達しています"));
}

#[tokio::test]
async fn another_persons_passkey_is_not_removed() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    let mut other = colleague_with_passkey(&test, &mut desk).await;
    assert_eq!(desk.login_by(&test, &mut other).await.status, 200);
    let statement = sql("SELECT id FROM passkey WHERE name = '青い鍵'");
    let (id,): (String,) = test.app.store().read().fetch_one(statement).await.unwrap();
    let removed =
        desk.post_form(&test, "/passkeys/remove", &format!("passkey={id}&sure=yes")).await;
    assert_eq!(removed.status, 404);
    assert!(told(&test, "passkey.remove", Some("not-theirs")).await);
    assert!(!desk.get(&test, "/passkeys").await.text.contains("青い鍵"));
    desk.log_out(&test).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
}

#[tokio::test]
async fn within_a_session_only_its_own_person_answers() {
    let (test, mut desk, mut passkey) = enrolled_by(&physician()).await;
    let mut other = colleague_with_passkey(&test, &mut desk).await;
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    refused(&desk.login_by(&test, &mut other).await, "another-person");
    assert!(told(&test, "login.passkey", Some("another-person")).await);
    assert!(desk.get(&test, "/").await.text.contains("山田　太郎"), "the session stays as it was");
    refused(&desk.login(&test, &colleague(), false).await, "another-person");
    // The same person proves themself anew, in the same session under another cookie.
    let cookie = desk.session_cookie.clone();
    assert_eq!(desk.login_by(&test, &mut passkey).await.status, 200);
    assert_ne!(desk.session_cookie, cookie);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM session WHERE realm = 'portal'").await, 3);
    // Asked for before anybody was logged in, answered in somebody's session.
    desk.log_out(&test).await;
    let options = desk.ask_for_passkey(&test).await.json();
    let browser = desk.browser_cookie.clone();
    assert_eq!(desk.login_by(&test, &mut other).await.status, 200);
    desk.browser_cookie = browser;
    refused(&desk.bring(&test, &passkey.sign(&options)).await, "other-session");
    assert!(desk.get(&test, "/").await.text.contains("佐藤　花子"));
}

#[tokio::test]
async fn a_passkey_admits_nobody_where_they_are_no_member() {
    let (test, _, mut passkey) = enrolled_by(&physician()).await;
    let mut elsewhere = desk(&test, 2).await;
    refused(&elsewhere.login_by(&test, &mut passkey).await, "not-a-member");
    assert!(told(&test, "login.passkey", Some("not-a-member")).await);
    assert_eq!(live_sessions(&test).await, 0);
}

#[tokio::test]
async fn where_the_operator_does_not_allow_passkeys_none_is_asked_for() {
    let test = instance_with(Settings::default()).await;
    let mut desk = desk(&test, 1).await;
    refused(&desk.ask_for_passkey(&test).await, "passkeys-off");
    assert!(!desk.get(&test, "/login").await.text.contains("passkey"));
    desk.admit(&test, &physician()).await;
    refused(&desk.begin_passkey(&test, "x").await, "passkeys-off");
    assert!(desk.get(&test, "/passkeys").await.text.contains("受け付けていません"));
    assert!(!desk.get(&test, "/").await.text.contains("/passkeys"));
}

#[tokio::test]
async fn a_terminal_that_asks_without_end_is_told_to_wait() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    for _ in 0..30 {
        assert_eq!(desk.ask_for_passkey(&test).await.status, 200);
    }
    let answered = desk.ask_for_passkey(&test).await;
    assert_eq!((answered.status, answered.code().as_str()), (429, "too-many-challenges"));
    // The card's way is another one.
    desk.admit(&test, &physician()).await;
}

//! One's own account through the real router: change of password, recovery codes, and both attacked.

use axum::response::Response;
use http::{StatusCode, header};
use sekisho_store::{
    Queries, StoreError, account,
    audit::{Actor, Audited, Entry},
    sql, transaction,
};
use time::Duration;
use zeroize::Zeroizing;

use super::tests::{PASSWORD, ask, form, refusals, session_cookie, text};
use super::{password, proof::Verified};
use crate::{
    app::App,
    login::tests::{
        desk::{Desk, count, desk, instance_with, live_sessions, told},
        passwords::{Clerk, clerk_of, instance, logged_in, passwords, shown},
    },
    testing::TestApp,
};

const LIVE: &str = "SELECT COUNT(*) FROM session WHERE ended_at IS NULL";
const NEW: &str = "yama-no-midori-wa";

/// Signs a clerk in on the public name; the console's cookie.
async fn signed_in(test: &TestApp, clerk: &Clerk, password: &str) -> String {
    let response = sign_in(&test.app, clerk.login_name, password, &clerk.code(test)).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    test.clock.advance(Duration::minutes(1));
    session_cookie(&response).unwrap()
}

async fn sign_in(app: &App, login_name: &str, password: &str, code: &str) -> Response {
    let typed = [("login_name", login_name), ("password", password), ("totp_code", code)];
    ask(app, "POST", "/console/login", None, &form(&typed)).await
}

async fn change(test: &TestApp, cookie: &str, present: &str, code: &str, new: &str) -> Response {
    let body = form(&[
        ("present_password", present),
        ("totp_code", code),
        ("password", new),
        ("password_again", new),
    ]);
    ask(&test.app, "POST", "/console/account/password", Some(cookie), &body).await
}

async fn make_codes(test: &TestApp, cookie: &str, present: &str, code: &str) -> Response {
    let body = form(&[("present_password", present), ("totp_code", code)]);
    ask(&test.app, "POST", "/console/account/codes", Some(cookie), &body).await
}

async fn at_work() -> (TestApp, Desk, Clerk) {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    (test, desk, clerk)
}

#[tokio::test]
async fn a_changed_password_ends_the_other_logins_and_the_old_one_does_no_more() {
    let (test, mut desk, clerk) = at_work().await;
    logged_in(&desk.login_with(&test, &clerk).await);
    test.clock.advance(Duration::minutes(1));
    let cookie = signed_in(&test, &clerk, PASSWORD).await;
    let elsewhere = signed_in(&test, &clerk, PASSWORD).await;
    assert_eq!(count(&test, LIVE).await, 3);
    let changed = change(&test, &cookie, PASSWORD, &clerk.code(&test), NEW).await;
    assert_eq!(changed.status(), StatusCode::OK);
    let new = session_cookie(&changed).unwrap();
    assert!(text(changed).await.contains("パスワードを変更しました"));
    assert_eq!(count(&test, LIVE).await, 1, "the new one");
    for old in [cookie, elsewhere] {
        let page = ask(&test.app, "GET", "/console/account", Some(&old), "").await;
        assert_eq!(page.status(), StatusCode::SEE_OTHER);
    }
    let page = ask(&test.app, "GET", "/console/account", Some(&new), "").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(desk.get(&test, "/").await.status, 303, "at the terminal too");
    assert!(told(&test, "account.change_password", None).await);
    test.clock.advance(Duration::minutes(1));
    let code = clerk.code(&test);
    assert_eq!(desk.type_in(&test, clerk.login_name, PASSWORD, &code).await.status, 401);
    logged_in(&desk.type_in(&test, clerk.login_name, NEW, &code).await);
}

#[tokio::test]
async fn a_session_left_open_changes_no_password_and_makes_no_codes() {
    let (test, _, clerk) = at_work().await;
    let cookie = signed_in(&test, &clerk, PASSWORD).await;
    let code = clerk.code(&test);
    for (present, code) in [("wrong-password", code.as_str()), (PASSWORD, "000000"), (PASSWORD, "")]
    {
        let refused = change(&test, &cookie, present, code, NEW).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert!(told(&test, "account.change_password", Some("wrong_credentials")).await);
    let refused = make_codes(&test, &cookie, "wrong-password", &code).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(told(&test, "account.make_recovery_codes", Some("wrong_credentials")).await);
    // Tries here are tries at the account.
    let resting = make_codes(&test, &cookie, PASSWORD, &code).await;
    assert_eq!(resting.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(resting.headers().contains_key(header::RETRY_AFTER));
    let phc = "SELECT COUNT(DISTINCT phc) FROM chosen_password";
    assert_eq!(count(&test, phc).await, 1);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM recovery_code").await, 10, "of the first day");
}

#[tokio::test]
async fn none_of_the_last_passwords_is_chosen_again() {
    let mut settings = passwords();
    settings.people.passwords_remembered = 2;
    let test = instance_with(settings).await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let mut cookie = signed_in(&test, &clerk, PASSWORD).await;
    let mut present = PASSWORD;
    for (chosen, taken) in [
        (PASSWORD, false),
        (NEW, true),
        (NEW, false),
        (PASSWORD, false),
        ("umi-no-aosa-wa-x", true),
        // Two are remembered, so the first one may come again.
        (PASSWORD, true),
    ] {
        let answered = change(&test, &cookie, present, &clerk.code(&test), chosen).await;
        if taken {
            assert_eq!(answered.status(), StatusCode::OK, "{chosen}");
            cookie = session_cookie(&answered).unwrap();
            present = chosen;
        } else {
            assert_eq!(answered.status(), StatusCode::UNPROCESSABLE_ENTITY, "{chosen}");
            assert!(text(answered).await.contains("以前に使ったパスワード"), "{chosen}");
        }
        test.clock.advance(Duration::minutes(1));
    }
}

#[tokio::test]
async fn a_breached_password_is_refused_and_so_is_any_while_the_list_does_not_answer() {
    let mut settings = passwords();
    settings.people.breached_passwords_file = "breached.txt".into();
    let test = instance_with(settings).await;
    let path = test.folder.path().join("breached.txt");
    // SHA-1 of "yama-no-midori-wa".
    let line = format!(
        "{}:3\n",
        hex::encode_upper(aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            NEW.as_bytes(),
        ))
    );
    std::fs::write(&path, &line).unwrap();
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let cookie = signed_in(&test, &clerk, PASSWORD).await;
    let refused = change(&test, &cookie, PASSWORD, &clerk.code(&test), NEW).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(refused).await.contains("漏えい"));
    for damaged in [Some(line.to_lowercase()), None] {
        match damaged {
            Some(damaged) => std::fs::write(&path, damaged).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        test.clock.advance(Duration::minutes(1));
        let code = clerk.code(&test);
        let unknown = change(&test, &cookie, PASSWORD, &code, "umi-no-aosa-wa-x").await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM chosen_password").await, 1);
}

#[tokio::test]
async fn a_recovery_code_stands_once_for_the_second_factor_and_is_told_of() {
    let (test, mut desk, clerk) = at_work().await;
    assert_eq!(clerk.recovery_codes.len(), 10);
    let code = &clerk.recovery_codes[0];
    assert_eq!(desk.type_in(&test, clerk.login_name, "wrong-password", code).await.status, 401);
    logged_in(&desk.type_in(&test, clerk.login_name, PASSWORD, code).await);
    let kept = "SELECT COUNT(*) FROM password_login WHERE second_factor = 'recovery_code'";
    assert_eq!(count(&test, kept).await, 1);
    let notices = "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%recovery_code_used%'";
    assert_eq!(count(&test, notices).await, 1);
    assert!(desk.get(&test, "/").await.text.contains("recovery-used"), "told at once");
    desk.log_out(&test).await;
    assert_eq!(desk.type_in(&test, clerk.login_name, PASSWORD, code).await.status, 401, "once");
    assert_eq!(count(&test, notices).await, 1);
    // Nor does one of a colleague, or of an earlier set.
    let colleague = desk.join(&test, "田中 二郎", "tanaka").await;
    desk.log_out(&test).await;
    let others = &colleague.recovery_codes[0];
    assert_eq!(desk.type_in(&test, clerk.login_name, PASSWORD, others).await.status, 401);
    let cookie = signed_in(&test, &clerk, PASSWORD).await;
    let page = text(ask(&test.app, "GET", "/console/account", Some(&cookie), "").await).await;
    assert!(page.contains("残りのコード: 9個"), "{page}");
    let made = make_codes(&test, &cookie, PASSWORD, &clerk.code(&test)).await;
    assert_eq!(made.status(), StatusCode::OK);
    let fresh = shown(&text(made).await);
    assert!(told(&test, "account.make_recovery_codes", None).await);
    assert!(fresh.len() == 10 && fresh.iter().all(|code| !clerk.recovery_codes.contains(code)));
    let old = &clerk.recovery_codes[1];
    assert_eq!(desk.type_in(&test, clerk.login_name, PASSWORD, old).await.status, 401);
    test.clock.advance(Duration::minutes(1));
    // At the console it does as well.
    let response = sign_in(&test.app, clerk.login_name, PASSWORD, &fresh[0]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let response = sign_in(&test.app, clerk.login_name, PASSWORD, &fresh[0]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // The portal tells of it at the next login, and not at the one after.
    for told in [true, false] {
        test.clock.advance(Duration::minutes(1));
        logged_in(&desk.login_with(&test, &clerk).await);
        let page = desk.get(&test, "/").await.text;
        assert_eq!(page.contains("recovery-used"), told, "{page}");
        desk.log_out(&test).await;
    }
    assert_eq!(refusals(&test.app, "account.sign_in").await, ["wrong_credentials"]);
}

/// What comes of consuming what was judged.
async fn consume(test: &TestApp, verified: &Verified) -> Result<(), &'static str> {
    let now = test.app.now();
    let consumed: Result<_, StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let consumed = verified.consume(tx, now).await?;
        Ok(Audited::new(consumed, Entry::done("test", Actor::System, now)))
    });
    consumed.unwrap()
}

#[tokio::test]
async fn of_two_that_were_judged_with_one_code_one_consumes_it() {
    let (test, _, clerk) = at_work().await;
    for code in [clerk.code(&test), clerk.recovery_codes[0].clone()] {
        let judge = || {
            let password = Zeroizing::new(PASSWORD.to_owned());
            Verified::judge(&test.app, clerk.login_name, password, Some(&code))
        };
        let (one, two) = (judge().await.unwrap().unwrap(), judge().await.unwrap().unwrap());
        assert_eq!(consume(&test, &one).await, Ok(()));
        assert_eq!(consume(&test, &two).await, Err("code_used_before"));
    }
}

#[tokio::test]
async fn two_logins_with_one_recovery_code_open_one_session() {
    let (test, mut desk, clerk) = at_work().await;
    let mut other = desk.beside();
    let code = &clerk.recovery_codes[0];
    let (one, two) = tokio::join!(
        desk.type_in(&test, clerk.login_name, PASSWORD, code),
        other.type_in(&test, clerk.login_name, PASSWORD, code),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!((statuses, live_sessions(&test).await), ([303, 401], 1));
}

#[tokio::test]
async fn the_codes_are_kept_as_hashes_and_the_app_goes_on_without_them() {
    let (test, mut desk, clerk) = at_work().await;
    let rows: Vec<(Vec<u8>,)> = test
        .app
        .store()
        .read()
        .fetch_all(sql("SELECT code_hash FROM recovery_code"))
        .await
        .unwrap();
    let read = |code: &String| crate::paper_code::PaperCode::parse(code).unwrap().hash().to_vec();
    let hashes: Vec<_> = clerk.recovery_codes.iter().map(read).collect();
    assert!(rows.len() == 10 && rows.iter().all(|(hash,)| hashes.contains(hash)));
    logged_in(&desk.login_with(&test, &clerk).await);
}

#[tokio::test]
async fn factors_that_were_set_anew_while_they_were_judged_open_nothing() {
    let (test, _, clerk) = at_work().await;
    let (app, code) = (&test.app, clerk.code(&test));
    let password = Zeroizing::new(PASSWORD.to_owned());
    let judged = Verified::judge(app, clerk.login_name, password, Some(&code)).await.unwrap();
    let verified = judged.unwrap();
    let phc = password::hash(Zeroizing::new(NEW.to_owned()), app.random()).await.unwrap();
    let now = app.now();
    let consumed: Result<_, StoreError> = transaction!(app.store(), StoreError, |tx| {
        let before = verified.person_id();
        account::set_password(tx, before, &phc, now).await?;
        let consumed = verified.consume(tx, now).await?;
        Ok(Audited::new(consumed, Entry::done("test", Actor::System, now)))
    });
    assert_eq!(consumed.unwrap(), Err("factors_changed"));
}

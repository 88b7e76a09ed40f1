//! Invitations of people without a card: each step spoilt, at most once, and never by a card.

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    invitation::{self, Kind},
    transaction,
};
use serde_json::json;
use time::Duration;

use super::{
    desk::{Desk, count, desk, instance_with, live_sessions, physician, told},
    passwords::{instance, passwords, shown},
};
use crate::{
    config::Settings,
    people::tests::{PASSWORD, form},
    testing::{self, TestApp},
};

const ACCOUNTS: &str = "SELECT COUNT(*) FROM account";
const PEOPLE: &str = "SELECT COUNT(*) FROM person";

async fn invited(test: &TestApp) -> (Desk, String) {
    let desk = desk(test, 1).await;
    let code = desk.invite_by(test, Kind::Account, "鈴木 一郎", "").await;
    (desk, code)
}

#[tokio::test]
async fn an_account_is_opened_under_the_name_of_the_invitation_once() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    let page = desk.enter_code(&test, &code).await.text;
    assert!(page.contains("鈴木 一郎"), "{page}");
    let (body, _) = Desk::account_form(&test, &page, "suzuki");
    let mut other = desk.beside();
    other.browser_cookie.clone_from(&desk.browser_cookie);
    let another = body.replace("suzuki", "suzuki2");
    let (one, two) = tokio::join!(
        desk.post_form(&test, "/invitation/account", &body),
        other.post_form(&test, "/invitation/account", &another),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "{} {}", one.text, two.text);
    assert_eq!((count(&test, ACCOUNTS).await, count(&test, PEOPLE).await), (1, 1));
    assert_eq!(live_sessions(&test).await, 1);
    // The code itself is spent as well.
    let again = desk.beside().post_form(&test, "/invitation", &format!("code={code}")).await;
    assert_eq!(again.status, 400, "no cookie yet");
    let mut third = desk.beside();
    third.get(&test, "/invitation").await;
    let again = third.post_form(&test, "/invitation", &format!("code={code}")).await;
    assert_eq!(again.status, 403);
    assert!(told(&test, "invitation.enter", Some("code-used")).await);
}

#[tokio::test]
async fn mistakes_stand_at_their_fields_and_spend_nothing() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    let page = desk.enter_code(&test, &code).await.text;
    let (body, _) = Desk::account_form(&test, &page, "suzuki");
    for (from, to, field) in [
        ("login_name=suzuki", "login_name=a+b", "login_name"),
        ("&password=kawa", "&password=short", "password"),
        ("password_again=kawa", "password_again=other", "password_again"),
        ("totp_code=", "totp_code=x", "totp_code"),
        ("setup=", "setup=A", "setup"),
    ] {
        let spoilt =
            body.replace(from, to).replace("&password=short-no-nagare-wa", "&password=short");
        assert_ne!(spoilt, body, "{from}");
        let refused = desk.post_form(&test, "/invitation/account", &spoilt).await;
        assert_eq!(refused.status, 422, "{field}");
        assert!(refused.text.contains(&format!("href=\"#{field}\"")), "{field}: {}", refused.text);
    }
    assert_eq!((count(&test, ACCOUNTS).await, count(&test, PEOPLE).await), (0, 0));
    let opened = desk.post_form(&test, "/invitation/account", &body).await;
    assert_eq!((opened.status, shown(&opened.text).len()), (200, 10), "{}", opened.text);
    // A login name that somebody has.
    let code = desk.invite_by(&test, Kind::Account, "田中 二郎", "").await;
    let mut other = desk.beside();
    let page = other.enter_code(&test, &code).await.text;
    let (body, _) = Desk::account_form(&test, &page, "suzuki");
    let taken = other.post_form(&test, "/invitation/account", &body).await;
    assert_eq!(taken.status, 422);
    assert!(taken.text.contains("login_name-error"), "{}", taken.text);
    assert_eq!((count(&test, ACCOUNTS).await, count(&test, PEOPLE).await), (1, 1));
    let free =
        other.post_form(&test, "/invitation/account", &body.replace("suzuki", "tanaka")).await;
    assert_eq!(free.status, 200, "{}", free.text);
}

#[tokio::test]
async fn of_two_who_choose_one_login_name_at_once_one_has_it() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    let mut other = desk.beside();
    let others = desk.invite_by(&test, Kind::Account, "田中 二郎", "").await;
    let (page, others) =
        (desk.enter_code(&test, &code).await.text, other.enter_code(&test, &others).await.text);
    let (one, _) = Desk::account_form(&test, &page, "shared");
    let (two, _) = Desk::account_form(&test, &others, "shared");
    let (one, two) = tokio::join!(
        desk.post_form(&test, "/invitation/account", &one),
        other.post_form(&test, "/invitation/account", &two),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422], "{} {}", one.text, two.text);
    let refused = if one.status == 422 { one } else { two };
    assert!(refused.text.contains("login_name-error"), "{}", refused.text);
    assert_eq!((count(&test, ACCOUNTS).await, count(&test, PEOPLE).await), (1, 1));
    assert!(told(&test, "account.open", Some("login_name_taken")).await);
}

#[tokio::test]
async fn names_that_are_taken_cannot_be_asked_for_without_end() {
    let mut settings = passwords();
    settings.people.network_factor = 1;
    let test = instance_with(settings).await;
    let mut desk = desk(&test, 1).await;
    desk.join(&test, "鈴木 一郎", "suzuki").await;
    let code = desk.invite_by(&test, Kind::Account, "田中 二郎", "").await;
    let mut other = desk.beside();
    let page = other.enter_code(&test, &code).await.text;
    let (body, _) = Desk::account_form(&test, &page, "suzuki");
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(other.post_form(&test, "/invitation/account", &body).await.status);
    }
    assert_eq!(statuses, [422, 422, 422, 422, 429, 429]);
    let free = body.replace("suzuki", "tanaka");
    assert_eq!(other.post_form(&test, "/invitation/account", &free).await.status, 429);
    test.clock.advance(Duration::seconds(20));
    assert_eq!(other.post_form(&test, "/invitation/account", &free).await.status, 200);
}

#[tokio::test]
async fn without_its_code_in_this_browser_nobody_opens_an_account() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    desk.get(&test, "/invitation").await;
    let page = desk.get(&test, "/invitation/account").await;
    assert_eq!(page.status, 403, "{}", page.text);
    let page = desk.enter_code(&test, &code).await.text;
    let (body, _) = Desk::account_form(&test, &page, "suzuki");
    // Another browser, another facility, and too late.
    let mut other = desk.beside();
    other.get(&test, "/invitation").await;
    assert_eq!(other.post_form(&test, "/invitation/account", &body).await.status, 403);
    let mut elsewhere = super::desk::desk(&test, 2).await;
    elsewhere.browser_cookie.clone_from(&desk.browser_cookie);
    assert_eq!(elsewhere.post_form(&test, "/invitation/account", &body).await.status, 403);
    let refused = elsewhere.post_form(&test, "/invitation", &format!("code={code}")).await;
    assert_eq!(refused.status, 403);
    assert!(told(&test, "invitation.enter", Some("code-other-facility")).await);
    test.clock.advance(Duration::minutes(10));
    assert_eq!(desk.post_form(&test, "/invitation/account", &body).await.status, 403);
    assert_eq!((count(&test, ACCOUNTS).await, count(&test, PEOPLE).await), (0, 0));
}

#[tokio::test]
async fn a_withdrawn_invitation_opens_nothing() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    let page = desk.enter_code(&test, &code).await.text;
    let (body, _) = Desk::account_form(&test, &page, "suzuki");
    let (facility, now) = (desk.terminal.organisation_id.clone(), test.app.now());
    let withdrawn: Result<bool, StoreError> = transaction!(test.app.store(), StoreError, |tx| {
        let open = invitation::open(tx, &facility, 9).await?;
        let done = invitation::withdraw(tx, &open[0].id, &facility, now).await?;
        Ok(Audited::new(done, Entry::done("test", Actor::System, now)))
    });
    assert!(withdrawn.unwrap());
    assert_eq!(desk.post_form(&test, "/invitation/account", &body).await.status, 403);
    assert_eq!(count(&test, ACCOUNTS).await, 0);
}

#[tokio::test]
async fn a_card_does_not_redeem_what_asks_for_an_account_nor_the_other_way_round() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    desk.enter_code(&test, &code).await;
    let page = desk.get(&test, "/login?invitation=true").await.text;
    assert!(!page.contains("鈴木"), "{page}");
    let refused = desk.ask(&test, json!({"invitation": true})).await;
    assert_eq!(refused.code(), "invitation-closed");
    // Asked for while a card's invitation was held, answered when the account's is.
    let of_card = desk.invite(&test, "山田 太郎", "Medical Doctor").await;
    let mut other = desk.beside();
    other.get(&test, "/invitation").await;
    let entered = other.post_form(&test, "/invitation", &format!("code={of_card}")).await;
    assert_eq!(entered.location.as_deref(), Some("/login?invitation=true"));
    let refused = other.get(&test, "/invitation/account").await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(other.login(&test, &physician(), true).await.status, 200);
    assert_eq!(count(&test, ACCOUNTS).await, 0);
}

#[tokio::test]
async fn where_passwords_are_off_nobody_is_let_in_by_one() {
    let test = instance().await;
    let (mut desk, code) = invited(&test).await;
    let others = desk.invite_by(&test, Kind::Account, "田中 二郎", "").await;
    let page = desk.enter_code(&test, &others).await.text;
    let (body, _) = Desk::account_form(&test, &page, "tanaka");
    let off = TestApp {
        app: testing::reopened(&test, Settings::default()).await,
        clock: test.clock.clone(),
        folder: tempfile::tempdir().unwrap(),
    };
    assert_eq!(desk.post_form(&off, "/invitation/account", &body).await.status, 403);
    let mut other = desk.beside();
    other.get(&off, "/invitation").await;
    let refused = other.post_form(&off, "/invitation", &format!("code={code}")).await;
    assert_eq!((refused.status, refused.location), (403, None));
    assert!(told(&off, "invitation.enter", Some("passwords-off")).await);
    let page = other.get(&off, "/login").await.text;
    assert!(!page.contains("/login/password"), "{page}");
    let typed = form(&[("login_name", "suzuki"), ("password", PASSWORD), ("totp_code", "123456")]);
    let refused = other.post_form(&off, "/login/password", &typed).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(told(&off, "login.password", Some("passwords-off")).await);
}

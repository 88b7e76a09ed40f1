//! New factors for a member without a card: asked for by one, approved by another, once and in time.

use http::StatusCode;
use sekisho_store::{
    Queries, StoreError,
    account_passkey::{self, NewAccountPasskey},
    audit::{Actor, Audited, Entry},
    membership, role_grant, sql, transaction,
};
use time::Duration;

use super::{
    COLLEAGUE, ELSEWHERE, FACILITY, OFFICER, OPERATOR,
    links::{token, used},
};
use crate::{
    console::scene::{Answer, form, send, signed_in},
    login::tests::{
        desk::{Desk, count, desk, told},
        passwords::{Clerk, clerk_of, instance, logged_in, shown},
    },
    people::{role::Role, tests::PASSWORD},
    testing::TestApp,
};

struct Scene {
    test: TestApp,
    desk: Desk,
    clerk: Clerk,
    facility: String,
}

/// A clerk at work, and three administrators of the facility, one of another, one of the operating body.
async fn scene() -> Scene {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = clerk_of(&test, &mut desk).await;
    let facility = desk.terminal.organisation_id.clone();
    let other = crate::login::tests::desk::desk(&test, 2).await;
    let of = |id: &str| [Role::FacilityAdministrator(id.to_owned())];
    signed_in(&test.app, "管理", &of(&facility), FACILITY).await;
    signed_in(&test.app, "同僚", &of(&facility), COLLEAGUE).await;
    signed_in(&test.app, "他院", &of(&other.terminal.organisation_id), ELSEWHERE).await;
    signed_in(&test.app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    Scene { test, desk, clerk, facility }
}

impl Scene {
    async fn person(&self) -> String {
        let statement = sql("SELECT person_id FROM account WHERE login_name = 'suzuki'");
        let (id,): (String,) = self.test.app.store().read().fetch_one(statement).await.unwrap();
        id
    }

    /// The clerk has a passkey in place of the code.
    async fn have_passkey(&self, id: &'static str) {
        let (app, person) = (&self.test.app, self.person().await);
        let new = NewAccountPasskey {
            person_id: &person,
            credential_id: id.as_bytes(),
            credential: "{}",
            name: id,
            enrolled_by: "",
            at: app.now(),
        };
        transaction!(app.store(), StoreError, |tx| {
            account_passkey::enrol(tx, &new).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, app.now())))
        })
        .unwrap();
    }

    async fn ask(&self, by: &str) -> Answer {
        self.ask_for(by, &self.person().await).await
    }

    async fn ask_for(&self, by: &str, person: &str) -> Answer {
        let body = form(&[
            ("facility", &self.facility),
            ("person", person),
            ("reason", "電話を紛失。窓口で本人を確認。"),
        ]);
        send(&self.test.app, "POST", "/console/resets", by, &body).await
    }

    /// The identifier of what waits, as the page of this person shows it.
    async fn waiting(&self, by: &str) -> Option<String> {
        let page = send(&self.test.app, "GET", "/console/resets", by, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let (_, rest) = page.text.split_once("/console/resets/")?;
        Some(rest.split('/').next().unwrap().to_owned())
    }

    /// Somebody who is signed in at the console, by name.
    async fn named(&self, name: &str) -> String {
        let statement = sql("SELECT person_id FROM person_name WHERE name = $1").bind(name);
        let (id,): (String,) = self.test.app.store().read().fetch_one(statement).await.unwrap();
        id
    }

    /// One administrator issues a link for another one and uses it; the session that comes of it.
    async fn takes_over(&self, by: &str, name: &str) -> String {
        let path = format!("/console/staff/{}/link", self.named(name).await);
        let body = form(&[("facility", &self.facility)]);
        let page = send(&self.test.app, "POST", &path, by, &body).await;
        used(&self.test.app, &token(&page)).await.unwrap()
    }

    async fn decide(&self, by: &str, id: &str, what: &str) -> Answer {
        let path = format!("/console/resets/{id}/{what}");
        send(&self.test.app, "POST", &path, by, &form(&[("facility", &self.facility)])).await
    }
}

#[tokio::test]
async fn one_asks_another_approves_and_the_person_sets_new_factors() {
    let mut scene = scene().await;
    logged_in(&scene.desk.login_with(&scene.test, &scene.clerk).await);
    assert_eq!(scene.ask(FACILITY).await.status, StatusCode::SEE_OTHER);
    let notices = "SELECT COUNT(*) FROM outbox WHERE payload LIKE '%reset_asked%'";
    assert_eq!(count(&scene.test, notices).await, 1);
    let id = scene.waiting(COLLEAGUE).await.unwrap();
    // Asking changes nothing yet.
    assert_eq!(scene.desk.get(&scene.test, "/").await.status, 200);
    scene.have_passkey("one").await;
    let approved = scene.decide(COLLEAGUE, &id, "approve").await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
    // Nor a passkey that stood for the code; nor, once new factors are set, one that came in between.
    let passkeys = "SELECT COUNT(*) FROM account_passkey WHERE removed_at IS NULL";
    assert_eq!(count(&scene.test, passkeys).await, 0);
    scene.have_passkey("two").await;
    assert!(approved.text.contains("/first-use?token="), "{}", approved.text);
    assert!(approved.text.contains("すでに使えません"), "not first by the link: {}", approved.text);
    for act in ["account.reset.ask", "account.reset.approve"] {
        assert!(told(&scene.test, act, None).await, "{act}");
    }
    // What there was does nothing: neither session, nor password, nor a recovery code.
    assert_eq!(scene.desk.get(&scene.test, "/").await.status, 303);
    scene.test.clock.advance(Duration::minutes(1));
    let code = scene.clerk.code(&scene.test);
    for code in [code.as_str(), &scene.clerk.recovery_codes[0]] {
        let refused = scene.desk.type_in(&scene.test, "suzuki", PASSWORD, code).await;
        assert_eq!(refused.status, 401);
    }
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM recovery_code").await, 0);
    // Twice is once.
    let again = scene.decide(COLLEAGUE, &id, "approve").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(!again.text.contains("/first-use?token="));
    let links = "SELECT COUNT(*) FROM one_time_link";
    assert_eq!(count(&scene.test, links).await, 1);
    // The last password is not chosen again by the link either.
    let (_, rest) = approved.text.split_once("/first-use?token=").unwrap();
    let token = rest.split('<').next().unwrap();
    let page = send(&scene.test.app, "GET", &format!("/first-use?token={token}"), "", "").await;
    assert_eq!(page.status, StatusCode::OK);
    let (body, app) = Desk::account_form(&scene.test, &page.text, "x");
    let old = format!("token={token}&{}", body.replace("login_name=x&", ""));
    let refused = send(&scene.test.app, "POST", "/first-use", "", &old).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("以前に使ったパスワード"), "{}", refused.text);
    let new = old.replace(PASSWORD, "yama-no-midori-wa");
    let set = send(&scene.test.app, "POST", "/first-use", "", &new).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    assert_eq!(count(&scene.test, passkeys).await, 0);
    assert_eq!(shown(&set.text).len(), 10, "recovery codes: {}", set.text);
    let recovery = &shown(&set.text)[0];
    logged_in(&scene.desk.type_in(&scene.test, "suzuki", "yama-no-midori-wa", recovery).await);
    scene.desk.log_out(&scene.test).await;
    scene.test.clock.advance(Duration::minutes(1));
    let code = app.code_at(scene.test.app.now()).unwrap();
    logged_in(&scene.desk.type_in(&scene.test, "suzuki", "yama-no-midori-wa", &code).await);
}

#[tokio::test]
async fn nobody_approves_what_they_asked_for_nor_does_a_stranger() {
    let scene = scene().await;
    assert_eq!(scene.ask(ELSEWHERE).await.status, StatusCode::FORBIDDEN);
    assert_eq!(scene.ask(OPERATOR).await.status, StatusCode::FORBIDDEN, "the facility asks");
    scene.ask(FACILITY).await;
    let id = scene.waiting(FACILITY).await.unwrap();
    let page = send(&scene.test.app, "GET", "/console/resets", FACILITY, "").await;
    assert!(!page.text.contains("/approve"), "no button for oneself: {}", page.text);
    assert_eq!(scene.waiting(ELSEWHERE).await, None);
    assert_eq!(scene.decide(FACILITY, &id, "approve").await.status, StatusCode::CONFLICT);
    assert!(told(&scene.test, "account.reset.approve", Some("own_request")).await);
    assert_eq!(scene.decide(ELSEWHERE, &id, "approve").await.status, StatusCode::FORBIDDEN);
    assert_eq!(scene.ask(COLLEAGUE).await.status, StatusCode::CONFLICT, "one waits already");
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM one_time_link").await, 0);
    let complete = "SELECT COUNT(*) FROM account WHERE password_phc IS NOT NULL";
    assert_eq!(count(&scene.test, complete).await, 1);
    // Where the facility has nobody else, the operating body has.
    let approved = scene.decide(OPERATOR, &id, "approve").await;
    assert!(approved.text.contains("/first-use?token="), "{}", approved.text);
    assert_eq!(count(&scene.test, complete).await, 0);
}

#[tokio::test]
async fn two_approvals_at_once_make_one_link() {
    let scene = scene().await;
    scene.ask(FACILITY).await;
    let id = scene.waiting(FACILITY).await.unwrap();
    let (one, two) = tokio::join!(
        scene.decide(COLLEAGUE, &id, "approve"),
        scene.decide(OPERATOR, &id, "approve"),
    );
    let mut statuses = [one.status, two.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM one_time_link").await, 1);
}

#[tokio::test]
async fn after_a_day_or_a_refusal_nothing_can_be_approved() {
    let scene = scene().await;
    scene.ask(FACILITY).await;
    let id = scene.waiting(FACILITY).await.unwrap();
    assert_eq!(scene.decide(FACILITY, &id, "refuse").await.status, StatusCode::SEE_OTHER);
    assert_eq!(scene.decide(COLLEAGUE, &id, "approve").await.status, StatusCode::CONFLICT);
    scene.ask(FACILITY).await;
    let id = scene.waiting(FACILITY).await.unwrap();
    scene.test.clock.advance(Duration::DAY);
    let person = |name: &'static str, cookie| {
        let roles = [Role::FacilityAdministrator(scene.facility.clone())];
        let app = &scene.test.app;
        async move { signed_in(app, name, &roles, cookie).await }
    };
    person("翌日", OFFICER).await;
    assert_eq!(scene.waiting(OFFICER).await, None);
    assert_eq!(scene.decide(OFFICER, &id, "approve").await.status, StatusCode::CONFLICT);
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM one_time_link").await, 0);
    let complete = "SELECT COUNT(*) FROM account WHERE password_phc IS NOT NULL";
    assert_eq!(count(&scene.test, complete).await, 1, "the old factors stay");
}

#[tokio::test]
async fn nobody_is_two_by_a_link_they_issued() {
    let scene = scene().await;
    let app = &scene.test.app;
    let roles = [Role::FacilityAdministrator(scene.facility.clone())];
    signed_in(app, "三人目", &roles, OFFICER).await;
    let complete = "SELECT COUNT(*) FROM account a JOIN membership m ON m.person_id = a.person_id
                    WHERE a.password_phc IS NOT NULL";
    // 管理 signs in as 同僚, and as that one as 三人目.
    let second = scene.takes_over(FACILITY, "同僚").await;
    let third = scene.takes_over(&second, "三人目").await;
    // And closes the ring without the first: who let in whom last would not name 管理 any more.
    let second = scene.takes_over(&third, "同僚").await;
    // Links are deleted when they are over; who issued them stays known.
    let at = app.now();
    let deleted: Result<(), StoreError> = transaction!(app.store(), StoreError, |tx| {
        tx.execute(sql("DELETE FROM one_time_link")).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, at)))
    });
    deleted.unwrap();
    for (asks, approves) in [
        (FACILITY, second.as_str()),
        (second.as_str(), FACILITY),
        (FACILITY, third.as_str()),
        (third.as_str(), second.as_str()),
        (third.as_str(), FACILITY),
    ] {
        assert_eq!(scene.ask(asks).await.status, StatusCode::SEE_OTHER);
        let id = scene.waiting(asks).await.unwrap();
        let refused = scene.decide(approves, &id, "approve").await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
        assert!(refused.text.contains("事業主体の管理者が承認します"), "{}", refused.text);
        assert_eq!(count(&scene.test, complete).await, 1);
        scene.decide(asks, &id, "refuse").await;
    }
    assert!(told(&scene.test, "account.reset.approve", Some("one_hand")).await);
    scene.ask(FACILITY).await;
    let id = scene.waiting(OPERATOR).await.unwrap();
    let approved = scene.decide(OPERATOR, &id, "approve").await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
    assert_eq!(count(&scene.test, complete).await, 0);
}

#[tokio::test]
async fn whose_factors_cannot_be_reset_is_said_and_told() {
    let scene = scene().await;
    let (own, other) = (scene.named("管理").await, scene.named("同僚").await);
    let not_here = scene.ask_for(FACILITY, &other).await;
    assert_eq!(not_here.status, StatusCode::CONFLICT);
    assert!(not_here.text.contains("ログインする職員ではありません"), "{}", not_here.text);
    let now = scene.test.app.now();
    let entered: Result<(), StoreError> = transaction!(scene.test.app.store(), StoreError, |tx| {
        for person in [&own, &other] {
            membership::start(tx, person, &scene.facility, None, "test", now).await?;
        }
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    });
    entered.unwrap();
    for (person, said) in [(&own, "ほかの管理者に頼んで"), (&other, "一回限りのリンク")]
    {
        let refused = scene.ask_for(FACILITY, person).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.text.contains(said), "{}", refused.text);
    }
    for why in ["not_a_member_with_account", "own_account", "further_role"] {
        assert!(told(&scene.test, "account.reset.ask", Some(why)).await, "{why}");
    }
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM factor_reset").await, 0);
    // A role that came after the request is looked at as well.
    scene.ask(COLLEAGUE).await;
    let id = scene.waiting(FACILITY).await.unwrap();
    let person = scene.person().await;
    let granted: Result<(), StoreError> = transaction!(scene.test.app.store(), StoreError, |tx| {
        role_grant::grant(tx, &person, "auditor", None, None, now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    });
    granted.unwrap();
    assert_eq!(scene.decide(FACILITY, &id, "approve").await.status, StatusCode::CONFLICT);
    assert!(told(&scene.test, "account.reset.approve", Some("further_role")).await);
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM one_time_link").await, 0);
}

#[tokio::test]
async fn who_holds_a_link_pays_for_each_guess_at_the_password() {
    let scene = scene().await;
    scene.ask(FACILITY).await;
    let id = scene.waiting(FACILITY).await.unwrap();
    let token = token(&scene.decide(COLLEAGUE, &id, "approve").await);
    let app = &scene.test.app;
    let page = send(app, "GET", &format!("/first-use?token={token}"), "", "").await;
    let (body, code) = Desk::account_form(&scene.test, &page.text, "x");
    let right = format!("token={token}&{}", body.replace("login_name=x&", ""));
    // A form that is wrong elsewhere learns nothing of the password.
    let digits = code.code_at(app.now()).unwrap();
    let wrong = right.replace(&format!("totp_code={digits}"), "totp_code=x");
    assert_ne!(wrong, right);
    let refused = send(app, "POST", "/first-use", "", &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!refused.text.contains("以前に使ったパスワード"), "{}", refused.text);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(send(app, "POST", "/first-use", "", &right).await.status.as_u16());
    }
    assert_eq!(statuses, [422, 422, 422, 429]);
    for why in ["password_reused", "resting"] {
        assert!(told(&scene.test, "account.first_use", Some(why)).await, "{why}");
    }
}

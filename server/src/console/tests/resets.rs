//! New factors for a member without a card: asked for by one, approved by another, once and in time.

use http::StatusCode;
use sekisho_store::{Queries, sql};
use time::Duration;

use super::{COLLEAGUE, ELSEWHERE, FACILITY, OPERATOR};
use crate::{
    console::scene::{Answer, form, send, signed_in},
    login::tests::{
        desk::{Desk, count, desk, told},
        passwords::{Clerk, clerk_of, instance, logged_in},
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

    async fn ask(&self, by: &str) -> Answer {
        let person = self.person().await;
        let body = form(&[
            ("facility", &self.facility),
            ("person", &person),
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
    let approved = scene.decide(COLLEAGUE, &id, "approve").await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
    assert!(approved.text.contains("/first-use?token="), "{}", approved.text);
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
    assert_eq!(set.status, StatusCode::SEE_OTHER, "{}", set.text);
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
    assert!(told(&scene.test, "account.reset.approve", Some("not_open_to_this_person")).await);
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
    person("翌日", super::OFFICER).await;
    assert_eq!(scene.waiting(super::OFFICER).await, None);
    assert_eq!(scene.decide(super::OFFICER, &id, "approve").await.status, StatusCode::CONFLICT);
    assert_eq!(count(&scene.test, "SELECT COUNT(*) FROM one_time_link").await, 0);
    let complete = "SELECT COUNT(*) FROM account WHERE password_phc IS NOT NULL";
    assert_eq!(count(&scene.test, complete).await, 1, "the old factors stay");
}

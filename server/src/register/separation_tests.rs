//! Officer and applicant are two people, through the real router: by account, mailbox and name.

use axum::response::Response;
use http::StatusCode;
use sekisho_store::{Queries, application, party, sql};

use super::{
    form::{ApplicationForm, example},
    tests::{ADDRESS, ask, audited, by_id, signed_in, signed_in_with, text, urlencoded},
};
use crate::{
    app::App,
    notice,
    outbox::{Deliverers, deliver_due},
    people::activation_tests::{filled, form_of, post_account, with},
    testing,
};

/// Applies logged out; path of the application in the console.
async fn apply(app: &App, contact_name: &str, contact_email: &str) -> String {
    let form = ApplicationForm {
        contact_name: contact_name.into(),
        contact_email: contact_email.into(),
        ..example()
    };
    let applied = ask(app, "POST", "/apply", None, urlencoded(&form)).await;
    assert_eq!(applied.status(), StatusCode::CREATED, "{contact_email}");
    let (id,): (String,) = app
        .store()
        .read()
        .fetch_one(sql("SELECT id FROM application ORDER BY id DESC LIMIT 1"))
        .await
        .unwrap();
    format!("/console/applications/{id}")
}

async fn check(app: &App, path: &str, cookie: &str) -> Response {
    ask(app, "POST", &format!("{path}/checks"), Some(cookie), "source=x".into()).await
}

async fn approve(app: &App, path: &str, cookie: &str) -> Response {
    ask(app, "POST", &format!("{path}/approve"), Some(cookie), ADDRESS.into()).await
}

/// Facility and code on a letter's page.
async fn read_letter(letter: Response) -> (String, String) {
    assert_eq!(letter.status(), StatusCode::OK);
    let page = text(letter).await;
    (by_id(&page, "facility-identifier").to_owned(), by_id(&page, "activation-code").to_owned())
}

/// An approved facility of 中村 whom no officer is like; its identifier and the letter's code.
async fn approved(app: &App, cookie: &str) -> (String, String) {
    let path = apply(app, "中村", "n@example.jp").await;
    assert_eq!(check(app, &path, cookie).await.status(), StatusCode::SEE_OTHER);
    read_letter(approve(app, &path, cookie).await).await
}

async fn letter(app: &App, facility: &str, cookie: &str) -> Response {
    let path = format!("/console/organisations/{facility}/letter");
    ask(app, "POST", &path, Some(cookie), String::new()).await
}

async fn further_letter(app: &App, facility: &str, cookie: &str, reason: &str) -> Response {
    let path = format!("/console/organisations/{facility}/further-letter");
    ask(app, "POST", &path, Some(cookie), format!("reason={reason}")).await
}

async fn administrators(app: &App, facility: &str) -> Vec<String> {
    let found = party::administrators(&mut app.store().read(), facility).await.unwrap();
    found.into_iter().map(|party| party.email).collect()
}

#[tokio::test]
async fn an_officer_neither_checks_nor_approves_under_an_alias_of_their_mailbox() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (_, other) = signed_in(app, "other", "accreditation_officer").await;
    for alias in ["officer+apply@example.jp", "Officer@EXAMPLE.jp"] {
        let path = apply(app, "中村", alias).await;
        assert_eq!(check(app, &path, &officer).await.status(), StatusCode::FORBIDDEN, "{alias}");
        let reject = format!("{path}/reject");
        let reject = ask(app, "POST", &reject, Some(&officer), "reason=x".into()).await;
        assert_eq!(reject.status(), StatusCode::FORBIDDEN, "{alias}");
        assert_eq!(check(app, &path, &other).await.status(), StatusCode::SEE_OTHER);
        let refused = approve(app, &path, &officer).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{alias}");
        assert!(text(refused).await.contains("ほかの認定担当者"));
        let page = text(ask(app, "GET", &path, Some(&officer), String::new()).await).await;
        assert!(page.contains("id=\"conflict\"") && !page.contains("approve-title"), "{page}");
    }
    assert_eq!(audited(app, "application.approve", "refused").await, 2);
    assert_eq!(audited(app, "application.approve", "done").await, 0);
}

#[tokio::test]
async fn an_officer_keeps_out_of_what_another_account_of_theirs_applied_for() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (_, cookie) = signed_in_with(app, "second", "Officer+2@example.jp", "auditor").await;
    ask(app, "POST", "/apply", Some(&cookie), urlencoded(&example())).await;
    let listed = application::list(&mut app.store().read(), 0, 2).await.unwrap();
    let path = format!("/console/applications/{}", listed[0].id);
    assert_eq!(check(app, &path, &officer).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_namesake_of_the_contact_leaves_it_to_another_officer() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, namesake) = signed_in(app, "officer", "accreditation_officer").await;
    let (_, other) = signed_in(app, "other", "accreditation_officer").await;
    let path = apply(app, "ＯＦＦＩＣＥＲ", "n@example.jp").await;
    assert_eq!(check(app, &path, &other).await.status(), StatusCode::SEE_OTHER);
    let refused = approve(app, &path, &namesake).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(text(refused).await.contains("同姓同名"));
    assert_eq!(approve(app, &path, &other).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn whoever_examined_a_facility_cannot_activate_it_under_any_address_of_theirs() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (_, checker) = signed_in(app, "checker", "accreditation_officer").await;
    let path = apply(app, "中村", "n@example.jp").await;
    check(app, &path, &checker).await;
    let (facility, code) = read_letter(approve(app, &path, &officer).await).await;
    let fields = filled(app, &code, "nakamura").await;
    for email in [
        "officer@example.jp",
        "OFFICER+me@example.jp",
        "ｏｆｆｉｃｅｒ@example.jp",
        "checker@example.jp",
    ] {
        let refused = post_account(app, &with(&fields, "email", email)).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{email}");
        let page = text(refused).await;
        assert!(page.contains("審査した人は") && page.contains("id=\"email-error\""), "{page}");
        // The form, as it was filled in, in either language.
        for kept in ["nakamura", "中村　直樹", "ナカムラ ナオキ", code.as_str(), "lang=en"]
        {
            assert!(page.contains(kept), "{kept}: {page}");
        }
    }
    for email in ["officer\u{200b}@example.jp", "officer@example.jp\u{feff}", "-@-", "a@b"] {
        let refused = post_account(app, &with(&fields, "email", email)).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{email:?}");
    }
    for name in ["Ｏｆｆｉｃｅｒ", "officer（担当）"] {
        let namesake = post_account(app, &with(&fields, "name", name)).await;
        assert_eq!(namesake.status(), StatusCode::FORBIDDEN, "{name}");
        let page = text(namesake).await;
        assert!(page.contains("ほかの認定担当者") && page.contains("id=\"name-error\""), "{page}");
    }
    assert_eq!(audited(app, "organisation.activate", "refused").await, 6);
    assert_eq!(administrators(app, &facility).await, Vec::<String>::new());
    // Nothing is spent: whom the letter was for uses it.
    assert_eq!(post_account(app, &form_of(&fields)).await.status(), StatusCode::OK);
    assert_eq!(administrators(app, &facility).await, ["nakamura@example.jp"]);
}

#[tokio::test]
async fn a_namesake_of_the_approver_is_admitted_by_a_letter_of_another_officer_and_no_mailbox_is() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (_, other) = signed_in(app, "other", "accreditation_officer").await;
    let (facility, _) = approved(app, &officer).await;
    let (_, code) = read_letter(letter(app, &facility, &other).await).await;
    let fields = filled(app, &code, "nakamura").await;
    let refused = post_account(app, &with(&fields, "email", "officer+x@example.jp")).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let admitted = post_account(app, &with(&fields, "name", "officer")).await;
    assert_eq!(admitted.status(), StatusCode::OK);
    let records = sekisho_store::audit::list(&mut app.store().read(), "", None, 999).await.unwrap();
    let activated = records
        .iter()
        .find(|record| {
            record.columns.act == "organisation.activate" && record.columns.outcome == "done"
        })
        .unwrap();
    let canonical = String::from_utf8(activated.canonical.clone()).unwrap();
    assert!(canonical.contains(r#""namesake_of_officer":"vouched""#), "{canonical}");
}

#[tokio::test]
async fn a_letter_beside_an_administrator_needs_a_reason_and_tells_them() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (facility, code) = approved(app, &officer).await;
    let early = further_letter(app, &facility, &officer, "退職").await;
    assert_eq!(early.status(), StatusCode::CONFLICT, "nobody administers it yet");
    let first = post_account(app, &form_of(&filled(app, &code, "nakamura").await)).await;
    let cookie = crate::people::tests::session_cookie(&first).unwrap();

    let silent = letter(app, &facility, &officer).await;
    assert_eq!(silent.status(), StatusCode::CONFLICT);
    assert!(text(silent).await.contains("理由を書いて"));
    let bare = further_letter(app, &facility, &officer, "").await;
    assert_eq!(bare.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let (_, code) =
        read_letter(further_letter(app, &facility, &officer, "二人目の管理者").await).await;
    assert_eq!(audited(app, "organisation.issue_further_letter", "done").await, 1);
    assert_eq!(audited(app, "organisation.issue_letter", "refused").await, 1);

    let notices = async || {
        deliver_due(app, &Deliverers::new().with(notice::KIND, notice::deliver)).await.unwrap();
        text(ask(app, "GET", "/console/notices", Some(&cookie), String::new()).await).await
    };
    let told = notices().await;
    assert!(told.contains("二人目の管理者") && !told.contains("tanaka"), "{told}");
    let fields = filled(app, &code, "tanaka").await;
    let second = post_account(app, &with(&fields, "name", "田中　一")).await;
    assert_eq!(second.status(), StatusCode::OK);
    let told = notices().await;
    assert!(told.contains("田中　一") && told.contains("tanaka"), "{told}");

    let staff = text(ask(app, "GET", "/console/staff", Some(&cookie), String::new()).await).await;
    assert!(staff.contains("二人目の管理者") && staff.contains("田中　一"), "{staff}");
    let path = format!("/console/organisations/{facility}");
    let page = text(ask(app, "GET", &path, Some(&officer), String::new()).await).await;
    assert!(page.contains("further-letter") && page.contains("二人目の管理者"), "{page}");
}

#[tokio::test]
async fn an_officer_like_an_administrator_makes_no_letter() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (facility, code) = approved(app, &officer).await;
    let fields = filled(app, &code, "nakamura").await;
    post_account(app, &with(&fields, "email", "late@example.jp")).await;
    // Appointed after they became administrator under the same mailbox.
    let (_, late) = signed_in(app, "late", "accreditation_officer").await;
    let refused = further_letter(app, &facility, &late, "x").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(text(refused).await.contains("管理している施設"));
    let namesake = signed_in(app, "中村　直樹", "accreditation_officer").await.1;
    let refused = further_letter(app, &facility, &namesake, "x").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(audited(app, "organisation.issue_further_letter", "refused").await, 2);
}

#[tokio::test]
async fn a_letter_and_an_activation_at_once_never_make_an_officer_administrator() {
    let test = testing::app().await;
    let app = &test.app;
    let other_process = testing::second_process(&test, "node-2").await;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let (_, second) = signed_in(app, "second", "accreditation_officer").await;
    let (facility, code) = approved(app, &officer).await;
    let fields = filled(app, &code, "nakamura").await;
    // With the mailbox of an officer who has nothing to do with the facility, until this moment.
    let body = with(&fields, "email", "second+x@example.jp");
    let (activation, made) =
        tokio::join!(post_account(&other_process, &body), letter(app, &facility, &second));
    match (activation.status(), made.status()) {
        // First an administrator: the officer is like them, and keeps out.
        (StatusCode::SEE_OTHER, StatusCode::FORBIDDEN) => {
            assert_eq!(administrators(app, &facility).await, ["second+x@example.jp"]);
        }
        // First a letter: it ended the code.
        (StatusCode::GONE, StatusCode::OK) => {
            assert_eq!(administrators(app, &facility).await, Vec::<String>::new());
        }
        both => panic!("{both:?}"),
    }
}

#[tokio::test]
async fn a_code_that_somebody_has_stands_before_the_officer_and_cannot_be_approved() {
    let test = testing::app().await;
    let app = &test.app;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let one = apply(app, "中村", "n@example.jp").await;
    let alone = text(ask(app, "GET", &one, Some(&officer), String::new()).await).await;
    assert!(!alone.contains("id=\"shared\"") && !alone.contains("id=\"taken\""), "{alone}");
    let two = apply(app, "田中", "t@example.jp").await;
    for (own, other) in [(&one, &two), (&two, &one)] {
        let page = text(ask(app, "GET", own, Some(&officer), String::new()).await).await;
        assert!(page.contains("id=\"shared\""), "{page}");
        assert!(page.contains(&format!("href=\"{other}\"")), "{page}");
        check(app, own, &officer).await;
    }
    let (facility, _) = read_letter(approve(app, &one, &officer).await).await;
    let page = text(ask(app, "GET", &two, Some(&officer), String::new()).await).await;
    assert!(page.contains("id=\"taken\"") && !page.contains("id=\"shared\""), "{page}");
    assert!(page.contains(&format!("/console/organisations/{facility}")), "{page}");
    assert!(!page.contains("approve-title"), "nothing offers what would be refused: {page}");
    assert_eq!(approve(app, &two, &officer).await.status(), StatusCode::CONFLICT);
    // The approved one is not told of itself.
    let page = text(ask(app, "GET", &one, Some(&officer), String::new()).await).await;
    assert!(!page.contains("id=\"taken\""), "{page}");
}

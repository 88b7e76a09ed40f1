//! The register through the real router, with real sessions.

use axum::{body::Body, response::Response};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_key::SystemRandomness;
use sekisho_store::{
    Queries, StoreError, account,
    activation_code::{self, Redemption},
    application,
    audit::{Actor, Audited, Entry},
    person, role_grant, sql, transaction,
};
use tower::ServiceExt;

use super::form::{ApplicationForm, example};
use crate::{
    app::App, names::NameRole, paper_code::PaperCode, people::session::NewSession, router, testing,
};

pub(super) const ADDRESS: &str =
    "letter_postal_code=100-0001&letter_address=東京都千代田区千代田1-1";

/// Somebody with a console session; the value is their `Cookie` header.
pub(super) async fn signed_in(app: &App, login_name: &str, role: &str) -> (String, String) {
    signed_in_with(app, login_name, &format!("{login_name}@example.jp"), role).await
}

/// The same with this mail address.
pub(super) async fn signed_in_with(
    app: &App,
    login_name: &str,
    email: &str,
    role: &str,
) -> (String, String) {
    let session = NewSession::draw(&SystemRandomness).unwrap();
    let now = app.now();
    let person_id = transaction!(app.store(), StoreError, |tx| {
        let person_id = person::enter(tx, login_name, "", now).await?;
        account::open(tx, &person_id, login_name, email).await?;
        role_grant::grant(tx, &person_id, role, None, None, now).await?;
        session.open(tx, app, &person_id).await?;
        Ok(Audited::new(person_id, Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let cookie = session.cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    (person_id, cookie)
}

pub(super) async fn ask(
    app: &App,
    method: &str,
    path: &str,
    cookie: Option<&str>,
    body: String,
) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "login.sekisho.localhost:8443")
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, app.names().origin(NameRole::Public))
        .header("sec-fetch-site", "same-origin")
        .extension(testing::peer(NameRole::Public, &[]));
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    router::public(app).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

pub(super) async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(super) fn urlencoded(form: &ApplicationForm) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("form", &form.form)
        .append_pair("kind", &form.kind)
        .append_pair("name", &form.name)
        .append_pair("name_kana", &form.name_kana)
        .append_pair("prefecture", &form.prefecture)
        .append_pair("postal_code", &form.postal_code)
        .append_pair("address", &form.address)
        .append_pair("medical_institution_code", &form.medical_institution_code)
        .append_pair("contact_name", &form.contact_name)
        .append_pair("contact_phone", &form.contact_phone)
        .append_pair("contact_email", &form.contact_email)
        .finish()
}

/// Text of the element with this id.
pub(super) fn by_id<'p>(page: &'p str, id: &str) -> &'p str {
    let at = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {page}"));
    let inner = &page[at + page[at..].find('>').unwrap() + 1..];
    &inner[..inner.find('<').unwrap()]
}

async fn only_application(app: &App) -> String {
    let listed = application::list(&mut app.store().read(), 0, 2).await.unwrap();
    assert_eq!(listed.len(), 1);
    listed[0].id.clone()
}

pub(super) async fn audited(app: &App, act: &str, outcome: &str) -> i64 {
    let (count,): (i64,) = app
        .store()
        .read()
        .fetch_one(
            sql("SELECT COUNT(*) FROM audit_record WHERE act = $1 AND outcome = $2")
                .bind(act)
                .bind(outcome),
        )
        .await
        .unwrap();
    count
}

#[tokio::test]
async fn an_application_is_checked_approved_and_its_letter_activates_the_facility() {
    let test = testing::app().await;
    let app = &test.app;
    let (person, officer) = signed_in(app, "officer", "accreditation_officer").await;
    let applied = ask(app, "POST", "/apply", None, urlencoded(&example())).await;
    assert_eq!(applied.status(), StatusCode::CREATED);
    let receipt = by_id(&text(applied).await, "receipt-number").to_owned();
    let id = only_application(app).await;
    let path = format!("/console/applications/{id}");
    let cookie = Some(officer.as_str());

    let early = ask(app, "POST", &format!("{path}/approve"), cookie, ADDRESS.into()).await;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    assert_eq!(audited(app, "application.approve", "refused").await, 1);

    let hidden = "source=厚生局\u{200b}の一覧&note=一致".to_owned();
    let hidden = ask(app, "POST", &format!("{path}/checks"), cookie, hidden).await;
    assert_eq!(hidden.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let hidden = text(hidden).await;
    assert!(hidden.contains("source-error") && hidden.contains(">一致</textarea>"), "{hidden}");
    let unsaid = "reason=%20".to_owned();
    let unsaid = ask(app, "POST", &format!("{path}/reject"), cookie, unsaid).await;
    assert_eq!(unsaid.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(unsaid).await.contains("reason-error"));
    let check = "source=厚生局の一覧&note=一致".to_owned();
    let checked = ask(app, "POST", &format!("{path}/checks"), cookie, check).await;
    assert_eq!(checked.status(), StatusCode::SEE_OTHER);
    let detail = text(ask(app, "GET", &path, cookie, String::new()).await).await;
    assert!(detail.contains("厚生局の一覧") && detail.contains("1311000010"));

    let unaddressed = "letter_postal_code=1&letter_address=".to_owned();
    let refused = ask(app, "POST", &format!("{path}/approve"), cookie, unaddressed).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(refused).await.contains(&format!("href=\"{path}?lang=en\"")));

    let approve = format!("{path}/approve?lang=en");
    let approved = ask(app, "POST", &approve, cookie, ADDRESS.into()).await;
    assert_eq!(approved.status(), StatusCode::OK);
    let letter = text(approved).await;
    let code = PaperCode::parse(by_id(&letter, "activation-code")).unwrap();
    let facility = by_id(&letter, "facility-identifier").to_owned();
    assert!(letter.contains("東京都千代田区千代田1-1"));
    // It goes to a facility in Japan, whatever language the officer's pages are in.
    for said in ["御中</strong>", "利用開始のご案内", "Your activation code"] {
        assert!(letter.contains(said), "{said}: {letter}");
    }
    assert!(letter.find("利用開始のご案内") < letter.rfind("Your activation code"));

    let again = ask(app, "POST", &format!("{path}/approve"), cookie, ADDRESS.into()).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let later = text(ask(app, "GET", &path, cookie, String::new()).await).await;
    assert!(!later.contains(code.reveal().as_str()));

    let status = ask(app, "POST", "/apply/status", None, format!("receipt={receipt}")).await;
    let status = text(status).await;
    assert!(status.contains("data-status=\"approved\""));
    assert!(status.contains("href=\"/apply/status?lang=en\""), "{status}");

    let redeemed = transaction!(app.store(), StoreError, |tx| {
        let outcome = activation_code::redeem(tx, &code.hash(), "p", app.now()).await?;
        Ok(Audited::new(outcome, Entry::done("test", Actor::System, app.now())))
    });
    let issued_by = Some(person);
    assert_eq!(redeemed.unwrap(), Redemption::Redeemed { organisation_id: facility, issued_by });
}

#[tokio::test]
async fn a_wrong_form_comes_back_with_what_was_typed_and_nothing_is_kept() {
    let test = testing::app().await;
    let form = ApplicationForm { postal_code: "12".into(), ..example() };
    let response = ask(&test.app, "POST", "/apply", None, urlencoded(&form)).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = text(response).await;
    assert!(page.contains("postal_code-error") && page.contains("青葉総合病院"));
    // In the other language, with what was typed; nor is a form taken in that would do.
    let switch = "formaction=\"/apply?lang=en\" name=\"again\" value=\"true\"";
    assert!(page.contains(switch), "{page}");
    for (form, wrong) in [(&form, true), (&example(), false)] {
        let again = format!("{}&again=true", urlencoded(form));
        let response = ask(&test.app, "POST", "/apply?lang=en", None, again).await;
        assert_eq!(response.status(), StatusCode::OK);
        let page = text(response).await;
        assert!(page.contains("Application for accreditation"), "{page}");
        assert!(page.contains(&format!("value=\"{}\"", form.postal_code)), "{page}");
        assert!(page.contains("青葉総合病院") && page.contains(&form.form), "{page}");
        assert_eq!(page.contains("postal_code-error"), wrong);
        assert!(page.contains("formaction=\"/apply?lang=ja\""), "{page}");
    }
    assert!(application::list(&mut test.app.store().read(), 0, 1).await.unwrap().is_empty());
    let get = ask(&test.app, "GET", "/apply?lang=en", None, String::new()).await;
    assert!(text(get).await.contains("Application for accreditation"));
}

#[tokio::test]
async fn an_officer_keeps_out_of_what_they_applied_for_or_are_the_contact_of() {
    let test = testing::app().await;
    let app = &test.app;
    let (person, cookie) = signed_in(app, "officer", "accreditation_officer").await;
    let form = ApplicationForm { contact_email: "OFFICER@example.jp".into(), ..example() };
    ask(app, "POST", "/apply", None, urlencoded(&form)).await;
    let path = format!("/console/applications/{}", only_application(app).await);
    let response =
        ask(app, "POST", &format!("{path}/approve"), Some(&cookie), ADDRESS.into()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(text(response).await.contains("ほかの認定担当者"));
    let check = "source=x".to_owned();
    let response = ask(app, "POST", &format!("{path}/checks"), Some(&cookie), check).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(audited(app, "application.approve", "refused").await, 1);

    // Signed in while applying: the person counts, whatever address they type.
    ask(app, "POST", "/apply", Some(&cookie), urlencoded(&example())).await;
    let listed = application::list(&mut app.store().read(), 0, 2).await.unwrap();
    let mut applicants = Vec::new();
    for line in listed {
        let found = application::find(&mut app.store().read(), &line.id).await.unwrap().unwrap();
        applicants.push(found.applicant_person_id);
    }
    assert!(applicants.contains(&Some(person)));
}

#[tokio::test]
async fn without_the_role_nothing_is_shown_and_nothing_done() {
    let test = testing::app().await;
    let app = &test.app;
    ask(app, "POST", "/apply", None, urlencoded(&example())).await;
    let (_, auditor) = signed_in(app, "auditor", "auditor").await;
    let path = format!("/console/applications/{}", only_application(app).await);
    for (method, path, body) in [
        ("GET", "/console/applications".to_owned(), String::new()),
        ("GET", path.clone(), String::new()),
        ("POST", format!("{path}/checks"), "source=x".to_owned()),
        ("POST", format!("{path}/reject"), "reason=x".to_owned()),
        ("POST", format!("{path}/approve"), ADDRESS.to_owned()),
    ] {
        let response = ask(app, method, &path, Some(&auditor), body).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{method} {path}");
    }
    let stranger = ask(app, "GET", &path, None, String::new()).await;
    assert_eq!(stranger.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn of_two_approvals_at_once_in_two_processes_one_enters_one_facility() {
    let test = testing::app().await;
    let app = &test.app;
    let second = testing::second_process(&test, "node-2").await;
    let (_, officer) = signed_in(app, "officer", "accreditation_officer").await;
    ask(app, "POST", "/apply", None, urlencoded(&example())).await;
    let path = format!("/console/applications/{}", only_application(app).await);
    let cookie = Some(officer.as_str());
    ask(app, "POST", &format!("{path}/checks"), cookie, "source=x".to_owned()).await;
    let approve = format!("{path}/approve");
    let (one, two) = tokio::join!(
        ask(app, "POST", &approve, cookie, ADDRESS.into()),
        ask(&second, "POST", &approve, cookie, ADDRESS.into()),
    );
    let mut statuses = [one.status(), two.status()];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    let (count,): (i64,) =
        app.store().read().fetch_one(sql("SELECT COUNT(*) FROM organisation")).await.unwrap();
    assert_eq!(count, 1);
}

#[test]
fn kinds_of_the_register_are_the_kinds_that_rules_may_name() {
    let kinds = sekisho_store::organisation_kind::OrganisationKind::ALL;
    assert_eq!(kinds.map(|kind| kind.as_str()), crate::entitlement::KINDS);
}

async fn receipt(response: Response) -> String {
    by_id(&text(response).await, "receipt-number").to_owned()
}

#[tokio::test]
async fn a_form_that_is_sent_again_is_the_same_application() {
    let test = testing::app().await;
    let app = &test.app;
    let page = text(ask(app, "GET", "/apply", None, String::new()).await).await;
    let form = page.split_once(r#"name="form" value=""#).unwrap().1.split_once('"').unwrap().0;
    let typed = ApplicationForm { form: form.to_owned(), ..example() };
    let first = ask(app, "POST", "/apply", None, urlencoded(&typed)).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let number = receipt(first).await;
    let again = ask(app, "POST", "/apply", None, urlencoded(&typed)).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(receipt(again).await, number);
    only_application(app).await;
    assert_eq!(audited(app, "application.submit", "done").await, 1);
    // Going back and sending it with a correction enters nothing, and says so.
    let other = ApplicationForm { name: "若葉病院".into(), ..typed.clone() };
    let refused = ask(app, "POST", "/apply", None, urlencoded(&other)).await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(text(refused).await.contains("送信済み"));
    only_application(app).await;
    // A form that is opened anew is another application.
    let anew = ApplicationForm { form: example().form, ..typed.clone() };
    let made = ask(app, "POST", "/apply", None, urlencoded(&anew)).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_ne!(receipt(made).await, number);
}

#[tokio::test]
async fn a_double_click_at_two_processes_makes_one_application() {
    let test = testing::app().await;
    let other = testing::second_process(&test, "node-2").await;
    let body = urlencoded(&example());
    let answers = futures_util::future::join_all((0..6).map(|number| {
        let app = if number % 2 == 0 { &test.app } else { &other };
        ask(app, "POST", "/apply", None, body.clone())
    }))
    .await;
    let mut numbers = std::collections::BTreeSet::new();
    let mut created = 0;
    for answer in answers {
        created += usize::from(answer.status() == StatusCode::CREATED);
        numbers.insert(receipt(answer).await);
    }
    assert_eq!((created, numbers.len()), (1, 1), "{numbers:?}");
    only_application(&test.app).await;
}

#[tokio::test]
async fn a_form_that_nobody_was_shown_is_refused_and_enters_nothing() {
    let test = testing::app().await;
    for form in ["", "abc", &"!".repeat(43), &"A".repeat(44)] {
        let typed = ApplicationForm { form: form.to_owned(), ..example() };
        let refused = ask(&test.app, "POST", "/apply", None, urlencoded(&typed)).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{form}");
    }
    let listed = application::list(&mut test.app.store().read(), 0, 2).await.unwrap();
    assert!(listed.is_empty());
}

#[tokio::test]
async fn receipt_numbers_are_not_tried_without_end_and_one_that_exists_is_never_kept_waiting() {
    let mut settings = crate::config::Settings::default();
    settings.people.network_factor = 2;
    let test = testing::app_with(settings).await;
    let app = &test.app;
    let number = receipt(ask(app, "POST", "/apply", None, urlencoded(&example())).await).await;
    let status = async |receipt: &str| {
        ask(app, "POST", "/apply/status", None, format!("receipt={receipt}")).await.status()
    };
    for _ in 0..7 {
        assert_eq!(status("ABCD-EFGH-JKMN-PQRS").await, StatusCode::NOT_FOUND);
    }
    assert_eq!(status("ABCD-EFGH-JKMN-PQRS").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status("x").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status(&number).await, StatusCode::OK);
    test.clock.advance(time::Duration::SECOND);
    assert_eq!(status("x").await, StatusCode::NOT_FOUND);
}

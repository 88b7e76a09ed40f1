//! First use, sign-in and roles through the real router with a fresh database.

use std::{net::SocketAddr, sync::Arc};

use axum::{body::Body, response::Response};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use sekisho_store::{audit, first_administrator::token_hash};
use time::Duration;
use tower::ServiceExt;

use super::totp::TotpSecret;
use crate::{
    app::App,
    listener::Peer,
    names::NameRole,
    router,
    testing::{self, TestApp},
};

pub(crate) const PASSWORD: &str = "kawa-no-nagare-wa";

pub(super) async fn ask(
    app: &App,
    method: &str,
    path: &str,
    cookie: Option<&str>,
    form: &str,
) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "login.sekisho.localhost:8443")
        .header(header::ORIGIN, "https://login.sekisho.localhost:8443")
        .header(header::ACCEPT, "text/html")
        .extension(Peer {
            addr: SocketAddr::from(([127, 0, 0, 1], 9)),
            role: NameRole::Public,
            chain: Arc::new([]),
        });
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    if method == "POST" {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    router::public(app).oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap()
}

pub(super) async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn between<'t>(page: &'t str, before: &str, after: &str) -> &'t str {
    let start = page.find(before).unwrap_or_else(|| panic!("{before} is not in {page}"));
    let rest = &page[start + before.len()..];
    &rest[..rest.find(after).unwrap()]
}

pub(crate) fn session_cookie(response: &Response) -> Option<String> {
    response.headers().get_all(header::SET_COOKIE).iter().find_map(|value| {
        let value = value.to_str().unwrap();
        value.starts_with("__Host-console=").then(|| value.split(';').next().unwrap().to_owned())
    })
}

/// An instance with its first administrator's link; the token.
async fn with_link() -> (TestApp, String) {
    let test = testing::app().await;
    let token = "first-token".to_owned();
    let now = test.app.now();
    test.app
        .store()
        .add_first_administrator(
            "sato",
            &token_hash(&token),
            sekisho_store::audit::Actor::Operator { user: "root".into(), host: "host".into() },
            now,
            now + Duration::minutes(30),
        )
        .await
        .unwrap();
    (test, token)
}

/// The page of a link, and the body that answers it well.
async fn answer_to(app: &App, token: &str) -> (String, TotpSecret) {
    let page = text(ask(app, "GET", &format!("/first-use?token={token}"), None, "").await).await;
    let setup = between(&page, r#"name="setup" value=""#, "\"");
    let secret = TotpSecret::from_text(between(&page, r#"id="totp-secret">"#, "<")).unwrap();
    let code = secret.code_at(app.now()).unwrap();
    let body = form(&[
        ("token", token),
        ("setup", setup),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
        ("totp_code", &code),
    ]);
    (body, secret)
}

/// First use done; the session's cookie and the second factor.
async fn signed_up(app: &App, token: &str) -> (String, TotpSecret) {
    let (body, secret) = answer_to(app, token).await;
    let response = ask(app, "POST", "/first-use", None, &body).await;
    assert_eq!(response.status(), StatusCode::OK);
    (session_cookie(&response).unwrap(), secret)
}

fn sign_in_form(name: &str, password: &str, code: &str) -> String {
    form(&[("login_name", name), ("password", password), ("totp_code", code)])
}

pub(super) async fn refusals(app: &App, act: &str) -> Vec<String> {
    let records = audit::list(&mut app.store().read(), "", None, 1000).await.unwrap();
    records
        .iter()
        .map(|record| serde_json::from_slice::<serde_json::Value>(&record.canonical).unwrap())
        .filter(|record| record["act"] == act && record["outcome"] == "refused")
        .map(|record| record["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_link_becomes_an_account_once_and_opening_it_spends_nothing() {
    let (test, token) = with_link().await;
    let app = &test.app;
    answer_to(app, &token).await;
    let (body, _) = answer_to(app, &token).await;
    let response = ask(app, "POST", "/first-use", None, &body).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = session_cookie(&response).unwrap();
    let home = ask(app, "GET", "/console", Some(&cookie), "").await;
    assert_eq!(home.status(), StatusCode::OK);
    assert!(text(home).await.contains("運営管理者"));
    let again = ask(app, "POST", "/first-use", None, &body).await;
    assert_eq!(again.status(), StatusCode::GONE);
    assert_eq!(session_cookie(&again), None);
    assert_eq!(refusals(app, "account.first_use").await, ["link_not_good"]);
}

#[tokio::test]
async fn two_uses_of_a_link_at_once_make_one_account() {
    let (test, token) = with_link().await;
    let other = testing::second_process(&test, "node-2").await;
    let (one, _) = answer_to(&test.app, &token).await;
    let (two, _) = answer_to(&other, &token).await;
    let (first, second) = tokio::join!(
        ask(&test.app, "POST", "/first-use", None, &one),
        ask(&other, "POST", "/first-use", None, &two),
    );
    let mut statuses = [first.status(), second.status()];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::GONE]);
}

#[tokio::test]
async fn a_link_past_its_time_is_refused() {
    let (test, token) = with_link().await;
    let (body, _) = answer_to(&test.app, &token).await;
    test.clock.advance(Duration::minutes(30));
    let response = ask(&test.app, "POST", "/first-use", None, &body).await;
    assert_eq!(response.status(), StatusCode::GONE);
}

#[tokio::test]
async fn mistakes_at_first_use_stand_at_their_fields_and_spend_nothing() {
    let (test, token) = with_link().await;
    let (body, _) = answer_to(&test.app, &token).await;
    let wrong = body.replace(&format!("password_again={PASSWORD}"), "password_again=other");
    let response = ask(&test.app, "POST", "/first-use", None, &wrong).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(session_cookie(&response), None);
    let page = text(response).await;
    assert!(page.contains(r#"id="password_again-error""#), "{page}");
    let response = ask(&test.app, "POST", "/first-use", None, &body).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_missing_field_is_called_as_on_the_page() {
    let test = testing::app().await;
    let body = form(&[("login_name", "sato"), ("password", PASSWORD)]);
    let response = ask(&test.app, "POST", "/console/login", None, &body).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let page = text(response).await;
    assert!(page.contains("項目「認証アプリに表示された6桁の数字」がありません"), "{page}");
    assert!(!page.contains("totp_code"), "{page}");
}

#[tokio::test]
async fn a_refused_sign_in_in_the_other_language_still_leads_on() {
    let test = testing::app().await;
    let body = form(&[
        ("login_name", "nobody"),
        ("password", PASSWORD),
        ("totp_code", "000000"),
        ("return_to", "/console/terminals?from=10"),
    ]);
    let refused = ask(&test.app, "POST", "/console/login", None, &body).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let page = text(refused).await;
    let switch = between(&page, "class=\"language\" href=\"", "\"").replace("&#38;", "&");
    assert!(switch.ends_with("&lang=en"), "{switch}");
    let english = ask(&test.app, "GET", &switch, None, "").await;
    let page = text(english).await;
    assert!(page.contains("<html lang=\"en\">"), "{page}");
    let kept = "name=\"return_to\" value=\"/console/terminals?from=10\"";
    assert!(page.contains(kept), "{page}");
}

#[tokio::test]
async fn sign_in_takes_both_factors_and_a_code_once() {
    let (test, token) = with_link().await;
    let app = &test.app;
    let (_, secret) = signed_up(app, &token).await;
    let code = secret.code_at(app.now()).unwrap();
    let used =
        ask(app, "POST", "/console/login", None, &sign_in_form("sato", PASSWORD, &code)).await;
    assert_eq!(used.status(), StatusCode::UNAUTHORIZED, "the code was spent at first use");
    test.clock.advance(Duration::seconds(60));
    let code = secret.code_at(app.now()).unwrap();
    for (name, password, code) in [
        ("sato", "wrong-password", code.as_str()),
        ("sato", PASSWORD, "000000x"),
        ("nobody", PASSWORD, code.as_str()),
    ] {
        test.clock.advance(Duration::milliseconds(1));
        let response =
            ask(app, "POST", "/console/login", None, &sign_in_form(name, password, code)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(session_cookie(&response), None);
    }
    let body = sign_in_form(" SATO ", PASSWORD, &code);
    let response = ask(app, "POST", "/console/login", None, &body).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert!(session_cookie(&response).is_some());
    assert_eq!(
        refusals(app, "account.sign_in").await,
        ["code_used_before", "wrong_credentials", "wrong_credentials", "wrong_credentials"]
    );
}

#[tokio::test]
async fn two_sign_ins_with_one_code_open_one_session() {
    let (test, token) = with_link().await;
    let other = testing::second_process(&test, "node-2").await;
    let (_, secret) = signed_up(&test.app, &token).await;
    test.clock.advance(Duration::seconds(60));
    let body = sign_in_form("sato", PASSWORD, &secret.code_at(test.app.now()).unwrap());
    let (one, two) = tokio::join!(
        ask(&test.app, "POST", "/console/login", None, &body),
        ask(&other, "POST", "/console/login", None, &body),
    );
    let opened = [&one, &two].into_iter().filter(|r| session_cookie(r).is_some()).count();
    assert_eq!(opened, 1, "{} {}", one.status(), two.status());
}

#[tokio::test]
async fn many_failures_rest_an_account_whether_or_not_it_exists() {
    let (test, token) = with_link().await;
    let app = &test.app;
    let (_, secret) = signed_up(app, &token).await;
    let mut answers = Vec::new();
    for name in ["sato", "nobody"] {
        let mut statuses = Vec::new();
        for _ in 0..6 {
            let body = sign_in_form(name, "wrong-password", "000000");
            statuses.push(ask(app, "POST", "/console/login", None, &body).await.status().as_u16());
        }
        answers.push(statuses);
    }
    assert_eq!(answers[0], [401, 401, 401, 401, 429, 429]);
    assert_eq!(answers[0], answers[1]);
    let code = secret.code_at(app.now()).unwrap();
    let resting =
        ask(app, "POST", "/console/login", None, &sign_in_form("sato", PASSWORD, &code)).await;
    assert_eq!(resting.status(), StatusCode::TOO_MANY_REQUESTS, "even with the right factors");
    test.clock.advance(Duration::seconds(60));
    let code = secret.code_at(app.now()).unwrap();
    let rested =
        ask(app, "POST", "/console/login", None, &sign_in_form("sato", PASSWORD, &code)).await;
    assert_eq!(rested.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_by_rest_by_time_and_by_logout() {
    let (test, token) = with_link().await;
    let app = &test.app;
    let (cookie, _) = signed_up(app, &token).await;
    let out = ask(app, "POST", "/console/logout", Some(&cookie), "").await;
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    let after = ask(app, "GET", "/console/roles", Some(&cookie), "").await;
    assert_eq!(after.headers()[header::LOCATION], "/console/login?return_to=%2Fconsole%2Froles");
    let after = ask(app, "POST", "/console/logout", Some(&cookie), "").await;
    assert_eq!(after.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_idle_session_is_no_session() {
    let (test, token) = with_link().await;
    let (cookie, _) = signed_up(&test.app, &token).await;
    test.clock.advance(Duration::minutes(29));
    let home = ask(&test.app, "GET", "/console", Some(&cookie), "").await;
    assert_eq!(home.status(), StatusCode::OK);
    test.clock.advance(Duration::minutes(30));
    let home = ask(&test.app, "GET", "/console", Some(&cookie), "").await;
    assert_eq!(home.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_administrator_enters_an_officer_who_may_not_do_the_same() {
    let (test, token) = with_link().await;
    let app = &test.app;
    let (admin, _) = signed_up(app, &token).await;
    let body = form(&[
        ("login_name", "suzuki"),
        ("name", "鈴木 花子"),
        ("name_kana", "スズキ ハナコ"),
        ("email", "suzuki@example.jp"),
        ("role", "accreditation_officer"),
    ]);
    for email in ["-@-", "a@b", "a@b.jp\u{200b}"] {
        let wrong: Vec<_> = url::form_urlencoded::parse(body.as_bytes())
            .map(|(field, value)| match &*field {
                "email" => (field, email.into()),
                _ => (field, value),
            })
            .collect();
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(wrong).finish();
        let refused = ask(app, "POST", "/console/roles", Some(&admin), &body).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{email:?}");
        let page = text(refused).await;
        assert!(page.contains("email-error"), "{email:?}");
        assert!(page.contains("href=\"/console/roles?lang=en\""), "{page}");
    }
    for (field, from, to) in [
        ("name", "鈴木 花子", " "),
        ("name", "鈴木 花子", "鈴木\u{202e}花子"),
        ("name_kana", "スズキ ハナコ", "abc"),
        ("name_kana", "スズキ ハナコ", "鈴木"),
    ] {
        let encoded = |text: &str| form(&[(field, text)]);
        let body = body.replace(&encoded(from), &encoded(to));
        let refused = ask(app, "POST", "/console/roles", Some(&admin), &body).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{to}");
        let page = text(refused).await;
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{to}: {page}");
        assert!(page.contains(&format!("value=\"{to}\"")), "{to} is lost: {page}");
    }
    // An organisation where the role has none is not dropped in silence.
    let unasked = format!("{body}&organisation_id=123456789015");
    let refused = ask(app, "POST", "/console/roles", Some(&admin), &unasked).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(refused).await.contains("id=\"organisation_id-error\""));
    let made = ask(app, "POST", "/console/roles", Some(&admin), &body).await;
    assert_eq!(made.status(), StatusCode::OK);
    let page = text(made).await;
    let token = between(&page, "/first-use?token=", "<").to_owned();
    let again = ask(app, "POST", "/console/roles", Some(&admin), &body).await;
    assert_eq!(again.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let (officer, _) = signed_up(app, &token).await;
    let denied = ask(app, "GET", "/console/roles", Some(&officer), "").await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let denied = ask(app, "POST", "/console/roles", Some(&officer), &body).await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);

    let list = text(ask(app, "GET", "/console/roles", Some(&admin), "").await).await;
    let (before, _) = list.split_once("/withdraw").unwrap();
    let id = before.rsplit('/').next().unwrap().to_owned();
    let path = format!("/console/roles/{id}/withdraw");
    for unsure in ["", "sure=no"] {
        let refused = ask(app, "POST", &path, Some(&admin), unsure).await;
        let status = if unsure.is_empty() { 422 } else { 400 };
        assert_eq!(refused.status().as_u16(), status, "{unsure}");
        let page = text(refused).await;
        assert!(page.contains("チェックボックス"), "{page}");
        // Without the tick the list is there again, and the summary leads to the box.
        let again = page.contains("<details open>") && page.contains("<a href=\"#sure\">");
        assert_eq!(
            (again, page.matches("id=\"sure\"").count() == 1),
            (unsure.is_empty(), unsure.is_empty())
        );
    }
    let still = ask(app, "GET", "/console", Some(&officer), "").await;
    assert_eq!(still.status(), StatusCode::OK, "nothing was withdrawn without the tick");
    let done = ask(app, "POST", &path, Some(&admin), "sure=yes").await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let ended = ask(app, "GET", "/console", Some(&officer), "").await;
    assert_eq!(ended.status(), StatusCode::SEE_OTHER, "the officer's session ended with the role");
    let twice = ask(app, "POST", &path, Some(&admin), "sure=yes").await;
    assert_eq!(twice.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn nobody_withdraws_their_own_role() {
    let (test, token) = with_link().await;
    let app = &test.app;
    let (admin, _) = signed_up(app, &token).await;
    let grants =
        sekisho_store::role_grant::of_operating_body(&mut app.store().read(), 10).await.unwrap();
    let path = format!("/console/roles/{}/withdraw", grants[0].id);
    let response = ask(app, "POST", &path, Some(&admin), "sure=yes").await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(refusals(app, "role.withdraw").await, ["own_role"]);
    let left =
        sekisho_store::role_grant::of_operating_body(&mut app.store().read(), 10).await.unwrap();
    assert_eq!(left, grants);
}

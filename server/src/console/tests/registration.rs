use http::StatusCode;
use sekisho_store::{client_registration, service};
use sha2::{Digest, Sha256};

use super::{ELSEWHERE, FACILITY, OPERATOR};
use crate::{
    app::App,
    config::Settings,
    console::{
        registration::PATH,
        scene::{acts, facility, form, send, signed_in},
    },
    people::role::Role,
    testing::{self, TestApp},
};

const OURS: &str = "123456789007";
const THEIRS: &str = "234567890101";

/// Two organisations with an owner each, and the operating body's administrator.
pub(super) async fn owners() -> TestApp {
    owners_with(Settings::default()).await
}

/// The same with this configuration.
pub(super) async fn owners_with(settings: Settings) -> TestApp {
    let test = testing::app_with(settings).await;
    for (id, name, cookie) in [(OURS, "責任", FACILITY), (THEIRS, "別", ELSEWHERE)] {
        facility(&test.app, id).await;
        signed_in(&test.app, name, &[Role::ServiceOwner(id.to_owned())], cookie).await;
    }
    signed_in(&test.app, "運営", &[Role::OperatingAdministrator], OPERATOR).await;
    test
}

/// The form, filled in.
pub(super) fn filled() -> Vec<(&'static str, &'static str)> {
    vec![
        ("organisation", OURS),
        ("name_ja", "紹介状"),
        ("name_en", "Referral letters"),
        ("description_ja", "紹介状を書く。"),
        ("description_en", "Write letters."),
        ("home_url", "https://referral.example/"),
        (
            "redirect_uris",
            "https://referral.example/callback\r\n https://referral.example/second \r\n",
        ),
        ("logout_uris", ""),
        ("backchannel_logout_uri", "https://referral.example/out"),
        ("authentication", "client_secret_basic"),
        ("scopes", "profile"),
        ("scopes", "facility"),
    ]
}

/// A service that was registered by the form.
pub(super) struct Made {
    pub(super) client_id: String,
    pub(super) secret: String,
}

/// Registers a service of ours with these fields, which must do.
pub(super) async fn made(app: &App, fields: &[(&str, &str)]) -> Made {
    let made = send(app, "POST", PATH, FACILITY, &form(fields)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    Made {
        client_id: between(&made.text, "id=\"client-id\">").to_owned(),
        secret: between(&made.text, "id=\"client-secret\">").to_owned(),
    }
}

fn between<'a>(text: &'a str, before: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once('<').unwrap().0
}

async fn services(app: &App) -> Vec<service::Service> {
    service::list(&mut app.store().read()).await.unwrap()
}

#[tokio::test]
async fn an_owner_registers_a_service_for_the_sandbox_and_sees_its_secret_once() {
    let test = owners().await;
    let app = &test.app;
    let page = send(app, "GET", PATH, FACILITY, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(OURS) && !page.text.contains(THEIRS), "{}", page.text);
    let Made { client_id, secret } = made(app, &filled()).await;
    let stored = services(app).await.pop().unwrap();
    assert_eq!((stored.id.as_str(), stored.live_at), (client_id.as_str(), None));
    assert_eq!(stored.organisation_id.as_deref(), Some(OURS));
    assert_eq!(stored.redirect_uris.len(), 2);
    assert_eq!(stored.redirect_uris[1], "https://referral.example/second");
    assert_eq!(stored.scopes, ["facility", "openid", "profile"]);
    assert_eq!(stored.secret_hash, Some(Sha256::digest(&secret).into()));
    let rules = service::rules(&mut app.store().read(), &client_id).await.unwrap();
    assert_eq!(rules, None, "whom it is open to is for the operating body to say");
    let list = send(app, "GET", "/console/services", FACILITY, "").await;
    assert!(
        list.text.contains("紹介状") && list.text.contains("試験中（未承認）"),
        "{}",
        list.text
    );
    assert!(!list.text.contains(&secret));
    let acts = acts(app).await;
    assert!(acts.iter().any(|act| act == "service.register done service_owner"), "{acts:#?}");
}

#[tokio::test]
async fn a_field_that_does_not_fit_is_the_form_again_with_what_was_typed() {
    let test = owners().await;
    let app = &test.app;
    for (field, typed, told) in [
        ("name_ja", " ", "入力してください"),
        ("name_en", "Referral\u{202e}", "name_en-error"),
        ("home_url", "referral.example", "アドレス（URL）として読めません"),
        ("home_url", "https://REFERRAL.example/", "「https://referral.example/」と書いてください"),
        ("redirect_uris", "", "redirect_uris-error"),
        ("redirect_uris", "http://referral.example/", "https:// で始まりません"),
        ("redirect_uris", "https://a.example/\nhttps://b.example/", "1つのホスト名にそろえて"),
        ("redirect_uris", "https://127.0.0.1/", "そのコンピューター自身"),
        ("logout_uris", "https://u:p@referral.example/", "ユーザー名やパスワード"),
        ("backchannel_logout_uri", "https://referral.example/#x", "# 以降"),
        ("authentication", "private_key_jwt", "authentication-error"),
        ("scopes", "everything", "scopes-error"),
    ] {
        let mut fields = filled();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, typed));
        let again = send(app, "POST", &format!("{PATH}?lang=ja"), FACILITY, &form(&fields)).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {typed}");
        assert!(again.text.contains(told), "{field}: {told} is not in {}", again.text);
        assert!(again.text.contains("Write letters."), "{field}: what was typed is gone");
    }
    assert!(services(app).await.is_empty());
}

#[tokio::test]
async fn nobody_registers_for_an_organisation_that_another_answers_for() {
    let test = owners().await;
    let app = &test.app;
    for cookie in [ELSEWHERE, OPERATOR] {
        let refused = send(app, "POST", PATH, cookie, &form(&filled())).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let body = form(&[("organisation", OURS)]);
        let refused = send(app, "POST", "/console/services/token", cookie, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(send(app, "GET", PATH, OPERATOR, "").await.status, StatusCode::FORBIDDEN);
    assert!(services(app).await.is_empty());
}

#[tokio::test]
async fn an_owner_makes_a_token_by_which_one_service_of_theirs_registers_itself() {
    let test = owners().await;
    let app = &test.app;
    let body = form(&[("organisation", OURS)]);
    let made = send(app, "POST", "/console/services/token", FACILITY, &body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let token = between(&made.text, "id=\"initial-token\">");
    let (mut reader, hash) = (app.store().read(), Sha256::digest(token).into());
    let found = client_registration::find_initial(&mut reader, &hash, app.now()).await.unwrap();
    assert_eq!(found.unwrap().organisation_id.as_deref(), Some(OURS));
    let acts = acts(app).await;
    let act = "initial_access_token.create done service_owner";
    assert!(acts.iter().any(|other| other == act), "{acts:#?}");
}

//! Login by password at a terminal, through the real router: the honest way, and what it carries.

use sekisho_store::{Queries, invitation::Kind, sql};
use sekisho_wire::acr;
use serde_json::{Value as Json, json};
use time::Duration;

use super::{
    desk::{Answered, Desk, count, desk, instance_with, live_sessions, physician, told},
    standing::{roles_now, session},
    step_up::{self, AUTHORIZE},
};
use crate::{
    config::Settings,
    login,
    people::{
        tests::{PASSWORD, between, form},
        totp::TotpSecret,
    },
    testing::TestApp,
};

/// An instance that takes passwords with a one-time password.
pub async fn instance() -> TestApp {
    instance_with(passwords()).await
}

/// An instance that takes them without one, too.
pub async fn lenient() -> TestApp {
    let mut settings = passwords();
    settings.card_login.password_with_facility_certificate = true;
    instance_with(settings).await
}

pub fn passwords() -> Settings {
    let mut settings = Settings::default();
    settings.card_login.passwords = true;
    settings
}

/// Somebody without a card: the login name, and the app on their telephone.
pub struct Clerk {
    pub login_name: &'static str,
    pub app: TotpSecret,
    pub recovery_codes: Vec<String>,
}

/// The recovery codes on a page.
pub fn shown(page: &str) -> Vec<String> {
    let list = between(page, r#"id="recovery-codes">"#, "</ul>");
    list.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

impl Clerk {
    /// What the app shows now.
    pub fn code(&self, test: &TestApp) -> String {
        self.app.code_at(test.app.now()).unwrap()
    }
}

impl Desk {
    /// Enters the code of an invitation; the page that opens the account.
    pub async fn enter_code(&mut self, test: &TestApp, code: &str) -> Answered {
        self.get(test, "/invitation").await;
        let entered = self.post_form(test, "/invitation", &format!("code={code}")).await;
        assert_eq!(entered.location.as_deref(), Some("/invitation/account"), "{}", entered.text);
        self.get(test, "/invitation/account").await
    }

    /// The form of that page, filled in well, and the app that its picture was read with.
    pub fn account_form(test: &TestApp, page: &str, login_name: &str) -> (String, TotpSecret) {
        let setup = between(page, r#"name="setup" value=""#, "\"");
        let app = TotpSecret::from_text(between(page, r#"id="totp-secret">"#, "<")).unwrap();
        let code = app.code_at(test.app.now()).unwrap();
        let body = form(&[
            ("setup", setup),
            ("login_name", login_name),
            ("password", PASSWORD),
            ("password_again", PASSWORD),
            ("totp_code", &code),
        ]);
        (body, app)
    }

    /// Invites somebody without a card, who opens an account and is logged in.
    pub async fn join(&mut self, test: &TestApp, name: &str, login_name: &'static str) -> Clerk {
        let code = self.invite_by(test, Kind::Account, name, "").await;
        let page = self.enter_code(test, &code).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let (body, app) = Self::account_form(test, &page.text, login_name);
        let answered = self.post_form(test, "/invitation/account", &body).await;
        assert!(self.session_cookie.is_some(), "{}", answered.text);
        Clerk { login_name, app, recovery_codes: shown(&answered.text) }
    }

    /// Sends the form of the login page.
    pub async fn type_in(
        &mut self,
        test: &TestApp,
        login_name: &str,
        password: &str,
        code: &str,
    ) -> Answered {
        self.get(test, "/login").await;
        let typed = [("login_name", login_name), ("password", password), ("totp_code", code)];
        self.post_form(test, "/login/password", &form(&typed)).await
    }

    /// Logs a clerk in with both factors.
    pub async fn login_with(&mut self, test: &TestApp, clerk: &Clerk) -> Answered {
        self.type_in(test, clerk.login_name, PASSWORD, &clerk.code(test)).await
    }
}

/// A clerk, logged out, whose next code is a fresh one.
pub async fn clerk_of(test: &TestApp, desk: &mut Desk) -> Clerk {
    let clerk = desk.join(test, "鈴木 一郎", "suzuki").await;
    desk.log_out(test).await;
    test.clock.advance(Duration::minutes(1));
    clerk
}

pub fn logged_in(answered: &Answered) {
    assert_eq!(
        (answered.status, answered.location.as_deref()),
        (303, Some("/")),
        "{}",
        answered.text
    );
}

/// A service for whoever is a member, at this level.
pub async fn service_at(test: &TestApp, level: &str) {
    let rule = format!("id = \"members\"\nmembership = true\nminimum_acr = \"{level}\"");
    step_up::register_with(test, &rule).await;
}

#[tokio::test]
async fn passwords_are_levels_where_the_operator_allows_them() {
    let levels = |test: &TestApp| login::levels(test.app.config());
    assert_eq!(levels(&instance().await), [acr::PASSWORD_TOTP, acr::HPKI_CARD]);
    let all = [acr::PASSWORD_AT_FACILITY, acr::PASSWORD_TOTP, acr::HPKI_CARD];
    assert_eq!(levels(&lenient().await), all);
    let mut alone = Settings::default();
    alone.card_login.password_with_facility_certificate = true;
    let folder = tempfile::tempdir().unwrap();
    let refused = alone.validate(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("card_login.password_with_facility_certificate"), "{refused}");
}

#[tokio::test]
async fn whoever_was_invited_without_a_card_opens_an_account_and_logs_in_with_both_factors() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let clerk = desk.join(&test, "鈴木 一郎", "suzuki").await;
    for act in ["account.open", "membership.start", "login.password"] {
        assert!(told(&test, act, None).await, "{act}");
    }
    desk.log_out(&test).await;
    assert!(desk.get(&test, "/login").await.text.contains(r#"action="/login/password""#));
    test.clock.advance(Duration::minutes(1));
    logged_in(&desk.login_with(&test, &clerk).await);
    let (level, methods, roles) = session(&test).await;
    assert_eq!(level, acr::PASSWORD_TOTP);
    assert_eq!(methods, r#"["mfa","otp","pwd"]"#);
    assert_eq!(roles, "[]");
    assert!(roles_now(&test).await.is_empty());
    let portal = desk.get(&test, "/").await.text;
    for part in ["鈴木 一郎", "パスワードとワンタイムパスワード（施設の登録端末にて）", "試験病院"]
    {
        assert!(portal.contains(part), "{part}: {portal}");
    }
    assert_eq!(count(&test, "SELECT COUNT(*) FROM person").await, 1);
    let kept = "SELECT COUNT(*) FROM password_login l JOIN session s ON s.evidence_id = l.id
                WHERE l.second_factor = 'totp' AND s.person_id = l.person_id";
    assert_eq!(count(&test, kept).await, 2);
}

#[tokio::test]
async fn a_service_is_told_the_level_who_vouches_and_no_profession() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    let rule = format!(
        "id = \"members\"\nmembership = true\nminimum_acr = \"{}\"\nrelease = [\"name\", \"hc_role\"]",
        acr::PASSWORD_TOTP
    );
    step_up::register_with_scopes(&test, &["openid", "profile", "hc_role"], &rule).await;
    desk.join(&test, "鈴木 一郎", "suzuki").await;
    let asking = AUTHORIZE.replace("scope=openid", "scope=openid%20profile%20hc_role");
    assert_ne!(asking, AUTHORIZE);
    let arrived = desk.get(&test, &asking).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    let statement = "SELECT claims FROM authorization_code";
    let (claims,): (String,) = test.app.store().read().fetch_one(sql(statement)).await.unwrap();
    let claims: Json = serde_json::from_str(&claims).unwrap();
    assert_eq!(claims["acr"], acr::PASSWORD_TOTP);
    assert_eq!(claims["amr"], json!(["mfa", "otp", "pwd"]));
    assert_eq!(claims["vouched_by"]["sub"], "facility_administrator");
    // Asked for as the name is, and released by the same rule.
    assert_eq!(claims["name"], "鈴木 一郎");
    assert!(claims.get("hc_role").is_none(), "{claims}");
}

#[tokio::test]
async fn what_asks_for_a_profession_or_more_refuses_a_password() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    step_up::register_with(&test, "id = \"members\"\nmembership = true").await;
    desk.join(&test, "鈴木 一郎", "suzuki").await;
    // Without a level in the rule it is the HPKI card's.
    let refused = desk.get(&test, AUTHORIZE).await;
    assert_eq!((refused.status, refused.location), (403, None));
    assert!(told(&test, "service.authorize", Some("level")).await);

    let rule = format!("{}\nminimum_acr = \"{}\"", step_up::RULE, acr::PASSWORD_TOTP);
    let other = instance().await;
    let mut there = super::desk::desk(&other, 1).await;
    step_up::register_with(&other, &rule).await;
    there.join(&other, "鈴木 一郎", "suzuki").await;
    let refused = there.get(&other, AUTHORIZE).await;
    assert!(refused.location.is_none() && refused.text.contains("医師"), "{}", refused.text);
    assert!(told(&other, "service.authorize", Some("role")).await);
}

#[tokio::test]
async fn a_password_alone_is_a_lower_level_which_the_code_raises() {
    let test = lenient().await;
    let mut desk = desk(&test, 1).await;
    service_at(&test, acr::PASSWORD_TOTP).await;
    let clerk = clerk_of(&test, &mut desk).await;
    logged_in(&desk.type_in(&test, clerk.login_name, PASSWORD, "").await);
    let (level, methods, roles) = session(&test).await;
    assert_eq!(level, acr::PASSWORD_AT_FACILITY);
    assert_eq!(methods, r#"["pop","pwd"]"#);
    assert_eq!(roles, "[]");
    let portal = desk.get(&test, "/?lang=en").await.text;
    assert!(portal.contains("Password alone"), "{portal}");

    // The rule demands more, and the page that refuses leads to what does.
    let refused = desk.get(&test, AUTHORIZE).await;
    assert_eq!((refused.status, &refused.location), (403, &None));
    let address = between(&refused.text, "href=\"/login?", "\"").replace("&#38;", "&");
    let page = desk.get(&test, &format!("/login?{address}")).await.text;
    let field = between(&page, r#"<input id="totp_code""#, ">");
    assert!(field.contains("required"), "{field}");
    let return_to = between(&page, r#"name="return_to" value=""#, "\"").replace("&#38;", "&");
    let send = |code: String| {
        form(&[
            ("login_name", "suzuki"),
            ("password", PASSWORD),
            ("totp_code", &code),
            ("return_to", &return_to),
            ("level", acr::PASSWORD_TOTP),
        ])
    };
    let without = desk.post_form(&test, "/login/password", &send(String::new())).await;
    assert_eq!(without.status, 422, "{}", without.text);
    assert!(told(&test, "login.password", Some("code-needed")).await);
    let before = session_name(&test).await;
    let raised = desk.post_form(&test, "/login/password", &send(clerk.code(&test))).await;
    assert_eq!(raised.status, 303, "{}", raised.text);
    assert_eq!(session_name(&test).await, before, "the same session, stronger");
    assert_eq!(session(&test).await.0, acr::PASSWORD_TOTP);
    let arrived = desk.get(&test, &raised.location.unwrap()).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");

    // Nor does the password alone go on with what both factors began.
    test.clock.advance(Duration::minutes(1));
    let weaker = desk.type_in(&test, clerk.login_name, PASSWORD, "").await;
    assert_eq!(weaker.status, 422);
    assert_eq!(
        (session(&test).await.0.as_str(), live_sessions(&test).await),
        (acr::PASSWORD_TOTP, 1)
    );
}

/// Of the one live session.
async fn session_name(test: &TestApp) -> Vec<u8> {
    let statement = sql("SELECT id_hash FROM session WHERE ended_at IS NULL");
    let (name,): (Vec<u8>,) = test.app.store().read().fetch_one(statement).await.unwrap();
    name
}

#[tokio::test]
async fn a_service_that_names_the_lowest_level_takes_it_and_without_a_licence_no_emergency_opens() {
    let test = lenient().await;
    let mut desk = desk(&test, 1).await;
    service_at(&test, acr::PASSWORD_AT_FACILITY).await;
    let clerk = clerk_of(&test, &mut desk).await;
    logged_in(&desk.type_in(&test, clerk.login_name, PASSWORD, "").await);
    let arrived = desk.get(&test, AUTHORIZE).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
    let words =
        form(&[("reason", "disaster"), ("words", "地震のため、ほかの県の患者を診ています。")]);
    let refused = desk.post_form(&test, "/emergency", &words).await;
    assert_eq!((refused.status, refused.location.as_deref()), (303, Some("/emergency")));
    assert!(told(&test, "emergency.begin", Some("not_licensed")).await);
    assert_eq!(count(&test, "SELECT COUNT(*) FROM emergency_access").await, 0);
}

#[tokio::test]
async fn an_essential_level_is_asked_for_and_reached_by_the_code() {
    let test = lenient().await;
    let mut desk = desk(&test, 1).await;
    service_at(&test, acr::PASSWORD_AT_FACILITY).await;
    let clerk = clerk_of(&test, &mut desk).await;
    logged_in(&desk.type_in(&test, clerk.login_name, PASSWORD, "").await);
    let demand =
        json!({ "id_token": { "acr": { "essential": true, "value": acr::PASSWORD_TOTP } } });
    let demand: String =
        url::form_urlencoded::byte_serialize(demand.to_string().as_bytes()).collect();
    let parked = desk.get(&test, &format!("{AUTHORIZE}&claims={demand}")).await.location.unwrap();
    assert!(parked.starts_with("/login?") && parked.contains("32473.3.1"), "{parked}");
    let page = desk.get(&test, &parked).await.text;
    let return_to = between(&page, r#"name="return_to" value=""#, "\"").replace("&#38;", "&");
    let body = form(&[
        ("login_name", "suzuki"),
        ("password", PASSWORD),
        ("totp_code", &clerk.code(&test)),
        ("return_to", &return_to),
        ("level", acr::PASSWORD_TOTP),
    ]);
    let next = desk.post_form(&test, "/login/password", &body).await.location.unwrap();
    let arrived = desk.get(&test, &next).await.location.unwrap();
    assert!(arrived.starts_with("https://referral.example/callback?code="), "{arrived}");
}

#[tokio::test]
async fn a_card_takes_over_from_a_clerk_in_a_session_of_its_own() {
    let test = instance().await;
    let mut desk = desk(&test, 1).await;
    desk.admit(&test, &physician()).await;
    desk.log_out(&test).await;
    desk.join(&test, "鈴木 一郎", "suzuki").await;
    let clerk = session_name(&test).await;
    assert_eq!(desk.login(&test, &physician(), false).await.status, 200);
    assert_ne!(session_name(&test).await, clerk);
    assert_eq!((session(&test).await.0.as_str(), live_sessions(&test).await), (acr::HPKI_CARD, 1));
}

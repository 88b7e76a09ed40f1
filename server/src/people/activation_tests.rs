//! `/activate` through the router: nobody gets an account without a good code, and nothing is half
//! written.

mod prefix;

use axum::response::Response;
use http::{StatusCode, header};
use sekisho_store::{
    Queries, StoreError,
    activation_code::{self, NewLetter},
    application::{self, Particulars},
    audit::{Actor, Audited, Entry},
    organisation::{self, OrganisationStatus, RegisteredAddress, StatusChange},
    organisation_kind::OrganisationKind,
    role_grant, sql, transaction,
};
use time::Duration;

use super::{
    tests::{PASSWORD, ask, between, form, refusals, session_cookie, text},
    totp::TotpSecret,
};
use crate::{
    app::App,
    config::Settings,
    paper_code::PaperCode,
    revocation,
    testing::{self, TestApp},
};

const FACILITY: &str = "179927398711";
const OTHER: &str = "179927398729";

/// A letter to an organisation in the register; its code as printed.
async fn letter(app: &App, id: &str) -> String {
    let code = PaperCode::generate(app.random()).unwrap();
    let (now, until) = (app.now(), app.now() + app.config().register().activation_lifetime());
    transaction!(app.store(), StoreError, |tx| {
        let code_hash = &code.hash();
        let letter = NewLetter {
            organisation_id: id,
            code_hash,
            issued_by: "p",
            reason: "",
            expires_at: until,
        };
        activation_code::issue(tx, letter, now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    code.reveal().to_string()
}

/// An instance with two approved organisations.
async fn instance() -> TestApp {
    instance_with(Settings::default()).await
}

async fn instance_with(settings: Settings) -> TestApp {
    let test = testing::app_with(settings).await;
    let (app, now) = (&test.app, test.app.now());
    transaction!(app.store(), StoreError, |tx| {
        for id in [FACILITY, OTHER] {
            let asked = Particulars {
                kind: OrganisationKind::Vendor,
                name: format!("青葉{id}"),
                name_kana: "アオバ".into(),
                prefecture: 13,
                postal_code: "100-0001".into(),
                address: "東京都".into(),
                contact_name: "中村".into(),
                contact_phone: "03-0000-0000".into(),
                contact_email: "n@example.jp".into(),
                codes: vec![],
            };
            let application = application::create(tx, id, &asked, None, now).await?;
            let address = RegisteredAddress { postal_code: "100-0001", address: "東京都" };
            organisation::enter(tx, id, &application, &asked, address, "p", now).await?;
        }
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    test
}

async fn post_code(app: &App, code: &str) -> Response {
    ask(app, "POST", "/activate", None, &form(&[("code", code)])).await
}

/// The account's form, filled in well: field by field, to be changed.
pub(crate) async fn filled(app: &App, code: &str, login_name: &str) -> Vec<(&'static str, String)> {
    let page = post_code(app, code).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = text(page).await;
    let secret = TotpSecret::from_text(between(&page, r#"id="totp-secret">"#, "<")).unwrap();
    vec![
        ("code", code.to_owned()),
        ("setup", between(&page, r#"name="setup" value=""#, "\"").to_owned()),
        ("login_name", login_name.to_owned()),
        ("name", "中村　直樹".to_owned()),
        ("name_kana", "ナカムラ　ナオキ".to_owned()),
        ("email", "nakamura@example.jp".to_owned()),
        ("password", PASSWORD.to_owned()),
        ("password_again", PASSWORD.to_owned()),
        ("totp_code", secret.code_at(app.now()).unwrap()),
    ]
}

pub(crate) fn with(fields: &[(&'static str, String)], field: &str, value: &str) -> String {
    let changed: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, kept)| (*name, if *name == field { value } else { kept.as_str() }))
        .collect();
    form(&changed)
}

pub(crate) async fn post_account(app: &App, body: &str) -> Response {
    ask(app, "POST", "/activate/account", None, body).await
}

/// People, accounts, roles, console sessions: all or none of them.
async fn written(app: &App) -> [i64; 4] {
    let mut counts = [0; 4];
    for (count, statement) in counts.iter_mut().zip([
        "SELECT COUNT(*) FROM person",
        "SELECT COUNT(*) FROM account WHERE password_phc IS NOT NULL AND totp_sealed IS NOT NULL",
        "SELECT COUNT(*) FROM role_grant",
        "SELECT COUNT(*) FROM session",
    ]) {
        (*count,) = app.store().read().fetch_one::<(i64,)>(sql(statement)).await.unwrap();
    }
    counts
}

async fn status(app: &App, id: &str) -> OrganisationStatus {
    organisation::status(&mut app.store().read(), id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_letters_code_makes_one_administrator_of_its_own_facility() {
    let test = instance().await;
    let app = &test.app;
    assert_eq!(ask(app, "GET", "/activate", None, "").await.status(), StatusCode::OK);
    let code = letter(app, FACILITY).await;
    letter(app, OTHER).await;
    // As people type it: in lower case, without hyphens.
    let typed = code.to_lowercase().replace('-', " ");
    let page = text(post_code(app, &typed).await).await;
    assert!(page.contains(FACILITY) && !page.contains(OTHER), "{page}");
    assert_eq!(written(app).await, [0; 4], "the first form spends nothing");
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Approved);

    let body = form_of(&filled(app, &code, "Nakamura").await);
    let done = post_account(app, &body).await;
    assert_eq!(done.status(), StatusCode::OK);
    let cookie = session_cookie(&done).unwrap();
    assert_eq!(written(app).await, [1; 4]);
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Active);
    assert_eq!(status(app, OTHER).await, OrganisationStatus::Approved);
    let grants =
        role_grant::of_role(&mut app.store().read(), "facility_administrator", 9).await.unwrap();
    assert_eq!(
        (grants[0].login_name.as_str(), grants[0].organisation_id.as_deref()),
        ("nakamura", Some(FACILITY))
    );
    let terminals = ask(app, "GET", "/console/terminals", Some(&cookie), "").await;
    assert_eq!(terminals.status(), StatusCode::OK);

    // The code is used: neither form takes it again.
    assert_eq!(post_code(app, &code).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let again = post_account(app, &body.replace("Nakamura", "another")).await;
    assert_eq!((again.status(), session_cookie(&again)), (StatusCode::GONE, None));
    assert_eq!(written(app).await, [1; 4]);
    assert_eq!(refusals(app, "organisation.activate").await, ["code_not_good", "code_not_good"]);
}

pub(crate) fn form_of(fields: &[(&'static str, String)]) -> String {
    with(fields, "", "")
}

#[tokio::test]
async fn a_facility_held_before_its_activation_is_activated_when_it_is_released() {
    let test = instance().await;
    let app = &test.app;
    let code = letter(app, FACILITY).await;
    let body = form_of(&filled(app, &code, "nakamura").await);
    let act = async |measure| {
        let order = revocation::Order {
            target: revocation::Target::Facility(FACILITY.to_owned()),
            measure,
            invalidity_at: None,
            note: "operator's note".to_owned(),
            actor: Actor::System,
            at: app.now(),
        };
        assert!(revocation::carry_out(app.store(), &order).await.unwrap().changed);
    };
    act(revocation::Measure::Hold).await;
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Suspended);
    // Told at once, in both languages, and not as a dead code.
    for (lang, said) in [("ja", "利用停止中のため"), ("en", "is on hold")] {
        let first = form(&[("code", &code)]);
        let first = ask(app, "POST", &format!("/activate?lang={lang}"), None, &first).await;
        assert_eq!(first.status(), StatusCode::FORBIDDEN);
        let page = text(first).await;
        assert!(page.contains(said) && page.contains(FACILITY), "{page}");
        assert!(page.contains(&format!("青葉{FACILITY}")), "its name: {page}");
        assert!(!page.contains("totp-secret") && !page.contains("operator's note"), "{page}");
    }
    let refused = post_account(app, &body).await;
    assert_eq!((refused.status(), session_cookie(&refused)), (StatusCode::FORBIDDEN, None));
    assert_eq!(refusals(app, "organisation.activate").await, ["facility_on_hold"; 3]);
    assert_eq!(written(app).await, [0; 4]);
    act(revocation::Measure::Release).await;
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Approved);
    assert_eq!(post_account(app, &body).await.status(), StatusCode::OK);
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Active);
}

#[tokio::test]
async fn a_code_that_no_letter_has_makes_nothing() {
    let test = instance().await;
    let app = &test.app;
    let code = letter(app, FACILITY).await;
    let fields = filled(app, &code, "nakamura").await;
    let unknown = PaperCode::generate(app.random()).unwrap().reveal().to_string();
    for wrong in [unknown.as_str(), "", "x", &code[..code.len() - 1], &"A".repeat(200)] {
        let page = post_code(app, wrong).await;
        assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(!text(page).await.contains("totp-secret"), "{wrong}");
    }
    test.clock.advance(Duration::DAY * 2);
    let refused = post_account(app, &with(&fields, "code", &unknown)).await;
    assert_eq!((refused.status(), session_cookie(&refused)), (StatusCode::GONE, None));
    assert_eq!(written(app).await, [0; 4]);
    assert_eq!(refusals(app, "organisation.activate").await, ["code_not_good"; 6]);
}

#[tokio::test]
async fn guessing_from_one_address_has_to_wait_longer_and_longer() {
    let mut settings = Settings::default();
    settings.people.network_factor = 2;
    let test = instance_with(settings).await;
    let app = &test.app;
    let code = letter(app, FACILITY).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let answer = post_code(app, "ABCD-EFGH").await;
        let waits = answer.headers().contains_key(header::RETRY_AFTER);
        statuses.push((answer.status().as_u16(), waits));
    }
    // Six are free, after the seventh the address rests.
    assert_eq!(statuses[..7], [(422, false); 7]);
    assert_eq!(statuses[7], (429, true));
    // Behind one address may sit a whole hospital: whoever has the letter is let in.
    assert_eq!(post_code(app, &code).await.status(), StatusCode::OK);
    test.clock.advance(Duration::SECOND);
    assert_eq!(post_code(app, "ABCD-EFGH").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post_code(app, "ABCD-EFGH").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refusals(app, "organisation.activate").await.len(), 8, "a rest writes nothing");
    assert_eq!(written(app).await, [0; 4]);
}

#[tokio::test]
async fn an_expired_and_a_replaced_code_make_nothing() {
    let test = instance().await;
    let app = &test.app;
    let first = letter(app, FACILITY).await;
    let fields = filled(app, &first, "nakamura").await;
    let second = letter(app, FACILITY).await;
    assert_eq!(post_code(app, &first).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let refused = post_account(app, &form_of(&fields)).await;
    assert_eq!(refused.status(), StatusCode::GONE, "a later letter replaced it");

    let fields = filled(app, &second, "nakamura").await;
    test.clock.advance(app.config().register().activation_lifetime());
    assert_eq!(post_code(app, &second).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post_account(app, &form_of(&fields)).await.status(), StatusCode::GONE);
    assert_eq!(written(app).await, [0; 4]);
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Approved);
}

#[tokio::test]
async fn a_form_cannot_name_another_facility() {
    let test = instance().await;
    let app = &test.app;
    let code = letter(app, FACILITY).await;
    let body = form_of(&filled(app, &code, "nakamura").await);
    for more in ["&organisation_id=179927398729", "&facility=179927398729", "&code=x"] {
        let refused = post_account(app, &format!("{body}{more}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{more}");
    }
    assert_eq!(written(app).await, [0; 4]);
    assert_eq!(post_account(app, &body).await.status(), StatusCode::OK);
    assert_eq!(status(app, OTHER).await, OrganisationStatus::Approved);
}

#[tokio::test]
async fn a_mistake_stands_at_its_field_and_spends_nothing() {
    let test = instance().await;
    let app = &test.app;
    let code = letter(app, FACILITY).await;
    let other = letter(app, OTHER).await;
    let taken = form_of(&filled(app, &other, "taken").await);
    assert_eq!(post_account(app, &taken).await.status(), StatusCode::OK);
    let fields = filled(app, &code, "nakamura").await;
    for (field, value, at) in [
        ("password", "short", "password"),
        ("password", "nakamura-nakamura", "password"),
        ("password_again", "something-else-entirely", "password_again"),
        ("totp_code", "000000", "totp_code"),
        ("totp_code", "", "totp_code"),
        // A secret that we did not seal for this code is none, whatever the digits say.
        ("setup", "AAAA", "setup"),
        ("setup", &"A".repeat(5_000), "setup"),
        ("login_name", "x y", "login_name"),
        ("login_name", "taken", "login_name"),
        ("name", " ", "name"),
        ("name", "中村\u{202e}直樹", "name"),
        ("name", "中村\u{e0fff}直樹", "name"),
        ("password", "password\u{200b}\u{200b}\u{200b}\u{200b}", "password"),
        ("name_kana", "", "name_kana"),
        ("name_kana", "abc", "name_kana"),
        ("name_kana", "中村", "name_kana"),
        ("name_kana", "ナカ\u{200b}ムラ", "name_kana"),
        ("email", "nobody", "email"),
    ] {
        let refused = post_account(app, &with(&fields, field, value)).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}");
        assert_eq!(session_cookie(&refused), None);
        let page = text(refused).await;
        assert!(page.contains(&format!("id=\"{at}-error\"")), "{field} {value}: {page}");
        assert!(!page.contains(PASSWORD), "what was typed as a password is not repeated");
    }
    assert_eq!(written(app).await, [1; 4], "only the other facility's");
    assert_eq!(status(app, FACILITY).await, OrganisationStatus::Approved);
    // The code is still good.
    assert_eq!(post_account(app, &form_of(&fields)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_letter_to_an_organisation_that_was_suspended_since_makes_nobody() {
    let test = instance().await;
    let app = &test.app;
    let first = form_of(&filled(app, &letter(app, FACILITY).await, "nakamura").await);
    assert_eq!(post_account(app, &first).await.status(), StatusCode::OK);
    let fields = filled(app, &letter(app, FACILITY).await, "tanaka").await;
    let now = app.now();
    transaction!(app.store(), StoreError, |tx| {
        let suspend = StatusChange::Suspend;
        organisation::change_status(tx, FACILITY, suspend, "p", "inspection", now).await?;
        Ok(Audited::new((), Entry::done("test", Actor::System, now)))
    })
    .unwrap();
    let refused = post_account(app, &form_of(&fields)).await;
    assert_eq!((refused.status(), session_cookie(&refused)), (StatusCode::FORBIDDEN, None));
    assert!(text(refused).await.contains("inspection"), "the reason from the console is told");
    assert_eq!(written(app).await, [1; 4]);
}

#[tokio::test]
async fn two_uses_of_a_letter_at_once_make_one_administrator() {
    let test = instance().await;
    let other = testing::second_process(&test, "node-2").await;
    let code = letter(&test.app, FACILITY).await;
    let one = form_of(&filled(&test.app, &code, "nakamura").await);
    let two = form_of(&filled(&other, &code, "tanaka").await);
    let (first, second) = tokio::join!(post_account(&test.app, &one), post_account(&other, &two));
    let mut statuses = [first.status(), second.status()];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::GONE]);
    assert_eq!(written(&test.app).await, [1; 4]);
}

//! Renders the pages that people meet to PNG, in both languages.
//!
//! `cargo build --workspace --bins && target/debug/screenshots FOLDER`

mod emergency;
mod passwords;
mod routers;
mod rules;
mod services;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Parser;
use sekisho::{
    config::Settings,
    demo::{
        cards::MY_NUMBER, cast::CARD_HOLDERS, console::ConsoleUser, desk::Desk, stage::free_port,
        walk,
    },
};
use sekisho_output::say;
use sekisho_tests::{
    Desktop, Door, become_user, consent,
    day_pass::{self, Stop},
    my_number::PhysiciansDesk,
    sandbox,
};
use thirtyfour::{By, WebDriver, prelude::ElementQueryable};

/// Render the pages that people meet to PNG, in both languages
#[derive(Debug, Parser)]
#[command(after_help = "\
Example:
  cargo build --workspace --bins && target/debug/screenshots /tmp/pages")]
struct Arguments {
    /// Folder for the PNG files; it is made where it does not exist
    #[arg(value_name = "FOLDER")]
    out: PathBuf,
}

const LANGUAGES: [&str; 2] = ["ja", "en"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { out } = Arguments::parse();
    std::fs::create_dir_all(&out)?;
    let folder = tempfile::tempdir()?;
    // The same address after the second start.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let fixed = |settings: &mut Settings| {
        settings.listen.tls = vec![address];
        settings.card_login.passwords = true;
        settings.card_login.day_passes = true;
        settings.emergency.visitors = true;
    };
    let mut desktop = Desktop::set_up_with(folder.path(), Door::Script, 0, fixed).await?;
    desktop.scene.stage = sandbox::make(desktop.scene.stage).await?;
    let origins = &desktop.scene.stage.origins;
    let (terminal, public) = (&origins.terminal, &origins.public);
    let driver = &desktop.chromium.driver;
    let before = [
        ("landing", format!("{public}/")),
        ("personal-data", format!("{public}/personal-data")),
        ("personal-data-of", format!("{public}/personal-data/regional-record")),
        ("apply", format!("{public}/apply")),
        ("activate", format!("{public}/activate")),
        ("console-login", format!("{public}/console/login")),
        ("login", format!("{terminal}/login")),
        ("login-for-emergency", format!("{terminal}/login?return_to=/emergency")),
        ("invitation", format!("{terminal}/invitation")),
    ];
    let after = [
        ("portal", format!("{terminal}/")),
        ("portal-searched", format!("{terminal}/?q=%E7%B4%B9%E4%BB%8B")),
        ("history", format!("{terminal}/history")),
        ("sessions", format!("{terminal}/sessions")),
        ("login-times", format!("{terminal}/login-times")),
        ("help", format!("{terminal}/help")),
        ("login-again", format!("{terminal}/login")),
        ("service-refused", format!("{}/login", desktop.services[2].origin)),
    ];
    for (pages, logged_in) in [(&before[..], false), (&after[..], true)] {
        if logged_in {
            desktop.log_in().await?;
        }
        for (name, url) in pages {
            let switch = if url.starts_with(public.as_str()) { public } else { terminal };
            shoot(driver, &out, switch, name, url).await?;
        }
    }
    consents(&desktop, &out).await?;
    emergency::pages(&desktop, &out).await?;
    passkeys(&desktop, &out).await?;
    day_pass(&desktop, &out).await?;
    // After it the first physician's card is one that was revoked once.
    my_number_card(&desktop, &out).await?;
    passwords::pages(&desktop, &out).await?;
    console(&desktop, &out).await?;
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// What a person is asked before a service is told of them, and what they agreed to; in the console what the service
/// says about it.
async fn consents(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let (origins, driver) = (&desktop.scene.stage.origins, &desktop.chromium.driver);
    let terminal = &origins.terminal;
    consent::declare(desktop).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    let asked = consent::ask(desktop).await?;
    shoot(driver, out, terminal, "consent", &asked).await?;
    consent::decide(desktop, "agree").await?;
    shoot(driver, out, terminal, "consents", &format!("{terminal}/consents")).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    Ok(())
}

/// The page of My Number cards before and after one was linked, and the portal after a login by it: with the
/// profession, and once nobody vouches any more.
async fn my_number_card(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let terminal = &desktop.scene.stage.origins.terminal;
    let driver = &desktop.chromium.driver;
    let page = format!("{terminal}/my-number-card");
    shoot(driver, out, terminal, "my-number-card", &page).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    let (desk, card) = (PhysiciansDesk(desktop), MY_NUMBER[0]);
    desk.log_out().await?;
    desk.link(card).await?;
    shoot(driver, out, terminal, "my-number-card-linked", &page).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    desk.log_out().await?;
    desk.log_in(None).await?;
    shoot(driver, out, terminal, "portal-by-my-number-card", &format!("{terminal}/")).await?;
    shoot(driver, out, terminal, "my-number-card-of-its-own-login", &page).await?;
    let now = time::OffsetDateTime::now_utc() - time::Duration::SECOND;
    desktop.scene.cards.publish(&[CARD_HOLDERS[0].key], now)?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    desk.portal_says("HPKI証明書が失効しました").await?;
    shoot(driver, out, terminal, "portal-lapsed", &format!("{terminal}/")).await?;
    // A list of the same time would not take the other's place.
    desktop.scene.cards.publish(&[], time::OffsetDateTime::now_utc() - time::Duration::SECOND)?;
    // The next pages need the same card in force, which the portal learns by and by.
    desk.portal_says_no_more("HPKI証明書が失効しました").await
}

/// The way of a day pass. What answers a form can be seen once, so in one language.
async fn day_pass(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let terminal = &desktop.scene.stage.origins.terminal;
    let driver = &desktop.chromium.driver;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    PhysiciansDesk(desktop).log_out().await?;
    day_pass::journey(desktop, async |stop| {
        let name = match stop {
            Stop::Asking => "day-pass-asking",
            Stop::Asked => "day-pass-asked",
            Stop::Told => "day-pass-told",
            Stop::Giving => "day-pass-giving",
            Stop::Refused => return capture(driver, out, "day-pass-refused-ja").await,
            Stop::Slip => return capture(driver, out, "day-pass-slip-ja").await,
            Stop::Login => "login-day-pass",
            Stop::LoginRefused => return capture(driver, out, "login-day-pass-refused-ja").await,
            Stop::Portal => "portal-by-day-pass",
        };
        let page = driver.current_url().await?;
        shoot(driver, out, terminal, name, page.as_str()).await?;
        driver.goto(&format!("{terminal}/?lang=ja")).await?;
        driver.goto(page.as_str()).await?;
        Ok(())
    })
    .await?;
    PhysiciansDesk(desktop).insert(CARD_HOLDERS[0].key)?;
    PhysiciansDesk(desktop).log_in(None).await
}

/// The page of passkeys before and after one was enrolled, and after a login by it; then a login by card.
async fn passkeys(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let terminal = &desktop.scene.stage.origins.terminal;
    let driver = &desktop.chromium.driver;
    let (desk, page) = (PhysiciansDesk(desktop), format!("{terminal}/passkeys"));
    desk.plug_in_security_key().await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    desk.log_out().await?;
    desk.insert(CARD_HOLDERS[0].key)?;
    desk.log_in(None).await?;
    shoot(driver, out, terminal, "passkeys", &page).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    desk.enrol_passkey("青いセキュリティキー").await?;
    shoot(driver, out, terminal, "passkeys-enrolled", &page).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    desk.log_out().await?;
    desk.press_passkey().await?;
    driver.query(By::Id("services-title")).first().await?;
    shoot(driver, out, terminal, "portal-by-passkey", &format!("{terminal}/")).await?;
    shoot(driver, out, terminal, "passkeys-of-its-own-login", &page).await?;
    let strict = format!("{}/login", desktop.services[0].origin);
    shoot(driver, out, terminal, "service-wants-the-card", &strict).await?;
    // Without the way back, with which the login would begin by itself.
    let button = driver.find(By::Css("a[href*='level=']")).await?.attr("href").await?;
    let level = button.as_deref().and_then(|address| address.split("level=").nth(1));
    let stronger = format!("{terminal}/login?level={}", level.context("no level is asked for")?);
    shoot(driver, out, terminal, "login-stronger", &stronger).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    desk.log_out().await?;
    desk.log_in(None).await?;
    Ok(())
}

/// One page in both languages. The choice of language is kept in a cookie of the name that serves
/// the page.
async fn shoot(
    driver: &WebDriver,
    out: &Path,
    switch: &str,
    name: &str,
    url: &str,
) -> anyhow::Result<()> {
    for language in LANGUAGES {
        driver.goto(&format!("{switch}/?lang={language}")).await?;
        driver.goto(url).await?;
        capture(driver, out, &format!("{name}-{language}")).await?;
    }
    Ok(())
}

/// The page that is open, from top to bottom, as wide as on a desk and as on a telephone.
async fn capture(driver: &WebDriver, out: &Path, name: &str) -> anyhow::Result<()> {
    for (width, suffix) in [(1280, ""), (390, "-narrow")] {
        driver.set_window_rect(0, 0, width, 800).await?;
        let height = driver.execute("return document.documentElement.scrollHeight", vec![]).await?;
        let height: u32 = height.convert()?;
        // The frame of the window takes part of the height.
        driver.set_window_rect(0, 0, width, height + 160).await?;
        let path = out.join(format!("{name}{suffix}.png"));
        driver.screenshot(&path).await?;
        say(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// The pages of people without a card, as each of them sees them.
async fn console(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let public = &scene.stage.origins.public;
    let operator = &scene.operators.administrator;
    let (hospital, clinic) = (&scene.facilities[0], &scene.facilities[1]);
    // Somebody else brings the line that enrolled the hospital's PC.
    let thief = Desk::new(&scene.stage, "thief", scene.stage.door(9))?;
    thief.paste(&scene.desks[0].line, thief.folder()).await?;
    let status = format!("/console/organisations/{}/status", clinic.identifier);
    for (user, pages) in [
        (
            operator,
            vec![
                ("console-operator", "/console".to_owned()),
                ("organisations", "/console/organisations".to_owned()),
                ("organisation", format!("/console/organisations/{}", clinic.identifier)),
                ("organisation-status", status.clone()),
                ("roles", "/console/roles".to_owned()),
                ("services", "/console/services".to_owned()),
                ("service", "/console/service/regional-record".to_owned()),
                (
                    "service-personal-data",
                    "/console/service/regional-record/personal-data".to_owned(),
                ),
            ],
        ),
        (
            &hospital.administrator,
            vec![
                ("console-facility", "/console".to_owned()),
                ("terminals", "/console/terminals".to_owned()),
                ("members", "/console/members".to_owned()),
                ("staff", "/console/staff".to_owned()),
                ("notices", "/console/notices".to_owned()),
            ],
        ),
    ] {
        become_user(driver, user, public).await?;
        for (name, path) in pages {
            shoot(driver, out, public, name, &format!("{public}{path}")).await?;
        }
    }
    rules::pages(desktop, out, operator).await?;
    services::pages(desktop, out, operator).await?;
    routers::pages(driver, out, public, &hospital.administrator).await?;
    routers::models(driver, out, public, operator, &hospital.administrator).await?;
    let names = ("監査　役", "カンサ　ヤク");
    let auditor = walk::appoint(&scene.stage, operator, "auditor1", names, "auditor").await?;
    become_user(driver, &auditor, public).await?;
    shoot(driver, out, public, "audit", &format!("{public}/console/audit")).await?;
    let record = driver.find(By::Css("main a[href^='/console/audit/']")).await?;
    let record = record.attr("href").await?.context("the trail shows no record")?;
    shoot(driver, out, public, "audit-record", &format!("{public}{record}")).await?;
    let whois = format!("{public}/console/whois");
    shoot(driver, out, public, "whois", &format!("{whois}?address=127.0.0.1")).await?;
    shoot(driver, out, public, "whois-refused", &format!("{whois}?address=127.0.0")).await?;
    let code = letters(driver, out, public, &scene.operators.officer, &clinic.identifier).await?;
    become_user(driver, &hospital.administrator, public).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        facility_forms(driver, out, public, language).await?;
    }
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        strangers_forms(driver, out, public, language, &code).await?;
    }

    let form = [("change", "suspend"), ("reason", "定期点検のため"), ("sure", "yes")];
    operator.submit(&status, &form).await?.expect_success()?;
    become_user(driver, &clinic.administrator, public).await?;
    for (name, path) in
        [("suspended-console", "/console"), ("suspended-terminals", "/console/terminals")]
    {
        shoot(driver, out, public, name, &format!("{public}{path}")).await?;
    }
    become_user(driver, operator, public).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&format!("{public}{status}")).await?;
        type_into(driver, "reason", "再開").await?;
        send(driver, "form[action$='/status']", "#errors").await?;
        capture(driver, out, &format!("status-refused-{language}")).await?;
        enter_activation_code(driver, public, &code).await?;
        driver.query(By::Css("main .error, main h1")).first().await?;
        capture(driver, out, &format!("activate-held-{language}")).await?;
    }
    Ok(())
}

/// What a facility's administrator makes and mistypes: a terminal with its line and QR, an
/// invitation, and the forms that come back.
async fn facility_forms(
    driver: &WebDriver,
    out: &Path,
    public: &str,
    language: &str,
) -> anyhow::Result<()> {
    let list = format!("{public}/console/terminals");
    let name = "main input[name='name']";
    driver.goto(&list).await?;
    driver.find(By::Css(name)).await?.send_keys(format!("処置室 {language}")).await?;
    send(driver, "form[action='/console/terminals']", ".qr").await?;
    capture(driver, out, &format!("terminal-code-{language}")).await?;
    driver.goto(&list).await?;
    driver.find(By::Css(name)).await?.send_keys(format!("処置室 {language}")).await?;
    send(driver, "form[action='/console/terminals']", ".field-error").await?;
    capture(driver, out, &format!("terminals-refused-{language}")).await?;
    driver.goto(&list).await?;
    driver.find(By::Css("main tbody th a")).await?.click().await?;
    driver.query(By::Css("a[href$='/revoke']")).first().await?;
    capture(driver, out, &format!("terminal-{language}")).await?;
    driver.find(By::Css("a[href$='/revoke']")).await?.click().await?;
    driver.query(By::Id("note")).first().await?;
    type_into(driver, "note", "窓口のPC").await?;
    send(driver, "form[action$='/revoke']", "#errors").await?;
    capture(driver, out, &format!("revoke-refused-{language}")).await?;

    driver.goto(&format!("{public}/console/members")).await?;
    type_into(driver, "name", "高橋　誠").await?;
    type_into(driver, "name_kana", "高橋").await?;
    send(driver, "form[action='/console/members/invitations']", "#errors").await?;
    capture(driver, out, &format!("invite-refused-{language}")).await?;
    driver.find(By::Id("name_kana")).await?.clear().await?;
    type_into(driver, "name_kana", "タカハシ　マコト").await?;
    driver.find(By::Css("#role option[value='Medical Doctor']")).await?.click().await?;
    send(driver, "form[action='/console/members/invitations']", ".slip").await?;
    capture(driver, out, &format!("invitation-slip-{language}")).await
}

/// Forms that somebody fills in before they have an account, and that come back.
async fn strangers_forms(
    driver: &WebDriver,
    out: &Path,
    public: &str,
    language: &str,
    code: &str,
) -> anyhow::Result<()> {
    driver.goto(&format!("{public}/apply")).await?;
    type_into(driver, "name", "さくら病院").await?;
    type_into(driver, "medical_institution_code", "1311000011").await?;
    send(driver, "form[action^='/apply']", ".field-error").await?;
    capture(driver, out, &format!("apply-refused-{language}")).await?;
    enter_activation_code(driver, public, code).await?;
    driver.query(By::Id("login_name")).first().await?;
    capture(driver, out, &format!("activate-account-{language}")).await?;
    type_into(driver, "name_kana", "中村").await?;
    send(driver, "form[action='/activate/account']", "#errors").await?;
    capture(driver, out, &format!("activate-refused-{language}")).await
}

async fn enter_activation_code(driver: &WebDriver, public: &str, code: &str) -> anyhow::Result<()> {
    driver.goto(&format!("{public}/activate")).await?;
    type_into(driver, "code", code).await?;
    driver.find(By::Css("form[action='/activate'] button")).await?.click().await?;
    Ok(())
}

async fn type_into(driver: &WebDriver, id: &str, text: &str) -> anyhow::Result<()> {
    driver.find(By::Id(id)).await?.send_keys(text).await?;
    Ok(())
}

/// Sends a form past the browser's own checks, and waits for what the answer must show.
async fn send(driver: &WebDriver, form: &str, shows: &str) -> anyhow::Result<()> {
    let form = driver.find(By::Css(form)).await?;
    driver.execute("arguments[0].noValidate = true", vec![form.to_json()?]).await?;
    form.find(By::Css("button[type='submit']")).await?.click().await?;
    driver
        .query(By::Css(shows))
        .first()
        .await
        .with_context(|| format!("the answer does not show {shows}"))?;
    Ok(())
}

/// A further letter to a facility, in both languages: each is a letter of its own. The code of the
/// last one.
async fn letters(
    driver: &WebDriver,
    out: &Path,
    public: &str,
    officer: &ConsoleUser,
    facility: &str,
) -> anyhow::Result<String> {
    become_user(driver, officer, public).await?;
    let mut code = String::new();
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&format!("{public}/console/organisations/{facility}")).await?;
        driver.find(By::Id("reason")).await?.send_keys("管理者の交代").await?;
        driver.find(By::Css("form[action$='/further-letter'] button")).await?.click().await?;
        driver.query(By::Id("letter-address")).first().await?;
        code = driver.find(By::Id("activation-code")).await?.text().await?;
        capture(driver, out, &format!("letter-{language}")).await?;
    }
    Ok(code)
}

//! An emergency access: what the person at the terminal sees of it, and the facility's administrator.

use std::path::Path;

use sekisho::demo::services::register;
use sekisho_tests::{Desktop, become_user};
use thirtyfour::{By, WebDriver, prelude::ElementQueryable};

use super::{LANGUAGES, capture, send, shoot, type_into};

/// For another prefecture than the hospital's, and for the night.
const SERVICE: &str = r#"
id = "island-record"
name = { ja = "離島診療記録", en = "Records of the islands" }
description = { ja = "離島の診療所の記録を見る。", en = "See records of the islands' clinics." }
home_url = "https://islands.example/"
redirect_uris = ["https://islands.example/callback"]
authentication = "client_secret_basic"
scopes = ["openid", "profile"]

[[rules]]
id = "islands"
roles = ["Medical Doctor"]
prefectures = ["46", "47"]
hours = [{ days = ["mon", "tue"], from = "22:00", to = "06:00" }]
emergency = true
release = ["name"]
"#;
const REQUEST: &str = "response_type=code&client_id=island-record&scope=openid&state=s&\
    redirect_uri=https%3A%2F%2Fislands.example%2Fcallback&code_challenge_method=S256&\
    code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BEGIN: &str = "form[action='/emergency']";
const END: &str = "form[action='/emergency/end']";

/// The pages, while the physician is logged in.
pub(super) async fn pages(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let (terminal, public) = (&scene.stage.origins.terminal, &scene.stage.origins.public);
    let file = scene.stage.folder.join("island-record.toml");
    std::fs::write(&file, SERVICE)?;
    register(&scene.stage, &file).await?;
    let page = format!("{terminal}/emergency");
    shoot(driver, out, terminal, "emergency-portal-offers", &format!("{terminal}/")).await?;
    let refused = format!("{terminal}/authorize?{REQUEST}");
    shoot(driver, out, terminal, "emergency-service-refused", &refused).await?;
    shoot(driver, out, terminal, "emergency", &page).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{terminal}/?lang={language}")).await?;
        driver.goto(&page).await?;
        type_into(driver, "words", "短い").await?;
        send(driver, BEGIN, "#errors").await?;
        capture(driver, out, &format!("emergency-form-refused-{language}")).await?;
    }
    begin(driver, &page).await?;
    shoot(driver, out, terminal, "emergency-portal-runs", &format!("{terminal}/")).await?;
    shoot(driver, out, terminal, "emergency-runs", &page).await?;

    let administrator = &scene.facilities[0].administrator;
    let list = format!("{public}/console/emergencies");
    become_user(driver, administrator, public).await?;
    shoot(driver, out, public, "emergencies-console", &format!("{public}/console")).await?;
    shoot(driver, out, public, "emergencies-running", &list).await?;
    driver.goto(&page).await?;
    send(driver, END, "#services-title").await?;
    shoot(driver, out, public, "emergencies", &list).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&list).await?;
        send(driver, "form[action$='/review']", "#errors").await?;
        capture(driver, out, &format!("emergencies-refused-{language}")).await?;
    }
    driver.goto(&list).await?;
    driver.find(By::Css("input[value='justified']")).await?.click().await?;
    driver
        .find(By::Css("textarea[name='words']"))
        .await?
        .send_keys("救急の記録で確かめた。")
        .await?;
    driver.find(By::Css("form[action$='/review'] button")).await?.click().await?;
    driver.query(By::Css("main .tag:not(.tag-error)")).first().await?;
    shoot(driver, out, public, "emergencies-reviewed", &list).await?;
    shoot(driver, out, terminal, "emergency-again", &page).await?;
    become_user(driver, &scene.operators.administrator, public).await?;
    shoot(driver, out, public, "emergencies-operating-body", &list).await?;
    let service = format!("{public}/console/service/island-record");
    shoot(driver, out, public, "emergency-rules", &service).await
}

async fn begin(driver: &WebDriver, page: &str) -> anyhow::Result<()> {
    driver.goto(page).await?;
    driver.find(By::Css("input[value='patient_unconscious']")).await?.click().await?;
    type_into(driver, "words", "離島から救急搬送された患者の意識がなく、既往歴が分からない。")
        .await?;
    send(driver, BEGIN, "#services-title").await
}

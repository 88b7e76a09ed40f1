//! People without a card: invited, opening an account, logged in by password; then their account, and a reset.

use std::path::Path;

use anyhow::Context;
use sekisho::people::totp::TotpSecret;
use sekisho_tests::{Desktop, become_user, my_number::PhysiciansDesk};
use thirtyfour::By;

use super::{LANGUAGES, capture, send, shoot, type_into};

const PASSWORD: &str = "kawa-no-nagare-wa";

/// The pages; nobody is logged in at the terminal afterwards.
pub(super) async fn pages(desktop: &Desktop, out: &Path) -> anyhow::Result<()> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let (terminal, public) = (&scene.stage.origins.terminal, &scene.stage.origins.public);
    let administrator = &scene.facilities[0].administrator;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    PhysiciansDesk(desktop).log_out().await?;
    become_user(driver, administrator, public).await?;
    driver.goto(&format!("{public}/?lang=ja")).await?;
    driver.goto(&format!("{public}/console/members")).await?;
    type_into(driver, "name", "鈴木　一郎").await?;
    type_into(driver, "name_kana", "スズキ　イチロウ").await?;
    driver.find(By::Css("#role option[value='none']")).await?.click().await?;
    send(driver, "form[action='/console/members/invitations']", ".slip").await?;
    capture(driver, out, "invitation-slip-account-ja").await?;
    let code = driver.find(By::Id("invitation-code")).await?.text().await?;

    driver.goto(&format!("{terminal}/invitation")).await?;
    type_into(driver, "code", &code).await?;
    send(driver, "form[action='/invitation']", "#totp-secret").await?;
    let page = format!("{terminal}/invitation/account");
    shoot(driver, out, terminal, "invitation-account", &page).await?;
    driver.goto(&page).await?;
    type_into(driver, "login_name", "a b").await?;
    send(driver, "form[action='/invitation/account']", "#errors").await?;
    capture(driver, out, "invitation-account-refused-en").await?;
    driver.find(By::Id("login_name")).await?.clear().await?;
    type_into(driver, "login_name", "suzuki").await?;
    type_into(driver, "password", PASSWORD).await?;
    type_into(driver, "password_again", PASSWORD).await?;
    let secret = driver.find(By::Id("totp-secret")).await?.text().await?;
    let app = TotpSecret::from_text(&secret).context("no secret on the page")?;
    type_into(driver, "totp_code", &now(&app)?).await?;
    send(driver, "form[action='/invitation/account']", "#recovery-codes").await?;
    capture(driver, out, "recovery-codes-en").await?;
    let codes = driver.find(By::Id("recovery-codes")).await?.text().await?;
    let mut codes = codes.lines();
    shoot(driver, out, terminal, "portal-by-password", &format!("{terminal}/")).await?;
    shoot(driver, out, terminal, "second-factor", &format!("{terminal}/second-factor")).await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    PhysiciansDesk(desktop).log_out().await?;
    shoot(driver, out, terminal, "login-password", &format!("{terminal}/login")).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{terminal}/?lang={language}")).await?;
        driver.goto(&format!("{terminal}/login")).await?;
        type_into(driver, "login_name", "suzuki").await?;
        type_into(driver, "password", "wrong-password").await?;
        type_into(driver, "totp_code", "000000").await?;
        send(driver, "form[action='/login/password']", "#password-error").await?;
        capture(driver, out, &format!("login-password-refused-{language}")).await?;
    }
    driver.goto(&format!("{terminal}/login")).await?;
    type_into(driver, "login_name", "suzuki").await?;
    type_into(driver, "password", PASSWORD).await?;
    type_into(driver, "totp_code", codes.next().context("no recovery code")?).await?;
    send(driver, "form[action='/login/password']", "#services-title").await?;
    driver.goto(&format!("{terminal}/?lang=ja")).await?;
    PhysiciansDesk(desktop).log_out().await?;

    become_user(driver, administrator, public).await?;
    let resets = format!("{public}/console/resets");
    shoot(driver, out, public, "console-account", &format!("{public}/console/account")).await?;
    shoot(driver, out, public, "resets", &resets).await?;
    driver.goto(&resets).await?;
    driver.find(By::Css("select[name='person'] option:last-child")).await?.click().await?;
    // Each facility has its own form there.
    let reason = driver.find(By::Css("main input[name='reason']")).await?;
    reason.send_keys("電話を紛失。窓口で本人を確認。").await?;
    send(driver, "form[action='/console/resets']", "article").await?;
    shoot(driver, out, public, "resets-waiting", &resets).await?;
    become_user(driver, &scene.operators.administrator, public).await?;
    driver.goto(&resets).await?;
    send(driver, "form[action$='/approve']", "#one-time-link").await?;
    capture(driver, out, "reset-approved-en").await
}

fn now(app: &TotpSecret) -> anyhow::Result<String> {
    app.code_at(time::OffsetDateTime::now_utc()).context("no code")
}

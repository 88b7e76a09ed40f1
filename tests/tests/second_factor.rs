//! A clerk without a card opens an account, enrols a security key in place of the code, and logs in by password and
//! key, in a real Chromium with an authenticator of its driver.

use anyhow::{Context, ensure};
use sekisho::people::totp::TotpSecret;
use sekisho_tests::{Desktop, Door, become_user, my_number::PhysiciansDesk};
use thirtyfour::prelude::*;

const PASSWORD: &str = "kawa-no-nagare-wa";

/// Types into fields by their identifiers.
async fn fill(desk: &PhysiciansDesk<'_>, fields: &[(&str, &str)]) -> anyhow::Result<()> {
    for (id, text) in fields {
        let field = desk.driver().query(By::Id(*id)).first().await?;
        field.clear().await?;
        field.send_keys(*text).await?;
    }
    Ok(())
}

async fn press(desk: &PhysiciansDesk<'_>, button: &str) -> anyhow::Result<()> {
    desk.driver().query(By::Css(button)).first().await?.click().await?;
    Ok(())
}

/// The code of an invitation without a card, as the administrator reads it.
async fn invited(desktop: &Desktop) -> anyhow::Result<String> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let public = &scene.stage.origins.public;
    become_user(driver, &scene.facilities[0].administrator, public).await?;
    driver.goto(&format!("{public}/console/members")).await?;
    let desk = PhysiciansDesk(desktop);
    fill(&desk, &[("name", "鈴木　一郎"), ("name_kana", "スズキ　イチロウ")]).await?;
    press(&desk, "#role option[value='none']").await?;
    press(&desk, "form[action='/console/members/invitations'] button[type='submit']").await?;
    Ok(driver.query(By::Id("invitation-code")).first().await?.text().await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clerk_logs_in_by_password_and_security_key() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let passwords = |settings: &mut sekisho::config::Settings| settings.card_login.passwords = true;
    let desktop = Desktop::set_up_with(folder.path(), Door::Script, 0, passwords).await?;
    let desk = PhysiciansDesk(&desktop);
    desk.plug_in_security_key().await?;
    let code = invited(&desktop).await?;
    desk.open("/invitation?lang=ja").await?;
    fill(&desk, &[("code", &code)]).await?;
    press(&desk, "form[action='/invitation'] button[type='submit']").await?;
    let secret = desk.driver().query(By::Id("totp-secret")).first().await?.text().await?;
    let app = TotpSecret::from_text(&secret).context("no secret on the page")?;
    let now = app.code_at(time::OffsetDateTime::now_utc()).context("no code")?;
    let typed = [
        ("login_name", "suzuki"),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
        ("totp_code", now.as_str()),
    ];
    fill(&desk, &typed).await?;
    press(&desk, "form[action='/invitation/account'] button[type='submit']").await?;
    desk.driver().query(By::Id("recovery-codes")).first().await?;

    // Right then: both factors were proven this minute.
    desk.open("/").await?;
    desk.driver()
        .query(By::LinkText("確認コードの代わりのパスキー"))
        .first()
        .await?
        .click()
        .await?;
    desk.reads("登録したパスキーはありません").await?;
    fill(&desk, &[("name", "赤い鍵")]).await?;
    press(&desk, "#passkey button").await?;
    desk.reads("パスキーを登録しました").await?;
    desk.open("/").await?;
    desk.log_out().await?;

    // Neither without the password nor with a wrong one, nor alone.
    let both = "#second-factor button:not([hidden])";
    fill(&desk, &[("login_name", "suzuki"), ("password", "wrong-password")]).await?;
    press(&desk, both).await?;
    desk.reads("ログイン名、パスワード").await?;
    desk.press_passkey().await?;
    desk.reads("このパスキーでは、ログインできません").await?;
    fill(&desk, &[("login_name", "suzuki"), ("password", PASSWORD)]).await?;
    press(&desk, both).await?;
    desk.driver().query(By::Id("services-title")).first().await?;
    let body = desk.body().await?;
    ensure!(body.contains("パスワードとパスキー（施設の登録端末にて）"), "{body}");

    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

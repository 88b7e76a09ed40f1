//! A physician of another facility in an emergency, in a real Chromium with agent and card: refused, shown where the
//! emergency access is, let in for it alone, and out again when it ends.

use anyhow::ensure;
use sekisho::demo::cast::CARD_HOLDERS;
use sekisho_tests::{Desktop, Door, my_number::PhysiciansDesk};
use thirtyfour::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physician_of_another_facility_comes_for_an_emergency_alone() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let visitors = |settings: &mut sekisho::config::Settings| settings.emergency.visitors = true;
    let desktop = Desktop::set_up_with(folder.path(), Door::Script, 0, visitors).await?;
    let desk = PhysiciansDesk(&desktop);
    let physician = &CARD_HOLDERS[2];
    assert_ne!(physician.facility, 0, "a member elsewhere");
    desk.insert(physician.key)?;
    desk.log_in(Some("この施設の職員として登録されていません")).await?;

    // The page that refused has a button of the same name.
    let way = desk.driver().find(By::Id("login-in-emergency")).await?;
    way.click().await?;
    way.wait_until().stale().await?;
    desk.reads("緊急時アクセスのためのログインです").await?;
    // With the card in the reader the page may have begun by itself, and be gone under the finger: what is
    // read next judges.
    if let Ok(button) = desk.driver().find(By::Id("login-start")).await {
        let _ = button.click().await;
    }
    desk.reads("緊急時アクセスを始めるまで、使えるサービスはありません").await?;
    desk.driver().find(By::Css("input[name='reason'][value='disaster']")).await?.click().await?;
    let words = desk.driver().find(By::Id("words")).await?;
    words.send_keys("地震のため、応援に来ています。").await?;
    desk.driver().find(By::Css("form.card button[type='submit']")).await?.click().await?;
    desk.reads("緊急時アクセスのためにログインしています").await?;
    let body = desk.body().await?;
    ensure!(body.contains(physician.name) && body.contains("医師"), "{body}");
    ensure!(!body.contains("パスキー"), "nothing of a member's is there: {body}");
    desk.open("/passkeys").await?;
    desk.reads("この画面は使えません").await?;

    desk.open("/").await?;
    desk.driver().find(By::Css("form[action='/emergency/end'] button")).await?.click().await?;
    desk.reads("緊急時アクセスが終わったため、ログアウトしました").await?;
    desk.open("/").await?;
    ensure!(desk.driver().current_url().await?.path() == "/login", "the session ended with it");

    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

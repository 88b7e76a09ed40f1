//! A physician enrols a passkey after a login by HPKI card and logs in to a service by it, in a real
//! Chromium with an authenticator of its driver: what the service is told, and what is left when the
//! HPKI certificate or the passkey is taken back.

use anyhow::ensure;
use sekisho::demo::cast::CARD_HOLDERS;
use sekisho_tests::{Desktop, Door, my_number::PhysiciansDesk};
use sekisho_wire::acr;
use serde_json::json;
use thirtyfour::prelude::*;
use time::OffsetDateTime;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_logs_in_with_the_profession_until_its_voucher_or_itself_is_taken_back()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let desk = PhysiciansDesk(&desktop);
    let physician = CARD_HOLDERS[0].key;
    desk.plug_in_security_key().await?;

    // A security key that nobody enrolled has nothing to answer with.
    desk.open("/login").await?;
    desk.press_passkey().await?;
    desk.reads("パスキーの操作が完了しませんでした").await?;

    desk.insert(physician)?;
    desk.log_in(None).await?;
    desk.driver().find(By::LinkText("パスキー")).await?.click().await?;
    desk.reads("登録したパスキーはありません").await?;
    desk.enrol_passkey("青いセキュリティキー").await?;
    // The same one a second time.
    desk.driver().query(By::Id("name")).first().await?.send_keys("もう一つ").await?;
    desk.driver().find(By::Css("#passkey button")).await?.click().await?;
    desk.reads("登録済みです").await?;
    desk.open("/").await?;
    desk.log_out().await?;

    // A service asks; the card stays away.
    std::fs::remove_file(desktop.scene.desks[0].desk.reader().of(physician).join("inserted"))?;
    let service = &desktop.services[1].origin;
    desk.driver().goto(&format!("{service}/login")).await?;
    desk.press_passkey().await?;
    let claims = desk.claims(service).await?;
    assert_eq!(claims["acr"], acr::PASSKEY);
    assert_eq!(claims["amr"], json!(["mfa", "passkey", "user"]));
    assert_eq!(claims["hc_role"], json!(["Medical Doctor"]));
    assert_eq!(claims["vouched_by"]["hc_role"], "passkey");
    desk.open("/").await?;
    let body = desk.body().await?;
    ensure!(body.contains("パスキー（施設の登録端末にて）") && body.contains("医師"), "{body}");
    ensure!(body.contains("より確実な本人確認"), "the first service wants the HPKI card: {body}");

    // It offers that, goes on after it, and the session is the card's from then on.
    desk.insert(physician)?;
    let strict = &desktop.services[0].origin;
    desk.driver().goto(&format!("{strict}/login")).await?;
    desk.driver().query(By::LinkText("本人確認をして続ける")).first().await?.click().await?;
    let claims = desk.claims(strict).await?;
    assert_eq!(claims["acr"], acr::HPKI_CARD);
    assert_eq!(claims["hc_role"], json!(["Medical Doctor"]));
    desk.open("/login").await?;
    let body = desk.body().await?;
    ensure!(!body.contains("パスキーで"), "no passkey proves again what the card proved: {body}");
    desk.open("/").await?;
    desk.log_out().await?;
    std::fs::remove_file(desktop.scene.desks[0].desk.reader().of(physician).join("inserted"))?;
    desk.press_passkey().await?;
    desk.driver().query(By::Id("services-title")).first().await?;

    // The certificate that vouched is revoked: no profession, said on the portal.
    let revoked_at = OffsetDateTime::now_utc() - time::Duration::SECOND;
    desktop.scene.cards.publish(&[physician], revoked_at)?;
    desk.portal_says("資格を証明していたHPKI証明書が失効しました").await?;
    let body = desk.body().await?;
    ensure!(body.contains("いまは資格を使えません"), "{body}");
    desk.driver().goto(&format!("{service}/login")).await?;
    desk.reads("医師").await?;
    let address = desk.driver().current_url().await?;
    ensure!(address.as_str().starts_with(&desk.portal("/")), "the service let them in: {address}");

    // The passkey is removed: it logs nobody in any more, and says so.
    desk.open("/passkeys").await?;
    desk.driver().query(By::Css("details summary")).first().await?.click().await?;
    desk.driver().query(By::Css("details input[name=sure]")).first().await?.click().await?;
    desk.driver().query(By::Css("details button")).first().await?.click().await?;
    desk.reads("パスキーを削除したため").await?;
    desk.press_passkey().await?;
    desk.reads("このパスキーでは、ログインできません").await?;

    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

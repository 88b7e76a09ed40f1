//! A physician links a My Number card with one reader, and logs in by it, in a real Chromium: what a
//! service is told, and what is left when the HPKI certificate or the card is taken back.

use anyhow::ensure;
use sekisho::demo::{cards::MY_NUMBER, cast::CARD_HOLDERS};
use sekisho_tests::{Desktop, Door, my_number::PhysiciansDesk};
use sekisho_wire::acr;
use serde_json::json;
use thirtyfour::prelude::*;
use time::OffsetDateTime;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_card_logs_in_with_the_profession_until_its_voucher_or_itself_is_taken_back()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let desk = PhysiciansDesk(&desktop);
    let physician = CARD_HOLDERS[0].key;
    let [card, stranger] = MY_NUMBER;

    // A card that nobody linked.
    desk.insert(card)?;
    desk.log_in(Some("どなたにも紐付けられていません")).await?;

    // Linked with one reader: the HPKI card makes room while the page asks.
    desk.insert(physician)?;
    desk.log_in(None).await?;
    desk.driver().find(By::LinkText("マイナンバーカード")).await?.click().await?;
    desk.reads("紐付けたマイナンバーカードはありません").await?;
    std::fs::remove_file(desktop.scene.desks[0].desk.reader().of(physician).join("inserted"))?;
    // The card left before anybody asked for another one: the screen is locked.
    desk.portal_says("画面をロックしています").await?;
    desk.link(card).await?;

    // From now on it is the session's card, and logs in by itself.
    desk.log_out().await?;
    desk.log_in(None).await?;
    let body = desk.body().await?;
    ensure!(body.contains("紐付け済みのマイナンバーカード") && body.contains("医師"), "{body}");
    ensure!(body.contains("より確実な本人確認"), "the first service wants the HPKI card: {body}");
    let service = &desktop.services[1].origin;
    desk.driver().goto(&format!("{service}/login")).await?;
    let claims = desk.claims(service).await?;
    assert_eq!(claims["acr"], acr::JPKI_CARD);
    assert_eq!(claims["amr"], json!(["jpki", "mfa", "pin", "sc"]));
    assert_eq!(claims["hc_role"], json!(["Medical Doctor"]));
    assert_eq!(claims["vouched_by"]["hc_role"], "linked_card");

    // Somebody else's card, asked for within this session.
    desk.insert(stranger)?;
    desk.portal_says("画面をロックしています").await?;
    desk.log_in(Some("どなたにも紐付けられていません")).await?;
    desk.insert(card)?;
    desk.log_in(None).await?;

    // The certificate that vouched is revoked: no profession, said on the portal.
    let now = || OffsetDateTime::now_utc() - time::Duration::SECOND;
    desktop.scene.cards.publish(&[physician], now())?;
    desk.portal_says("資格を証明していたHPKI証明書が失効しました").await?;
    let body = desk.body().await?;
    ensure!(body.contains("いまは資格を使えません"), "{body}");
    desk.driver().goto(&format!("{service}/login")).await?;
    desk.reads("医師").await?;
    let address = desk.driver().current_url().await?;
    ensure!(address.as_str().starts_with(&desk.portal("/")), "the service let them in: {address}");

    // The card itself is revoked: refused at once.
    desk.open("/").await?;
    desk.log_out().await?;
    desktop.scene.cards.publish(&[card], now())?;
    desk.log_in(Some("カードの証明書は失効しています")).await?;

    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

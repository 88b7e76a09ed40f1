//! The way of a day pass in a real Chromium, with agent and cards: two colleagues at one PC, the slip, the person's
//! login with neither card in the reader, and the end of it all when the card is back.

use anyhow::ensure;
use sekisho::demo::cast::CARD_HOLDERS;
use sekisho_tests::{
    Desktop, Door,
    day_pass::{self, Stop},
    my_number::PhysiciansDesk,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_colleagues_let_a_physician_work_until_the_card_is_back() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = |settings: &mut sekisho::config::Settings| settings.card_login.day_passes = true;
    let desktop = Desktop::set_up_with(folder.path(), Door::Script, 0, settings).await?;
    let desk = PhysiciansDesk(&desktop);
    let mut stops = 0;
    let code = day_pass::journey(&desktop, async |stop| {
        stops += 1;
        let body = desk.body().await?;
        let says = match stop {
            Stop::Asking => "よく知っており",
            Stop::Asked => "もう1人の同僚に、この端末で",
            Stop::Told => "田中　美咲さんが、山田　太郎さんの通行証",
            Stop::Giving => "山田　太郎さんご本人が入力してください",
            Stop::Refused => "続いた数字は使えません",
            Stop::Slip => "田中　美咲 / 佐藤　花子",
            Stop::Login => "通行証の番号",
            Stop::LoginRefused => "番号か暗証番号が違います",
            Stop::Portal => "当日の通行証と暗証番号（同僚2人が確認）",
        };
        ensure!(body.contains(says), "{says} is not said: {body}");
        Ok(())
    })
    .await?;
    assert_eq!(stops, 9);
    let body = desk.body().await?;
    ensure!(body.contains("山田　太郎") && body.contains("医師"), "{body}");
    // The HPKI card is back.
    let physician = &CARD_HOLDERS[0];
    desk.insert(physician.key)?;
    desk.log_in(None).await?;
    let body = desk.body().await?;
    ensure!(!body.contains("通行証でログインしています"), "{body}");
    desk.log_out().await?;
    desk.open("/login/day-pass").await?;
    day_pass::bring(&desktop, &code).await?;
    desk.reads("この通行証は、もう使えません").await?;
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

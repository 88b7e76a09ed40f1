//! The key that agents know the portal by is lost and followed by another, with the built programs: the
//! agent refuses the first request under it and is not started anew; the next one finds it learnt.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use sekisho::demo::{
    cast::{CARD_HOLDERS, PIN},
    check::Scene,
    desk::Desk,
    login_page::LoginPage,
    process,
    report::Report,
    walk,
};
use sekisho_protocol::{octets::decode, trust::TerminalTrust};
use sekisho_tests::{Desktop, Door};
use serde_json::Value;
use thirtyfour::prelude::*;
use tokio::{process::Command, time};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_agent_learns_the_next_key_from_the_first_login_that_names_it()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = Scene::build(folder.path(), &mut Report::new(true)).await?;
    scene.admit_everybody().await?;
    let Scene { stage, desks, .. } = &scene;
    let desk = &desks[0].desk;
    let card = (CARD_HOLDERS[0].key, PIN);
    walk::log_in(stage, desk, &desk.browser(stage)?, card, false).await?;
    let pinned = || pinned(desk);
    let first = pinned()?;
    ensure!(first.len() == 1, "{first:?}");

    let next = rotate(&scene).await?;
    let told = keys(&scene, &["list"]).await?;
    ensure!(told.lines().count() == 1 && told.contains(&next), "the lost key is told: {told}");
    let log_in = || async { walk::log_in(stage, desk, &desk.browser(stage)?, card, false).await };
    // The serving process looks every ten seconds; until then it signs with the key before.
    let refusal = soon("a request under the next key", || async { log_in().await.err() }).await?;
    ensure!(format!("{refusal:#}").contains("403"), "not the constant answer: {refusal:#}");
    soon("a login under the next key", || async { log_in().await.ok() }).await?;
    ensure!(pinned()? == [next], "what the folder holds is what counts after a restart");
    scene.stage.server.stop().await?;
    Ok(())
}

/// The same in a real browser: the person presses once, and the page asks again by itself until the agent, which
/// refused its first request, has learnt the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_asks_again_by_itself_while_the_agent_learns_the_portals_next_key()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    driver.find(By::Css(".site-end form button")).await?.click().await?;
    driver.query(By::Id("login-start")).first().await?;
    let (scene, desk) = (&desktop.scene, &desktop.scene.desks[0].desk);
    let portal = &scene.stage.origins.terminal;
    let next = rotate(scene).await?;
    // Who only looks at a request leaves the agent as it is.
    let browser = desk.browser(&scene.stage)?;
    let signs_with_next = || async {
        let page = LoginPage::open(&browser, portal).await.ok()?;
        let challenge = page.challenge(false, None).await.ok()?;
        let header = decode(challenge.request.split('.').next()?).ok()?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        (header["kid"].as_str() == Some(&next)).then_some(())
    };
    soon("a request under the next key", signs_with_next).await?;
    let known = pinned(desk)?;
    ensure!(!known.contains(&next), "the agent knows it before anybody asked: {known:?}");
    desktop.log_in().await?;
    ensure!(pinned(desk)? == [next], "the agent has learnt the next key and no other");
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// The keys that this PC knows the portal by, as its folder has them.
fn pinned(desk: &Desk) -> anyhow::Result<Vec<String>> {
    let path: PathBuf = desk.agent_folder().join("trust.json");
    let trust: TerminalTrust = serde_json::from_slice(&std::fs::read(path)?)?;
    let keys = trust.login_request_keys.keys().iter();
    Ok(keys.filter_map(|key| key.kid().map(str::to_owned)).collect())
}

/// Replaces the key at once, as after a loss; the next one's name.
async fn rotate(scene: &Scene) -> anyhow::Result<String> {
    let rotated: Value = serde_json::from_str(&keys(scene, &["rotate", "--at-once"]).await?)?;
    Ok(rotated["kid"].as_str().context("no name of a key")?.to_owned())
}

/// What `sekisho login-request-keys` says, as JSON.
async fn keys(scene: &Scene, act: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(process::sibling("sekisho")?);
    command.arg("login-request-keys").args(act).arg("--json").arg(&scene.stage.instance);
    process::run(command).await
}

/// Asks again and again, half a minute at most, until there is an answer.
async fn soon<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            time::sleep(Duration::from_millis(200)).await;
        }
    };
    time::timeout(Duration::from_secs(30), asked).await.context(what.to_owned())
}

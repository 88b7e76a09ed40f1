//! A physician in a real Chromium: facility certificate without a chooser, card through the agent's
//! loopback door, portal, service; no dialog on the way.

use std::time::Duration;

use anyhow::{Context, ensure};
use sekisho::demo::cast::CARD_HOLDERS;
use sekisho_tests::{Desktop, Door};
use thirtyfour::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physician_logs_in_and_reaches_a_service_without_any_dialog() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let portal = driver.find(By::Tag("main")).await?.text().await?;
    for service in &desktop.services {
        assert!(portal.contains(service.name), "the portal does not show {}", service.name);
    }
    // The second service asks for nothing: the browser passes the portal and arrives.
    driver.goto(&format!("{}/login", desktop.services[1].origin)).await?;
    let role = driver.query(By::Id("hc_role")).first().await?.text().await?;
    assert_eq!(role, "Medical Doctor");
    // The third is refused by the portal's own page.
    driver.goto(&format!("{}/login", desktop.services[2].origin)).await?;
    let address = driver.current_url().await?;
    assert!(address.as_str().starts_with(&desktop.scene.stage.origins.terminal), "{address}");
    assert!(!visits(&desktop)?.contains("/login/return"), "the script's door was open");
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_browser_keeps_scripts_from_loopback_the_login_goes_by_navigation()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path(), Door::Navigation).await?;
    let (driver, holder) = (&desktop.chromium.driver, &CARD_HOLDERS[0]);
    let portal = &desktop.scene.stage.origins.terminal;
    driver.goto(&format!("{portal}/login")).await?;
    ensure!(script_is_kept_out(&desktop).await?, "the script reached the agent: nothing is proven");

    // A failure comes home in words, with the tries that are left.
    let desk = &desktop.scene.desks[0].desk;
    desk.type_pin("0000")?;
    driver.find(By::Id("login-start")).await?.click().await?;
    let error = driver.query(By::Id("login-error-text")).and_displayed().first().await?;
    let words = error.text().await?;
    assert!(words.contains("暗証番号が違います") && words.contains("14"), "{words}");
    assert!(visits(&desktop)?.contains("/login/return"), "it came home by navigation");
    let address = driver.current_url().await?;
    assert_eq!(address.path(), "/login", "a reload does not post the answer again");

    // From there the person tries again, and is in.
    desk.type_pin(holder.pin)?;
    driver.find(By::Id("login-start")).await?.click().await?;
    reached(driver, "services-title").await?;

    // A service that waits needs no click: portal, agent, portal, service.
    driver.find(By::Css(".site-end form button")).await?.click().await?;
    driver.query(By::Id("login-start")).first().await?;
    driver.goto(&format!("{}/login", desktop.services[0].origin)).await?;
    reached(driver, "hc_role").await?;
    assert_eq!(driver.find(By::Id("hc_role")).await?.text().await?, "Medical Doctor");

    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// Whether the page's script fails to reach the agent, as the browser's permission says.
async fn script_is_kept_out(desktop: &Desktop) -> anyhow::Result<bool> {
    let script = r#"
        const done = arguments[arguments.length - 1];
        const url = document.getElementById("card-login").dataset.agent + "/v1/card-login/begin";
        fetch(url, { method: "POST", mode: "no-cors" }).then(() => done(false), () => done(true));
    "#;
    let kept = desktop.chromium.driver.execute_async(script, Vec::new()).await?;
    kept.json().as_bool().context("the script said nothing")
}

async fn reached(driver: &WebDriver, id: &'static str) -> anyhow::Result<()> {
    let wait = driver.query(By::Id(id)).wait(Duration::from_secs(30), Duration::from_millis(100));
    if wait.first().await.is_err() {
        let main = driver.find(By::Tag("body")).await?.text().await?;
        anyhow::bail!("{id} was not reached at {}: {main}", driver.current_url().await?);
    }
    Ok(())
}

/// What the server's log tells of requests.
fn visits(desktop: &Desktop) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(desktop.scene.stage.logs().join("sekisho.log"))?)
}

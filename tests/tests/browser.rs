//! A physician in a real Chromium: facility certificate without a chooser, card through the agent's
//! loopback door, portal, service; no dialog on the way.

use sekisho_tests::Desktop;
use thirtyfour::prelude::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physician_logs_in_and_reaches_a_service_without_any_dialog() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let desktop = Desktop::set_up(folder.path()).await?;
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
    desktop.chromium.quit().await?;
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

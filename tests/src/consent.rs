//! Consent to what a service is told: what the console is told of the service, and the physician's page.

use anyhow::Context;
use thirtyfour::prelude::*;

use super::Desktop;

/// Which of the desktop's services it is about.
const SERVICE: usize = 1;

/// What it says: all that the form of the console asks for.
const SAID: [(&str, &str); 9] = [
    ("ground", "third_party"),
    ("items_ja", "資格と施設名"),
    ("items_en", "Licences and facility"),
    ("users_ja", "見本医学会"),
    ("users_en", "Sample Medical Society"),
    ("purpose_ja", "研修会の案内"),
    ("purpose_en", "Invitations to courses"),
    ("responsible_ja", "見本医学会（東京都千代田区見本2-2、代表 見本 花子）"),
    ("responsible_en", "Sample Medical Society (2-2 Mihon, Chiyoda, Tokyo; Hanako Mihon)"),
];

/// The operating body's administrator says that a service gives data to a third party.
///
/// # Errors
/// When the console refuses.
pub async fn declare(desktop: &Desktop) -> anyhow::Result<()> {
    let path = format!("/console/service/{}/personal-data", desktop.services[SERVICE].id);
    desktop.scene.operators.administrator.submit(&path, &SAID).await?.expect_success()?;
    Ok(())
}

/// Opens the service, which leads to the page that asks; its address.
///
/// # Errors
/// When nobody is asked.
pub async fn ask(desktop: &Desktop) -> anyhow::Result<String> {
    let driver = &desktop.chromium.driver;
    driver.goto(&format!("{}/login", desktop.services[SERVICE].origin)).await?;
    button(driver, "agree").await.context("nobody was asked")?;
    Ok(driver.current_url().await?.into())
}

/// Presses `agree` or `refuse` on the page that is open, and waits until another is.
///
/// # Errors
/// When there is no such button, or it leads nowhere.
pub async fn decide(desktop: &Desktop, decision: &str) -> anyhow::Result<()> {
    let button = button(&desktop.chromium.driver, decision).await?;
    button.click().await?;
    button.wait_until().stale().await.context("the page is still there")
}

async fn button(driver: &WebDriver, decision: &str) -> WebDriverResult<WebElement> {
    driver.query(By::Css(format!("button[name='decision'][value='{decision}']"))).first().await
}

//! The rules of a live service, on their way to other ones, and the simulator.

use std::path::Path;

use sekisho::demo::{console::ConsoleUser, process};
use sekisho_tests::Desktop;
use thirtyfour::By;
use tokio::process::Command;

use super::{LANGUAGES, become_user, capture, send, shoot, type_into};

const SERVICE: &str = "/console/service/referral/rules";

/// As who proposes and who approves them see them.
pub(super) async fn pages(
    desktop: &Desktop,
    out: &Path,
    operator: &ConsoleUser,
) -> anyhow::Result<()> {
    let (scene, driver) = (&desktop.scene, &desktop.chromium.driver);
    let public = &scene.stage.origins.public;
    // Somebody whose factors nobody in the console could have set.
    let mut add = Command::new(process::sibling("sekisho")?);
    add.args(["administrator", "add"]).arg(&scene.stage.instance);
    add.args(["approver1", "--name", "承認　花子", "--json"]);
    let added: serde_json::Value = serde_json::from_str(&process::run(add).await?)?;
    let link = added["first_use_link"].as_str().unwrap_or_default();
    let approver =
        ConsoleUser::first_use(scene.stage.browser(None)?, public, link, "approver1").await?;
    become_user(driver, operator, public).await?;
    let draft = format!("{SERVICE}/draft");
    let rule = [
        ("base", "1"),
        ("was", "physicians"),
        ("id", "physicians"),
        ("roles", "Medical Doctor"),
        ("roles", "General Nurse"),
        ("kinds", "hospital"),
        ("hours", "月・火・水・木・金 08:30-17:00"),
        ("minimum_acr", "urn:oid:1.3.6.1.4.1.32473.3.2"),
        ("membership", "yes"),
        ("emergency", "yes"),
        ("release", "hc_role"),
        ("release", "facility_id"),
    ];
    operator.submit(&format!("{draft}/rule"), &rule).await?.expect_success()?;
    shoot(driver, out, public, "rules-draft", &format!("{public}{draft}")).await?;
    let form = format!("{public}{draft}/rule?rule=physicians");
    shoot(driver, out, public, "rules-rule", &form).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&form).await?;
        type_into(driver, "facilities", "999999999998").await?;
        send(driver, "form[action$='/rule']", "#errors").await?;
        capture(driver, out, &format!("rules-rule-refused-{language}")).await?;
    }
    let page = operator.open(&draft).await?.expect_success()?;
    let seen = page.value_of("seen")?;
    let reason = "看護師も紹介状を読むため。時間外は使わない。";
    let fields = [("reason", reason), ("seen", seen.as_str())];
    let proposed = operator.submit(&format!("{SERVICE}/propose"), &fields).await?;
    let proposal = proposed.expect_success()?.url.path().to_owned();
    let address = format!("{public}{proposal}");
    shoot(driver, out, public, "rules-proposal-own", &address).await?;
    become_user(driver, &approver, public).await?;
    shoot(driver, out, public, "rules-proposal", &address).await?;
    shoot(driver, out, public, "rules-waiting", &format!("{public}/console/services")).await?;
    approver.submit(&format!("{proposal}/approve"), &[]).await?.expect_success()?;
    shoot(driver, out, public, "rules", &format!("{public}{SERVICE}")).await?;
    let compare = format!("{public}{SERVICE}/compare?from=1&to=2");
    shoot(driver, out, public, "rules-compare", &compare).await?;
    for language in LANGUAGES {
        driver.goto(&format!("{public}/?lang={language}")).await?;
        driver.goto(&format!("{public}/console/simulator")).await?;
        type_into(driver, "name", "山田").await?;
        send(driver, "form[action='/console/simulator']", "#search-title").await?;
        capture(driver, out, &format!("simulator-found-{language}")).await?;
        driver.find(By::Css(".choices button")).await?.click().await?;
        driver.find(By::Id("outcome-title")).await?;
        capture(driver, out, &format!("simulator-{language}")).await?;
    }
    Ok(())
}

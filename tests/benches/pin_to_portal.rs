//! What a physician waits for: after the PIN, at a second service, after a colleague at the same PC, and for the
//! first picture on an old one; in a real Chromium.
//!
//! `cargo bench --workspace --profile dev --bench pin_to_portal`. The card is the one of the
//! `card_login` benchmark, behind the real `pcscd` (18 ms and 1 ms for 50 octets a command, 25 ms for VERIFY, 400 ms
//! for a signature: assumptions about contactless cards); agent, server and browser are those of the
//! demonstration. The person is a program in pinentry's place, which notes the time and answers at
//! once; the browser's own clock says when the portal's page had come and was built.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../card-agent/tests/agent/card_service.rs"]
#[allow(dead_code)] // the other half serves the tests
mod card_service;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use sekisho::demo::cast::{CARD_HOLDERS, PIN};
use sekisho::demo::process::{self, Program};
use sekisho_output::say;
use sekisho_software_card::{Latency, Options, Personalisation, SoftwareCard};
use sekisho_tests::{Desktop, Door};
use serde_json::json;
use thirtyfour::prelude::*;
use tokio::process::Command;

use card_service::{CardService, SOCKET};

/// The first login reads a page and a script that the browser keeps; the figure is the middle of the others.
const RUNS: usize = 6;

/// Milliseconds from the PIN: the portal's answer begins, the page is built.
type Waited = [f64; 2];

/// By how much an old PC is slower than this one.
const OLD_PC: u32 = 4;

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let service_folder = folder.path().join("card-service");
    std::fs::create_dir(&service_folder)?;
    let service = CardService::start(&service_folder);
    let typed = folder.path().join("typed");
    let agent = restart_agent(&mut desktop, &service, &pinentry(folder.path(), &typed)?).await?;
    let card = |holder: usize| -> anyhow::Result<SoftwareCard> {
        let card = desktop.scene.desks[0].desk.reader().of(CARD_HOLDERS[holder].key);
        let options = Options { latency: Latency::contactless(), ..Options::default() };
        Ok(SoftwareCard::new(Personalisation::load(&card)?, options)?)
    };
    let mut inserted = service.insert(0, card(0)?);

    line("ms from the PIN, on a card of assumed contactless speed behind pcscd, in Chromium\n")?;
    line(&format!("{:<12}{:>20}{:>20}\n", "login", "page begins", "page is built"))?;
    let mut all = Vec::new();
    for run in 1..=RUNS {
        let waited = log_in_and_out(&desktop, &typed).await?;
        line(&row(&run.to_string(), waited))?;
        all.push(waited);
    }
    line(&row("middle of 2-6", middle(&all[1..])))?;

    desktop.log_in().await?;
    let mut second = Vec::new();
    for _ in 0..RUNS {
        second.push(second_service(&desktop).await?);
    }
    line(&format!("second service, no PIN, no click  {:>8.0} ms   (goal 150)\n", median(&second)))?;

    let old = on_an_old_pc(&desktop).await?;
    line(&format!(
        "portal, processor {OLD_PC} times slower  {:>8.0} ms to the first picture, {:.0} octets of page, style and script\n",
        old.first_paint, old.octets
    ))?;

    // Two colleagues of one facility in turn.
    let mut switched = Vec::new();
    for run in 1..=RUNS {
        inserted.pull();
        until_logged_out(&desktop).await?;
        let at = since_epoch();
        inserted = service.insert(0, card(run % 2)?);
        switched.push(to_the_portal_of(&desktop, run % 2).await? - at);
    }
    line(&format!(
        "another card to that person's portal {:>5.0} ms   (goal 2000)\n",
        median(&switched)
    ))?;

    desktop.chromium.quit().await?;
    agent.stop().await?;
    inserted.pull();
    desktop.scene.stage.server.stop().await?;
    Ok(())
}

/// The demonstration's agent, at real readers and with a window, in the place of the one that reads
/// files.
async fn restart_agent(
    desktop: &mut Desktop,
    service: &CardService,
    pinentry: &Path,
) -> anyhow::Result<Program> {
    let desk = &mut desktop.scene.desks[0].desk;
    desk.stop_agent().await?;
    let mut command = Command::new(process::sibling("sekisho-agent")?);
    command.arg("run").arg("--dir").arg(desk.agent_folder());
    command.arg("--port").arg(desk.door.port().to_string());
    command.arg("--pinentry").arg(pinentry).env(SOCKET, service.socket());
    let (agent, _) =
        Program::start("agent-at-readers", command, &desktop.scene.stage.logs()).await?;
    Ok(agent)
}

/// A program in pinentry's place (the Assuan protocol) that types the PIN and notes when.
fn pinentry(folder: &Path, typed: &Path) -> anyhow::Result<std::path::PathBuf> {
    let path = folder.join("pinentry");
    let typed = typed.display();
    let script = format!(
        "#!/bin/sh\necho OK\nwhile read -r line; do\n  case $line in\n    GETPIN) date +%s%N >'{typed}'; echo 'D {PIN}'; echo OK ;;\n    BYE) echo OK; exit ;;\n    *) echo OK ;;\n  esac\ndone\n"
    );
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
    Ok(path)
}

async fn log_in_and_out(desktop: &Desktop, typed: &Path) -> anyhow::Result<Waited> {
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let script = "const page = performance.getEntriesByType('navigation')[0]; \
        return [page.responseStart, page.domContentLoadedEventEnd].map((at) => performance.timeOrigin + at)";
    let at: [f64; 2] = driver.execute(script, vec![]).await?.convert()?;
    let typed = std::fs::read_to_string(typed)?;
    let typed: u128 = typed.trim().parse().context("when the PIN was typed")?;
    let typed = Duration::from_nanos(u64::try_from(typed)?).as_secs_f64() * 1000.0;
    driver.find(By::Css(".site-end form button")).await?.click().await?;
    driver.query(By::Id("login-start")).first().await?;
    Ok(at.map(|at| at - typed))
}

fn middle(all: &[Waited]) -> Waited {
    [0, 1].map(|figure| median(&all.iter().map(|waited| waited[figure]).collect::<Vec<_>>()))
}

fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// From the service's own address to its page, through the portal that knows the person; milliseconds.
async fn second_service(desktop: &Desktop) -> anyhow::Result<f64> {
    let driver = &desktop.chromium.driver;
    driver.goto(&format!("{}/login", desktop.services[1].origin)).await?;
    driver.query(By::Id("hc_role")).first().await?;
    Ok(driver
        .execute(&format!("return {NAVIGATION}.domContentLoadedEventEnd"), vec![])
        .await?
        .convert()?)
}

const NAVIGATION: &str = "performance.getEntriesByType('navigation')[0]";

struct OldPc {
    /// Milliseconds from the beginning of the navigation.
    first_paint: f64,
    octets: f64,
}

/// The portal's page with nothing kept, on a slower processor.
async fn on_an_old_pc(desktop: &Desktop) -> anyhow::Result<OldPc> {
    let driver = &desktop.chromium.driver;
    let tools = driver.cdp();
    tools.send_raw("Network.enable", json!({})).await?;
    tools.send_raw("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await?;
    let slow =
        |rate: u32| tools.send_raw("Emulation.setCPUThrottlingRate", json!({ "rate": rate }));
    slow(OLD_PC).await?;
    // The browser tells of its first picture when it has drawn it, after the page is built.
    let script = format!(
        "const done = arguments[0]; \
         const octets = () => [{NAVIGATION}, ...performance.getEntriesByType('resource')] \
             .reduce((octets, one) => octets + one.transferSize, 0); \
         new PerformanceObserver((list) => {{ \
             const drawn = list.getEntriesByName('first-contentful-paint')[0]; \
             if (drawn) done([drawn.startTime, octets()]); \
         }}).observe({{ type: 'paint', buffered: true }});"
    );
    let (mut painted, mut octets) = (Vec::new(), 0.0);
    for _ in 0..RUNS {
        driver.goto(&format!("{}/", desktop.scene.stage.origins.terminal)).await?;
        driver.query(By::Id("services-title")).first().await?;
        let [at, all]: [f64; 2] = driver.execute_async(&script, vec![]).await?.convert()?;
        painted.push(at);
        octets = all;
    }
    slow(1).await?;
    tools.send_raw("Network.setCacheDisabled", json!({ "cacheDisabled": false })).await?;
    Ok(OldPc { first_paint: median(&painted), octets })
}

/// The agent has told of the card that is gone.
async fn until_logged_out(desktop: &Desktop) -> anyhow::Result<()> {
    let driver = &desktop.chromium.driver;
    for _ in 0..100 {
        driver.goto(&format!("{}/", desktop.scene.stage.origins.terminal)).await?;
        if driver.current_url().await?.path() == "/login" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the session outlives its card")
}

/// When, in milliseconds since 1970, the portal's page of somebody else at this PC was built.
async fn to_the_portal_of(desktop: &Desktop, holder: usize) -> anyhow::Result<f64> {
    desktop.log_in().await?;
    let driver = &desktop.chromium.driver;
    let page = driver.find(By::Tag("body")).await?.text().await?;
    let name = CARD_HOLDERS[holder].name;
    anyhow::ensure!(page.contains(name), "not the portal of {name}: {page}");
    let script = format!("return performance.timeOrigin + {NAVIGATION}.domContentLoadedEventEnd");
    Ok(driver.execute(&script, vec![]).await?.convert()?)
}

/// Milliseconds since 1970, by the clock that the browser has as well.
fn since_epoch() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64() * 1000.0
}

fn row(name: &str, [begins, built]: Waited) -> String {
    format!("{name:<14}{begins:>18.0}{built:>20.0}\n")
}

fn line(text: &str) -> anyhow::Result<()> {
    Ok(say(text)?)
}

//! What a physician waits for after the PIN: card, portal, page, in a real Chromium.
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
use thirtyfour::prelude::*;
use tokio::process::Command;

use card_service::{CardService, SOCKET};

/// The first login reads a page and a script that the browser keeps; the figure is the middle of the others.
const RUNS: usize = 6;

/// Milliseconds from the PIN: the portal's answer begins, the page is built.
type Waited = [f64; 2];

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut desktop = Desktop::set_up(folder.path(), Door::Script).await?;
    let service_folder = folder.path().join("card-service");
    std::fs::create_dir(&service_folder)?;
    let service = CardService::start(&service_folder);
    let typed = folder.path().join("typed");
    let agent = restart_agent(&mut desktop, &service, &pinentry(folder.path(), &typed)?).await?;
    let card = desktop.scene.desks[0].desk.reader().of(CARD_HOLDERS[0].key);
    let options = Options { latency: Latency::contactless(), ..Options::default() };
    let inserted = service.insert(0, SoftwareCard::new(Personalisation::load(&card)?, options)?);

    line("ms from the PIN, on a card of assumed contactless speed behind pcscd, in Chromium\n")?;
    line(&format!("{:<12}{:>20}{:>20}\n", "login", "page begins", "page is built"))?;
    let mut all = Vec::new();
    for run in 1..=RUNS {
        let waited = log_in_and_out(&desktop, &typed).await?;
        line(&row(&run.to_string(), waited))?;
        all.push(waited);
    }
    line(&row("middle of 2-6", middle(&all[1..])))?;

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
    [0, 1].map(|figure| {
        let mut sorted: Vec<f64> = all.iter().map(|waited| waited[figure]).collect();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    })
}

fn row(name: &str, [begins, built]: Waited) -> String {
    format!("{name:<14}{begins:>18.0}{built:>20.0}\n")
}

fn line(text: &str) -> anyhow::Result<()> {
    Ok(say(text)?)
}

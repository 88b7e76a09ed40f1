//! `sekisho demo [--check] [--json] [--keep DIR]`.

use std::{path::PathBuf, time::Instant};

use anyhow::Context;
use sekisho_output::{remark, say};
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure, runtime};
use crate::demo::{
    cast::{CARD_HOLDERS, FACILITIES},
    check::{self, Scene},
    chromium::{self, Profile},
    report::Report,
};

/// Set up everything on this machine and open it for a person, or walk it with --check
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho demo
      three facilities, four people, three services; a browser opens where one is installed
  sekisho demo --check
      walk steps 1 to 8 and the refusals without a person; exits 0, or 1 with the step that failed
  sekisho demo --check --json | jq '.steps[] | select(.failure)'
      the same for machines")]
pub(super) struct Demo {
    /// Walk all steps without a person
    #[arg(long)]
    check: bool,
    /// With --check: the report as JSON
    #[arg(long, requires = "check")]
    json: bool,
    /// Keep everything in this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let temporary = tempfile::Builder::new().prefix("sekisho-demo-").tempdir()?;
        let folder = match &self.keep {
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                std::path::absolute(folder)?
            }
            None => temporary.path().to_owned(),
        };
        let runtime = runtime()?;
        let exit = if self.check {
            runtime.block_on(self.walk(&folder))?
        } else {
            runtime.block_on(open(&folder, self.keep.is_some()))?;
            Exit::Done
        };
        if self.keep.is_some() {
            let kept = kept(&folder);
            // Beside a report for machines it is a remark.
            if self.json { remark(&kept) } else { say(&format!("{kept}\n"))? }
        }
        Ok(exit)
    }

    async fn walk(&self, folder: &std::path::Path) -> Result<Exit, Failure> {
        let begun = Instant::now();
        let mut report = Report::new(self.json);
        let outcome = check::run(folder, &mut report).await;
        say(&if self.json {
            format!("{:#}\n", report.to_json(begun.elapsed()))
        } else {
            format!("{}\n", report.closing(begun.elapsed()))
        })?;
        if let (Err(error), false) = (&outcome, report.reported_failure()) {
            remark(&format!("sekisho: {error:#}"));
        }
        Ok(if outcome.is_ok() && report.held() { Exit::Done } else { Exit::Failed })
    }
}

/// Where what was kept lies, and what can be done with it.
fn kept(folder: &std::path::Path) -> String {
    let instance = folder.join("instance");
    format!(
        "Kept in {0}; serve its instance: sekisho serve {1}; remove everything: rm -r {0}",
        folder.display(),
        instance.display()
    )
}

async fn open(folder: &std::path::Path, keep: bool) -> anyhow::Result<()> {
    say("Setting up; this takes a few seconds …\n")?;
    let mut report = Report::new(true);
    let scene = Scene::build(folder, &mut report).await?;
    scene.admit_everybody().await?;
    let services = check::start_services(&scene.stage, &mut report).await?;
    let desk = &scene.desks[0];
    let profile = Profile::prepare(&folder.join("chromium"), &desk.desk.policy_json().await?)?;
    let (status, _, stderr) = desk.desk.paste(&desk.line, profile.home()).await?;
    anyhow::ensure!(status.success(), "the browser's certificate store: {}", stderr.trim());
    scene.cards.insert(CARD_HOLDERS[0].key)?;
    desk.desk.type_pin(CARD_HOLDERS[0].pin)?;

    say(&format!("\nPortal (terminal {} of {}):\n", FACILITIES[0].terminal, FACILITIES[0].name))?;
    say(&format!("    {}/\n", scene.stage.origins.terminal))?;
    say(&format!(
        "Console of administrators and officers, password {}:\n",
        crate::demo::console::PASSWORD
    ))?;
    say(&format!("    {}/console\n", scene.stage.origins.public))?;
    for user in [&scene.operators.administrator, &scene.operators.officer] {
        say(&format!(
            "    {:<14} one-time-password secret {}\n",
            user.login_name,
            user.secret_text()?
        ))?;
    }
    for accredited in &scene.facilities {
        let (facility, user) = (&accredited.facility, &accredited.administrator);
        say(&format!(
            "    {:<14} one-time-password secret {}, of {} ({}, {}: {})\n",
            user.login_name,
            user.secret_text()?,
            facility.name,
            facility.kind_name,
            accredited.identifier,
            facility.terminal
        ))?;
    }
    say("Services:\n")?;
    for service in &services {
        say(&format!("    {:<40} {}\n", service.origin, service.name))?;
    }
    say("Cards (put one in: touch CARD/inserted; take it out: rm CARD/inserted):\n")?;
    for holder in CARD_HOLDERS {
        say(&format!(
            "    {} {}, at {}: {}\n",
            holder.name,
            holder.role,
            FACILITIES[holder.facility].name,
            scene.cards.of(holder.key).display()
        ))?;
    }
    say(&format!(
        "The card of {} is in the reader; the demonstration types its PIN.\n",
        CARD_HOLDERS[0].name
    ))?;
    say(&format!("PIN that is typed at that PC: {}/pin\n", desk.desk.folder().display()))?;

    let portal = format!("{}/", scene.stage.origins.terminal);
    let mut browser = match chromium::installed() {
        Some(_)
            if std::env::var_os("DISPLAY").is_some()
                || std::env::var_os("WAYLAND_DISPLAY").is_some() =>
        {
            let mut arguments = profile.arguments(false);
            arguments.push(portal);
            let log = std::fs::File::create(scene.stage.logs().join("chromium.log"))?;
            let mut command = profile.command("chromium", &arguments);
            command.stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
            Some(command.spawn().context("Chromium cannot be started")?)
        }
        Some(_) => {
            say("\nNo display here: open the portal on a desktop, or walk it with --check.\n")?;
            None
        }
        None => {
            say(
                "\nNo Chromium is installed: apt-get install chromium, or walk it with --check.\n",
            )?;
            None
        }
    };
    let afterwards = if keep { "stays" } else { "is then removed" };
    say(&format!("\nStop with Ctrl-C; everything in {} {afterwards}.\n", folder.display()))?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    if let Some(browser) = &mut browser {
        browser.kill().await?;
    }
    scene.stage.server.stop().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_with_the_way_to_serve_and_to_remove_it() {
        assert_eq!(
            kept(std::path::Path::new("/srv/kept")),
            "Kept in /srv/kept; serve its instance: sekisho serve /srv/kept/instance; remove \
             everything: rm -r /srv/kept"
        );
    }
}

//! `sekisho demo [--check] [--json] [--keep DIR]`.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    time::Instant,
};

use anyhow::Context;
use sekisho_output::{remark, say};
use tokio::process::Child;

use super::{Exit, Failure, interrupt::told_to_end, runtime, until_told_to_end};
use crate::{
    demo::{
        cast::{CARD_HOLDERS, FACILITIES, PIN},
        check::{self, Scene},
        chromium::{self, Profile},
        report::Report,
        services::RunningService,
        walk::{self, EnrolledDesk},
    },
    temporary::TemporaryFolder,
};

/// Set up everything on this machine and open it for a person, or walk it with --check
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho demo
      three facilities with a PC each, four people, three services; a browser opens for each PC
      where one is installed
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
        let exit = if self.check {
            until_told_to_end(async { self.walk(self.place()?.path()).await })?
        } else {
            runtime()?.block_on(async {
                let told = told_to_end()?;
                open(self.place()?.path(), self.keep.is_some(), told).await?;
                Ok::<_, Failure>(Exit::Done)
            })?
        };
        if let Some(folder) = &self.keep {
            let kept = kept(&std::path::absolute(folder)?);
            // Beside a report for machines it is a remark.
            if self.json { remark(&kept) } else { say(&format!("{kept}\n"))? }
        }
        Ok(exit)
    }

    fn place(&self) -> Result<Place, Failure> {
        let Some(folder) = &self.keep else {
            return Ok(Place::Temporary(TemporaryFolder::new("sekisho-demo-", None)?));
        };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Place::Kept(std::path::absolute(folder)?))
    }

    async fn walk(&self, folder: &Path) -> Result<Exit, Failure> {
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

/// Where everything is made.
enum Place {
    Kept(PathBuf),
    Temporary(TemporaryFolder),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Where what was kept lies, and what can be done with it.
fn kept(folder: &Path) -> String {
    let instance = folder.join("instance");
    format!(
        "Kept in {0}; serve its instance: sekisho serve {1}; remove everything: rm -r {0}",
        folder.display(),
        instance.display()
    )
}

/// Everything that a person clicks through, running.
struct Standing {
    scene: Scene,
    services: Vec<RunningService>,
    /// The browser of each PC.
    profiles: Vec<Profile>,
}

async fn open(
    folder: &Path,
    keep: bool,
    told_to_end: impl Future<Output = &'static str>,
) -> anyhow::Result<()> {
    let mut told_to_end = pin!(told_to_end);
    say("Setting up; this takes a few seconds …\n")?;
    let standing = tokio::select! {
        biased;
        standing = set_up(folder) => standing?,
        signal = &mut told_to_end => anyhow::bail!("{signal} came before everything stood"),
    };
    say(&told(&standing)?)?;
    let display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let mut browsers = Vec::new();
    match chromium::installed() {
        Some(_) if display => {
            for (desk, profile) in standing.scene.desks.iter().zip(&standing.profiles) {
                browsers.push(browse(&standing.scene, desk, profile)?);
            }
        }
        Some(_) => {
            say("\nNo display here: run it on a desktop to click, or walk it with --check.\n")?;
        }
        None => {
            say(
                "\nNo Chromium is installed: apt-get install chromium, or walk it with --check.\n",
            )?;
        }
    }
    let afterwards = if keep { "stays" } else { "is then removed" };
    say(&format!("\nStop with Ctrl-C; everything in {} {afterwards}.\n", folder.display()))?;
    told_to_end.await;
    for browser in &mut browsers {
        browser.kill().await?;
    }
    standing.scene.stage.server.stop().await?;
    Ok(())
}

async fn set_up(folder: &Path) -> anyhow::Result<Standing> {
    let mut report = Report::new(true);
    let scene = Scene::build(folder, &mut report).await?;
    scene.admit_everybody().await?;
    let services = check::start_services(&scene.stage, &mut report).await?;
    let mut profiles = Vec::new();
    for (desk, facility) in scene.desks.iter().zip(0..) {
        let policy = desk.desk.policy_json().await?;
        profiles.push(desk.desk.chromium(&desk.line, &policy).await?);
        desk.desk.reader().insert(walk::holder_of(facility).key)?;
        desk.desk.type_pin(PIN)?;
    }
    Ok(Standing { scene, services, profiles })
}

/// Who can do what where.
fn told(standing: &Standing) -> anyhow::Result<String> {
    let Standing { scene, services, .. } = standing;
    let origins = &scene.stage.origins;
    let mut text = format!("\nPortal, in the browser of each PC: {}/\n", origins.terminal);
    for ((number, facility), desk) in (0..).zip(FACILITIES).zip(&scene.desks) {
        text += &format!("  {}, {}\n", facility.name, facility.terminal);
        for holder in CARD_HOLDERS.iter().filter(|holder| holder.facility == number) {
            let card = desk.desk.reader().of(holder.key);
            let state = if holder.key == walk::holder_of(number).key { "is in" } else { "is out" };
            text +=
                &format!("    {} {}, card {state}: {}\n", holder.name, holder.role, card.display());
        }
    }
    text += &format!(
        "The PIN of every card is {PIN}, and the demonstration types it. Take a card out: rm CARD/inserted; put \
         one in: touch CARD/inserted. What is typed at a PC: {}\n",
        scene.stage.folder.join("desks/*/pin").display()
    );
    text += &format!(
        "Console of administrators and officers, in any browser, password {}:\n    {}/console\n",
        crate::demo::console::PASSWORD,
        origins.public
    );
    for user in [&scene.operators.administrator, &scene.operators.officer] {
        text += &format!(
            "    {:<14} one-time-password secret {}\n",
            user.login_name,
            user.secret_text()?
        );
    }
    for accredited in &scene.facilities {
        let (facility, user) = (&accredited.facility, &accredited.administrator);
        text += &format!(
            "    {:<14} one-time-password secret {}, of {} ({}, {})\n",
            user.login_name,
            user.secret_text()?,
            facility.name,
            facility.kind_name,
            accredited.identifier,
        );
    }
    text += "Services:\n";
    for service in services {
        text += &format!("    {:<40} {}\n", service.origin, service.name);
    }
    Ok(text)
}

/// Opens the portal in the browser of one PC.
fn browse(scene: &Scene, desk: &EnrolledDesk, profile: &Profile) -> anyhow::Result<Child> {
    let mut arguments = profile.arguments(false);
    arguments.push(format!("{}/", scene.stage.origins.terminal));
    let log = scene.stage.logs().join(format!("chromium-{}.log", desk.terminal));
    let log = std::fs::File::create(log)?;
    let mut command = profile.command("chromium", &arguments);
    command.stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    command.spawn().context("Chromium cannot be started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_with_the_way_to_serve_and_to_remove_it() {
        assert_eq!(
            kept(Path::new("/srv/kept")),
            "Kept in /srv/kept; serve its instance: sekisho serve /srv/kept/instance; remove \
             everything: rm -r /srv/kept"
        );
    }
}

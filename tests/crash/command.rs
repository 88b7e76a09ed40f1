//! Commands that change an instance, killed (SIGKILL) at random moments and given again.
//!
//! - The same command given again ends well, and once more changes nothing.
//! - The instance is then as one that nothing happened to: the same files, none of them a part; what
//!   the register took is there once, and the audit trail tells it once.
//! - It serves, and the audit trail verifies.

mod scene;

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use sekisho::{
    config::Config,
    demo::process::{self, Program},
};
use sekisho_store::{Store, certificate, crl, issuer};
use serde_json::Value as Json;
use tokio::{process::Command, time::sleep};

use self::scene::Scene;
use super::{acts::Standing, check::Violation, dice::Dice};

/// Which command is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// `sekisho ceremony import`
    Import,
    /// `sekisho ceremony install`
    Install,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Rounds that were played.
    pub rounds: u32,
    /// Rounds whose command did not come to its end.
    pub killed: u32,
    /// Rounds that left some of the command's files and not all of them.
    pub half_done: u32,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

/// After a file appeared, the command is killed within this time.
const MOST_MICROSECONDS: u64 = 20_000;

/// Plays so many rounds and stops at the first one after which something does not hold.
///
/// # Errors
/// When the rig itself fails: a program is missing, or what comes before the command does not work.
pub async fn run(killed: Killed, rounds: u32, seed: u64) -> anyhow::Result<Report> {
    let mut dice = Dice::new(seed);
    let stand = Stand::build(killed).await.context("the rig does not stand")?;
    let mut report = Report::default();
    for round in 1..=rounds {
        let told = || format!("round {round}, seed {seed}, {killed:?}");
        report.rounds = round;
        stand.begin().with_context(told)?;
        report.killed += u32::from(stand.strike(&mut dice).await.with_context(told)?);
        report.half_done += u32::from(stand.is_half_done());
        report.violations = stand.look().await.with_context(told)?;
        if !report.violations.is_empty() {
            break;
        }
    }
    Ok(report)
}

/// An instance as it was before the command, and what the command makes of it.
struct Stand {
    scene: Scene,
    /// What an undisturbed command took.
    takes: Duration,
    /// The files that it left.
    files: BTreeSet<PathBuf>,
}

impl Stand {
    async fn build(killed: Killed) -> anyhow::Result<Self> {
        let scene = match killed {
            Killed::Import => Scene::import().await?,
            Killed::Install => Scene::install().await?,
        };
        let mut stand = Self { scene, takes: Duration::ZERO, files: BTreeSet::new() };
        stand.begin()?;
        let began = Instant::now();
        ensure!(stand.command()?.status().await?.success(), "the command fails undisturbed");
        stand.takes = began.elapsed();
        stand.files = stand.left()?;
        for mark in stand.scene.marks() {
            ensure!(stand.files.contains(Path::new(mark)), "the command makes no {mark}");
        }
        Ok(stand)
    }

    /// Puts the instance back to what it was before the command.
    fn begin(&self) -> anyhow::Result<()> {
        let instance = self.scene.instance();
        if instance.exists() {
            std::fs::remove_dir_all(&instance)?;
        }
        copy(&self.scene.before(), &instance)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(process::sibling("sekisho")?);
        command.args(self.scene.arguments()).current_dir(self.scene.papers());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Begins the command and kills it: at any time of what it takes, or shortly after one of its
    /// files has appeared. Answers whether it was still under way.
    async fn strike(&self, dice: &mut Dice) -> anyhow::Result<bool> {
        let marks = self.scene.marks();
        let mark = marks.get(dice.place(marks.len() + 1));
        let mut child = self.command()?.spawn()?;
        let pause = match mark {
            None => dice.below(u64::try_from(self.takes.as_micros())?),
            Some(mark) => {
                let file = self.scene.instance().join(mark);
                while !file.exists() && child.try_wait()?.is_none() {
                    sleep(Duration::from_millis(1)).await;
                }
                dice.below(MOST_MICROSECONDS)
            }
        };
        sleep(Duration::from_micros(pause)).await;
        child.start_kill()?;
        Ok(child.wait().await?.signal().is_some())
    }

    fn is_half_done(&self) -> bool {
        let there = |mark: &&&str| self.scene.instance().join(mark).exists();
        let marks = self.scene.marks();
        (1..marks.len()).contains(&marks.iter().filter(there).count())
    }

    async fn look(&self) -> anyhow::Result<Vec<Violation>> {
        let mut violations = Vec::new();
        let mut found = |what: String| violations.push(Violation(what));
        for nth in ["again", "once more"] {
            let (status, _, stderr) =
                process::run_to_end(self.command()?.stdout(Stdio::piped()).stderr(Stdio::piped()))
                    .await?;
            if !status.success() {
                found(format!("the command given {nth} ends with {status}: {stderr}"));
            }
        }
        let left = self.left()?;
        for file in left.symmetric_difference(&self.files) {
            let what = if left.contains(file) { "is left over" } else { "is not there" };
            found(format!("{} {what}", file.display()));
        }
        for what in self.register().await? {
            found(what);
        }
        for what in self.trail().await? {
            found(what);
        }
        Ok(violations)
    }

    /// What is wrong with the register.
    async fn register(&self) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let store = self.store().await?;
        let mut reader = store.read();
        if issuer::find(&mut reader, self.scene.authority()).await?.is_none() {
            wrong.push(format!("the register has no {}", self.scene.authority()));
        }
        let (list_of, number) = self.scene.list();
        let newest = crl::latest(&mut reader, list_of).await?.map(|list| list.number);
        if newest != Some(number) {
            wrong.push(format!("the newest list of {list_of} is {newest:?} and not {number}"));
        }
        for (issuer_id, serial, standing) in self.scene.certificates(&self.scene.instance())? {
            let kept = certificate::find(&mut reader, issuer_id, serial.as_octets()).await?;
            let found = kept.map(|kept| Standing::of(kept.status));
            if found != Some(standing) {
                wrong.push(format!("{issuer_id}:{serial} is {found:?} and not {standing:?}"));
            }
        }
        for (issuer, serial) in certificate::without_intention(&mut reader).await? {
            wrong.push(format!("{issuer}:{} was never intended", hex::encode(serial)));
        }
        store.close().await;
        Ok(wrong)
    }

    /// What is wrong with the audit trail, after the instance was served once.
    async fn trail(&self) -> anyhow::Result<Vec<String>> {
        let instance = self.scene.instance();
        let mut serve = Command::new(process::sibling("sekisho")?);
        serve.arg("serve").arg(&instance);
        let served = match Program::start("sekisho", serve, self.scene.papers()).await {
            Ok((server, _)) => server.stop().await?.success(),
            Err(_) => false,
        };
        if !served {
            let log = std::fs::read_to_string(self.scene.papers().join("sekisho.log"))?;
            return Ok(vec![format!("it does not serve: {log}")]);
        }
        let audit = async |command: &[&str]| -> anyhow::Result<_> {
            let mut audit = Command::new(process::sibling("sekisho")?);
            audit.args(command).arg(&instance);
            process::run_to_end(&mut audit).await
        };
        let mut wrong = Vec::new();
        let (status, stdout, stderr) = audit(&["audit", "verify"]).await?;
        if !status.success() {
            wrong.push(format!("the audit trail: {stdout}{stderr}"));
        }
        let (_, records, _) = audit(&["audit", "list", "--json"]).await?;
        let records: Vec<Json> =
            records.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        for &(act, fact, expected) in self.scene.facts() {
            let told: u64 = records
                .iter()
                .filter(|record| record["act"] == act)
                .map(|record| match &record["facts"][fact] {
                    Json::Bool(happened) => u64::from(*happened),
                    number => number.as_u64().unwrap_or(0),
                })
                .sum();
            if told != expected {
                wrong.push(format!("{act}: {fact} comes to {told} and not to {expected}"));
            }
        }
        let added = records.iter().filter(|record| {
            record["act"] == "issuer.add" && record["on"]["issuer"] == self.scene.authority()
        });
        let added = added.count();
        if added != 1 {
            wrong.push(format!("{} was added {added} times", self.scene.authority()));
        }
        Ok(wrong)
    }

    async fn store(&self) -> anyhow::Result<Store> {
        let config = Config::read(&self.scene.instance())?;
        Ok(Store::open(config.instance().database(), config.instance().node()).await?)
    }

    /// The files of the instance, without those that the database makes for itself.
    fn left(&self) -> anyhow::Result<BTreeSet<PathBuf>> {
        let instance = self.scene.instance();
        let mut files = BTreeSet::new();
        for file in files_of(&instance)? {
            let name = file.to_string_lossy().into_owned();
            if !name.ends_with("-wal") && !name.ends_with("-shm") {
                files.insert(file.strip_prefix(&instance)?.to_owned());
            }
        }
        Ok(files)
    }
}

fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_of(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let beside = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &beside)?;
        } else {
            std::fs::copy(entry.path(), beside)?;
        }
    }
    Ok(())
}

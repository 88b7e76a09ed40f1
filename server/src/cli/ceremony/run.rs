//! `sekisho ceremony run PLAN`.

use std::path::PathBuf;

use sekisho_ca::ceremony::{Live, Progress, Step};
use sekisho_key::SystemRandomness;
use sekisho_output::say;
use time::OffsetDateTime;

use super::{
    super::language::LanguageChoice, Exit, Failure, Named, dry_run::headline, grouped, hash, named,
};
use crate::{
    catalogue::Text,
    ceremony::{PlanFolder, ResultFolder, Secrets, open_keys},
    cli::runtime,
    instance,
};

/// Sign what was reviewed, and nothing else
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Refuses if the hash of what would be signed is another than the one given. After a loss of power the
same command goes on where it stopped: what is signed is verified and kept.

Example:
  sekisho ceremony run plan.toml --hash HASH --secret root=root-passphrase --out result")]
pub(super) struct Run {
    /// The plan
    #[arg(value_name = "PLAN")]
    plan: Named<named::File>,
    /// The hash that the dry run printed and people compared
    #[arg(long, value_name = "HASH", value_parser = hash)]
    hash: [u8; 32],
    /// Folder for certificates, lists and transcript
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What opens a key: its name in the plan, and a file whose first line is the passphrase or PIN
    #[arg(long, value_name = "NAME=FILE", value_parser = named::secret)]
    secret: Vec<String>,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl Run {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let folder = PlanFolder::open(&self.plan)?;
        let ceremony = folder.prepare(&SystemRandomness)?;
        let steps = ceremony.statement().steps().len();
        if ceremony.statement().hash() != self.hash {
            let found = grouped(&ceremony.statement().hash());
            let arguments = [("found", found), ("given", grouped(&self.hash))];
            return Err(text.with("ceremony-run-other-hash", &arguments).into());
        }
        let keys = open_keys(&folder, &Secrets::read(&self.secret)?)?;
        let results = ResultFolder::begin(&self.out, ceremony.statement())?;
        let (user, host) = instance::user_and_host();
        let live = Live {
            reviewed_hash: self.hash,
            operator: &format!("{user} at {host}"),
            now: OffsetDateTime::now_utc(),
            journal: &results,
            progress: &|step, progress| told(&text, step, steps, progress),
        };
        let outcome = runtime()?.block_on(ceremony.run(&keys, &live))?;
        results.finish(&outcome.transcript)?;
        let arguments = [("out", self.out.display().to_string()), ("hash", hex::encode(self.hash))];
        say(&format!("{}\n", text.with("ceremony-run-next", &arguments)))?;
        Ok(Exit::Done)
    }
}

/// A line a step. That nobody reads it any more is no reason to stop between two signatures.
fn told(text: &Text, step: &Step, all: usize, progress: Progress) {
    let state = match progress {
        Progress::Signing => text.t("ceremony-progress-signing"),
        Progress::Signed => text.t("ceremony-progress-signed"),
        Progress::Found => text.t("ceremony-progress-found"),
    };
    let _ = say(&format!("{}: {state}\n", headline(text, step, all)));
}

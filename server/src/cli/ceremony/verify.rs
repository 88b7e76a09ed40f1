//! `sekisho ceremony verify RESULT`.

use std::path::PathBuf;

use sekisho_output::say;

use super::{super::language::LanguageChoice, Exit, Failure, grouped, hash};
use crate::{ceremony::VerifiedResult, cli::does_not_hold};

/// Verify a folder of results: statement, signatures, files and transcript
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits with 1 if the folder cannot be read or a file is missing, and with 3 if what it holds does not
hold or is of another hash.

Example:
  sekisho ceremony verify result --hash HASH")]
pub(super) struct Verify {
    /// The folder that `sekisho ceremony run` wrote
    #[arg(value_name = "RESULT")]
    result: PathBuf,
    /// The hash that people compared; without it the folder vouches for itself only
    #[arg(long, value_name = "HASH", value_parser = hash)]
    hash: Option<[u8; 32]>,
    /// The transcript as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl Verify {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let found = match VerifiedResult::read(&self.result, self.hash.as_ref()) {
            Ok(found) => found,
            Err(fault) if fault.is_of_the_result() => return Ok(does_not_hold(&fault)),
            Err(error) => return Err(error.into()),
        };
        if self.json {
            say(&format!("{}\n", serde_json::to_string_pretty(&found.transcript)?))?;
            return Ok(Exit::Done);
        }
        let transcript = &found.transcript;
        let mut out = text.with(
            "ceremony-verify-holds",
            &[
                ("title", &transcript.title),
                ("at", &transcript.at),
                ("operator", &transcript.operator),
            ],
        );
        out.push('\n');
        for step in &transcript.steps {
            out += &format!("    {}  {}\n", step.sha256, step.file);
        }
        let hash = grouped(&found.statement.hash());
        out += &if self.hash.is_some() {
            text.t1("ceremony-verify-reviewed", "hash", hash)
        } else {
            text.t1("ceremony-verify-compare", "hash", hash)
        };
        out.push('\n');
        say(&out)?;
        Ok(Exit::Done)
    }
}

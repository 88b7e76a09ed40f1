//! `sekisho ceremony verify RESULT`.

use std::path::PathBuf;

use super::{super::language::LanguageChoice, Exit, Failure, grouped, hash};
use crate::{ceremony::VerifiedResult, cli::say};

/// Verify a folder of results: statement, signatures, files and transcript
#[derive(Debug, clap::Args)]
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
        let found = VerifiedResult::read(&self.result, self.hash.as_ref())?;
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

//! `sekisho ceremony verify RESULT`.

use std::path::Path;

use sekisho_output::say;

use super::{super::language::LanguageChoice, Exit, Failure, Named, grouped, hash, named};
use crate::{
    catalogue::Text,
    ceremony::{VerifiedResult, read_import_transcript},
};

/// Verify a folder of results: statement, signatures, files and transcript
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits with 1 if the folder cannot be read or lacks a file, and with 3 if what it holds does not hold
or is of another hash.

Examples:
  sekisho ceremony verify result --hash HASH
  sekisho ceremony verify transcript.json --import ca.crt --hash HASH")]
pub(super) struct Verify {
    /// The folder that `sekisho ceremony run` wrote, or the transcript of an import
    #[arg(value_name = "RESULT")]
    result: Named<named::FileOrFolder>,
    /// RESULT is the transcript of an import of the authority of this certificate
    #[arg(long, value_name = "FILE")]
    import: Option<Named<named::File>>,
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
        if let Some(certificate) = &self.import {
            return self.of_import(&text, certificate);
        }
        let found = match VerifiedResult::read(&self.result, self.hash.as_ref()) {
            Ok(found) => found,
            Err(fault) if fault.is_of_the_result() => return Err(Failure::does_not_hold(fault)),
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
        out += &self.reviewed(&text, hash);
        say(&out)?;
        Ok(Exit::Done)
    }

    fn of_import(&self, text: &Text, certificate: &Path) -> Result<Exit, Failure> {
        let found = match read_import_transcript(&self.result, certificate, self.hash.as_ref()) {
            Ok(found) => found,
            Err(fault) if fault.is_of_the_result() => return Err(Failure::does_not_hold(fault)),
            Err(error) => return Err(error.into()),
        };
        if self.json {
            say(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
            return Ok(Exit::Done);
        }
        let arguments = [
            ("id", found.authority.clone()),
            ("at", found.at.clone()),
            ("operator", found.operator.clone()),
            ("certificates", found.certificates.to_string()),
            ("revoked", found.revoked.to_string()),
            ("number", found.crl_number.to_string()),
        ];
        let mut out = text.with("ceremony-verify-import-holds", &arguments) + "\n";
        out += &self.reviewed(text, found.import_sha256);
        say(&out)?;
        Ok(Exit::Done)
    }

    /// The line about the hash.
    fn reviewed(&self, text: &Text, hash: String) -> String {
        let message = match self.hash {
            Some(_) => "ceremony-verify-reviewed",
            None => "ceremony-verify-compare",
        };
        text.t1(message, "hash", hash) + "\n"
    }
}

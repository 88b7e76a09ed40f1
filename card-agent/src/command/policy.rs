use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use der::Decode;
use sekisho_output::say;
use serde_json::Value;
use x509_cert::Certificate;

use super::{Failure, cards, local};
use crate::terminal::place::{Place, read, write_public};
use crate::terminal::policy::chromium;
use crate::terminal::policy::explanation::explanation;
use crate::terminal::policy::registry_file::registry_file;
use crate::terminal::policy::template::template;

/// Print or write the browser policy: no certificate chooser, no prompt.
///
/// Whatever is written is told in words.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sekisho-agent policy\n  sekisho-agent policy --explain\n  sudo sekisho-agent policy --dir ~/.local/share/sekisho-agent --write /etc/chromium/policies/managed/sekisho.json\n      ~ is the home of the user who enrolled this PC; root's own holds no enrolment\n  sekisho-agent policy --form reg --write sekisho.reg\n      Windows, one PC: then, as administrator, reg import sekisho.reg\n  sekisho-agent policy --form admx --write PolicyDefinitions\n      Windows, a domain: the template and its words, for the central store"
)]
pub struct Policy {
    /// The files of Linux, of Windows' registry, or a template for Windows' group policy.
    #[arg(long, default_value = "json")]
    form: Form,
    /// Write to this file instead, a template into this folder; folders are made.
    #[arg(
        long,
        value_name = "PATH",
        required_if_eq("form", "reg"),
        required_if_eq("form", "admx")
    )]
    write: Option<PathBuf>,
    /// Say what it does, and write nothing.
    #[arg(long, conflicts_with_all = ["form", "write"])]
    explain: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Json,
    Reg,
    Admx,
}

impl Policy {
    pub(super) fn execute(self, place: &Place) -> Result<(), Failure> {
        let trust = place.trust()?;
        let certificate = Certificate::from_der(&read(&place.certificate())?).map_err(local)?;
        let policy = chromium(&trust, &certificate);
        match self.write {
            None if !self.explain => return Ok(say(&json(&policy))?),
            None => {}
            Some(path) => write(&policy, self.form, &path)?,
        }
        Ok(say(&explanation(&policy, cards::window_language()))?)
    }
}

fn write(policy: &Value, form: Form, path: &Path) -> Result<(), Failure> {
    match form {
        Form::Json => write_public(path, json(policy).as_bytes())?,
        Form::Reg => write_public(path, &registry_file(policy))?,
        Form::Admx => {
            for (name, text) in template(policy) {
                write_public(&path.join(name), text.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn json(policy: &Value) -> String {
    format!("{policy:#}\n")
}

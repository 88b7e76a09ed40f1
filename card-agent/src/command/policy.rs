use std::path::PathBuf;

use clap::Args;
use der::Decode;
use sekisho_output::say;
use x509_cert::Certificate;

use super::{Failure, local};
use crate::terminal::place::{Place, read, write_public};
use crate::terminal::policy::chromium;

/// Print or write the browser policy: no certificate chooser, no prompt.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sekisho-agent policy\n  sudo sekisho-agent policy --dir ~/.local/share/sekisho-agent --write /etc/chromium/policies/managed/sekisho.json\n      ~ is the home of the user who enrolled this PC; root's own holds no enrolment"
)]
pub struct Policy {
    /// Write to this file instead; its folder is made.
    #[arg(long)]
    write: Option<PathBuf>,
}

impl Policy {
    pub(super) fn execute(self, place: &Place) -> Result<(), Failure> {
        let trust = place.trust()?;
        let certificate = Certificate::from_der(&read(&place.certificate())?).map_err(local)?;
        let text = format!("{:#}\n", chromium(&trust, &certificate));
        match self.write {
            Some(path) => Ok(write_public(&path, text.as_bytes())?),
            None => Ok(say(&text)?),
        }
    }
}

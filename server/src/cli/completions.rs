//! `sekisho completions SHELL`.

use clap_complete::Shell;
use sekisho_output::{completion::script, say};

use super::{Exit, Failure};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sekisho completions bash > /etc/bash_completion.d/sekisho")]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        say(&script::<super::Arguments>(self.shell))?;
        Ok(Exit::Done)
    }
}

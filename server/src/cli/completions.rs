//! `sekisho completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;
use sekisho_output::say;

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
        let mut command = super::Arguments::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "sekisho", &mut script);
        say(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use sekisho_output::say;

use super::{Arguments, Failure};

/// Print completions for a shell.
#[derive(Args)]
#[command(
    after_help = "Example:\n  sekisho-agent completions bash > /etc/bash_completion.d/sekisho-agent"
)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let mut command = Arguments::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "sekisho-agent", &mut script);
        say(&String::from_utf8_lossy(&script))?;
        Ok(())
    }
}

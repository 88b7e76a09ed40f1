use clap::Args;
use clap_complete::Shell;
use sekisho_output::{completion::script, say};

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
        say(&script::<Arguments>(self.shell))?;
        Ok(())
    }
}

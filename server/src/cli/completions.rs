//! `sekisho completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sekisho completions bash > /etc/bash_completion.d/sekisho")]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) {
        let mut command = super::Arguments::command();
        clap_complete::generate(self.shell, &mut command, "sekisho", &mut std::io::stdout());
    }
}

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use sekisho_output::{say, with_exit_codes};

use super::{Arguments, EXIT_CODES, Failure, local};

/// Write the manual pages into a folder: one of the program, one of each command.
#[derive(Args)]
#[command(after_help = "Example:\n  sekisho-agent manual /usr/local/share/man/man1")]
pub struct Manual {
    /// The folder, which is there.
    folder: PathBuf,
}

impl Manual {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let folder = self.folder.display().to_string();
        let commands = with_exit_codes(Arguments::command(), EXIT_CODES);
        clap_mangen::generate_to(commands, &self.folder).context(folder).map_err(local)?;
        say(&format!(
            "wrote sekisho-agent.1 and those of its commands to {}\n",
            self.folder.display()
        ))?;
        Ok(())
    }
}

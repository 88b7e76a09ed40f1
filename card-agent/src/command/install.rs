use clap::Args;
use sekisho_output::say;

use super::extension::{ID, NAME, host_manifest, identifier, pretty};
use super::{Failure, local};
use crate::platform::{self, Installation};
use crate::terminal::place::Place;

/// Windows: start the agent with this user's session, and let their browsers find it.
///
/// Needs no administrator: all of it is this user's own. On Linux the package does it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  sekisho-agent install\n  sekisho-agent install --id THE-PACKED-EXTENSIONS-ID\n  sekisho-agent install --remove"
)]
pub struct Install {
    /// Take it back: nothing of it stays. The enrolment does.
    #[arg(long, conflicts_with = "id")]
    remove: bool,
    /// Of the extension that may call the agent; one packed under your own key has its own.
    #[arg(long, default_value = ID, value_parser = identifier)]
    id: String,
}

impl Install {
    pub(super) fn execute(self, place: &Place) -> Result<(), Failure> {
        let manifest = pretty(&host_manifest(&self.id, &platform::native_messaging()));
        let installation =
            Installation { host_name: NAME, host_manifest: &manifest, folder: &place.folder };
        let done = match self.remove {
            true => platform::uninstall(&installation),
            false => platform::install(&installation),
        };
        let done = done.map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => Failure::Usage(error.into()),
            _ => local(error),
        })?;
        for line in done {
            say(&format!("{line}\n"))?;
        }
        Ok(())
    }
}

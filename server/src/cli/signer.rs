//! `sekisho signer`: the process that holds the authorities' keys.

use std::{path::PathBuf, sync::Arc};

use sekisho_key::SystemRandomness;
use sekisho_output::say;
use tokio_util::sync::CancellationToken;

use super::{
    Exit, Failure, InstanceFolder,
    named::{Kind, SigningFolder},
    runtime,
    serve::{start_log, stop_on_signal},
};
use crate::{
    clock::SystemClock,
    signer::{self, Settings, run},
};

/// Hold the authorities' keys in a process of its own, under a user of its own
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Signs for `sekisho serve` behind a Unix socket, after it has found out for itself that what it is to
sign is on record in the database and keeps every rule of the certificate policy. Refusals are in the
log and in the audit trail. Prints one line `ready socket=PATH` once it answers; runs until SIGTERM or
SIGINT.

Examples:
  sekisho signer split /srv/sekisho /srv/sekisho-signer
      move the keys out of an instance; then give the folder to the signing user
  sekisho signer /srv/sekisho-signer
      run it, as that user; then start `sekisho serve` again"
)]
pub(super) struct Signer {
    #[command(subcommand)]
    command: Option<Command>,
    /// The signing process's folder, made by `sekisho signer split`
    #[arg(value_name = "SIGNER_DIR", env = "SEKISHO_SIGNER_DIR", required = true)]
    dir: Option<PathBuf>,
    /// Listen here, instead of `socket` in signer.toml
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Split(Split),
}

/// Move the keys of the authorities and OCSP responders out of an instance
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Wraps each key under a passphrase of the new folder, reads it back, writes signer.toml and `[signer]`
of sekisho.toml, then overwrites and deletes the old files. A key in a token stays there; the token
and its PIN are handed over. Stopped in between, the same command goes on; done twice it changes
nothing. After a roll-over run it again for the new authority's keys.

Make a backup first: `sekisho backup` of the instance does not hold these keys from then on.

Examples:
  sekisho signer split /srv/sekisho /srv/sekisho-signer
  chown -R sekisho-signer:sekisho /srv/sekisho-signer
  sekisho signer split /srv/sekisho /srv/sekisho-signer --socket /run/sekisho-signer/signer.sock")]
struct Split {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Folder of the signing process; made, or one that this command made
    #[arg(value_name = "SIGNER_DIR")]
    signer_dir: PathBuf,
    /// Where the process will listen, instead of SIGNER_DIR/run/signer.sock
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Number of the user that may ask, instead of the owner of DIR
    #[arg(long, value_name = "UID")]
    user: Option<u32>,
}

impl Signer {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let Self { command, dir, socket } = self;
        match (command, dir) {
            (Some(Command::Split(command)), _) => command.run(),
            (None, Some(dir)) => {
                // Not by its type: the environment may name a folder that `split` is to make.
                SigningFolder::check(&dir).map_err(Failure::usage)?;
                serve(&dir, socket)
            }
            // clap asks for one of the two.
            (None, None) => Ok(Exit::Usage),
        }
    }
}

fn serve(dir: &std::path::Path, socket: Option<PathBuf>) -> Result<Exit, Failure> {
    let settings = Settings::read(dir)?;
    let config = settings.validate(dir, socket)?;
    start_log(&settings.log_filter, settings.log_format);
    runtime()?.block_on(async {
        let stop = CancellationToken::new();
        stop_on_signal(stop.clone())?;
        let announce = || {
            // Whoever started us may not read; that must not stop the service.
            let _ = say(&format!("ready socket={}\n", config.socket().display()));
        };
        run(&config, Arc::new(SystemClock), stop, announce).await?;
        Ok(Exit::Done)
    })
}

impl Split {
    fn run(self) -> Result<Exit, Failure> {
        let order = signer::Split {
            instance: self.instance.dir.to_path_buf(),
            signer: self.signer_dir.clone(),
            socket: self.socket,
            user: self.user,
        };
        let moved = signer::split(&order, &SystemRandomness)?;
        let (dir, signer_dir) = (self.instance.dir.display(), self.signer_dir.display());
        if moved.keys.is_empty() {
            say(&format!("All keys were moved before. Nothing changed in {dir}.\n"))?;
        } else {
            say(&format!(
                "{} keys moved to {signer_dir}: {}.\n\
                 Next: give {signer_dir} to the signing user, with the group of the serving one;\n\
                 look through {signer_dir}/signer.toml; run `sekisho signer {signer_dir}`;\n\
                 start `sekisho serve {dir}` again. Copy {signer_dir} to a safe place:\n\
                 backups of the instance do not hold these keys.\n",
                moved.keys.len(),
                moved.keys.join(", "),
            ))?;
        }
        if let Some(path) = moved.pin_left {
            say(&format!(
                "The token's PIN is in {signer_dir} now. Remove it from {}, too.\n",
                path.display()
            ))?;
        }
        Ok(Exit::Done)
    }
}

//! The command line. Exit codes: 0 done, 1 refused by server, card or state, or no answer, 2 wrong
//! usage, 3 something of this PC failed (file, port, tool, smart card service, standard output).

mod cards;
mod completions;
mod doctor;
mod enroll;
mod extension;
mod inspect;
mod install;
mod manual;
mod native_host;
mod pin;
mod policy;
mod readers;
mod renew;
mod run;
mod self_test;
mod sign;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sekisho_output::{OutputError, remark};

use crate::terminal::place::{Place, PlaceError};

pub use run::Run;

/// Card login on this PC: enrols it, then answers the portal's page.
#[derive(Parser)]
#[command(
    name = "sekisho-agent",
    version,
    after_help = "Examples:\n  sekisho-agent enroll --server https://enrol.example:8443 --root 3f9a… --terminal T0123456789 --code ABCD-EFGH-JKMN-PQRS\n  sekisho-agent run\n  sekisho-agent doctor"
)]
pub struct Arguments {
    /// Where this PC's key, certificate and trust are kept.
    #[arg(long, global = true, env = "SEKISHO_AGENT_DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Enroll(enroll::Enroll),
    Renew(renew::Renew),
    Run(run::Run),
    Status(status::Status),
    Readers(readers::ReadersCommand),
    Inspect(inspect::Inspect),
    SelfTest(self_test::SelfTest),
    Sign(sign::Sign),
    Policy(policy::Policy),
    Extension(extension::Extension),
    Install(install::Install),
    NativeHost(native_host::NativeHost),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Manual(manual::Manual),
}

/// Exit code where this PC failed.
pub const LOCAL: u8 = 3;

/// The exit codes as every `--help` tells them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, not enrolled, no card, no answer, or doctor found a line that is not ok
  2  the command line was not understood, or names what is not there or cannot be used
  3  this PC failed: a file, a port, a tool, the smart card service, standard output";

/// Why a command ends badly.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 1.
    Refused(anyhow::Error),
    /// Exit code 2.
    Usage(anyhow::Error),
    /// Exit code 3.
    Local(anyhow::Error),
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::NotEnrolled { .. } => Self::Refused(error.into()),
            error => Self::Local(error.into()),
        }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::Local(error.into())
    }
}

fn local(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Local(error.into())
}

fn refused(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Refused(error.into())
}

/// Runs the command that the arguments name.
pub async fn main(arguments: Arguments) -> ExitCode {
    let outcome = match place(&arguments) {
        Ok(place) => execute(arguments.command, &place).await,
        Err(failure) => Err(failure),
    };
    let (code, error) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(error)) => (1, error),
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::Local(error)) => (LOCAL, error),
    };
    remark(&format!("sekisho-agent: {error:#}"));
    ExitCode::from(code)
}

/// Where this PC's things are. A folder that was named has to be there, but for enrolling, which makes it.
fn place(arguments: &Arguments) -> Result<Place, Failure> {
    let folder = arguments.dir.clone().unwrap_or_else(Place::default_folder);
    let makes = matches!(arguments.command, Command::Enroll(_) | Command::Completions(_));
    if arguments.dir.is_some() && !makes && !folder.is_dir() {
        let absent = anyhow::anyhow!("there is no folder {}", folder.display());
        return Err(Failure::Usage(
            absent.context("--dir or SEKISHO_AGENT_DIR names an enrolment that is not there"),
        ));
    }
    let place = Place { folder };
    place.settle()?;
    Ok(place)
}

async fn execute(command: Command, place: &Place) -> Result<(), Failure> {
    match command {
        Command::Enroll(command) => command.execute(place).await,
        Command::Renew(command) => command.execute(place).await,
        Command::Run(command) => command.execute(place).await,
        Command::Status(command) => command.execute(place),
        Command::Readers(command) => command.execute(),
        Command::Inspect(command) => command.execute(),
        Command::SelfTest(command) => command.execute(place).await,
        Command::Sign(command) => command.execute().await,
        Command::Policy(command) => command.execute(place),
        Command::Extension(command) => command.execute(place),
        Command::Install(command) => command.execute(place),
        Command::NativeHost(command) => command.execute(place).await,
        Command::Doctor(command) => command.execute(place).await,
        Command::Completions(command) => command.execute(),
        Command::Manual(command) => command.execute(),
    }
}

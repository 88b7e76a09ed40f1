//! `sekisho-agent`: see `sekisho-agent --help`.

use std::io::IsTerminal;
use std::process::ExitCode;

use sekisho_agent::command::{self, Arguments};
use sekisho_output::ExitCodes;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("SEKISHO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Its own complaint of a line that could not be written is a panic in whoever logged it.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .init();
    let exits = ExitCodes { cannot_write: command::LOCAL, told: command::EXIT_CODES };
    match sekisho_output::arguments::<Arguments>(exits) {
        Ok(arguments) => command::main(arguments).await,
        Err(code) => code,
    }
}

//! `sekisho-agent`: see `sekisho-agent --help`.

use std::process::ExitCode;

use clap::Parser;
use sekisho_agent::command::{self, Arguments};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("SEKISHO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Its own complaint of a line that could not be written is a panic in whoever logged it.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    command::main(Arguments::parse()).await
}

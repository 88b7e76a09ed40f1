//! `sekisho-agent`: see `sekisho-agent --help`.

use std::process::ExitCode;

use clap::Parser;
use sekisho_agent::command::{self, Arguments};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("SEKISHO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    command::main(Arguments::parse()).await
}

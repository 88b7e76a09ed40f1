//! `sekisho serve DIR`.

use std::sync::Arc;

use sekisho_key::SystemRandomness;
use sekisho_output::say;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use super::{Exit, Failure, InstanceFolder, runtime};
use crate::{
    clock::SystemClock,
    config::{LogFormat, Settings},
    instance::{Ready, run},
};

/// Run an instance until SIGTERM or SIGINT
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints one line `ready tls=PORT plain=PORT ms=N origin=…` on standard output once it answers, and
keeps DIR/run/addresses.json while it runs. The log goes to standard error.

Example:
  sekisho serve /srv/sekisho --node node-2")]
pub(super) struct Serve {
    #[command(flatten)]
    instance: InstanceFolder,
    /// Name of this process, instead of `instance.node`
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
}

impl Serve {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut settings = Settings::read(&self.instance.dir)?;
        if let Some(node) = self.node {
            settings.instance.node = node;
        }
        let config = settings.validate(&self.instance.dir)?;
        start_log(config.instance().log_filter(), config.instance().log_format());
        runtime()?.block_on(async {
            let stop = CancellationToken::new();
            stop_on_signal(stop.clone())?;
            run(config, Arc::new(SystemClock), Arc::new(SystemRandomness), stop, announce).await?;
            Ok(Exit::Done)
        })
    }
}

fn announce(ready: &Ready) {
    let origin = ready.origins.get("public").map(String::as_str).unwrap_or_default();
    // Whoever started us may not read; that must not stop the service.
    let _ = say(&format!(
        "ready tls={} plain={} ms={} origin={origin}\n",
        ready.tls_port, ready.plain_port, ready.ready_after_ms
    ));
}

pub(super) fn start_log(filter: &str, format: LogFormat) {
    // Validated with the configuration; an unreadable one would log everything.
    let filter: Targets = filter.parse().unwrap_or_default();
    let registry = tracing_subscriber::registry().with(filter);
    // Its own complaint of a line that could not be written is a panic in whoever logged it.
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    // A second subscriber in one process (tests) keeps the first.
    let _ = match format {
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    };
}

/// Cancels at the first SIGTERM or SIGINT. A second one ends the process at once.
pub(super) fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            stop.cancel();
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
    }
    #[cfg(not(unix))]
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    Ok(())
}

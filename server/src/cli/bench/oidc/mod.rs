//! `sekisho bench oidc`: logins, tokens and documents a second, ours and another provider's.

mod load;
mod ours;
mod target;

use std::fmt::Write;

use anyhow::Context;
use secrecy::SecretString;
use sekisho_store::Store;
use serde::Serialize;

use self::{
    load::{Operation, Run},
    target::Target,
};
use super::{PREFIX, bare::Bare, tell, usage::memory_kib};
use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    temporary::TemporaryFolder,
};

/// Measure the OpenID provider: logins, tokens, documents; also beside another one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes an instance, serves it, and asks it over kept TLS connections on this machine. A login is the
authorization request of a person who has a session, and the exchange of its code, with all records.
The asking takes its share of the processors: `server CPU` is the server's own time, and `on two
cores` what two processors make of that.

The file of another provider is JSON: `name`, `process` (its number), `root` (its certificate's
root, a PEM file), `authorization_endpoint`, `token_endpoint`, `userinfo_endpoint`, `jwks_uri`,
`discovery`, `client_id`, `client_secret`, `redirect_uri`, `scope`, `resource` if tokens for the
service itself need one, and `cookies`: of people who are logged in, one for each connection.

Examples:
  sekisho bench oidc
  sekisho bench oidc --seconds 3 --json
  sekisho bench oidc --folder /srv --beside other.json")]
pub(super) struct Oidc {
    /// Seconds for each figure
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections, each with a person of its own
    #[arg(long, default_value_t = 16, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
    /// Folder on the storage to measure; what is made there is deleted at the end
    #[arg(long, value_name = "DIR")]
    folder: Option<Named<named::Folder>>,
    /// Another provider on this machine, to be asked the same
    #[arg(long, value_name = "FILE")]
    beside: Option<Named<named::File>>,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

/// One provider's figures.
#[derive(Debug, Serialize)]
struct Provider {
    name: String,
    /// Resident before anything was asked, in KiB.
    idle_rss_kib: u64,
    /// The most that was resident while it was asked, in KiB.
    peak_rss_kib: u64,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Figures {
    connections: u32,
    providers: Vec<Provider>,
    bare: Bare,
}

impl Oidc {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        tell(&until_told_to_end(self.measure())?, self.json, Figures::told)
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        let folder = TemporaryFolder::new(PREFIX, self.folder.as_deref())?;
        let people = usize::try_from(self.connections)?;
        let (stage, ours) = ours::build(folder.path(), people).await?;
        let mut targets = vec![ours];
        if let Some(file) = &self.beside {
            targets.push(Target::read(file)?);
        }
        let bare_url = format!("sqlite://{}", folder.path().join("bare.db").display());
        let bare = Store::open(&SecretString::from(bare_url), "bench").await?;
        let before = Bare::measure(&bare).await?;
        let mut providers = Vec::new();
        for target in targets {
            let name = target.name.clone();
            let provider = self.ask(target).await;
            providers.push(provider.with_context(|| format!("{name} was not measured"))?);
        }
        let after = Bare::measure(&bare).await?;
        bare.close().await;
        stage.server.stop().await?;
        Ok(Figures { connections: self.connections, providers, bare: before.mean(after) })
    }

    async fn ask(&self, target: Target) -> anyhow::Result<Provider> {
        let idle_rss_kib = memory_kib(target.process, "VmRSS")?;
        let (name, process) = (target.name.clone(), target.process);
        let mut visitors = load::visitors(target).await?;
        let mut runs = Vec::new();
        for operation in Operation::ALL {
            let ran = load::run(visitors, process, operation, self.seconds).await;
            let (kept, run) = ran.with_context(|| operation.name())?;
            visitors = kept;
            runs.push(run);
        }
        Ok(Provider { name, idle_rss_kib, peak_rss_kib: memory_kib(process, "VmHWM")?, runs })
    }
}

impl Figures {
    fn told(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        for provider in &self.providers {
            let _ = writeln!(
                text,
                "{} at concurrency {}: {:.1} MiB resident when idle, {:.1} at most\n\
                 operation              here/s   p50 ms   p99 ms  server CPU ms   on two cores/s",
                provider.name,
                self.connections,
                mib(provider.idle_rss_kib),
                mib(provider.peak_rss_kib),
            );
            for run in &provider.runs {
                let _ = writeln!(
                    text,
                    "{:<20} {:>8.0} {:>8.2} {:>8.2} {:>14.3} {:>16.0}   {}",
                    run.operation.name(),
                    run.per_second,
                    run.p50_ms,
                    run.p99_ms,
                    run.server_cpu_ms,
                    2000.0 / run.server_cpu_ms,
                    run.operation.goal(),
                );
            }
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{}\ngoals: p99 60 ms at concurrency 16, 40 MiB when idle, 60 MiB at most",
            self.bare.told()
        );
        text
    }
}

#[allow(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

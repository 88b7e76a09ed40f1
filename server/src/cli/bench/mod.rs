//! `sekisho bench [--json]`: how quick, how small. Measured, never asserted.

mod bare;
mod crl;
mod enrolment;
mod issuance;
mod network;
mod ocsp;
mod oidc;
mod seed;
mod usage;

use std::time::Instant;

use anyhow::Context;
use sekisho_output::say;
use serde::Serialize;
use tokio::process::Command;

use self::usage::memory_kib;
use super::{Exit, Failure, until_told_to_end};
use crate::{
    demo::{check, process, report::Report, stage::Stage},
    temporary::TemporaryFolder,
};

/// Measure start, memory and the whole walk on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sekisho bench
  sekisho bench --json | jq .ready_ms
  sekisho bench issuance
  sekisho bench enrolment
  sekisho bench crl
  sekisho bench ocsp
  sekisho bench oidc
  sekisho bench network

Use a release build; figures of a debug build say nothing.")]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    Issuance(issuance::Issuance),
    Enrolment(enrolment::Enrolment),
    Crl(crl::Crl),
    Ocsp(ocsp::Ocsp),
    Oidc(oidc::Oidc),
    Network(network::Network),
    Seed(seed::Seed),
}

#[derive(Debug, Serialize)]
struct Figures {
    /// From starting the process to its line `ready`, in milliseconds; median of several starts.
    ready_ms: u128,
    /// Resident memory of the idle server with everything loaded, in KiB.
    idle_rss_kib: u64,
    /// `demo --check`, all steps, in milliseconds.
    walk_ms: u64,
}

const STARTS: usize = 5;
/// How the names of the folders begin in which is measured.
const PREFIX: &str = "sekisho-bench-";

impl Bench {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.part {
            Some(Part::Issuance(issuance)) => return issuance.run(),
            Some(Part::Enrolment(enrolment)) => return enrolment.run(),
            Some(Part::Crl(crl)) => return crl.run(),
            Some(Part::Ocsp(ocsp)) => return ocsp.run(),
            Some(Part::Oidc(oidc)) => return oidc.run(),
            Some(Part::Network(network)) => return network.run(),
            Some(Part::Seed(seed)) => return seed.run(),
            None => {}
        }
        let figures = until_told_to_end(measure())?;
        if self.json {
            say(&format!("{:#}\n", serde_json::to_value(&figures)?))?;
        } else {
            say(&format!(
                "ready after start   {:>8} ms   (goal 1000)\n\
                 idle resident       {:>8} KiB  (goal 40960)\n\
                 demo --check        {:>8} ms   (goal 15000)\n",
                figures.ready_ms, figures.idle_rss_kib, figures.walk_ms
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// Says the figures of a part, as JSON or in its words.
fn tell<F: Serialize>(
    figures: &F,
    json: bool,
    told: impl FnOnce(&F) -> String,
) -> Result<Exit, Failure> {
    if json {
        say(&format!("{:#}\n", serde_json::to_value(figures)?))?;
    } else {
        say(&told(figures))?;
    }
    Ok(Exit::Done)
}

async fn measure() -> anyhow::Result<Figures> {
    let folder = TemporaryFolder::new(PREFIX, None)?;
    let stage = Stage::build(folder.path(), |_| Ok(())).await?;
    let idle_rss_kib = memory_kib(stage.server.id().context("the server has ended")?, "VmRSS")?;
    let (instance, logs) = (stage.instance.clone(), stage.logs());
    stage.server.stop().await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let mut serve = Command::new(process::sibling("sekisho")?);
        serve.arg("serve").arg(&instance);
        let begun = Instant::now();
        let (server, _) = process::Program::start("sekisho", serve, &logs).await?;
        starts.push(begun.elapsed().as_millis());
        server.stop().await?;
    }
    starts.sort_unstable();
    let (walk, begun) = (folder.path().join("walk"), Instant::now());
    check::run(&walk, &mut Report::new(true)).await?;
    let walk_ms = u64::try_from(begun.elapsed().as_millis())?;
    Ok(Figures { ready_ms: starts[STARTS / 2], idle_rss_kib, walk_ms })
}

//! `sekisho bench enrolment`: what a certificate costs at each door, beside what the machine can sign and commit in
//! the same run.

mod acme;
mod cmp;
mod est;
mod load;
mod scep;
mod seed;

use std::fmt::Write;

use anyhow::Context;
use secrecy::SecretString;
use sekisho_key::{RsaSize, SoftwareKey};
use sekisho_store::Store;
use serde::Serialize;
use tokio::net::TcpListener;

use self::{load::Run, seed::Seed};
use super::{PREFIX, bare::Bare, tell};
use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    config::Settings,
    demo::stage::Stage,
    temporary::TemporaryFolder,
};

/// Measure enrolment by door: EST, SCEP, ACME, CMP
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes an instance, serves it, and enrols by each door over kept connections on this machine: EST
simpleenroll and CMP p10cr and ir by TLS, SCEP PKCSReq by plain HTTP, and ACME from order to
certificate by TLS, with http-01 answered here. Keys and requests are made before the clock runs, but
for what an answer has to come into. The asking takes its share of the processors: `server CPU` is the
server's own time.

Examples:
  sekisho bench enrolment
  sekisho bench enrolment --ra-bits 2048 --json
  sekisho bench enrolment --folder /srv --operations 1000")]
pub(super) struct Enrolment {
    /// Certificates at each door
    #[arg(long, default_value_t = 400, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(16..=1_600))]
    operations: u32,
    /// Connections
    #[arg(long, default_value_t = 8, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=8))]
    connections: u32,
    /// Length of the RSA key of SCEP's registration authority
    #[arg(long, default_value_t = 3072, value_name = "BITS",
          value_parser = clap::value_parser!(u32).range(2048..=3072))]
    ra_bits: u32,
    /// Folder on the storage to measure; what is made there is deleted at the end
    #[arg(long, value_name = "DIR")]
    folder: Option<Named<named::Folder>>,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    connections: u32,
    /// Of SCEP's registration authority.
    ra_bits: u32,
    runs: Vec<Door>,
    bare: Bare,
    /// Signatures that one core makes with a key as long as the registration authority's.
    ra_signatures_per_second: f64,
}

/// One door, and what that is of what the machine can do.
#[derive(Debug, Serialize)]
struct Door {
    #[serde(flatten)]
    run: Run,
    /// The server's CPU time, in P-256 signatures that one core makes in it.
    in_signatures: f64,
    /// Certificates for each bare commit of sixteen rows.
    of_commits: f64,
    /// The server's CPU time that is the goal, where there is one.
    goal_ms: Option<f64>,
}

impl Enrolment {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if !matches!(self.ra_bits, 2048 | 3072) {
            return Err(Failure::usage(
                "--ra-bits: the registration authority's key has 2048 or 3072",
            ));
        }
        tell(&until_told_to_end(self.measure())?, self.json, Figures::told)
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        let folder = TemporaryFolder::new(PREFIX, self.folder.as_deref())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let web = listener.local_addr()?.port();
        let configure = |settings: &mut Settings| {
            settings.instance.log_filter = "warn".to_owned();
            settings.scep.enabled = true;
            settings.scep.ra_key_bits = self.ra_bits;
            settings.cmp.enabled = true;
            settings.acme.http_port = web;
            settings.oidc.allow_loopback_clients = true;
        };
        let stage = Stage::build_with(folder.path(), configure, |_| Ok(())).await?;
        let process = stage.server.id().context("the server has ended")?;
        let seed = Seed::of(&stage).await?;
        // Connections and statements are warm before anything counts.
        let (many, at_once) =
            (usize::try_from(self.operations)?, usize::try_from(self.connections)?);
        let all = many + 2 * at_once;

        let bare_url = format!("sqlite://{}", folder.path().join("bare.db").display());
        let bare = Store::open(&SecretString::from(bare_url), "bench").await?;
        let before = Bare::measure(&bare).await?;
        let asks = est::asks(&seed, all).await?;
        let est =
            load::run("EST simpleenroll", est::clients(&stage, at_once).await?, asks, process);
        let est = est.await?;
        let asks = scep::asks(&seed, &stage, all).await?;
        let clients = scep::clients(&stage, at_once).await?;
        let scep = load::run("SCEP PKCSReq", clients, asks, process).await?;
        let (clients, asks) = acme::prepared(&seed, &stage, listener, (at_once, all)).await?;
        let acme = load::run("ACME order", clients, asks, process).await?;
        let mut runs = vec![est, scep, acme];
        for kind in cmp::KINDS {
            let asks = cmp::asks(&seed, kind, all).await?;
            let clients = cmp::clients(&stage, at_once).await?;
            runs.push(load::run(cmp::name(kind), clients, asks, process).await?);
        }
        let after = Bare::measure(&bare).await?;
        bare.close().await;
        seed.store.close().await;
        stage.server.stop().await?;
        let size = if self.ra_bits == 2048 { RsaSize::Bits2048 } else { RsaSize::Bits3072 };
        let ra = SoftwareKey::generate_rsa(size)?;
        Ok(Figures::new(self, runs, before.mean(after), super::bare::signatures_by(&ra)?))
    }

    /// The server's CPU time that an operation is to take at most.
    fn goal(&self, operation: &str) -> Option<f64> {
        match operation {
            "EST simpleenroll" => Some(0.5),
            "SCEP PKCSReq" if self.ra_bits == 2048 => Some(2.7),
            "SCEP PKCSReq" => Some(6.0),
            "ACME order" => Some(1.2),
            _ => None,
        }
    }
}

impl Figures {
    fn new(of: &Enrolment, runs: Vec<Run>, bare: Bare, ra_signatures_per_second: f64) -> Self {
        let runs = runs.into_iter().map(|run| Door {
            in_signatures: run.server_cpu_ms / 1000.0 * bare.p256_signatures_per_second,
            of_commits: run.per_second / bare.sixteen_row_commits_per_second,
            goal_ms: of.goal(run.operation),
            run,
        });
        Self {
            connections: of.connections,
            ra_bits: of.ra_bits,
            runs: runs.collect(),
            bare,
            ra_signatures_per_second,
        }
    }

    fn told(&self) -> String {
        let mut text = format!(
            "{} connections, registration authority RSA-{}\n\
             operation          server CPU ms   P-256 signatures   here/s   of commits   p50 ms   p99 ms   asked   answered\n",
            self.connections, self.ra_bits
        );
        for door in &self.runs {
            let run = &door.run;
            // Writing into a string does not fail.
            let _ = write!(
                text,
                "{:<18} {:>13.3}   {:>16.1} {:>8.0}   {:>10.2} {:>8.2} {:>8.2} {:>7} {:>10}",
                run.operation,
                run.server_cpu_ms,
                door.in_signatures,
                run.per_second,
                door.of_commits,
                run.p50_ms,
                run.p99_ms,
                run.asked_octets,
                run.answered_octets,
            );
            let goal = door.goal_ms.map(|goal| format!("   (goal {goal} ms)")).unwrap_or_default();
            let _ = writeln!(text, "{goal}");
        }
        let _ = writeln!(
            text,
            "\n{}; {:.0} RSA-{} signatures/s\n\
             of commits: certificates for each bare commit of 16 rows. asked, answered: octets of the bodies",
            self.bare.told(),
            self.ra_signatures_per_second,
            self.ra_bits,
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(ra_bits: u32) -> Enrolment {
        Enrolment { operations: 16, connections: 1, ra_bits, folder: None, json: false }
    }

    #[test]
    fn figures_are_told_beside_bare_signatures_and_commits_of_the_run() {
        let bare = Bare {
            p256_signatures_per_second: 40_000.0,
            one_row_commits_per_second: 500.0,
            sixteen_row_commits_per_second: 400.0,
        };
        let run = |operation| Run {
            operation,
            certificates: 16,
            per_second: 200.0,
            p50_ms: 1.0,
            p99_ms: 2.0,
            server_cpu_ms: 0.25,
            asked_octets: 300,
            answered_octets: 900,
        };
        for (bits, goal) in [(2048, 2.7), (3072, 6.0)] {
            let runs = vec![run("SCEP PKCSReq"), run("CMP ir")];
            let figures = Figures::new(&bench(bits), runs, bare, 1_000.0);
            let scep = &figures.runs[0];
            assert_eq!((scep.in_signatures, scep.of_commits), (10.0, 0.5));
            assert_eq!((scep.goal_ms, figures.runs[1].goal_ms), (Some(goal), None));
            let told = figures.told();
            assert!(
                told.contains(&format!("(goal {goal} ms)")) && told.contains("CMP ir"),
                "{told}"
            );
        }
    }
}

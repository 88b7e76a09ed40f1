//! `sekisho bench crl`: a long revocation list, and revoking beside it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{
    Store,
    audit::Actor,
    bulk,
    crl::{self, COMPLETE, Published},
};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::process::Command;

use super::{
    PREFIX, tell,
    usage::{CpuTime, forget_peak, memory_kib},
};
use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    config::Config,
    demo::{
        process::{self, Program},
        stage::Stage,
    },
    revocation::{Measure, Order, Target, carry_out},
    temporary::TemporaryFolder,
};

/// Measure a long revocation list: CPU and memory of its making, and how long a revocation takes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes an instance with so many revoked certificates and serves it. `first` is the making of all
lists from nothing, the start of the process included; `again` is the making after one more
revocation. OpenSSL makes a list of as many entries in the same minute.

Example:
  sekisho bench crl --entries 600000 --json")]
pub(super) struct Crl {
    /// Revoked certificates
    #[arg(long, default_value_t = 600_000, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    entries: u32,
    /// Folder on the storage to measure; what is made there is deleted at the end
    #[arg(long, value_name = "DIR")]
    folder: Option<Named<named::Folder>>,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    entries: u32,
    octets: u64,
    /// All lists from nothing: complete, delta, partitions.
    first_cpu_ms: f64,
    /// After one more revocation: its partition, the delta, the complete list.
    again_cpu_ms: f64,
    /// Most memory while that, above what was resident before.
    again_above_idle_kib: u64,
    /// `openssl ca -gencrl` for as many entries, user and system.
    openssl_cpu_ms: f64,
    /// Revocations of one certificate beside these, with the record of each.
    revoke_p50_ms: f64,
    revoke_p99_ms: f64,
}

impl Figures {
    /// For people, each beside its goal.
    fn told(&self) -> String {
        format!(
            "entries {}, list of {} octets\n\
             all lists, first    {:>9.0} ms CPU\n\
             after a revocation  {:>9.0} ms CPU   (goal 600)\n  \
             memory above idle {:>9} KiB      (goal 65536)\n\
             openssl ca -gencrl  {:>9.0} ms CPU\n\
             a revocation        {:>9.2} ms p50, {:.2} ms p99   (goal p99 50)\n",
            self.entries,
            self.octets,
            self.first_cpu_ms,
            self.again_cpu_ms,
            self.again_above_idle_kib,
            self.openssl_cpu_ms,
            self.revoke_p50_ms,
            self.revoke_p99_ms
        )
    }
}

const REVOCATIONS: u32 = 500;
const ISSUER: &str = "terminals";

impl Crl {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        tell(&until_told_to_end(self.measure())?, self.json, Figures::told)
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        let folder = TemporaryFolder::new(PREFIX, self.folder.as_deref())?;
        let stage = Stage::build(folder.path(), |_| Ok(())).await?;
        let (instance, logs) = (stage.instance.clone(), stage.logs());
        stage.server.stop().await?;
        let config = Config::read(&instance)?;
        let store = Store::open(config.instance().database(), "bench").await?;
        let now = OffsetDateTime::now_utc();
        store.enter_many(ISSUER, 0..self.entries, true, now).await?;
        let more = self.entries..self.entries + REVOCATIONS + 1;
        store.enter_many(ISSUER, more.clone(), false, now).await?;

        let mut serve = Command::new(process::sibling("sekisho")?);
        serve.arg("serve").arg(&instance);
        let (server, _) = Program::start("sekisho", serve, &logs).await?;
        let id = server.id().context("the server has ended")?;
        let first = newer_than(&store, 1).await?;
        let first_cpu = CpuTime::of(id)?.since(&CpuTime::zero());

        // A list this long is made at most every twenty seconds.
        tokio::time::sleep(Duration::from_secs(25)).await;
        let idle = idle_share(id).await?;
        forget_peak(id)?;
        let resident = memory_kib(id, "VmRSS")?;
        let (before, began) = (CpuTime::of(id)?, Instant::now());
        revoke(&store, more.end - 1).await?;
        let again = newer_than(&store, first.number).await?;
        let took = CpuTime::of(id)?.since(&before);
        let again_cpu = took.saturating_sub(began.elapsed().mul_f64(idle));
        let again_above_idle_kib = memory_kib(id, "VmHWM")?.saturating_sub(resident);

        let openssl_cpu_ms = openssl(folder.path(), self.entries).await?;
        let mut latencies = Vec::new();
        for number in more.start..more.end - 1 {
            let began = Instant::now();
            revoke(&store, number).await?;
            latencies.push(began.elapsed());
        }
        latencies.sort_unstable();
        let at = |share: usize| milliseconds(latencies[(latencies.len() - 1) * share / 100]);
        server.stop().await?;
        store.close().await;
        Ok(Figures {
            entries: self.entries,
            octets: again.length,
            first_cpu_ms: milliseconds(first_cpu),
            again_cpu_ms: milliseconds(again_cpu),
            again_above_idle_kib,
            openssl_cpu_ms,
            revoke_p50_ms: at(50),
            revoke_p99_ms: at(99),
        })
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

async fn revoke(store: &Store, number: u32) -> anyhow::Result<()> {
    let order = Order {
        target: Target::Certificate {
            issuer_id: ISSUER.to_owned(),
            serial: bulk::serial_of(number).to_vec(),
        },
        measure: Measure::Revoke(RevocationReason::Superseded),
        invalidity_at: None,
        note: String::new(),
        actor: Actor::System,
        at: OffsetDateTime::now_utc(),
    };
    anyhow::ensure!(carry_out(store, &order).await?.changed, "it was revoked before");
    Ok(())
}

/// Waits for a complete list of a greater number.
async fn newer_than(store: &Store, number: i64) -> anyhow::Result<Published> {
    let until = Instant::now() + Duration::from_secs(300);
    loop {
        let newest = crl::newest(&mut store.read(), ISSUER, COMPLETE).await?;
        if let Some(newest) = newest.filter(|newest| newest.number > number) {
            return Ok(newest);
        }
        anyhow::ensure!(Instant::now() < until, "no list was made in five minutes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The share of a processor that the idle server uses.
async fn idle_share(process: u32) -> anyhow::Result<f64> {
    let (before, began) = (CpuTime::of(process)?, Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let spent = CpuTime::of(process)?.since(&before);
    Ok(spent.as_secs_f64() / began.elapsed().as_secs_f64())
}

/// CPU of `openssl ca -gencrl` in milliseconds, as the shell's `time` tells it.
async fn openssl(folder: &Path, entries: u32) -> anyhow::Result<f64> {
    use std::fmt::Write;
    let mut index = String::new();
    for number in 0..entries {
        let serial = hex::encode_upper(bulk::serial_of(number));
        writeln!(index, "R\t361121090000Z\t261121090000Z,superseded\t{serial}\tunknown\t/CN=x")?;
    }
    std::fs::write(folder.join("index.txt"), index)?;
    std::fs::write(folder.join("crlnumber"), "01\n")?;
    std::fs::write(
        folder.join("openssl.cnf"),
        "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ncrlnumber = crlnumber\n\
         default_md = sha256\ndefault_crl_days = 1\nunique_subject = no\n",
    )?;
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                  -subj /CN=bench -keyout k.pem -out c.pem 2>/dev/null && \
                  time -p openssl ca -gencrl -config openssl.cnf -keyfile k.pem -cert c.pem \
                  -out list.pem 2>/dev/null";
    let output = Command::new("bash").args(["-c", script]).current_dir(folder).output().await?;
    anyhow::ensure!(output.status.success(), "openssl ca -gencrl failed");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let seconds = |name: &str| -> anyhow::Result<f64> {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.context("the shell told no time")?.trim().parse()?)
    };
    Ok((seconds("user")? + seconds("sys")?) * 1000.0)
}

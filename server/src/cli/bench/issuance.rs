//! `sekisho bench issuance`: certificates a second through the EST door, beside what the machine
//! can sign and commit in the same minute.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use secrecy::SecretString;
use sekisho_store::Store;
use serde::Serialize;
use tokio::sync::Mutex;

use super::{PREFIX, bare::Bare, tell, usage::CpuTime};
use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    clock::{Clock, SystemClock},
    config::Config,
    demo::{
        connection::Door,
        crowd::{self, Newcomer},
        est_client::{self, EstClient},
        process::Program,
        stage::Stage,
    },
    temporary::TemporaryFolder,
};

/// Measure issuance: certificates a second, latency, CPU
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes an instance, serves it, and enrols terminals by their codes over kept TLS connections. All
figures are of the same minute and machine, the client's work included. A certificate takes two
durable commits, so the folder has to lie on the storage that is to be measured.

Examples:
  sekisho bench issuance
  sekisho bench issuance --signer
      the same with the keys in a process of their own; its CPU counts beside the server's
  sekisho bench issuance --folder /srv --certificates 20000 --json")]
pub(super) struct Issuance {
    /// Certificates at concurrency 16; a tenth of them at concurrency 1
    #[arg(long, default_value_t = 5000, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(160..=1_000_000))]
    certificates: u32,
    /// Folder on the storage to measure; what is made there is deleted at the end
    #[arg(long, value_name = "DIR")]
    folder: Option<Named<named::Folder>>,
    /// Let `sekisho signer` hold the keys
    #[cfg(unix)]
    #[arg(long)]
    signer: bool,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

/// Certificates through the door at one concurrency.
#[derive(Debug, Clone, Serialize)]
struct Run {
    concurrency: usize,
    certificates: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// The serving process's own CPU time, user and system, for each certificate.
    server_cpu_ms: f64,
    /// The same of the signing process, where there is one.
    signer_cpu_ms: Option<f64>,
    /// Of what the machine allows, see [`Figures::goals`].
    of_possible: f64,
}

#[derive(Debug, Serialize)]
struct Figures {
    runs: Vec<Run>,
    bare: Bare,
}

const CONCURRENT: usize = 16;

impl Issuance {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        tell(&until_told_to_end(self.measure())?, self.json, Figures::told)
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        let folder = TemporaryFolder::new(PREFIX, self.folder.as_deref())?;
        let (stage, signing) = self.build(folder.path()).await?;
        let ended = "a process has ended";
        let id = Processes {
            server: stage.server.id().context(ended)?,
            signer: signing.as_ref().map(|signing| signing.id().context(ended)).transpose()?,
        };
        let many = usize::try_from(self.certificates)?;
        let few = many / 10;
        // Connections and statements are warm before anything counts.
        let warm = 2 * CONCURRENT;
        let newcomers = seed(&stage, many + few + warm).await?;
        let (first, rest) = newcomers.split_at(warm);
        let (single, rest) = rest.split_at(few);
        let door = Door::new(&stage.origins.enrol, &stage.root_pem)?;

        let bare_url = format!("sqlite://{}", folder.path().join("bare.db").display());
        let bare = Store::open(&SecretString::from(bare_url), "bench").await?;
        enrol(&door, first, CONCURRENT, id).await?;
        let before = Bare::measure(&bare).await?;
        let one = enrol(&door, single, 1, id).await?;
        let sixteen = enrol(&door, rest, CONCURRENT, id).await?;
        let after = Bare::measure(&bare).await?;
        bare.close().await;
        stage.server.stop().await?;
        if let Some(signing) = signing {
            signing.stop().await?;
        }
        Ok(Figures::new(vec![one, sixteen], before.mean(after)))
    }

    /// An instance that is served, and its signing process if it is to have one.
    async fn build(&self, folder: &Path) -> anyhow::Result<(Stage, Option<Program>)> {
        #[cfg(unix)]
        if self.signer {
            let (stage, signing) = Stage::build_with_signer(folder, |_| {}, |_, _| Ok(())).await?;
            return Ok((stage, Some(signing.program)));
        }
        Ok((Stage::build(folder, |_| Ok(())).await?, None))
    }
}

/// Whose CPU time is told.
#[derive(Debug, Clone, Copy)]
struct Processes {
    server: u32,
    signer: Option<u32>,
}

impl Processes {
    fn cpu(self) -> anyhow::Result<(CpuTime, Option<CpuTime>)> {
        let signer = self.signer.map(CpuTime::of).transpose()?;
        Ok((CpuTime::of(self.server)?, signer))
    }
}

async fn seed(stage: &Stage, number: usize) -> anyhow::Result<Vec<Newcomer>> {
    let config = Config::read(&stage.instance)?;
    let store = Store::open(config.instance().database(), "bench-seed").await?;
    let now = SystemClock.now();
    let facility = crowd::facility(&store, now).await?;
    let newcomers = crowd::newcomers(&store, &facility, number, now).await?;
    store.close().await;
    Ok(newcomers)
}

/// Enrols all of them over so many kept connections.
async fn enrol(
    door: &Door,
    newcomers: &[Newcomer],
    concurrency: usize,
    processes: Processes,
) -> anyhow::Result<Run> {
    // Keys and requests are the terminals' work: made before the clock runs.
    let mut asks = Vec::with_capacity(newcomers.len());
    for newcomer in newcomers {
        let (request, _) = crowd::request(&newcomer.terminal_id)?;
        asks.push((newcomer.authorization.clone(), request));
    }
    let asks = Arc::new(Mutex::new(asks));
    let mut clients = Vec::with_capacity(concurrency);
    for _ in 0..concurrency {
        clients.push(EstClient::over(door.connect(None).await?));
    }
    let (server_before, signer_before) = processes.cpu()?;
    let began = Instant::now();
    let workers = clients.into_iter().map(|client| {
        let worker = tokio::spawn(work(client, Arc::clone(&asks)));
        async move { worker.await? }
    });
    let answers: Vec<Answer> = try_join_all(workers).await?.into_iter().flatten().collect();
    let took = began.elapsed();
    let (server, signer) = processes.cpu()?;
    let mut latencies = Vec::with_capacity(answers.len());
    for answer in &answers {
        est_client::certificate(answer.status, &answer.body)?;
        latencies.push(answer.took);
    }
    ensure!(latencies.len() == newcomers.len(), "some requests were not answered");
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    let certificates = latencies.len();
    #[allow(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
    let number = certificates as f64;
    let each = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / number;
    Ok(Run {
        concurrency,
        certificates,
        per_second: number / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        server_cpu_ms: each(server.since(&server_before)),
        signer_cpu_ms: signer.zip(signer_before).map(|(after, before)| each(after.since(&before))),
        of_possible: 0.0,
    })
}

struct Answer {
    status: http::StatusCode,
    body: hyper::body::Bytes,
    took: Duration,
}

async fn work(
    mut client: EstClient,
    asks: Arc<Mutex<Vec<(String, String)>>>,
) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    loop {
        let Some((authorization, request)) = asks.lock().await.pop() else { return Ok(answers) };
        let began = Instant::now();
        let (status, body) = client.ask(Some(&authorization), &request).await?;
        answers.push(Answer { status, body, took: began.elapsed() });
    }
}

impl Figures {
    fn new(mut runs: Vec<Run>, bare: Bare) -> Self {
        for run in &mut runs {
            run.of_possible = run.per_second / bare.possible(run);
        }
        Self { runs, bare }
    }

    fn told(&self) -> String {
        use std::fmt::Write;
        let mut text = String::from(
            "concurrency  certificates/s   p50 ms   p99 ms   server CPU ms   of possible\n",
        );
        for run in &self.runs {
            let goal = if run.concurrency == 1 { 40 } else { 60 };
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "{:>11}  {:>14.0}  {:>7.2}  {:>7.2}  {:>14.3}   {:>9.0} % (goal {goal})",
                run.concurrency,
                run.per_second,
                run.p50_ms,
                run.p99_ms,
                run.server_cpu_ms,
                run.of_possible * 100.0,
            );
            if let Some(signer) = run.signer_cpu_ms {
                let _ = writeln!(text, "{:>58}  {signer:>14.3}", "signer CPU ms");
            }
        }
        let _ = writeln!(
            text,
            "\n{}\npossible: at 1 the bare commits of 1 row; at 16 the lesser of \
             8 x bare commits of 16 rows and 1 / CPU\ngoal for server CPU: 0.4 ms, aim 0.25",
            self.bare.told(),
        );
        text
    }
}

impl Bare {
    /// A certificate takes two commits: sixteen that wait for each other share each of them, which
    /// makes eight certificates a commit.
    fn possible(&self, run: &Run) -> f64 {
        if run.concurrency == 1 {
            self.one_row_commits_per_second
        } else {
            let cpu_ms = run.server_cpu_ms + run.signer_cpu_ms.unwrap_or_default();
            (8.0 * self.sixteen_row_commits_per_second).min(1000.0 / cpu_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(concurrency: usize, per_second: f64, server_cpu_ms: f64) -> Run {
        let (p50_ms, p99_ms, of_possible) = (0.0, 0.0, 0.0);
        Run {
            concurrency,
            certificates: 1,
            per_second,
            p50_ms,
            p99_ms,
            server_cpu_ms,
            signer_cpu_ms: None,
            of_possible,
        }
    }

    #[test]
    fn what_is_possible_is_what_commits_or_cpu_allow_whichever_is_less() {
        let bare = Bare {
            p256_signatures_per_second: 40_000.0,
            one_row_commits_per_second: 500.0,
            sixteen_row_commits_per_second: 400.0,
        };
        let runs = vec![run(1, 250.0, 0.5), run(16, 1600.0, 0.25), run(16, 1000.0, 0.5)];
        let shares: Vec<f64> =
            Figures::new(runs, bare).runs.into_iter().map(|run| run.of_possible).collect();
        assert_eq!(shares, [0.5, 0.5, 0.5]);
    }
}

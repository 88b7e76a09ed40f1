//! `sekisho bench ocsp`: answers a second over kept connections, signed live and kept signed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use sekisho_output::say;
use sekisho_pki::encoding::{ocsp::OcspQuery, serial::Serial};
use sekisho_store::{Store, bulk};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;
use x509_cert::{Certificate, der::Encode};

use super::{PREFIX, bare, usage::CpuTime};
use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    config::Config,
    demo::stage::Stage,
    temporary::TemporaryFolder,
};

/// Measure OCSP: answers a second, signed live and kept signed, among few and among many
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes an instance, enters certificates, and asks about them over kept connections on this machine.
The asking takes its share of the processors: `server_cpu_us` is the server's own time an answer,
and `two_cores` what two processors make of that.

Examples:
  sekisho bench ocsp --certificates 1000000 --json
  sekisho bench ocsp --certificates 1000000 --kept 0
      signed live only, each with a question to the database")]
pub(super) struct Ocsp {
    /// Certificates, the second time; the first time there are a hundred
    #[arg(long, default_value_t = 1_000_000, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    certificates: u32,
    /// Seconds for each figure
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections
    #[arg(long, default_value_t = 8, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
    /// Certificates whose status and answer are kept, as in `authority.ocsp_kept`
    #[arg(long, default_value_t = 50_000, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    kept: u32,
    /// Folder on the storage to measure; what is made there is deleted at the end
    #[arg(long, value_name = "DIR")]
    folder: Option<Named<named::Folder>>,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Run {
    certificates: u32,
    /// Each answer signed for its asker; otherwise kept signed.
    live: bool,
    per_second: f64,
    server_cpu_us: f64,
    two_cores: f64,
}

#[derive(Debug, Serialize)]
struct Figures {
    runs: Vec<Run>,
    p256_signatures_per_second: f64,
}

/// Different certificates asked about, unless there are fewer; what is kept by default holds them.
const ASKED: u32 = 20_000;
const ISSUER: &str = "terminals";

impl Ocsp {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let figures = until_told_to_end(self.measure())?;
        if self.json {
            say(&format!("{:#}\n", serde_json::to_value(&figures)?))?;
            return Ok(Exit::Done);
        }
        say("certificates  answers   here/s  server CPU us   on two cores/s\n")?;
        for run in &figures.runs {
            let (kind, goal) = if run.live { ("live", 10_000) } else { ("kept", 30_000) };
            say(&format!(
                "{:>12}  {kind:<7} {:>8.0}  {:>13.1}   {:>8.0} (goal {goal})\n",
                run.certificates, run.per_second, run.server_cpu_us, run.two_cores
            ))?;
        }
        say(&format!(
            "bare, in the same minute: {:.0} P-256 signatures/s on one core\n",
            figures.p256_signatures_per_second
        ))?;
        Ok(Exit::Done)
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        let folder = TemporaryFolder::new(PREFIX, self.folder.as_deref())?;
        let quiet = |settings: &mut crate::config::Settings| {
            settings.instance.log_filter = "warn".to_owned();
            settings.authority.ocsp_kept = self.kept;
        };
        let stage = Stage::build_with(folder.path(), quiet, |_| Ok(())).await?;
        let config = Config::read(&stage.instance)?;
        let store = Store::open(config.instance().database(), "bench").await?;
        let mut runs = Vec::new();
        let mut entered = 0;
        for certificates in [100, self.certificates] {
            let now = OffsetDateTime::now_utc();
            store.enter_many(ISSUER, entered..certificates, false, now).await?;
            entered = certificates;
            for live in [true, false] {
                if self.kept == 0 && !live {
                    continue;
                }
                runs.push(self.ask(&stage, certificates, live).await?);
            }
        }
        let p256_signatures_per_second = bare::signatures_a_second()?;
        store.close().await;
        stage.server.stop().await?;
        Ok(Figures { runs, p256_signatures_per_second })
    }

    async fn ask(&self, stage: &Stage, certificates: u32, live: bool) -> anyhow::Result<Run> {
        let id = stage.server.id().context("the server has ended")?;
        let requests = Arc::new(requests(stage, certificates, live)?);
        let plain = Url::parse(&stage.origins.plain)?;
        let host = plain.host_str().context("the plain name has no host")?;
        let port = plain.port_or_known_default().context("the plain name has no port")?;
        let address = (std::net::Ipv4Addr::LOCALHOST, port);
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(address)
                .await
                .with_context(|| format!("cannot connect to {host}:{port}"))?;
            stream.set_nodelay(true)?;
            connections.push(stream);
        }
        // Every question once: what can be kept is kept, statements are prepared.
        let next = Arc::new(AtomicU64::new(0));
        let all = u64::try_from(requests.len())?;
        let connections = drive(connections, &requests, &next, Until::Asked(all)).await?.0;
        let (before, began) = (CpuTime::of(id)?, Instant::now());
        let until = Until::Time(began + Duration::from_secs(self.seconds.into()));
        let (_, answers) = drive(connections, &requests, &next, until).await?;
        let took = began.elapsed();
        let cpu = CpuTime::of(id)?.since(&before);
        #[allow(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
        let answers = answers as f64;
        let server_cpu = cpu.as_secs_f64() / answers;
        Ok(Run {
            certificates,
            live,
            per_second: answers / took.as_secs_f64(),
            server_cpu_us: server_cpu * 1e6,
            two_cores: 2.0 / server_cpu,
        })
    }
}

/// Whole HTTP requests.
fn requests(stage: &Stage, certificates: u32, live: bool) -> anyhow::Result<Vec<Vec<u8>>> {
    let file = std::fs::read(stage.instance.join(format!("ca/{ISSUER}.crt")))?;
    let chain = Certificate::load_pem_chain(&file)?;
    let issuer = chain.first().context("the authority has no certificate")?.tbs_certificate();
    let key = issuer.subject_public_key_info().to_der()?;
    let nonce = live.then_some(&[7; 32]);
    let step = (certificates / ASKED).max(1);
    let mut requests = Vec::new();
    for number in (0..certificates).step_by(usize::try_from(step)?).take(usize::try_from(ASKED)?) {
        let serial = Serial::from_octets(&bulk::serial_of(number))?;
        let question = OcspQuery::request(issuer.subject(), &key, &serial, nonce)?;
        let mut request = format!(
            "POST /ocsp HTTP/1.1\r\nHost: plain\r\nContent-Type: application/ocsp-request\r\n\
             Content-Length: {}\r\n\r\n",
            question.len()
        )
        .into_bytes();
        request.extend(question);
        requests.push(request);
    }
    Ok(requests)
}

#[derive(Debug, Clone, Copy)]
enum Until {
    Asked(u64),
    Time(Instant),
}

/// Asks over every connection until enough; answers the connections and the number of answers.
async fn drive(
    connections: Vec<TcpStream>,
    requests: &Arc<Vec<Vec<u8>>>,
    next: &Arc<AtomicU64>,
    until: Until,
) -> anyhow::Result<(Vec<TcpStream>, u64)> {
    let workers = connections.into_iter().map(|stream| {
        let worker = tokio::spawn(work(stream, Arc::clone(requests), Arc::clone(next), until));
        async move { worker.await? }
    });
    let mut answers = 0;
    let mut streams = Vec::new();
    for (stream, answered) in try_join_all(workers).await? {
        streams.push(stream);
        answers += answered;
    }
    Ok((streams, answers))
}

async fn work(
    mut stream: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicU64>,
    until: Until,
) -> anyhow::Result<(TcpStream, u64)> {
    let mut buffer = vec![0; 16 * 1024];
    let mut answers = 0;
    let all = u64::try_from(requests.len())?;
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let enough = match until {
            Until::Asked(number) => turn >= number,
            Until::Time(end) => Instant::now() >= end,
        };
        if enough {
            return Ok((stream, answers));
        }
        let request = &requests[usize::try_from(turn % all)?];
        stream.write_all(request).await?;
        read_answer(&mut stream, &mut buffer).await?;
        answers += 1;
    }
}

/// Reads one response and checks that it is a successful OCSPResponse (RFC 6960 §4.2.1).
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the server closed the connection, or answers too much");
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|octets| octets == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end])?;
        ensure!(head.starts_with("HTTP/1.1 200"), "the server answered {head}");
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
        });
        let length: usize = length.context("an answer without a length")?;
        if filled < end + 4 + length {
            continue;
        }
        let body = &buffer[end + 4..filled];
        // SEQUENCE of two or three length octets, then ENUMERATED successful(0).
        if !body.windows(3).take(5).any(|octets| octets == [0x0a, 0x01, 0x00]) {
            bail!("not a successful OCSP answer");
        }
        return Ok(());
    }
}

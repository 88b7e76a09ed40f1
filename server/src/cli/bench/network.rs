//! `sekisho bench network`: the portal, decisions and counts where the network is as large as the country's.

use std::{
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use http::{Request as HttpRequest, StatusCode, header};
use hyper::body::Bytes;
use sekisho_authz::{Request, Rule, Rules};
use sekisho_store::{Store, offer};
use sekisho_wire::acr;
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    PREFIX,
    seed::{self, Size},
    tell,
    usage::{CpuTime, memory_kib},
};
use crate::{
    cli::{Exit, Failure, Named, named, until_told_to_end},
    clock::{Clock, SystemClock},
    config::{Config, Settings},
    demo::{
        at_work::{self, Physicians, Terminal},
        connection::{Connection, Door},
        stage::Stage,
    },
    entitlement::{Entitlements, difference},
    instance::database_file,
    temporary::TemporaryFolder,
};

/// Measure the portal's page, the decision over all services and the counts of a change of rules, in a large network
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes an instance, fills it as `sekisho bench seed` does, serves it, and has physicians at one terminal
look at their portal over kept TLS connections. The decision is made in this process by the code that
the portal uses; so are the counts, from the question to the database on.

Examples:
  sekisho bench network
  sekisho bench network --facilities 1000 --people 5000 --services 50 --json")]
pub(super) struct Network {
    #[command(flatten)]
    size: Size,
    /// Seconds for each figure of the portal
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Folder on the storage to measure; what is made there is deleted at the end
    #[arg(long, value_name = "DIR")]
    folder: Option<Named<named::Folder>>,
    /// The figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Figures {
    seeded_in_seconds: f64,
    database_octets: u64,
    server_rss_kib: u64,
    portal: Vec<Portal>,
    /// Rules of all services compiled, and the first decisions.
    first_decisions_ms: f64,
    decisions_ms: f64,
    counts: Vec<Count>,
}

#[derive(Debug, Serialize)]
struct Portal {
    connections: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    server_cpu_ms: f64,
    octets: usize,
}

#[derive(Debug, Serialize)]
struct Count {
    change: &'static str,
    memberships: i64,
    groups: usize,
    ms: f64,
}

impl Figures {
    /// For people, each beside its goal.
    fn told(&self) -> String {
        let mut told = format!(
            "filled in {:.0} s, database {} MiB, server resident {} MiB\n",
            self.seeded_in_seconds,
            self.database_octets >> 20,
            self.server_rss_kib >> 10
        );
        for Portal { connections, per_second, p50_ms, p99_ms, server_cpu_ms, octets } in
            &self.portal
        {
            let _ = writeln!(
                told,
                "portal, {connections:>2} at a time   {per_second:>7.0}/s  {p50_ms:>7.1} ms p50  {p99_ms:>7.1} ms p99   \
                 (goal p99 50)  {server_cpu_ms:.2} ms CPU, {octets} octets"
            );
        }
        let _ = writeln!(
            told,
            "all decisions of one person  {:>7.2} ms   (goal 3), the first time {:.0} ms",
            self.decisions_ms, self.first_decisions_ms
        );
        for Count { change, memberships, groups, ms } in &self.counts {
            let _ = writeln!(
                told,
                "count: {change:<34} {ms:>7.0} ms   (goal 10000), {memberships} memberships, {groups} groups"
            );
        }
        told
    }
}

/// Browsers at a time.
const CONNECTIONS: [usize; 2] = [1, 16];
/// What is asked before anything counts.
const WARM: Duration = Duration::from_secs(1);
/// Times that one person's decisions are made.
const DECISIONS: u32 = 200;

impl Network {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        tell(&until_told_to_end(self.measure())?, self.json, Figures::told)
    }

    async fn measure(&self) -> anyhow::Result<Figures> {
        let folder = TemporaryFolder::new(PREFIX, self.folder.as_deref())?;
        let quiet = |settings: &mut Settings| settings.instance.log_filter = "warn".to_owned();
        let mut physicians = None;
        let stage = Stage::build_with(folder.path(), quiet, |instance| {
            physicians = Some(Physicians::of(instance, SystemClock.now())?);
            Ok(())
        })
        .await?;
        let mut physicians = physicians.context("nobody has a card")?;
        let config = Config::read(&stage.instance)?;
        let store = Store::open(config.instance().database(), "bench-seed").await?;
        let began = Instant::now();
        seed::fill(&store, &config, self.size).await?;
        let seeded_in_seconds = began.elapsed().as_secs_f64();

        let server = stage.server.id().context("the server has ended")?;
        let door = |origin: &str| Door::new(origin, &stage.root_pem);
        let now = SystemClock.now();
        let terminal = at_work::enrol(&store, &door(&stage.origins.enrol)?, now).await?;
        let most = CONNECTIONS.into_iter().max().unwrap_or_default();
        let cookies = at_work::log_in(&store, &terminal, &mut physicians, most, now).await?;
        let front = door(&stage.origins.terminal)?;
        let mut portal = Vec::new();
        for connections in CONNECTIONS {
            let browsers = browsers(&front, &terminal, &cookies[..connections]).await?;
            portal.push(measured(browsers, server, self.seconds).await?);
        }
        let server_rss_kib = memory_kib(server, "VmRSS")?;
        let (first_decisions_ms, decisions_ms) =
            decisions(&store, &terminal.organisation_id).await?;
        let counts = counts(&store).await?;
        let database_octets = database_octets(&config)?;
        store.close().await;
        Ok(Figures {
            seeded_in_seconds,
            database_octets,
            server_rss_kib,
            portal,
            first_decisions_ms,
            decisions_ms,
            counts,
        })
    }
}

/// A person's browser.
struct Browser {
    connection: Connection,
    cookie: String,
}

async fn browsers(
    front: &Door,
    terminal: &Terminal,
    cookies: &[String],
) -> anyhow::Result<Vec<Browser>> {
    let identity = Some((terminal.certificate.as_slice(), terminal.key.as_slice()));
    let mut browsers = Vec::new();
    for cookie in cookies {
        let connection = front.connect(identity).await?;
        browsers.push(Browser { connection, cookie: cookie.clone() });
    }
    Ok(browsers)
}

impl Browser {
    /// The portal's page; its octets.
    async fn look(&mut self) -> anyhow::Result<usize> {
        let request = HttpRequest::get("/").header(header::COOKIE, &self.cookie);
        let answer = self.connection.ask(request, Bytes::new()).await?;
        ensure!(answer.status() == StatusCode::OK, "no portal: {}", answer.status());
        Ok(answer.body().len())
    }

    async fn keep_looking(mut self, until: Instant) -> anyhow::Result<(Self, Vec<Duration>)> {
        let mut latencies = Vec::new();
        loop {
            let began = Instant::now();
            if began >= until {
                return Ok((self, latencies));
            }
            self.look().await?;
            latencies.push(began.elapsed());
        }
    }
}

/// All look again and again until then.
async fn all(
    browsers: Vec<Browser>,
    until: Instant,
) -> anyhow::Result<(Vec<Browser>, Vec<Duration>)> {
    let work = browsers.into_iter().map(|browser| {
        let work = tokio::spawn(browser.keep_looking(until));
        async move { work.await? }
    });
    let (mut browsers, mut latencies) = (Vec::new(), Vec::new());
    for (browser, took) in try_join_all(work).await? {
        browsers.push(browser);
        latencies.extend(took);
    }
    Ok((browsers, latencies))
}

async fn measured(browsers: Vec<Browser>, server: u32, seconds: u32) -> anyhow::Result<Portal> {
    let connections = browsers.len();
    let (browsers, _) = all(browsers, Instant::now() + WARM).await?;
    let (before, began) = (CpuTime::of(server)?, Instant::now());
    let until = began + Duration::from_secs(seconds.into());
    let (mut browsers, mut latencies) = all(browsers, until).await?;
    let (took, cpu) = (began.elapsed(), CpuTime::of(server)?.since(&before));
    ensure!(!latencies.is_empty(), "no page came in time");
    latencies.sort_unstable();
    let at = |share: usize| milliseconds(latencies[(latencies.len() - 1) * share / 100]);
    #[allow(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
    let number = latencies.len() as f64;
    let octets = match browsers.first_mut() {
        Some(browser) => browser.look().await?,
        None => 0,
    };
    Ok(Portal {
        connections,
        per_second: number / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        server_cpu_ms: milliseconds(cpu) / number,
        octets,
    })
}

/// What the first decisions about all services take, rules read and compiled, and what they take from then on.
async fn decisions(store: &Store, facility_id: &str) -> anyhow::Result<(f64, f64)> {
    let entitlements = Entitlements::new();
    let request = Request {
        person_id: "measured".to_owned(),
        roles: vec!["Medical Doctor".to_owned()],
        facility_id: facility_id.to_owned(),
        facility_kind: "hospital".to_owned(),
        facility_prefecture: "13".to_owned(),
        member: true,
        acr: acr::HPKI_CARD.to_owned(),
        at: OffsetDateTime::now_utc(),
        emergency: false,
        visiting: false,
        patient: false,
    };
    let all = async || -> anyhow::Result<usize> {
        let question = entitlements.question(&request);
        let offered = entitlements.offered(&mut store.read()).await?;
        Ok(offered.iter().filter(|one| entitlements.ask(&one.judge, &question).allowed).count())
    };
    let began = Instant::now();
    ensure!(all().await? > 0, "nothing is open to anybody");
    let first = began.elapsed();
    let began = Instant::now();
    for _ in 0..DECISIONS {
        all().await?;
    }
    Ok((milliseconds(first), milliseconds(began.elapsed()) / f64::from(DECISIONS)))
}

/// What it takes to count whom a change of a service's rules concerns.
async fn counts(store: &Store) -> anyhow::Result<Vec<Count>> {
    let entitlements = Arc::new(Entitlements::new());
    let offers = offer::list(&mut store.read(), 1).await?;
    let offer = offers.into_iter().next().context("there is no service")?;
    let rule = |words: &str| -> anyhow::Result<Rules> {
        let rule: Rule = toml::from_str(&format!("id = \"measured\"\n{words}"))?;
        Ok(Rules { rules: vec![rule], ..Rules::default() })
    };
    let changes = [
        ("nurses too", rule(r#"roles = ["General Nurse", "Medical Doctor"]"#)?),
        (
            "hospitals of two prefectures",
            rule("kinds = [\"hospital\"]\nprefectures = [\"13\", \"27\"]")?,
        ),
        (
            "by role, kind, prefecture and hours",
            rule(
                "roles = [\"Dentist\", \"General Nurse\", \"Medical Doctor\", \"Pharmacist\"]\n\
                 kinds = [\"clinic\", \"hospital\", \"pharmacy\"]\nprefectures = [\"01\", \"13\", \"27\"]\n\
                 emergency = true\nhours = [{ days = [\"mon\", \"tue\"], from = \"08:30\", to = \"17:15\" }]",
            )?,
        ),
    ];
    let mut counts = Vec::new();
    for (change, rules) in changes {
        let began = Instant::now();
        let difference = difference::of(store, &entitlements, &offer, &rules).await?;
        counts.push(Count {
            change,
            memberships: difference.memberships,
            groups: difference.rows.len(),
            ms: milliseconds(began.elapsed()),
        });
    }
    Ok(counts)
}

/// What the database takes; nothing is said of one that is a server's.
fn database_octets(config: &Config) -> anyhow::Result<u64> {
    let Some(file) = database_file(config) else { return Ok(0) };
    let mut log = file.clone().into_os_string();
    log.push("-wal");
    let log = std::fs::metadata(log).map_or(0, |metadata| metadata.len());
    Ok(std::fs::metadata(file)?.len() + log)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

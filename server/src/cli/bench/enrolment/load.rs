//! Who asks: so many clients of one door, over kept connections.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::cli::bench::usage::CpuTime;

/// One door.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    pub(super) operation: &'static str,
    pub(super) certificates: usize,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// The serving process's own CPU time, user and system, for each certificate.
    pub(super) server_cpu_ms: f64,
    /// Octets of the bodies of all requests for one certificate, on average.
    pub(super) asked_octets: usize,
    /// The same of the answers.
    pub(super) answered_octets: usize,
}

/// Octets of bodies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Octets {
    pub(super) asked: usize,
    pub(super) answered: usize,
}

impl Octets {
    pub(super) fn add(&mut self, asked: usize, answered: usize) {
        self.asked += asked;
        self.answered += answered;
    }
}

/// A client with its kept connection.
pub(super) trait Client: Send + 'static {
    /// What it is to ask, made before.
    type Ask: Send + 'static;

    /// Gets a certificate, and looks that it is one.
    fn once(&mut self, ask: Self::Ask) -> impl Future<Output = anyhow::Result<Octets>> + Send;
}

struct Answer {
    octets: Octets,
    took: Duration,
}

/// Two for each client before anything counts, then all others.
pub(super) async fn run<C: Client>(
    operation: &'static str,
    clients: Vec<C>,
    mut asks: Vec<C::Ask>,
    process: u32,
) -> anyhow::Result<Run> {
    let rest = asks.split_off(2 * clients.len());
    let expected = rest.len();
    let (clients, _) = all(clients, asks).await.context(operation)?;
    let (before, began) = (CpuTime::of(process)?, Instant::now());
    let (_, mut answers) = all(clients, rest).await.context(operation)?;
    let (took, cpu) = (began.elapsed(), CpuTime::of(process)?.since(&before));
    ensure!(answers.len() == expected, "{operation}: some requests were not answered");
    answers.sort_unstable_by_key(|answer| answer.took);
    let at = |share: usize| answers[(answers.len() - 1) * share / 100].took.as_secs_f64() * 1000.0;
    #[allow(clippy::cast_precision_loss, reason = "numbers far below 2^52")]
    let number = answers.len() as f64;
    let octets = |of: fn(&Octets) -> usize| {
        answers.iter().map(|answer| of(&answer.octets)).sum::<usize>() / answers.len()
    };
    Ok(Run {
        operation,
        certificates: answers.len(),
        per_second: number / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        server_cpu_ms: cpu.as_secs_f64() * 1000.0 / number,
        asked_octets: octets(|octets| octets.asked),
        answered_octets: octets(|octets| octets.answered),
    })
}

async fn all<C: Client>(
    clients: Vec<C>,
    asks: Vec<C::Ask>,
) -> anyhow::Result<(Vec<C>, Vec<Answer>)> {
    let asks = Arc::new(Mutex::new(asks));
    let workers = clients.into_iter().map(|client| {
        let worker = tokio::spawn(work(client, Arc::clone(&asks)));
        async move { worker.await? }
    });
    let (mut clients, mut answers) = (Vec::new(), Vec::new());
    for (client, answered) in try_join_all(workers).await? {
        clients.push(client);
        answers.extend(answered);
    }
    Ok((clients, answers))
}

async fn work<C: Client>(
    mut client: C,
    asks: Arc<Mutex<Vec<C::Ask>>>,
) -> anyhow::Result<(C, Vec<Answer>)> {
    let mut answers = Vec::new();
    loop {
        let Some(ask) = asks.lock().await.pop() else { return Ok((client, answers)) };
        let began = Instant::now();
        let octets = client.once(ask).await?;
        answers.push(Answer { octets, took: began.elapsed() });
    }
}

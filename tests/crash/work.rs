//! What goes on while it is crashed, and what its callers were told.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use http::StatusCode;
use sekisho::demo::{
    connection::Door,
    crowd::{self, Newcomer},
    est_client::{self, EstClient},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    Report,
    acts::{Known, Operator, Standing},
    check::Violation,
    dice::Dice,
    pace::Pace,
};

/// Where a server answers.
#[derive(Clone)]
pub struct Doors {
    /// The enrolment name.
    pub enrol: Door,
    /// Host of the plain name.
    pub plain_host: String,
    /// Its port.
    pub plain_port: u16,
}

/// A certificate that somebody was given.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Whose.
    pub terminal_id: String,
    /// The certificate.
    pub der: Vec<u8>,
    key_pkcs8: Vec<u8>,
}

/// An enrolment that is sent, and sent again with the same key while nobody knows what came of it.
#[derive(Debug, Clone)]
struct Attempt {
    newcomer: Newcomer,
    request: String,
    key_pkcs8: Vec<u8>,
    /// What the terminal had when this began: taken back when it succeeds. What it was given since
    /// may be of a newer code.
    replaces: Vec<Vec<u8>>,
}

/// What an exchange came to.
enum Told {
    Certificate(Vec<u8>),
    /// Not now: the same key asks again some time.
    Later,
    /// Never: the code is used up, or what came of it was taken back.
    Never,
}

/// What callers know, over all rounds.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
    pace: Pace,
}

#[derive(Debug, Default)]
struct State {
    newcomers: Vec<Newcomer>,
    /// Of terminals that have enrolled before.
    anew: Vec<Newcomer>,
    open: Vec<Attempt>,
    answered: Vec<Answered>,
    /// Certificates whose revocation somebody was told of.
    revoked: Vec<Vec<u8>>,
    unanswered: usize,
    crl_number: i64,
    by_serial: HashMap<Vec<u8>, Vec<u8>>,
    violations: Vec<Violation>,
    /// How many of `answered` and of `revoked` were looked up.
    checked: (usize, usize),
    /// Terminals that enrol anew some time.
    renewed: HashSet<String>,
    /// Terminals that an operator has a course for.
    in_course: HashSet<String>,
    /// What operators were told, by certificate.
    known: HashMap<Vec<u8>, Vec<Standing>>,
    /// Commands that were answered.
    acts: usize,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait to be enrolled.
    pub fn newcomers(&self) -> usize {
        self.state().newcomers.len()
    }

    /// Enters who may enrol in this round, for the first time or anew.
    pub fn enter(&self, newcomers: Vec<Newcomer>, anew: Vec<Newcomer>) {
        let mut state = self.state();
        state.newcomers.extend(newcomers);
        state.anew.extend(anew);
    }

    /// Terminals with a certificate, each once.
    pub fn some_terminals(&self, number: u64, dice: &mut Dice) -> Vec<String> {
        let mut state = self.state();
        let mut some = Vec::new();
        for _ in 0..number.min(state.answered.len() as u64) {
            let id = &state.answered[dice.place(state.answered.len())].terminal_id;
            let waits = state.anew.iter().any(|newcomer| newcomer.terminal_id == *id);
            if !waits && !some.contains(id) && !state.in_course.contains(id) {
                some.push(id.clone());
            }
        }
        state.renewed.extend(some.iter().cloned());
        some
    }

    /// A certificate whose terminal nobody has acted on, if one is drawn.
    pub fn choose_for_course(&self, dice: &mut Dice) -> Option<Answered> {
        const DRAWS: usize = 64;
        let mut state = self.state();
        for _ in 0..DRAWS {
            let answered = state.answered.get(dice.place(state.answered.len()))?;
            let id = &answered.terminal_id;
            if !state.renewed.contains(id) && !state.in_course.contains(id) {
                let answered = answered.clone();
                state.in_course.insert(answered.terminal_id.clone());
                return Some(answered);
            }
        }
        None
    }

    /// Notes what may be true of a certificate from now on.
    pub fn know(&self, der: &[u8], standings: Vec<Standing>) {
        self.state().known.insert(der.to_vec(), standings);
    }

    /// Counts a command that was answered.
    pub fn count_act(&self) {
        self.state().acts += 1;
    }

    /// All that operators were told.
    pub fn known(&self) -> Vec<Known> {
        let state = self.state();
        let known = state.known.iter();
        known
            .map(|(der, standings)| Known { der: der.clone(), standings: standings.clone() })
            .collect()
    }

    /// What was answered and taken back since the last call, or ever.
    pub fn to_check(&self, all: bool) -> (Vec<Answered>, Vec<Vec<u8>>) {
        let mut state = self.state();
        let (answered, revoked) = if all { (0, 0) } else { state.checked };
        state.checked = (state.answered.len(), state.revoked.len());
        (state.answered[answered..].to_vec(), state.revoked[revoked..].to_vec())
    }

    /// The greatest number of the terminals' list that somebody was given.
    pub fn crl_number(&self) -> i64 {
        self.state().crl_number
    }

    /// How much has happened.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What callers noticed themselves.
    pub fn violations(&self) -> Vec<Violation> {
        std::mem::take(&mut self.state().violations)
    }

    /// Notes a certificate by its serial number, which no other may have.
    pub fn note_serial(&self, serial: &[u8], der: &[u8]) -> Result<(), Violation> {
        let mut state = self.state();
        let known = state.by_serial.entry(serial.to_vec()).or_insert_with(|| der.to_vec());
        if known.as_slice() == der {
            Ok(())
        } else {
            Err(Violation(format!("two certificates have the number {}", hex::encode(serial))))
        }
    }

    /// Fills in the totals.
    pub fn sum_up(&self, report: &mut Report) {
        let state = self.state();
        report.issued = state.answered.len();
        report.revoked = state.revoked.len();
        report.acts = state.acts;
        report.unanswered = state.unanswered;
        report.crl_number = state.crl_number;
    }

    /// What a terminal was given so far.
    fn given(&self, terminal_id: &str) -> Vec<Vec<u8>> {
        let state = self.state();
        let its = state.answered.iter().filter(|old| old.terminal_id == terminal_id);
        its.map(|old| old.der.clone()).collect()
    }

    fn answered(&self, answer: Answered, replaced: Vec<Vec<u8>>) {
        let mut state = self.state();
        state.revoked.extend(replaced);
        state.answered.push(answer);
    }
}

/// Work under way.
pub struct Work {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

const WORKERS: usize = 6;
/// After a failure, before the next try.
const PAUSE: Duration = Duration::from_millis(5);

/// Lets workers enrol and renew, one read revocation lists, and an operator act, if there is one.
#[must_use]
pub fn begin(
    ledger: &Arc<Ledger>,
    doors: Doors,
    operator: Option<Operator>,
    mut dice: Dice,
) -> Work {
    let stop = CancellationToken::new();
    let mut tasks: Vec<JoinHandle<()>> = (0..WORKERS)
        .map(|_| {
            let worker = Worker {
                ledger: Arc::clone(ledger),
                doors: doors.clone(),
                dice: dice.fork(),
                client: None,
            };
            tokio::spawn(worker.run(stop.clone()))
        })
        .collect();
    if let Some(operator) = operator {
        tasks.push(tokio::spawn(operator.act(Arc::clone(ledger), dice.fork(), stop.clone())));
    }
    tasks.push(tokio::spawn(read_lists(Arc::clone(ledger), doors, stop.clone())));
    Work { stop, tasks }
}

impl Work {
    /// Lets what is under way come to its end, good or bad.
    pub async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            // A worker that panics has found a fault of the test itself.
            if let Err(error) = task.await {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

struct Worker {
    ledger: Arc<Ledger>,
    doors: Doors,
    dice: Dice,
    /// Kept over requests without a certificate.
    client: Option<EstClient>,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Who finds nothing of their kind to do enrols a newcomer: what is counted was asked.
            let outcome = match self.dice.below(10) {
                0..=2 => self.renew().await,
                3..=4 => {
                    self.enrol(|state| state.anew.pop().or_else(|| state.newcomers.pop())).await
                }
                5 => self.ask_again().await,
                _ => self.enrol(|state| state.newcomers.pop()).await,
            };
            self.ledger.pace.count();
            if outcome.is_err() {
                self.client = None;
                sleep(PAUSE).await;
            }
        }
    }

    async fn enrol(&mut self, pick: fn(&mut State) -> Option<Newcomer>) -> anyhow::Result<()> {
        let picked = pick(&mut self.ledger.state());
        let Some(newcomer) = picked else { return Ok(()) };
        let (request, key) = crowd::request(&newcomer.terminal_id)?;
        let key_pkcs8 = key.pkcs8_der()?.to_vec();
        let replaces = self.ledger.given(&newcomer.terminal_id);
        self.send(Attempt { newcomer, request, key_pkcs8, replaces }).await
    }

    async fn ask_again(&mut self) -> anyhow::Result<()> {
        let attempt = {
            let mut state = self.ledger.state();
            let place = self.dice.place(state.open.len());
            (place < state.open.len()).then(|| state.open.swap_remove(place))
        };
        match attempt {
            Some(attempt) => self.send(attempt).await,
            None => self.enrol(|state| state.newcomers.pop()).await,
        }
    }

    async fn send(&mut self, attempt: Attempt) -> anyhow::Result<()> {
        let outcome = self.exchange(&attempt).await;
        match &outcome {
            Ok(Told::Certificate(der)) => {
                let Attempt { newcomer, key_pkcs8, replaces, .. } = attempt;
                let terminal_id = newcomer.terminal_id;
                let answer = Answered { terminal_id, der: der.clone(), key_pkcs8 };
                self.ledger.answered(answer, replaces);
            }
            Ok(Told::Later) => self.ledger.state().open.push(attempt),
            Ok(Told::Never) => {}
            // Nobody knows.
            Err(_) => {
                let mut state = self.ledger.state();
                state.unanswered += 1;
                state.open.push(attempt);
            }
        }
        outcome.map(drop)
    }

    async fn exchange(&mut self, attempt: &Attempt) -> anyhow::Result<Told> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => EstClient::over(self.doors.enrol.connect(None).await?),
        };
        let authorization = Some(attempt.newcomer.authorization.as_str());
        let (status, body) = client.ask(authorization, &attempt.request).await?;
        self.client = Some(client);
        Ok(match status {
            StatusCode::FORBIDDEN => Told::Never,
            _ if status.is_success() => Told::Certificate(est_client::certificate(status, &body)?),
            _ => Told::Later,
        })
    }

    async fn renew(&mut self) -> anyhow::Result<()> {
        let old = {
            let state = self.ledger.state();
            if state.answered.is_empty() {
                return Ok(());
            }
            state.answered[self.dice.place(state.answered.len())].clone()
        };
        let (request, key) = crowd::request(&old.terminal_id)?;
        let connection = self.doors.enrol.connect(Some((&old.der, &old.key_pkcs8))).await?;
        let mut client = EstClient::over(connection);
        let answer = client.ask(None, &request).await;
        let (status, body) = answer.inspect_err(|_| self.ledger.state().unanswered += 1)?;
        // It may have been taken back meanwhile: then it is refused.
        if status.is_success() {
            let der = est_client::certificate(status, &body)?;
            let key_pkcs8 = key.pkcs8_der()?.to_vec();
            let answer = Answered { terminal_id: old.terminal_id, der, key_pkcs8 };
            self.ledger.answered(answer, Vec::new());
        }
        Ok(())
    }
}

async fn read_lists(ledger: Arc<Ledger>, doors: Doors, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let before = ledger.crl_number();
        if let Ok(number) = crl_number(&doors).await {
            let mut state = ledger.state();
            if number < before {
                let what = format!("list {number} was answered after list {before}");
                state.violations.push(Violation(what));
            }
            state.crl_number = state.crl_number.max(number);
        }
        sleep(PAUSE).await;
    }
}

/// The number of the terminals' newest complete revocation list, which its entity tag ends with.
///
/// # Errors
/// When the server does not answer from its database.
pub async fn crl_number(doors: &Doors) -> anyhow::Result<i64> {
    const MOST_OCTETS: u64 = 1 << 20;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, doors.plain_port)).await?;
    let request = format!(
        "GET /crl/terminals.crl HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n\r\n",
        doors.plain_host, doors.plain_port
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST_OCTETS).read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(&answer);
    ensure!(head.starts_with("HTTP/1.1 200"), "no list was answered");
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .context("the list has no entity tag")?;
    let (_, number) = tag.rsplit_once('-').context("the entity tag has no number")?;
    Ok(number.trim_end().trim_end_matches('"').parse()?)
}

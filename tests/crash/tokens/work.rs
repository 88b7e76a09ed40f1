//! What goes on while it is crashed, and what the service was told.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    super::{check::Violation, dice::Dice, pace::Pace},
    caller::{Caller, Told},
};

/// What counts once.
#[derive(Debug, Clone)]
pub enum What {
    /// An authorization code.
    Code(String),
    /// A refresh token, which is replaced at each use.
    RefreshToken(String),
    /// The reference of a request that was sent ahead.
    Request(String),
    /// An assertion of the service's.
    Assertion(String),
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was given out.
    Held,
    /// It was sent, and nobody knows what came of it.
    Sent,
    /// Its use was answered.
    Used,
}

/// One of these.
#[derive(Debug, Clone)]
pub struct Single {
    /// What.
    pub what: What,
    /// How far.
    pub state: State,
    /// When it was given out.
    pub since: Instant,
}

/// What the service knows in a round.
#[derive(Debug, Default)]
pub struct Ledger {
    singles: Mutex<Vec<Single>>,
    violations: Mutex<Vec<Violation>>,
    pace: Pace,
}

impl Ledger {
    /// How much has happened.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    fn singles(&self) -> MutexGuard<'_, Vec<Single>> {
        self.singles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was given out.
    fn held(&self, what: What) -> usize {
        let mut singles = self.singles();
        singles.push(Single { what, state: State::Held, since: Instant::now() });
        singles.len() - 1
    }

    fn set(&self, place: usize, state: State) {
        self.singles()[place].state = state;
    }

    /// Everything.
    pub fn all(&self) -> Vec<Single> {
        self.singles().clone()
    }

    /// What was noticed at once.
    pub fn violations(&self) -> Vec<Violation> {
        std::mem::take(&mut *self.violations.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Work under way.
pub struct Work {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// After a failure, before the next try.
const PAUSE: Duration = Duration::from_millis(5);
/// One of so many codes and refresh tokens is kept for after the crash.
const LEFT_UNUSED: u64 = 5;

/// Lets each person log in and be refreshed, again and again.
pub fn begin(ledger: &Arc<Ledger>, callers: Vec<Caller>, dice: &mut Dice) -> Work {
    let stop = CancellationToken::new();
    let tasks = callers
        .into_iter()
        .map(|caller| {
            let worker = Worker { ledger: Arc::clone(ledger), caller, dice: dice.fork() };
            tokio::spawn(worker.run(stop.clone()))
        })
        .collect();
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
    caller: Caller,
    dice: Dice,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Whatever broke off: what was sent stays so, and the next login begins anew.
            if self.login(&stop).await.is_err() {
                sleep(PAUSE).await;
            }
        }
    }

    async fn login(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        self.post("/token", &Caller::own_token(), None).await?;
        let pushed = self.post("/par", &Caller::request(), None).await?;
        let reference = text(&pushed, "request_uri")?;
        let request = self.ledger.held(What::Request(reference.clone()));
        self.ledger.set(request, State::Sent);
        let code = self.caller.authorize(&reference).await;
        let code = self.came_of(request, code?)?;
        let code = code.as_str().context("a code is a text")?.to_owned();
        let place = self.ledger.held(What::Code(code.clone()));
        if stop.is_cancelled() || self.dice.below(LEFT_UNUSED) == 0 {
            return Ok(());
        }
        let mut tokens = self.post("/token", &Caller::exchange(&code), Some(place)).await?;
        loop {
            let token = text(&tokens, "refresh_token")?;
            let place = self.ledger.held(What::RefreshToken(token.clone()));
            if stop.is_cancelled() || self.dice.below(LEFT_UNUSED) == 0 {
                return Ok(());
            }
            tokens = self.post("/token", &Caller::refresh(&token), Some(place)).await?;
        }
    }

    /// Posts a form by a fresh assertion; `single` is what it uses up besides.
    async fn post(
        &mut self,
        path: &str,
        form: &super::caller::Form,
        single: Option<usize>,
    ) -> anyhow::Result<Value> {
        let assertion = self.caller.assertion()?;
        let proof = self.ledger.held(What::Assertion(assertion.clone()));
        for place in [Some(proof), single].into_iter().flatten() {
            self.ledger.set(place, State::Sent);
        }
        let told = self.caller.post(path, form, &assertion).await;
        let answer = self.came_of(proof, told?)?;
        if let Some(place) = single {
            self.ledger.set(place, State::Used);
        }
        Ok(answer)
    }

    /// Notes the answer to the first use of something.
    fn came_of(&self, place: usize, told: Told) -> anyhow::Result<Value> {
        self.ledger.pace.count();
        match told {
            Told::Done(answer) => {
                self.ledger.set(place, State::Used);
                Ok(answer)
            }
            Told::Refused(why) => {
                let violation = Violation(format!("refused at its first use: {why}"));
                let violations = &self.ledger.violations;
                violations.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
                anyhow::bail!("refused")
            }
            Told::Later => anyhow::bail!("not now"),
        }
    }
}

/// A member that is text.
fn text(answer: &Value, name: &str) -> anyhow::Result<String> {
    let value = answer[name].as_str().with_context(|| format!("no {name}: {answer}"))?;
    Ok(value.to_owned())
}

//! The queue of steps and the task that commits what waits in it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::batch::{self, Outcome, Step};
use crate::{Attempts, Store, StoreError, error::Cause};

/// Steps that share a commit at most.
const MOST_STEPS: usize = 32;
/// Steps that wait at most; whoever comes then waits before the queue.
const MOST_WAITING: usize = 1024;
/// The longest wait for steps that are known to come. It is never more than half of what the
/// commit before took, so that waiting cannot cost more than it gives.
const LONGEST_GATHERING: Duration = Duration::from_millis(4);
/// Timers of the runtime count milliseconds; a shorter wait only lets others run first.
const SHORTEST_GATHERING: Duration = Duration::from_millis(1);

const MOST_YIELDS: u32 = 16;

/// A way to have a step committed.
#[derive(Clone, Debug)]
pub(super) struct Committer {
    queue: mpsc::Sender<Waiting>,
    under_way: Arc<AtomicUsize>,
    counted: Arc<Counted>,
}

/// What was committed since this process began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedCommits {
    /// Transactions.
    pub commits: u64,
    /// Steps of issuances that they made durable.
    pub steps: u64,
}

#[derive(Debug, Default)]
struct Counted {
    commits: AtomicU64,
    steps: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    step: Step,
    told: oneshot::Sender<Result<bool, StoreError>>,
}

/// An issuance whose next step will come to the queue soon.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Committer {
    /// One that takes nothing.
    pub(super) fn closed() -> Self {
        Self { queue: mpsc::channel(1).0, under_way: Arc::default(), counted: Arc::default() }
    }

    pub(super) fn start(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WAITING);
        let (under_way, counted) = (Arc::default(), Arc::default());
        let task = Task {
            store,
            under_way: Arc::clone(&under_way),
            counted: Arc::clone(&counted),
            last: Last { took: Duration::ZERO, steps: 1 },
        };
        tokio::spawn(task.run(waiting));
        Self { queue, under_way, counted }
    }

    pub(super) fn counted(&self) -> SharedCommits {
        SharedCommits {
            commits: self.counted.commits.load(Ordering::Relaxed),
            steps: self.counted.steps.load(Ordering::Relaxed),
        }
    }

    /// Tells the committer that steps of one more issuance will come, until this is dropped.
    pub(super) fn announce(&self) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.under_way))
    }

    /// Waits until the step is durable; answers whether what it rests on held.
    ///
    /// # Errors
    /// [`StoreError::IssuerRevoked`]: not written, its authority was taken back.
    pub(super) async fn commit(&self, step: Step) -> Result<bool, StoreError> {
        let (told, outcome) = oneshot::channel();
        let gone = || StoreError::Unavailable(Cause::Closed);
        self.queue.send(Waiting { step, told }).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

/// What the task needs; it runs until the last handle of the store is dropped.
struct Task {
    store: Store,
    under_way: Arc<AtomicUsize>,
    counted: Arc<Counted>,
    last: Last,
}

struct Last {
    took: Duration,
    steps: usize,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        while let Some(first) = queue.recv().await {
            let mut waiting = self.gather(first, &mut queue).await;
            // Nobody waits for these any more and nothing was signed: they are not written.
            waiting.retain(|w| !(w.told.is_closed() && w.step.is_idle()));
            if waiting.is_empty() {
                continue;
            }
            let (began, steps) = (Instant::now(), waiting.len());
            self.commit(waiting).await;
            self.last = Last { took: began.elapsed(), steps };
        }
    }

    /// What waits, and for a moment what is known to come.
    async fn gather(&self, first: Waiting, queue: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
        let mut gathered = vec![first];
        let until = Instant::now() + (self.last.took / 2).min(LONGEST_GATHERING);
        let mut yields = 0;
        loop {
            while gathered.len() < MOST_STEPS
                && let Ok(next) = queue.try_recv()
            {
                gathered.push(next);
            }
            let under_way = self.under_way.load(Ordering::Relaxed);
            let expected = under_way.max(self.last.steps).min(MOST_STEPS);
            let left = until.saturating_duration_since(Instant::now());
            if gathered.len() >= expected || left.is_zero() {
                return gathered;
            }
            if left < SHORTEST_GATHERING {
                if yields == MOST_YIELDS {
                    return gathered;
                }
                yields += 1;
                tokio::task::yield_now().await;
                continue;
            }
            match timeout(left, queue.recv()).await {
                Ok(Some(next)) => gathered.push(next),
                Ok(None) | Err(_) => return gathered,
            }
        }
    }

    async fn commit(&self, waiting: Vec<Waiting>) {
        let (steps, told): (Vec<_>, Vec<_>) = waiting.into_iter().map(|w| (w.step, w.told)).unzip();
        let outcomes: Vec<Result<bool, StoreError>> = match self.write(&steps).await {
            Ok(outcomes) => steps.iter().zip(outcomes).map(|(s, o)| told_of(s, o)).collect(),
            Err(error) if steps.len() == 1 => vec![Err(error)],
            Err(error) if lost(&error) => {
                let error = Arc::new(error);
                steps.iter().map(|_| Err(StoreError::SharedCommit(Arc::clone(&error)))).collect()
            }
            // The database refused the transaction because of one of them, and wrote nothing.
            Err(_) => {
                let mut outcomes = Vec::with_capacity(steps.len());
                for step in &steps {
                    let alone = self.write(std::slice::from_ref(step)).await;
                    outcomes.push(alone.and_then(|outcome| told_of(step, outcome[0])));
                }
                outcomes
            }
        };
        for (told, outcome) in told.into_iter().zip(outcomes) {
            // Whoever does not wait any more asks again and finds what is written.
            let _ = told.send(outcome);
        }
    }

    /// Writes the steps as one transaction and repeats it when it met another one.
    async fn write(&self, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        let mut attempts = Attempts::new();
        let outcomes = loop {
            match batch::write(&self.store, steps).await {
                Err(StoreError::Conflict(_)) if attempts.again().await => {}
                outcome => break outcome?,
            }
        };
        self.counted.commits.fetch_add(1, Ordering::Relaxed);
        self.counted.steps.fetch_add(steps.len() as u64, Ordering::Relaxed);
        Ok(outcomes)
    }
}

/// What whoever waits for a step is told of it.
fn told_of(step: &Step, outcome: Outcome) -> Result<bool, StoreError> {
    match (outcome, step) {
        (Outcome::IssuerRevoked, Step::Intend(intend)) => {
            Err(StoreError::IssuerRevoked { issuer_id: intend.issuer_id.clone() })
        }
        (outcome, _) => Ok(outcome == Outcome::Held),
    }
}

/// Whether the database did not answer: the steps may be written or not, and nobody may go on.
fn lost(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(cause) => cause.code().is_none(),
        StoreError::SharedCommit(_) => true,
        _ => false,
    }
}

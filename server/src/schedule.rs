//! Scheduled work: each job has a period, and those that must not run twice at once run under a lease.

use std::{future::Future, pin::Pin, sync::Arc};

use sekisho_store::{MayConflict, StoreError};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Duration, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::app::App;

type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Which of the processes that share a database run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// Every process, for itself: the audit chain of its own node.
    OnEachNode,
    /// One process at a time, by lease.
    OnOneNode,
}

/// Why a job's transaction wrote nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// Somebody else did it since it was found: nothing is to be recorded.
    #[error("it was done meanwhile")]
    Overtaken,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for UpkeepError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// What a job's transaction came to, where being too late is as good as done.
///
/// # Errors
/// [`StoreError`].
pub fn unless_overtaken(done: Result<(), UpkeepError>) -> Result<(), StoreError> {
    match done {
        Ok(()) | Err(UpkeepError::Overtaken) => Ok(()),
        Err(UpkeepError::Store(error)) => Err(error),
    }
}

/// One piece of scheduled work.
pub struct Job {
    name: &'static str,
    period: Duration,
    runs: Runs,
    wake: Arc<Notify>,
    work: Box<dyn Fn(App) -> Work + Send + Sync>,
}

impl Job {
    /// A job of this name, run once at the start and then every `period`.
    pub fn new<F, W>(name: &'static str, period: Duration, runs: Runs, work: F) -> Self
    where
        F: Fn(App) -> W + Send + Sync + 'static,
        W: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self {
            name,
            period,
            runs,
            wake: Arc::new(Notify::new()),
            work: Box::new(move |app| Box::pin(work(app))),
        }
    }

    /// Lets `wake` start the job at once, between its periods.
    #[must_use]
    pub fn woken_by(mut self, wake: Arc<Notify>) -> Self {
        self.wake = wake;
        self
    }

    async fn run(self, app: App, stop: CancellationToken) {
        let mut ticks = interval(self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.wake.notified() => {}
            }
            match self.is_ours(&app).await {
                Ok(true) => {
                    // In a task of its own: a panic costs this turn, not every turn to come.
                    match tokio::spawn((self.work)(app.clone())).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            tracing::error!(job = self.name, "scheduled work failed: {error:#}");
                        }
                        Err(error) => {
                            tracing::error!(job = self.name, "scheduled work panicked: {error}");
                        }
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(job = self.name, "its lease could not be asked for: {error}");
                }
            }
        }
    }

    async fn is_ours(&self, app: &App) -> Result<bool, sekisho_store::StoreError> {
        match self.runs {
            Runs::OnEachNode => Ok(true),
            Runs::OnOneNode => {
                // Long enough for the next period to renew it, and for skewed clocks.
                let length = time::Duration::seconds(30)
                    + time::Duration::try_from(self.period * 2).unwrap_or(time::Duration::HOUR);
                app.store().take_lease(self.name, app.now(), length).await
            }
        }
    }
}

/// Runs the jobs until `stop`; work under way is finished before this returns.
pub async fn run(app: App, jobs: Vec<Job>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    for job in jobs {
        running.spawn(job.run(app.clone(), stop.clone()));
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            tracing::error!("a scheduled job ended unexpectedly: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_job_runs_at_the_start_and_when_woken_and_stops() {
        let test = crate::testing::app().await;
        let runs = Arc::new(AtomicU32::new(0));
        let (wake, ran) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let job = {
            let (runs, ran) = (runs.clone(), ran.clone());
            Job::new("count", Duration::from_secs(3600), Runs::OnOneNode, move |_| {
                let (runs, ran) = (runs.clone(), ran.clone());
                async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    ran.notify_one();
                    Ok(())
                }
            })
            .woken_by(wake.clone())
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(test.app.clone(), vec![job], stop.clone()));
        ran.notified().await;
        wake.notify_one();
        ran.notified().await;
        stop.cancel();
        running.await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_job_that_panics_runs_again_at_its_next_turn() {
        let test = crate::testing::app().await;
        let runs = Arc::new(AtomicU32::new(0));
        let ran = Arc::new(Notify::new());
        let wake = Arc::new(Notify::new());
        let job = {
            let (runs, ran) = (runs.clone(), ran.clone());
            Job::new("defect", Duration::from_secs(3600), Runs::OnEachNode, move |_| {
                let nth = runs.fetch_add(1, Ordering::SeqCst);
                ran.notify_one();
                async move {
                    assert!(nth > 0, "a defect");
                    Ok(())
                }
            })
            .woken_by(wake.clone())
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(test.app.clone(), vec![job], stop.clone()));
        ran.notified().await;
        wake.notify_one();
        ran.notified().await;
        stop.cancel();
        running.await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_job_of_one_node_does_not_run_where_another_holds_its_lease() {
        let test = crate::testing::app().await;
        let url = test.app.config().instance().database().clone();
        let other = sekisho_store::Store::open(&url, "another-node").await.unwrap();
        assert!(other.take_lease("job", test.app.now(), time::Duration::HOUR).await.unwrap());
        let job = Job::new("job", Duration::from_secs(1), Runs::OnOneNode, |_| async { Ok(()) });
        assert!(!job.is_ours(&test.app).await.unwrap());
    }
}

//! Work by the clock: each job runs in one process at a time, whichever holds its lease.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use sekisho_store::lease;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{app::App, error::page::Chain};

/// A failed job: its cause, for the log. The job runs again at its next turn.
pub type JobError = Box<dyn std::error::Error + Send + Sync>;

type Run =
    Arc<dyn Fn(App) -> Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>> + Send + Sync>;

/// Where a job runs when several processes share the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In one process at a time.
    OneProcess,
    /// In each process for itself.
    EveryProcess,
}

struct Job {
    name: &'static str,
    every: Duration,
    place: Place,
    run: Run,
}

/// The registered jobs.
#[derive(Default)]
pub struct Schedule {
    jobs: Vec<Job>,
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.jobs.iter().map(|job| job.name)).finish()
    }
}

impl Schedule {
    /// No jobs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a job that runs at the start and then every `every`.
    #[must_use]
    pub fn job<F, O>(mut self, name: &'static str, every: Duration, place: Place, run: F) -> Self
    where
        F: Fn(App) -> O + Send + Sync + 'static,
        O: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.jobs.push(Job { name, every, place, run: Arc::new(move |app| Box::pin(run(app))) });
        self
    }

    /// Runs the jobs until `stop` is cancelled; a run under way is finished.
    pub async fn run(self, app: App, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        for job in self.jobs {
            tasks.spawn(repeat(job, app.clone(), stop.clone()));
        }
        tasks.close();
        tasks.wait().await;
    }
}

async fn repeat(job: Job, app: App, stop: CancellationToken) {
    let mut turns = tokio::time::interval(job.every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = turns.tick() => {}
        }
        turn(&job, &app).await;
    }
}

async fn turn(job: &Job, app: &App) {
    if job.place == Place::OneProcess {
        // Held a little shorter than the period, so that whoever comes first at the next turn gets
        // it, and a process that died keeps it for one period only.
        let until = app.now() + job.every.mul_f32(0.9);
        match app.store().take_lease(job.name, app.now(), until).await {
            Ok(lease::Taken::Mine) => {}
            Ok(lease::Taken::Another) => return,
            Err(error) => {
                tracing::warn!(job = job.name, error = %Chain(&error), "lease not to be had");
                return;
            }
        }
    }
    // In a task of its own, so that a panic costs this turn only.
    let outcome = tokio::spawn((job.run)(app.clone())).await;
    match outcome {
        Ok(Ok(())) => tracing::debug!(job = job.name, "job done"),
        Ok(Err(error)) => tracing::error!(job = job.name, error = %Chain(&*error), "job failed"),
        Err(error) => tracing::error!(job = job.name, %error, "job panicked"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::testing;

    fn counting(place: Place) -> (Job, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let job = Job {
            name: "count",
            every: Duration::from_secs(60),
            place,
            run: Arc::new(move |_| {
                let counted = Arc::clone(&counted);
                Box::pin(async move {
                    counted.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
            }),
        };
        (job, count)
    }

    #[tokio::test]
    async fn a_job_runs_in_one_process_until_its_lease_ends() {
        let test = testing::app().await;
        let other = testing::second_process(&test, "node-2").await;
        let (job, count) = counting(Place::OneProcess);
        turn(&job, &test.app).await;
        turn(&job, &other).await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        test.clock.advance(time::Duration::seconds(60));
        turn(&job, &other).await;
        turn(&job, &test.app).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_job_for_every_process_needs_no_lease_and_survives_a_panic() {
        let test = testing::app().await;
        let (job, count) = counting(Place::EveryProcess);
        turn(&job, &test.app).await;
        turn(&job, &test.app).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
        let panicking = Job {
            name: "panic",
            every: Duration::from_secs(1),
            place: Place::EveryProcess,
            run: Arc::new(|_| Box::pin(async { panic!("a defect") })),
        };
        turn(&panicking, &test.app).await;
    }

    #[tokio::test]
    async fn the_schedule_ends_when_told_to_stop() {
        let test = testing::app().await;
        let stop = CancellationToken::new();
        let schedule =
            Schedule::new().job("once", Duration::from_secs(3600), Place::EveryProcess, {
                let stop = stop.clone();
                move |_| {
                    let stop = stop.clone();
                    async move {
                        stop.cancel();
                        Ok(())
                    }
                }
            });
        schedule.run(test.app.clone(), stop).await;
    }
}

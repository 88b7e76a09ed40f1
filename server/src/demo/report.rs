//! What `demo --check` says of its steps: a table for people, JSON for machines.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use sekisho_output::say;
use serde::Serialize;

/// One step that was walked.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Number in the walk, or `R` and a number for a refusal.
    pub number: String,
    /// What was done.
    pub title: String,
    /// What was seen.
    pub seen: String,
    /// Time taken, in milliseconds.
    pub milliseconds: u128,
    /// Why it failed; absent when it held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The steps so far.
#[derive(Debug, Default)]
pub struct Report {
    steps: Vec<Step>,
    quiet: bool,
}

impl Report {
    /// Prints each step as it ends, unless `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { steps: Vec::new(), quiet }
    }

    /// Walks one step and keeps what was seen. The error has been reported when it is returned.
    ///
    /// # Errors
    /// The step's own, or that it could not be told.
    pub async fn step<T>(
        &mut self,
        number: &str,
        title: &str,
        walk: impl Future<Output = anyhow::Result<(T, String)>>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        let outcome = walk.await;
        let (value, seen, failure) = match outcome {
            Ok((value, seen)) => (Ok(value), seen, None),
            Err(error) => {
                let text = format!("{error:#}");
                (Err(error), String::new(), Some(text))
            }
        };
        let step = Step {
            number: number.to_owned(),
            title: title.to_owned(),
            seen,
            milliseconds: begun.elapsed().as_millis(),
            failure,
        };
        if !self.quiet {
            say(&in_words(&step))?;
        }
        self.steps.push(step);
        value
    }

    /// Whether every step held.
    #[must_use]
    pub fn held(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.failure.is_none())
    }

    /// Whether a step has reported its failure already.
    #[must_use]
    pub fn reported_failure(&self) -> bool {
        self.steps.iter().any(|step| step.failure.is_some())
    }

    /// The whole report as one JSON object.
    #[must_use]
    pub fn to_json(&self, total: Duration) -> serde_json::Value {
        serde_json::json!({
            "ok": self.held(),
            "milliseconds": u64::try_from(total.as_millis()).unwrap_or(u64::MAX),
            "steps": self.steps,
        })
    }

    /// The closing line for people.
    #[must_use]
    pub fn closing(&self, total: Duration) -> String {
        match self.steps.iter().find(|step| step.failure.is_some()) {
            Some(step) => format!("failed at step {}: {}", step.number, step.title),
            None => format!("{} steps held in {:.1} s", self.steps.len(), total.as_secs_f64()),
        }
    }
}

fn in_words(step: &Step) -> String {
    let mark = if step.failure.is_some() { "FAILED" } else { "ok" };
    let text = step.failure.as_ref().unwrap_or(&step.seen);
    format!(
        "{:>4}  {:<58} {:>6} ms  {mark:<6} {text}\n",
        step.number, step.title, step.milliseconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_step_makes_the_report_fail_and_is_named() {
        let mut report = Report::new(true);
        report.step("1", "first", async { Ok(((), "seen".into())) }).await.unwrap();
        assert!(report.held());
        let failed: anyhow::Result<()> =
            report.step("2", "second", async { anyhow::bail!("broken") }).await;
        assert!(failed.is_err() && !report.held());
        assert!(report.closing(Duration::ZERO).contains("step 2"));
        assert_eq!(report.to_json(Duration::ZERO)["steps"][1]["failure"], "broken");
    }

    #[test]
    fn nothing_walked_is_not_a_success() {
        assert!(!Report::new(true).held());
    }
}

//! Delivers what changes left to be told, at least once, with growing pauses.

use std::{future::Future, pin::Pin, sync::Arc};

use time::Duration;

use crate::{
    app::App,
    error::page::Chain,
    schedule::{JobError, Place, Schedule},
};

/// After this many failed attempts a message is given up: with the pauses below, after about a day.
const MOST_ATTEMPTS: i64 = 20;
/// A delivery that did not report after this long is tried again.
const DELIVERY: Duration = Duration::minutes(2);
/// One turn delivers at most so many, so that a stop does not wait for a long queue.
const MOST_A_TURN: usize = 200;

/// What became of an attempt that did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// Worth trying again: no connection, a 5xx.
    #[error("not delivered yet")]
    Later(#[source] JobError),
    /// Never worth trying again: refused for good, or the payload is not readable.
    #[error("cannot be delivered")]
    Never(#[source] JobError),
}

type Delivery = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send>>;

/// Registers a job that delivers the messages of `kind`; `deliver` gets the payload.
#[must_use]
pub fn deliver_by<F, O>(
    schedule: Schedule,
    job: &'static str,
    kind: &'static str,
    every: std::time::Duration,
    deliver: F,
) -> Schedule
where
    F: Fn(App, serde_json::Value) -> O + Send + Sync + 'static,
    O: Future<Output = Result<(), Undelivered>> + Send + 'static,
{
    let deliver = Arc::new(move |app, payload| -> Delivery { Box::pin(deliver(app, payload)) });
    // Taking a message is a conditional statement, so every process may deliver at once.
    schedule.job(job, every, Place::EveryProcess, move |app| {
        let deliver = Arc::clone(&deliver);
        async move { deliver_due(&app, kind, &*deliver).await }
    })
}

async fn deliver_due(
    app: &App,
    kind: &str,
    deliver: &(impl Fn(App, serde_json::Value) -> Delivery + ?Sized),
) -> Result<(), JobError> {
    for _ in 0..MOST_A_TURN {
        let now = app.now();
        let Some(message) = app.store().take_message(kind, now, now + DELIVERY).await? else {
            return Ok(());
        };
        let outcome = match serde_json::from_str(&message.payload) {
            Ok(payload) => deliver(app.clone(), payload).await,
            Err(error) => Err(Undelivered::Never(error.into())),
        };
        let now = app.now();
        match outcome {
            Ok(()) => app.store().close_message(&message.id, now, None).await?,
            Err(error @ Undelivered::Later(_)) if message.attempts < MOST_ATTEMPTS => {
                let fault = Chain(&error).to_string();
                tracing::info!(id = message.id, fault, "not delivered yet");
                let next = now + pause(message.attempts);
                app.store().postpone_message(&message.id, next, &fault).await?;
            }
            Err(error) => {
                let fault = Chain(&error).to_string();
                tracing::error!(id = message.id, kind, fault, "message given up");
                app.store().close_message(&message.id, now, Some(&fault)).await?;
            }
        }
    }
    Ok(())
}

/// 5 s, 10 s, 20 s … up to two hours.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 12) - 1).unwrap_or(0);
    Duration::seconds(5 * 2_i64.pow(doublings)).min(Duration::hours(2))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use sekisho_store::{
        StoreError,
        audit::{Actor, Audited, Entry},
        outbox, transaction,
    };
    use serde_json::json;

    use super::*;
    use crate::testing;

    async fn write(app: &App) {
        let at = app.now();
        let payload = json!({"to": "a"});
        transaction!(app.store(), StoreError, |tx| {
            outbox::add(tx, "notice", &payload, at).await?;
            Ok(Audited::new((), Entry::done("test.write", Actor::System, at)))
        })
        .unwrap();
    }

    #[tokio::test]
    async fn a_message_is_delivered_once_and_a_failure_is_tried_again_later() {
        let test = testing::app().await;
        write(&test.app).await;
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let deliver = move |_, payload: serde_json::Value| -> Delivery {
            assert_eq!(payload["to"], "a");
            let nth = counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                if nth == 0 { Err(Undelivered::Later("closed".into())) } else { Ok(()) }
            })
        };
        deliver_due(&test.app, "notice", &deliver).await.unwrap();
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        test.clock.advance(Duration::seconds(4));
        deliver_due(&test.app, "notice", &deliver).await.unwrap();
        assert_eq!(tries.load(Ordering::SeqCst), 1, "not due yet");
        test.clock.advance(Duration::seconds(1));
        deliver_due(&test.app, "notice", &deliver).await.unwrap();
        test.clock.advance(Duration::days(2));
        deliver_due(&test.app, "notice", &deliver).await.unwrap();
        assert_eq!(tries.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_message_that_can_never_arrive_is_given_up_at_once() {
        let test = testing::app().await;
        write(&test.app).await;
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let deliver = move |_, _| -> Delivery {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Err(Undelivered::Never("refused".into())) })
        };
        for _ in 0..3 {
            deliver_due(&test.app, "notice", &deliver).await.unwrap();
            test.clock.advance(Duration::days(1));
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn pauses_grow_to_two_hours() {
        assert_eq!(pause(1), Duration::seconds(5));
        assert_eq!(pause(3), Duration::seconds(20));
        assert_eq!(pause(40), Duration::hours(2));
    }
}

//! Delivers what the outbox holds, kind by kind, with growing pauses after a failure.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use sekisho_store::StoreError;
pub use sekisho_store::outbox::Message;
use time::Duration;

use crate::app::App;

/// How a delivery ended.
#[derive(Debug)]
pub enum Delivery {
    /// The receiver has it.
    Delivered,
    /// It may succeed later.
    Failed(String),
    /// It never will: the receiver is gone, or the message is not one of ours.
    Hopeless(String),
}

type Deliver = dyn Fn(App, Message) -> Pin<Box<dyn Future<Output = Delivery> + Send>> + Send + Sync;

/// Who delivers which kind.
#[derive(Clone, Default)]
pub struct Deliverers(BTreeMap<&'static str, Arc<Deliver>>);

impl Deliverers {
    /// Nobody delivers anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the deliverer of a kind.
    #[must_use]
    pub fn with<F, D>(mut self, kind: &'static str, deliver: F) -> Self
    where
        F: Fn(App, Message) -> D + Send + Sync + 'static,
        D: Future<Output = Delivery> + Send + 'static,
    {
        self.0.insert(kind, Arc::new(move |app, message| Box::pin(deliver(app, message))));
        self
    }
}

/// A claimed message is another deliverer's after this long.
const HOLD: Duration = Duration::minutes(1);
/// After so many tries a message is given up: with doubling pauses, after about nine hours.
const MOST_ATTEMPTS: i64 = 12;
const AT_ONCE: i64 = 64;

/// Delivers everything that is due.
///
/// # Errors
/// [`StoreError`]: the outbox could not be read; what was claimed comes back by itself.
pub async fn deliver_due(app: &App, deliverers: &Deliverers) -> Result<(), StoreError> {
    for (kind, deliver) in &deliverers.0 {
        let messages = app.store().claim_outbox(kind, app.now(), HOLD, AT_ONCE).await?;
        let deliveries = messages.into_iter().map(|message| async move {
            let outcome = deliver(app.clone(), message.clone()).await;
            settle(app, &message, outcome).await
        });
        for settled in futures_util::future::join_all(deliveries).await {
            settled?;
        }
    }
    Ok(())
}

/// Delivers one message now, if it is due. Answers whether it was.
///
/// # Errors
/// [`StoreError`].
pub async fn deliver_one<D>(
    app: &App,
    id: &str,
    deliver: impl FnOnce(App, Message) -> D,
) -> Result<bool, StoreError>
where
    D: Future<Output = Delivery>,
{
    let Some(message) = app.store().claim_message(id, app.now(), HOLD).await? else {
        return Ok(false);
    };
    let outcome = deliver(app.clone(), message.clone()).await;
    settle(app, &message, outcome).await?;
    Ok(true)
}

async fn settle(app: &App, message: &Message, outcome: Delivery) -> Result<(), StoreError> {
    let now = app.now();
    match outcome {
        Delivery::Delivered => app.store().outbox_delivered(&message.id, now).await,
        Delivery::Failed(error) if message.attempts + 1 < MOST_ATTEMPTS => {
            let pause = Duration::seconds(8 << message.attempts.clamp(0, MOST_ATTEMPTS));
            tracing::warn!(kind = message.kind, id = message.id, "not delivered yet: {error}");
            app.store().outbox_failed(&message.id, now, Some(now + pause), &error).await
        }
        Delivery::Failed(error) | Delivery::Hopeless(error) => {
            tracing::error!(kind = message.kind, id = message.id, "given up: {error}");
            app.store().outbox_failed(&message.id, now, None, &error).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use sekisho_store::{
        audit::{Actor, Audited, Entry},
        transaction,
    };
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_failed_delivery_is_tried_again_after_a_pause_and_not_before() {
        let test = crate::testing::app().await;
        let now = test.app.now();
        transaction!(test.app.store(), StoreError, |tx| {
            sekisho_store::outbox::put(tx, "notice", &json!({}), now).await?;
            Ok(Audited::new((), Entry::done("test", Actor::System, now)))
        })
        .unwrap();
        let tries = Arc::new(Mutex::new(0));
        let deliverers = {
            let tries = tries.clone();
            Deliverers::new().with("notice", move |_, _| {
                let tries = tries.clone();
                async move {
                    let mut tries = tries.lock().unwrap();
                    *tries += 1;
                    if *tries == 1 { Delivery::Failed("away".into()) } else { Delivery::Delivered }
                }
            })
        };
        deliver_due(&test.app, &deliverers).await.unwrap();
        deliver_due(&test.app, &deliverers).await.unwrap();
        assert_eq!(*tries.lock().unwrap(), 1, "not before the pause is over");
        test.clock.advance(Duration::seconds(8));
        deliver_due(&test.app, &deliverers).await.unwrap();
        test.clock.advance(Duration::days(1));
        deliver_due(&test.app, &deliverers).await.unwrap();
        assert_eq!(*tries.lock().unwrap(), 2, "delivered once");
    }
}

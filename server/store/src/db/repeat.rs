//! Transactions that are repeated when they met another one.

use std::time::Duration;

/// How often a transaction that met another one is repeated.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
}

impl Attempts {
    /// Under contention each attempt lets at least one other transaction win, so a bounded number
    /// with growing pauses ends for any load that the connection pool admits.
    const LIMIT: u32 = 12;

    /// None made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits and answers whether one more attempt is due.
    pub async fn again(&mut self) -> bool {
        self.made += 1;
        if self.made >= Self::LIMIT {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(2 * self.made * self.made))).await;
        true
    }
}

/// Runs housekeeping as one transaction that [`Tx::finish`] commits, and repeats it when it met
/// another one. The block evaluates to the value, may run more than once, and may end early with
/// `return Ok(value)`, which commits what stands.
macro_rules! housekeeping {
    ($store:expr, |$tx:ident| $body:expr) => {{
        let mut attempts = $crate::Attempts::new();
        loop {
            let mut transaction = match $store.begin().await {
                Ok(transaction) => transaction,
                Err($crate::StoreError::Conflict(_)) if attempts.again().await => continue,
                Err(error) => break Err(error),
            };
            let outcome: Result<_, $crate::StoreError> = {
                let $tx = &mut transaction;
                async { Ok($body) }.await
            };
            let ended = match outcome {
                Ok(value) => transaction.finish().await.map(|()| value),
                Err(error) => transaction.give_up().await.and(Err(error)),
            };
            match ended {
                Err($crate::StoreError::Conflict(_)) if attempts.again().await => {}
                outcome => break outcome,
            }
        }
    }};
}

pub(crate) use housekeeping;

/// Runs a decision as one transaction, repeats it when it met another one, and commits it together
/// with its audit records.
///
/// ```ignore
/// transaction!(&store, StoreError, |tx| {
///     tx.execute(sql("…").bind(id)).await?;
///     Ok(Audited::new(value, entry))
/// })
/// ```
/// The block is an `async` block that may borrow from around it; it must evaluate to
/// `Result<Audited<T>, E>` with `E: MayConflict`, and may run more than once: nothing in it may
/// have an effect outside the transaction.
#[macro_export]
macro_rules! transaction {
    ($store:expr, $error:ty, |$tx:ident| $body:expr) => {{
        let mut attempts = $crate::Attempts::new();
        loop {
            let mut transaction = match $store.begin().await {
                Ok(transaction) => transaction,
                Err(error) => break Err(<$error>::from(error)),
            };
            let outcome: Result<$crate::audit::Audited<_>, $error> = {
                #[allow(unused_variables)]
                let $tx = &mut transaction;
                async { $body }.await
            };
            let error = match outcome {
                Ok(audited) => match transaction.commit(audited).await {
                    Ok(value) => break Ok(value),
                    Err(error) => <$error>::from(error),
                },
                Err(error) => match transaction.give_up().await {
                    Ok(()) => error,
                    Err(lost) => <$error>::from(lost),
                },
            };
            if !($crate::MayConflict::is_conflict(&error) && attempts.again().await) {
                break Err(error);
            }
        }
    }};
}

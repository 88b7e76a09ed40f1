//! Attempts to guess: counted per account and per network address, before each is judged.
//!
//! An attempt is charged first and refunded when it succeeds, so that any number of attempts at
//! once costs as much as the same number in a row.

use time::{Duration, OffsetDateTime};

use crate::{Attempts, MayConflict, Queries, Store, StoreError, Tx, moment::moment, sql};

/// How failures of one subject are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayPolicy {
    /// Failures without any delay.
    pub free: u32,
    /// From this many failures on, the longest rest.
    pub lock_after: u32,
    /// The longest rest.
    pub longest: Duration,
    /// Without failures for this long, all is forgotten.
    pub forget_after: Duration,
    /// One failure is forgotten each time this passes, whatever else comes: where many people share a counter,
    /// their slips of days do not add up.
    pub eases_every: Option<Duration>,
}

impl DelayPolicy {
    /// What is left of `failures`, counted since `from`, at `at`; and since when that counts.
    fn eased(
        &self,
        failures: u32,
        from: OffsetDateTime,
        at: OffsetDateTime,
    ) -> (u32, OffsetDateTime) {
        let Some(every) = self.eases_every else { return (failures, at) };
        let times = (at - from).whole_seconds() / every.whole_seconds().max(1);
        let times = u32::try_from(times.max(0)).unwrap_or(u32::MAX);
        match failures.checked_sub(times) {
            None | Some(0) => (0, at),
            Some(left) => (left, from + every * times),
        }
    }

    /// Rest after the `failures`-th failure: nothing, then doubling from one second, then
    /// [`Self::longest`].
    #[must_use]
    pub fn rest(&self, failures: u32) -> Duration {
        if failures >= self.lock_after {
            return self.longest;
        }
        match failures.checked_sub(self.free) {
            None | Some(0) => Duration::ZERO,
            // Below 2^20 seconds, so no overflow.
            Some(over) => Duration::seconds(1 << (over - 1).min(20)).min(self.longest),
        }
    }
}

/// What is counted, and how strictly.
#[derive(Clone, Debug)]
pub struct Subject {
    /// `account:NAME`, `address:IP` and the like.
    pub key: String,
    /// Its policy.
    pub policy: DelayPolicy,
}

impl Store {
    /// Charges an attempt to all subjects, or answers until when one of them rests; then nothing
    /// is charged.
    ///
    /// A counter is housekeeping: what the attempt leads to is audited by who judges it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; then nothing may be judged.
    pub async fn charge_attempt(
        &self,
        subjects: &[Subject],
        at: OffsetDateTime,
    ) -> Result<Result<(), OffsetDateTime>, StoreError> {
        let mut attempts = Attempts::new();
        loop {
            match self.try_charge(subjects, at).await {
                Err(error) if error.is_conflict() && attempts.again().await => {}
                // Two first attempts for one subject: the row exists at the next try.
                Err(StoreError::AlreadyExists { .. }) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_charge(
        &self,
        subjects: &[Subject],
        at: OffsetDateTime,
    ) -> Result<Result<(), OffsetDateTime>, StoreError> {
        let mut tx = self.begin().await?;
        match charge(&mut tx, subjects, at).await {
            Ok(Ok(())) => tx.finish().await.map(Ok),
            refused => tx.give_up().await.and(refused),
        }
    }

    /// Until when a subject rests, if it does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn resting(
        &self,
        key: &str,
        at: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let row: Option<(i64,)> = self
            .read()
            .fetch_optional(
                sql("SELECT locked_until FROM sign_in_failure
                     WHERE subject = $1 AND locked_until > $2")
                .bind(key)
                .bind(at),
            )
            .await?;
        row.map(|(until,)| moment("sign-in failure", until)).transpose()
    }

    /// Takes back one charge of each subject in `refund`, and all charges of each in `forget`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn settle_attempt(&self, forget: &[&str], refund: &[&str]) -> Result<(), StoreError> {
        let mut attempts = Attempts::new();
        loop {
            match self.try_settle(forget, refund).await {
                Err(error) if error.is_conflict() && attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_settle(&self, forget: &[&str], refund: &[&str]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for key in forget {
            tx.execute(sql("DELETE FROM sign_in_failure WHERE subject = $1").bind(*key)).await?;
        }
        for key in refund {
            tx.execute(
                sql("UPDATE sign_in_failure SET failures = failures - 1, locked_until = 0
                     WHERE subject = $1 AND failures > 0")
                .bind(*key),
            )
            .await?;
        }
        tx.finish().await
    }
}

async fn charge(
    tx: &mut Tx,
    subjects: &[Subject],
    at: OffsetDateTime,
) -> Result<Result<(), OffsetDateTime>, StoreError> {
    for subject in subjects {
        let row: Option<(i64, i64, i64)> = tx
            .fetch_optional(
                sql("SELECT failures, last_at, locked_until FROM sign_in_failure
                     WHERE subject = $1")
                .bind(&subject.key),
            )
            .await?;
        let (failures, from) = match row {
            None => (0, at),
            Some((_, _, locked_until)) if locked_until > at.unix_timestamp() => {
                return Ok(Err(moment("sign-in failure", locked_until)?));
            }
            Some((failures, last_at, _))
                if moment("sign-in failure", last_at)? + subject.policy.forget_after > at =>
            {
                let failures = u32::try_from(failures).unwrap_or(u32::MAX);
                subject.policy.eased(failures, moment("sign-in failure", last_at)?, at)
            }
            Some(_) => (0, at),
        };
        let failures = failures.saturating_add(1);
        // Nothing, rather than "until now": to a process whose attempt began before this
        // second, now would be a rest.
        let rest = subject.policy.rest(failures);
        let locked_until = if rest.is_zero() { 0 } else { (at + rest).unix_timestamp() };
        tx.execute(
            sql("INSERT INTO sign_in_failure (subject, failures, last_at, locked_until)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures,
                     last_at = excluded.last_at, locked_until = excluded.locked_until")
            .bind(&subject.key)
            .bind(i64::from(failures))
            .bind(from)
            .bind(locked_until),
        )
        .await?;
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: DelayPolicy = DelayPolicy {
        free: 3,
        lock_after: 10,
        longest: Duration::minutes(15),
        forget_after: Duration::days(1),
        eases_every: None,
    };

    #[test]
    fn what_many_share_eases_by_the_clock_and_loses_no_part_of_a_turn() {
        let policy = DelayPolicy { eases_every: Some(Duration::minutes(15)), ..POLICY };
        let from = OffsetDateTime::UNIX_EPOCH;
        let (mut failures, mut since) = (9, from);
        for minute in 1..=60 {
            (failures, since) = policy.eased(failures, since, from + Duration::minutes(minute));
        }
        assert_eq!((failures, since), (5, from + Duration::hours(1)));
        assert_eq!(policy.eased(9, from, from + Duration::days(1)).0, 0);
        assert_eq!(
            policy.eased(9, from, from - Duration::days(1)),
            (9, from),
            "a clock that went back"
        );
        assert_eq!(POLICY.eased(9, from, from + Duration::hours(1)).0, 9, "one person\'s own");
    }

    #[test]
    fn the_rest_doubles_and_then_stays() {
        let rests: Vec<i64> = (1..=11).map(|n| POLICY.rest(n).whole_seconds()).collect();
        assert_eq!(rests, [0, 0, 0, 1, 2, 4, 8, 16, 32, 900, 900]);
        assert_eq!(POLICY.rest(u32::MAX), POLICY.longest);
    }
}

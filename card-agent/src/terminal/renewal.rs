//! Renewal in the background: when it is due, when it is tried again, and what is told meanwhile.
//!
//! It is due when a third of the certificate's life is left, by the server's clock. What failed is
//! tried again after a minute, then after twice as long each time, at most six hours, and written
//! down: [`doctor`](crate::command) and `status` tell of it, and a restart does not begin anew.
//!
//! Whatever interrupts it, the terminal works: the old certificate is good until the new one is used.
//! The next look finds what is left to do: ask again, or give the browser what the folder holds.

use std::path::Path;

use der::Decode;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;

use super::enrol::{self, EnrolError};
use super::key;
use super::place::{Place, PlaceError, read};

const TRIES: &str = "renewal.json";
const FIRST_PAUSE: Duration = Duration::MINUTE;
const LONGEST_PAUSE: Duration = Duration::hours(6);
/// However short a certificate's life is, or wrong a clock: no more renewals than this.
const BETWEEN_RENEWALS: Duration = Duration::MINUTE;

/// A certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From when.
    pub from: OffsetDateTime,
    /// Until when.
    pub until: OffsetDateTime,
}

/// Where a certificate stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Nothing is to be done.
    Fresh,
    /// A third of its life is left, or less: time enough for somebody to come by.
    Due,
    /// Over: the server will say so, unless this PC's clock is wrong.
    Expired,
}

impl Validity {
    /// Of the certificate in the folder.
    ///
    /// # Errors
    /// [`PlaceError`]: there is none, or it cannot be read.
    pub fn of_terminal(place: &Place) -> Result<Self, PlaceError> {
        Self::of_certificate(&place.certificate())
    }

    /// Of the certificate in this file.
    pub(crate) fn of_certificate(path: &Path) -> Result<Self, PlaceError> {
        let malformed = |error: der::Error| PlaceError::Malformed {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        let certificate = Certificate::from_der(&read(path)?).map_err(malformed)?;
        let validity = certificate.tbs_certificate().validity();
        let moment =
            |time: &x509_cert::time::Time| OffsetDateTime::UNIX_EPOCH + time.to_unix_duration();
        Ok(Self { from: moment(&validity.not_before), until: moment(&validity.not_after) })
    }

    /// Its age at `now`.
    #[must_use]
    pub fn age(self, now: OffsetDateTime) -> Age {
        match self.until - now {
            left if left.is_negative() => Age::Expired,
            left if left < (self.until - self.from) / 3 => Age::Due,
            _ => Age::Fresh,
        }
    }
}

/// What came of the last tries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tries {
    /// When the last one ended, in seconds since 1970 by this PC's clock.
    pub at: i64,
    /// How many failed since one succeeded.
    pub failed: u32,
    /// Why the last one failed.
    pub why: Option<String>,
}

impl Tries {
    /// As noted in the folder; none where nothing is noted.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn read(place: &Place) -> Result<Self, PlaceError> {
        let path = place.folder.join(TRIES);
        if path.exists() { super::place::json(&path) } else { Ok(Self::default()) }
    }

    fn note(&self, place: &Place) -> Result<(), PlaceError> {
        super::place::write_json(&place.folder.join(TRIES), self)
    }

    /// When the next one is made, in seconds since 1970.
    #[must_use]
    pub fn next(&self) -> i64 {
        let pause = match self.failed {
            0 => BETWEEN_RENEWALS,
            // 2^9 minutes are more than the longest pause.
            failed => (FIRST_PAUSE * 2_i32.pow(failed.min(10) - 1)).min(LONGEST_PAUSE),
        };
        self.at.saturating_add(pause.whole_seconds())
    }

    /// Whether `now` is the time. A clock that was set back since must not hold it up for as long.
    fn may_try(&self, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp();
        now >= self.next() || now < self.at
    }
}

/// What a look came to.
#[derive(Debug)]
pub enum Look {
    /// It is not due, or not yet time to try again.
    Nothing,
    /// The server was asked for the time, which is so far ahead of ours: it is not due.
    NotDue {
        /// Server's clock minus ours.
        ahead: Duration,
    },
    /// A new certificate is in the folder.
    Renewed,
    /// It was tried and failed; noted.
    Failed(EnrolError),
}

/// Looks once, `now` by this PC's clock: renews where that is due and it is time to try.
///
/// `ahead` is the server's clock minus ours, as it told over TLS; none where it was not reached since
/// the start. Then it is asked, whatever this PC's clock says: one that is months wrong must neither
/// let the certificate end nor renew it over and over.
///
/// # Errors
/// [`PlaceError`]: the folder, of which nothing can be said then.
pub async fn look(
    place: &Place,
    now: OffsetDateTime,
    ahead: Option<Duration>,
) -> Result<Look, PlaceError> {
    let validity = Validity::of_terminal(place)?;
    let tries = Tries::read(place)?;
    let is_fresh = ahead.is_some_and(|ahead| validity.age(now + ahead) == Age::Fresh);
    if is_fresh || !tries.may_try(now) {
        return Ok(Look::Nothing);
    }
    let look = renew_if_due(place, validity, now).await.unwrap_or_else(Look::Failed);
    let failed = match &look {
        Look::Failed(error) => (tries.failed.saturating_add(1), Some(error.to_string())),
        _ => (0, None),
    };
    Tries { at: now.unix_timestamp(), failed: failed.0, why: failed.1 }.note(place)?;
    Ok(look)
}

async fn renew_if_due(
    place: &Place,
    validity: Validity,
    now: OffsetDateTime,
) -> Result<Look, EnrolError> {
    let key = key::load(place)?;
    let (_, seconds) = enrol::refresh_trust(place, key.as_ref()).await?;
    let ahead = Duration::seconds(seconds);
    if validity.age(now + ahead) == Age::Fresh {
        return Ok(Look::NotDue { ahead });
    }
    enrol::renew(place).await?;
    Ok(Look::Renewed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_due_in_the_last_third_of_a_life() {
        let from = OffsetDateTime::UNIX_EPOCH;
        let validity = Validity { from, until: from + Duration::days(30) };
        let age = |days| validity.age(from + Duration::days(days));
        assert_eq!([age(-400), age(0), age(20)], [Age::Fresh; 3]);
        assert_eq!([age(21), age(30)], [Age::Due; 2]);
        assert_eq!([age(31), age(400)], [Age::Expired; 2]);
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later_but_four_times_a_day_at_least() {
        let pause = |failed| Tries { failed, ..Tries::default() }.next();
        assert_eq!([1, 2, 3, 4].map(pause), [60, 120, 240, 480]);
        assert_eq!([10, 11, u32::MAX].map(pause), [6 * 3600; 3]);
        assert_eq!(Tries { at: i64::MAX, ..Tries::default() }.next(), i64::MAX);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1000);
        let tries = |at: OffsetDateTime| Tries { at: at.unix_timestamp(), failed: 1, why: None };
        assert!(!tries(now - Duration::SECOND).may_try(now));
        assert!(tries(now - Duration::MINUTE).may_try(now));
        assert!(tries(now + Duration::days(200)).may_try(now));
    }
}

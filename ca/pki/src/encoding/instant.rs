//! Times between X.509 and us.

use std::time::Duration;

use der::asn1::{GeneralizedTime, UtcTime};
use time::OffsetDateTime;
use x509_cert::time::Time;

/// An instant as RFC 5280 §4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime after;
/// fractions of a second are cut.
///
/// # Errors
/// [`der::Error`]: before 1970 or after 9999.
pub fn to_time(at: OffsetDateTime) -> der::Result<Time> {
    let since = unix(at)?;
    let utc = UtcTime::from_unix_duration(since);
    match utc {
        Ok(utc) => Ok(Time::UtcTime(utc)),
        Err(_) => Ok(Time::GeneralTime(GeneralizedTime::from_unix_duration(since)?)),
    }
}

/// An instant as GeneralizedTime, the form of OCSP (RFC 6960 §4.2.1).
///
/// # Errors
/// [`der::Error`]: before 1970 or after 9999.
pub fn to_generalized(at: OffsetDateTime) -> der::Result<GeneralizedTime> {
    GeneralizedTime::from_unix_duration(unix(at)?)
}

/// The instant of an X.509 time.
///
/// `der` reads years 1970 to 9999 only, all of which an `OffsetDateTime` holds; were it not so,
/// the answer would be the epoch, which no check accepts as present or future.
#[must_use]
pub fn from_time(time: &Time) -> OffsetDateTime {
    from_unix(time.to_unix_duration())
}

/// The instant of a GeneralizedTime; see [`from_time`].
#[must_use]
pub fn from_generalized(time: &GeneralizedTime) -> OffsetDateTime {
    from_unix(time.to_unix_duration())
}

fn unix(at: OffsetDateTime) -> der::Result<Duration> {
    u64::try_from(at.unix_timestamp())
        .map(Duration::from_secs)
        .map_err(|_| der::ErrorKind::DateTime.into())
}

fn from_unix(since: Duration) -> OffsetDateTime {
    i64::try_from(since.as_secs())
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    #[test]
    fn the_form_changes_between_2049_and_2050() {
        let last = OffsetDateTime::from_unix_timestamp(2_524_607_999).unwrap();
        let first = OffsetDateTime::from_unix_timestamp(2_524_608_000).unwrap();
        assert_eq!(to_time(last).unwrap().to_der().unwrap()[0], 0x17);
        assert_eq!(to_time(first).unwrap().to_der().unwrap()[0], 0x18);
        assert_eq!(from_time(&to_time(last).unwrap()), last);
        assert_eq!(from_time(&to_time(first).unwrap()), first);
        assert!(to_time(OffsetDateTime::from_unix_timestamp(-1).unwrap()).is_err());
    }
}

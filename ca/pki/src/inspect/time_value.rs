//! Times as they stand in certificates (RFC 5280 §4.1.2.5) and OCSP (RFC 6960 §4.2.2.1).

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::{
    Context,
    field::Field,
    report::{Object, Value},
    term::Term,
};
use crate::encoding::tlv::{Malformed, Tag, Tlv};

/// UTCTime or GeneralizedTime, in UTC with seconds, as DER asks for.
pub(super) fn instant(tlv: &Tlv<'_>) -> Result<OffsetDateTime, Malformed> {
    let read = match tlv.tag {
        Tag::UTC_TIME => utc_time(tlv.value),
        Tag::GENERALIZED_TIME => generalized(tlv.value),
        _ => None,
    };
    read.ok_or_else(|| tlv.expected("Time"))
}

fn utc_time(octets: &[u8]) -> Option<OffsetDateTime> {
    let year = two(octets.get(..2)?)?;
    // RFC 5280 §4.1.2.5.1.
    let year = if year >= 50 { 1900 + i32::from(year) } else { 2000 + i32::from(year) };
    rest(year, octets.get(2..)?)
}

fn generalized(octets: &[u8]) -> Option<OffsetDateTime> {
    let century = two(octets.get(..2)?)?;
    let year = two(octets.get(2..4)?)?;
    rest(i32::from(century) * 100 + i32::from(year), octets.get(4..)?)
}

fn rest(year: i32, octets: &[u8]) -> Option<OffsetDateTime> {
    let (digits, zone) = octets.split_at_checked(10)?;
    if zone != b"Z" {
        return None;
    }
    let part = |index: usize| two(digits.get(index * 2..index * 2 + 2)?);
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(1)?).ok()?;
    let time = Time::from_hms(part(2)?, part(3)?, part(4)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

fn two(digits: &[u8]) -> Option<u8> {
    match digits {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

/// The time, or its octets as text where they are none.
pub(super) fn value(tlv: &Tlv<'_>) -> Value {
    match instant(tlv) {
        Ok(at) => at.into(),
        Err(_) => {
            Value::Text(String::from_utf8_lossy(&tlv.value[..tlv.value.len().min(64)]).into())
        }
    }
}

/// Validity of a certificate, and how it stands now.
pub(super) fn validity(context: &Context<'_>, from: &Tlv<'_>, until: &Tlv<'_>) -> Object {
    let object =
        Object::new().with(Field::NotBefore, value(from)).with(Field::NotAfter, value(until));
    let (Ok(from), Ok(until)) = (instant(from), instant(until)) else {
        return object.with(Field::Status, Term::TimeUnreadable);
    };
    let now = context.options.now;
    if until < from {
        object.with(Field::Status, Term::NeverValid)
    } else if now < from {
        object.with(Field::Status, Term::NotYetValid).with(Field::BeginsInDays, days(from - now))
    } else if now > until {
        object.with(Field::Status, Term::Expired).with(Field::ExpiredSinceDays, days(now - until))
    } else {
        object.with(Field::Status, Term::Valid).with(Field::RemainingDays, days(until - now))
    }
}

/// How fresh a CRL or OCSP answer is.
pub(super) fn freshness(
    context: &Context<'_>,
    object: &mut Object,
    this: &Tlv<'_>,
    next: Option<&Tlv<'_>>,
) {
    object.set(Field::ThisUpdate, value(this));
    if let Some(next) = next {
        object.set(Field::NextUpdate, value(next));
    }
    let now = context.options.now;
    let status = match (instant(this), next.map(instant)) {
        (Err(_), _) | (_, Some(Err(_))) => Term::TimeUnreadable,
        (Ok(this), _) if now < this => Term::NotYetValid,
        (Ok(_), Some(Ok(next))) if now > next => {
            object.set(Field::ExpiredSinceDays, days(now - next));
            Term::Stale
        }
        (Ok(_), None) => Term::NoNextUpdate,
        (Ok(_), Some(Ok(_))) => Term::Fresh,
    };
    object.set(Field::Status, status);
}

fn days(span: time::Duration) -> u64 {
    u64::try_from(span.whole_days()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        assert_eq!(utc_time(b"261121000102Z"), Some(datetime!(2026-11-21 0:01:02 UTC)));
        assert_eq!(utc_time(b"500101000000Z"), Some(datetime!(1950-01-01 0:00 UTC)));
        assert_eq!(generalized(b"20500101000000Z"), Some(datetime!(2050-01-01 0:00 UTC)));
        assert_eq!(generalized(b"99991231235959Z"), Some(datetime!(9999-12-31 23:59:59 UTC)));
        for wrong in
            [&b""[..], b"2611210001Z", b"261121000102+0900", b"261321000102Z", b"26112100010\xffZ"]
        {
            assert_eq!(utc_time(wrong), None);
        }
        assert_eq!(generalized(b"20500101000000.5Z"), None);
        assert_eq!(generalized(b"20500230000000Z"), None);
    }
}

//! Times as pages show them: Japan Standard Time, where every facility is.

use time::{
    OffsetDateTime, PrimitiveDateTime, UtcOffset,
    format_description::BorrowedFormatItem,
    macros::{format_description, offset},
};

use crate::catalogue::Lang;

/// Japan Standard Time; it has no summer time.
pub(crate) const JST: UtcOffset = offset!(+9);

/// As a browser's field for date and time sends it.
const TYPED: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]");

/// A time that somebody typed into such a field; `None` for what is none.
#[must_use]
pub fn typed(text: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(text, TYPED).ok().map(|local| local.assume_offset(JST))
}

/// A time to the minute, for people.
#[must_use]
pub fn shown(at: OffsetDateTime, lang: Lang) -> String {
    let at = at.to_offset(JST);
    let (hour, minute) = (at.hour(), at.minute());
    match lang {
        Lang::Ja => {
            format!("{}年{}月{}日 {hour:02}:{minute:02}", at.year(), u8::from(at.month()), at.day())
        }
        Lang::En => {
            format!("{} {} {}, {hour:02}:{minute:02} JST", at.day(), at.month(), at.year())
        }
    }
}

/// A day, for people.
#[must_use]
pub fn day(at: OffsetDateTime, lang: Lang) -> String {
    let at = at.to_offset(JST);
    match lang {
        Lang::Ja => format!("{}年{}月{}日", at.year(), u8::from(at.month()), at.day()),
        Lang::En => format!("{} {} {}", at.day(), at.month(), at.year()),
    }
}

/// A time to the second, for people who compare records.
#[must_use]
pub fn shown_to_the_second(at: OffsetDateTime, lang: Lang) -> String {
    let local = at.to_offset(JST);
    let (hour, minute, second) = (local.hour(), local.minute(), local.second());
    match lang {
        Lang::Ja => format!("{} {hour:02}:{minute:02}:{second:02}", local.date()),
        Lang::En => format!("{} {hour:02}:{minute:02}:{second:02} JST", local.date()),
    }
}

/// The same for programs (RFC 3339).
#[must_use]
pub fn iso(at: OffsetDateTime) -> String {
    at.to_offset(JST).format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_are_shown_in_japan_standard_time() {
        let at = datetime!(2026-11-20 15:04:59 UTC);
        assert_eq!(shown(at, Lang::Ja), "2026年11月21日 00:04");
        assert_eq!(shown(at, Lang::En), "21 November 2026, 00:04 JST");
        assert_eq!(day(at, Lang::Ja), "2026年11月21日");
        assert_eq!(day(at, Lang::En), "21 November 2026");
        assert_eq!(shown_to_the_second(at, Lang::Ja), "2026-11-21 00:04:59");
        assert_eq!(shown_to_the_second(at, Lang::En), "2026-11-21 00:04:59 JST");
        assert_eq!(iso(at), "2026-11-21T00:04:59+09:00");
    }
}

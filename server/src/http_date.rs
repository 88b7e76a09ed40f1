//! Dates in header fields (RFC 9110 §5.6.7).

use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem,
    macros::format_description,
};

/// IMF-fixdate, the only form that is written today.
const IMF_FIXDATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// As it stands in a header field; a moment in UTC always has this form.
#[must_use]
pub(crate) fn write(moment: OffsetDateTime) -> String {
    moment.format(IMF_FIXDATE).unwrap_or_default()
}

/// The moment that a header field tells; `None` for another form.
#[must_use]
pub(crate) fn read(date: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(date, IMF_FIXDATE).ok().map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_other_forms_do_not() {
        let moment = datetime!(2026-11-21 09:00:07 UTC);
        assert_eq!(write(moment), "Sat, 21 Nov 2026 09:00:07 GMT");
        assert_eq!(read("Sat, 21 Nov 2026 09:00:07 GMT"), Some(moment));
        for other in ["", "Saturday, 21-Nov-26 09:00:07 GMT", "2026-11-21T09:00:07Z"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}

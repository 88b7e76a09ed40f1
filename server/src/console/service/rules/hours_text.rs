//! Hours of the week as a person types them: one line each, `mon,fri 08:30-17:00`, or 月・金 for the days.
//!
//! A Japanese keyboard types digits and colons full width; NFKC makes them one with the narrow ones.

use std::collections::BTreeSet;

use sekisho_authz::{Day, Hours, TimeOfDay};
use unicode_normalization::UnicodeNormalization as _;

/// Days in Japanese, in the order of the week.
const JAPANESE: [char; 7] = ['月', '火', '水', '木', '金', '土', '日'];

/// A line that names no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no hours")]
pub(super) struct NoHours(pub(super) String);

/// Each line that is not blank.
///
/// # Errors
/// [`NoHours`], the first line that does not read.
pub(super) fn read(typed: &str) -> Result<Vec<Hours>, NoHours> {
    let lines = typed.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| one(line).ok_or_else(|| NoHours(line.chars().take(64).collect()))).collect()
}

/// What stands between two times: NFKC has made `～` a `~` and `－` a `-`.
const BETWEEN: [char; 6] = ['-', '~', '〜', '–', '−', 'ー'];

fn one(line: &str) -> Option<Hours> {
    let line: String = line.nfkc().collect();
    let (days, span) = match line.rsplit_once(char::is_whitespace) {
        Some((days, span)) => (days.trim(), span),
        None => ("", line.as_str()),
    };
    let (from, to) = span.split_once(BETWEEN)?;
    Some(Hours { days: days_in(days)?, from: time(from)?, to: time(to)? })
}

/// `8:30` is what a clock shows as `08:30`.
fn time(typed: &str) -> Option<TimeOfDay> {
    let padded = match typed.find(':') {
        Some(1) => format!("0{typed}"),
        _ => typed.to_owned(),
    };
    padded.parse().ok()
}

/// `None` for what is no list of days; every day where none is named.
#[allow(clippy::option_option)]
fn days_in(text: &str) -> Option<Option<BTreeSet<Day>>> {
    if text.is_empty() || text == "毎日" || text == "daily" {
        return Some(None);
    }
    let mut days = BTreeSet::new();
    let named = text.split([',', '、', '・', ' ']).filter(|word| !word.is_empty());
    for word in named {
        let lower = word.to_ascii_lowercase();
        if let Some(day) = Day::ALL.into_iter().find(|day| day.code() == lower) {
            days.insert(day);
            continue;
        }
        for c in word.chars() {
            let place = JAPANESE.iter().position(|day| *day == c)?;
            days.insert(*Day::ALL.get(place)?);
        }
    }
    (!days.is_empty()).then_some(Some(days))
}

/// As it would be typed.
pub(super) fn write(hours: &[Hours]) -> String {
    let line = |hours: &Hours| match &hours.days {
        None => format!("{}-{}", hours.from, hours.to),
        Some(_) => {
            let days: Vec<_> = hours.days().map(Day::code).collect();
            format!("{} {}-{}", days.join(","), hours.from, hours.to)
        }
    };
    hours.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_typed_in_both_languages_and_read_back() {
        let read_one = |line: &str| write(&read(line).unwrap());
        for (typed, written) in [
            ("mon,fri 08:30-17:00", "mon,fri 08:30-17:00"),
            ("月・金 08:30～17:00", "mon,fri 08:30-17:00"),
            ("月・金 ８：３０～１７：００", "mon,fri 08:30-17:00"),
            ("月　火　8:30−17:00", "mon,tue 08:30-17:00"),
            ("土日 22:00-06:00", "sat,sun 22:00-06:00"),
            ("Mon Tue 00:00-24:00", "mon,tue 00:00-24:00"),
            ("08:30-17:00", "08:30-17:00"),
            ("毎日 08:30-17:00", "08:30-17:00"),
            ("mon 08:00-09:00\n\n tue 10:00-11:00 ", "mon 08:00-09:00\ntue 10:00-11:00"),
        ] {
            assert_eq!(read_one(typed), written, "{typed}");
        }
        assert_eq!(read(" \n"), Ok(vec![]));
        for hostile in [
            "x",
            "mon",
            "mon :30-17:00",
            "mon 8:3-17:00",
            "mon +8:30-17:00",
            "祝 08:30-17:00",
            "mon 08:30",
            "mon -",
            ", 08:00-09:00",
        ] {
            assert!(read(hostile).is_err(), "{hostile}");
        }
    }
}

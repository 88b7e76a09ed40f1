//! Hours of the week, as a rule names them.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset, macros::offset};

/// Rules are read by the clock on the wall, and Japan has one, without summer time.
const JAPAN: UtcOffset = offset!(+9);
const MINUTES_OF_AN_HOUR: u16 = 60;
const MINUTES_OF_A_DAY: u16 = 24 * MINUTES_OF_AN_HOUR;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// 月
    Mon,
    /// 火
    Tue,
    /// 水
    Wed,
    /// 木
    Thu,
    /// 金
    Fri,
    /// 土
    Sat,
    /// 日
    Sun,
}

impl Day {
    /// All, in their order.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// 0 for Monday to 6 for Sunday.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// As in a rule.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    pub(crate) const fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// A time of the day as `HH:MM`, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minute: u16,
}

/// A text that is no time of the day.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no time of the day; write four digits with a colon, 00:00 to 24:00")]
pub struct NoTimeOfDay(String);

impl TimeOfDay {
    /// Minutes since midnight.
    pub(crate) fn minute(self) -> u16 {
        self.minute
    }
}

impl FromStr for TimeOfDay {
    type Err = NoTimeOfDay;

    fn from_str(text: &str) -> Result<Self, NoTimeOfDay> {
        let refused = || NoTimeOfDay(text.chars().take(16).collect());
        let number = |digits: &str| {
            let sound = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            sound.then(|| digits.parse::<u16>().ok()).flatten()
        };
        let (hour, minute) = text.split_once(':').ok_or_else(refused)?;
        let (hour, minute) =
            number(hour).zip(number(minute)).filter(|(_, m)| *m < 60).ok_or_else(refused)?;
        let minute = hour * MINUTES_OF_AN_HOUR + minute;
        if minute > MINUTES_OF_A_DAY {
            return Err(refused());
        }
        Ok(Self { minute })
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = NoTimeOfDay;

    fn try_from(text: String) -> Result<Self, NoTimeOfDay> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / MINUTES_OF_AN_HOUR, self.minute % MINUTES_OF_AN_HOUR)
    }
}

/// Hours in Japan's time: from the first moment of `from` until just before `to`.
///
/// Where `to` comes before `from` they go on past midnight, and belong to the day on which they began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// On which days. Absent: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<BTreeSet<Day>>,
    /// The first minute.
    pub from: TimeOfDay,
    /// The minute after the last.
    pub to: TimeOfDay,
}

impl Hours {
    /// Whether there is a minute in them. Equal ends could mean none or a whole day; no day ends before
    /// midnight of its own (`24:00` to anything).
    pub(crate) fn is_sound(&self) -> bool {
        let named = self.days.as_ref().is_none_or(|days| !days.is_empty());
        named && self.from != self.to && self.from.minute < MINUTES_OF_A_DAY
    }

    /// From one minute of a day to another, on these days; `None` where a day has no such minutes.
    pub(crate) fn between(from: i64, to: i64, days: BTreeSet<Day>) -> Option<Self> {
        let time = |minute: i64| {
            let minute = u16::try_from(minute).ok().filter(|minute| *minute <= MINUTES_OF_A_DAY)?;
            Some(TimeOfDay { minute })
        };
        let days = (days.len() < Day::ALL.len()).then_some(days);
        Some(Self { days, from: time(from)?, to: time(to)? })
    }

    /// Whether they are all hours of all days.
    pub(crate) fn is_any_time(&self) -> bool {
        let whole = self.from.minute == 0 && self.to.minute == MINUTES_OF_A_DAY;
        whole && self.days().count() == Day::ALL.len()
    }

    /// Whether they go on past midnight.
    pub(crate) fn wraps(&self) -> bool {
        self.to < self.from
    }

    /// The days on which they begin.
    pub fn days(&self) -> impl Iterator<Item = Day> + '_ {
        let named = self.days.as_ref();
        Day::ALL.into_iter().filter(move |day| named.is_none_or(|days| days.contains(day)))
    }
}

/// The day of the week, 0 for Monday, and the minute of the day, on a wall in Japan.
pub(crate) fn on_the_wall(at: OffsetDateTime) -> (i64, i64) {
    let there = at.to_offset(JAPAN);
    let minute = u16::from(there.hour()) * MINUTES_OF_AN_HOUR + u16::from(there.minute());
    (i64::from(there.weekday().number_days_from_monday()), i64::from(minute))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_of_day_is_written_one_way() {
        for text in ["00:00", "08:30", "23:59", "24:00"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for text in ["", "8:30", "08:60", "24:01", "0830", "+8:30", "08:3０", "08:30:00", "-1:00"]
        {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_wall_is_in_japan() {
        // 2026-11-23 is a Monday.
        assert_eq!(on_the_wall(datetime!(2026-11-22 14:59:59 UTC)), (6, 23 * 60 + 59));
        assert_eq!(on_the_wall(datetime!(2026-11-22 15:00 UTC)), (0, 0));
    }

    #[test]
    fn the_day_after_sunday_is_monday() {
        assert_eq!(Day::Sun.next(), Day::Mon);
        assert_eq!(Day::ALL.map(Day::number), [0, 1, 2, 3, 4, 5, 6]);
    }
}

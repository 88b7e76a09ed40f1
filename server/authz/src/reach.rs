//! What rules look at, so that whoever asks about many people asks once about all who are equal to them.
//!
//! Nothing is decided here. That people whom these attributes do not tell apart are decided alike, and
//! moments too, is held against decisions by tests.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime, macros::datetime};

use crate::{
    hours::{Day, Hours},
    rules::{Rules, Vocabulary},
};

const MINUTES_OF_A_DAY: i64 = 24 * 60;
const MINUTES_OF_A_WEEK: i64 = 7 * MINUTES_OF_A_DAY;
/// A Monday's first minute in Japan.
const MONDAY: OffsetDateTime = datetime!(2026-11-23 00:00 +9);

/// What some rules look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Whether any names kinds of facility.
    pub kinds: bool,
    /// Whether any names prefectures.
    pub prefectures: bool,
    /// The professional roles that they name.
    pub roles: BTreeSet<String>,
    /// The facilities that they name, by themselves or in a group.
    pub facilities: BTreeSet<String>,
    /// The levels that they ask for; `None` is the strongest.
    pub levels: BTreeSet<Option<String>>,
    /// Whether any opens in an emergency.
    pub emergency: bool,
}

impl Reach {
    /// Of several sets of rules together.
    #[must_use]
    pub fn of(sets: &[&Rules]) -> Self {
        let mut reach = Self::default();
        for set in sets {
            reach.facilities.extend(set.groups.values().flatten().cloned());
            for rule in &set.rules {
                reach.kinds |= rule.kinds.is_some();
                reach.prefectures |= rule.prefectures.is_some();
                reach.emergency |= rule.emergency;
                reach.levels.insert(rule.minimum_acr.clone());
                reach.roles.extend(rule.roles.iter().flatten().cloned());
                reach.facilities.extend(rule.facilities.iter().flatten().cloned());
            }
        }
        reach
    }

    /// The levels by which these rules tell logins apart: two of one number are decided alike, if all else
    /// about them is equal.
    #[must_use]
    pub fn strength(&self, acr: &str, vocabulary: &Vocabulary) -> usize {
        let Some(strength) = vocabulary.strength(acr) else { return 0 };
        let strongest = vocabulary.strongest();
        let asked = self.levels.iter().filter_map(|level| level.as_ref().or(strongest.as_ref()));
        asked.filter(|level| vocabulary.strength(level).is_some_and(|s| s <= strength)).count()
    }
}

/// A part of the week throughout which rules decide alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// One moment of it.
    pub at: OffsetDateTime,
    /// All of it.
    pub hours: Vec<Hours>,
}

impl Moment {
    /// The parts of the week that some rules tell apart; one of all hours where none names hours.
    #[must_use]
    pub fn all(sets: &[&Rules]) -> Vec<Self> {
        let named: Vec<&Hours> = sets
            .iter()
            .flat_map(|set| &set.rules)
            .flat_map(|rule| rule.hours.iter().flatten())
            .collect();
        // Cut at midnight too, so that each piece lies in one day.
        let mut cuts: BTreeSet<i64> = (0..7).map(|day| day * MINUTES_OF_A_DAY).collect();
        for hours in &named {
            for day in hours.days() {
                let midnight = day.number() * MINUTES_OF_A_DAY;
                let (from, to) = (i64::from(hours.from.minute()), i64::from(hours.to.minute()));
                let over = if hours.wraps() { MINUTES_OF_A_DAY } else { 0 };
                cuts.insert((midnight + from) % MINUTES_OF_A_WEEK);
                cuts.insert((midnight + to + over) % MINUTES_OF_A_WEEK);
            }
        }
        let ends = cuts.iter().skip(1).copied().chain([MINUTES_OF_A_WEEK]);
        let mut alike: BTreeMap<Vec<bool>, Vec<(i64, i64)>> = BTreeMap::new();
        for (from, to) in cuts.iter().copied().zip(ends) {
            let within = named.iter().map(|hours| holds(hours, from)).collect();
            alike.entry(within).or_default().push((from, to));
        }
        alike.into_values().filter_map(|pieces| Self::of(&pieces)).collect()
    }

    fn of(pieces: &[(i64, i64)]) -> Option<Self> {
        let (first, _) = pieces.first()?;
        let mut days: BTreeMap<(i64, i64), BTreeSet<Day>> = BTreeMap::new();
        for (from, to) in joined(pieces) {
            let day = *Day::ALL.get(usize::try_from(from / MINUTES_OF_A_DAY).ok()?)?;
            let midnight = day.number() * MINUTES_OF_A_DAY;
            days.entry((from - midnight, to - midnight)).or_default().insert(day);
        }
        let hours = days
            .into_iter()
            .filter_map(|((from, to), days)| Hours::between(from, to, days))
            .collect();
        Some(Self { at: MONDAY + Duration::minutes(*first), hours })
    }

    /// Whether it is the whole week.
    #[must_use]
    pub fn is_any_time(&self) -> bool {
        matches!(self.hours.as_slice(), [hours] if hours.is_any_time())
    }
}

/// Pieces that touch within a day, as one.
fn joined(pieces: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for &(from, to) in pieces {
        match joined.last_mut() {
            Some((_, end)) if *end == from && from % MINUTES_OF_A_DAY != 0 => *end = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Whether a minute of the week is one of these hours.
fn holds(hours: &Hours, minute: i64) -> bool {
    let (day, of_day) = (minute / MINUTES_OF_A_DAY, minute % MINUTES_OF_A_DAY);
    let (from, to) = (i64::from(hours.from.minute()), i64::from(hours.to.minute()));
    let on = |day: i64| hours.days().any(|named| named.number() == day);
    if hours.wraps() {
        (on(day) && of_day >= from) || (on((day + 6) % 7) && of_day < to)
    } else {
        on(day) && (from..to).contains(&of_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CompiledRules, Request, Rule};

    fn rules(json: &str) -> Rules {
        Rules::from_json(json).unwrap()
    }

    fn vocabulary() -> Vocabulary {
        Vocabulary { acr_levels: vec!["card".into()], ..Vocabulary::default() }
    }

    fn request(at: OffsetDateTime) -> Request {
        Request {
            person_id: "p".into(),
            roles: vec![],
            facility_id: "1".into(),
            facility_kind: "hospital".into(),
            facility_prefecture: "13".into(),
            member: true,
            acr: "card".into(),
            at,
            emergency: false,
            visiting: false,
            patient: false,
        }
    }

    #[test]
    fn what_rules_name_is_what_they_reach() {
        let one = rules(
            r#"{"rules":[{"id":"a","roles":["Medical Doctor"],"groups":["g"],"emergency":true}],
                "groups":{"g":["2"]}}"#,
        );
        let other = rules(r#"{"rules":[{"id":"b","kinds":["hospital"],"facilities":["3"]}]}"#);
        let reach = Reach::of(&[&one, &other]);
        assert!(reach.kinds && !reach.prefectures && reach.emergency);
        assert_eq!(reach.roles, BTreeSet::from(["Medical Doctor".to_owned()]));
        assert_eq!(reach.facilities, BTreeSet::from(["2".to_owned(), "3".to_owned()]));
        assert_eq!(Reach::of(&[]), Reach::default());
    }

    #[test]
    fn without_hours_the_week_is_one_moment() {
        let moments = Moment::all(&[&rules(r#"{"rules":[{"id":"a"}]}"#)]);
        assert_eq!(moments.len(), 1);
        assert!(moments[0].is_any_time(), "{moments:?}");
    }

    /// Every minute of the week, by decisions: within a moment they are those of its one asked minute.
    #[test]
    fn rules_decide_alike_throughout_a_moment_and_moments_make_up_the_week() {
        let set = rules(
            r#"{"rules":[
                {"id":"day","hours":[{"days":["mon","tue","fri"],"from":"08:30","to":"17:00"}]},
                {"id":"night","hours":[{"days":["sun","fri"],"from":"22:00","to":"06:00"}]},
                {"id":"late","hours":[{"from":"23:00","to":"24:00"}]}]}"#,
        );
        let each: Vec<CompiledRules> = set
            .rules
            .iter()
            .map(|rule: &Rule| {
                let alone = Rules { rules: vec![rule.clone()], ..Rules::default() };
                CompiledRules::compile(alone, &vocabulary()).unwrap()
            })
            .collect();
        let decided = |at: OffsetDateTime| -> Vec<bool> {
            each.iter().map(|rules| rules.decide(&request(at)).allowed).collect()
        };
        let moments = Moment::all(&[&set]);
        assert!((4..=8).contains(&moments.len()), "{moments:#?}");
        for minute in 0..MINUTES_OF_A_WEEK {
            let at = MONDAY + Duration::minutes(minute);
            let within: Vec<_> = moments
                .iter()
                .filter(|moment| moment.hours.iter().any(|hours| holds(hours, minute)))
                .collect();
            assert_eq!(within.len(), 1, "minute {minute}");
            // Decisions take their time: every tenth minute, and around each full half of an hour.
            if minute % 10 == 0 || matches!(minute % 30, 1 | 29) {
                assert_eq!(decided(at), decided(within[0].at), "minute {minute}");
            }
        }
    }
}

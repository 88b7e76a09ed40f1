//! What a change of a service's rules changes, and for whom: over all memberships in force, each way of
//! logging in and each part of the week.
//!
//! Memberships that the rules cannot tell apart are counted together in SQL, and each such group is
//! decided about once, by the code that decides when somebody knocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sekisho_authz::{Decision, Moment, Reach, Request, Rules, RulesError};
use sekisho_store::{
    Queries, Store, StoreError,
    offer::Offer,
    population::{self, By, Group},
};
use sekisho_wire::acr;
use tokio::sync::Semaphore;

use super::{Entitlements, Judge, authorising_roles, roles_at};
use crate::{emergency, login::vouching};

/// More decisions than are made for one page: some ten seconds of one processor, as estimated; nobody has
/// measured it at the size of the network.
const MOST_DECISIONS: usize = 200_000;
/// A comparison takes a processor for seconds.
static TURNS: Semaphore = Semaphore::const_new(1);
/// For so many rules [`MOST_DECISIONS`] is meant; more weigh more.
const USUAL_RULES: usize = 8;
/// A facility that no rule names.
const NOT_NAMED: &str = "0";

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum DifferenceError {
    /// The new rules cannot be used.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The rules tell too many groups of people apart.
    #[error("{0} decisions are more than are made at once")]
    TooMany(usize),
    /// The comparison ended before its answer.
    #[error("the comparison was broken off")]
    BrokenOff,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a change changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// All memberships in force.
    pub memberships: i64,
    /// The parts of the week that the rules tell apart, old and new together.
    pub moments: Vec<Moment>,
    /// For each level, the weakest first.
    pub levels: Vec<Level>,
    /// Groups for which something changes, those with the most memberships first.
    pub rows: Vec<Row>,
    /// Whether an emergency access opens anything, before or after.
    pub emergency: bool,
}

/// How many memberships a change concerns, if everybody logs in by this level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The level.
    pub acr: &'static str,
    /// Admitted at some time before.
    pub before: i64,
    /// Admitted at some time after.
    pub after: i64,
    /// How many each kind of change concerns, in the order of [`What::ALL`].
    pub changed: [i64; What::ALL.len()],
}

/// Memberships that are equal, with what changes for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The facilities, where the rules name them; all of one row are named alike.
    pub facilities: Vec<String>,
    /// Kind of the facility; empty where no rule names kinds.
    pub kind: String,
    /// Prefecture of the facility, two digits; empty where no rule names prefectures or there is none.
    pub prefecture: String,
    /// Of the roles that the rules name those that the people have.
    pub roles: BTreeSet<String>,
    /// How many memberships.
    pub memberships: i64,
    /// What changes.
    pub changes: Vec<Change>,
}

/// What changes for somebody who logs in by a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The level.
    pub acr: &'static str,
    /// What.
    pub what: What,
    /// When: places in [`Difference::moments`].
    pub moments: Vec<usize>,
}

/// What may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Admitted from then on.
    Gains,
    /// Admitted no longer.
    Loses,
    /// Admitted as before, and the service is told more of them.
    ToldMore,
    /// Admitted as before, and the service is told less of them.
    ToldLess,
    /// Admitted from then on in an emergency.
    GainsInEmergency,
    /// Admitted no longer in an emergency.
    LosesInEmergency,
}

impl What {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Gains,
        Self::Loses,
        Self::ToldMore,
        Self::ToldLess,
        Self::GainsInEmergency,
        Self::LosesInEmergency,
    ];

    /// Constant code, in message keys.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gains => "gains",
            Self::Loses => "loses",
            Self::ToldMore => "told-more",
            Self::ToldLess => "told-less",
            Self::GainsInEmergency => "gains-emergency",
            Self::LosesInEmergency => "loses-emergency",
        }
    }

    /// Between two decisions about the same request; `ordinary` are those without the emergency, for one
    /// with it.
    fn between(
        before: &Decision,
        after: &Decision,
        ordinary: Option<(&Decision, &Decision)>,
    ) -> Vec<Self> {
        if let Some((old, new)) = ordinary {
            // Who gains or loses anyway does so in an emergency too, and is told of once.
            return match (before.allowed, after.allowed) {
                (false, true) if !new.allowed => vec![Self::GainsInEmergency],
                (true, false) if !old.allowed => vec![Self::LosesInEmergency],
                _ => Vec::new(),
            };
        }
        match (before.allowed, after.allowed) {
            (false, true) => vec![Self::Gains],
            (true, false) => vec![Self::Loses],
            (false, false) => Vec::new(),
            (true, true) => [
                (Self::ToldMore, after.release.difference(&before.release).next()),
                (Self::ToldLess, before.release.difference(&after.release).next()),
            ]
            .into_iter()
            .filter_map(|(what, claim)| claim.map(|_| what))
            .collect(),
        }
    }
}

/// People whom the rules do not tell apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    /// Place among the named places; absent for a facility that is not named.
    place: Option<usize>,
    kind: String,
    prefecture: i64,
    roles: BTreeSet<String>,
    /// At which levels they may have an emergency access.
    fit: Vec<&'static str>,
}

/// Facilities that are named alike, each by all that names it.
#[derive(Debug, Default)]
struct Places(BTreeMap<BTreeSet<String>, Vec<String>>);

impl Places {
    /// Those that two sets of rules name, and the test facilities, where live services are closed.
    fn of(sets: &[&Rules], reach: &Reach, test_facilities: &BTreeSet<String>) -> Self {
        let mut places = Self::default();
        for id in reach.facilities.union(test_facilities) {
            let mut named = BTreeSet::new();
            if test_facilities.contains(id) {
                named.insert("test".to_owned());
            }
            for (number, set) in sets.iter().enumerate() {
                let groups = set.groups.iter().filter(|(_, members)| members.contains(id));
                named.extend(groups.map(|(name, _)| format!("{number} group {name}")));
                let listed = |facilities: &BTreeSet<String>| facilities.contains(id);
                let rules =
                    set.rules.iter().filter(|rule| rule.facilities.as_ref().is_some_and(listed));
                named.extend(rules.map(|rule| format!("{number} rule {}", rule.id)));
            }
            places.0.entry(named).or_default().push(id.clone());
        }
        places
    }

    fn each(&self) -> impl Iterator<Item = (usize, &Vec<String>)> {
        self.0.values().enumerate()
    }
}

/// Everybody, as far as the rules tell them apart.
struct Everybody {
    alike: BTreeMap<Alike, i64>,
    places: Places,
}

impl Everybody {
    async fn find(
        queries: &mut impl Queries,
        sets: &[&Rules],
        reach: &Reach,
        test_facilities: &BTreeSet<String>,
    ) -> Result<Self, StoreError> {
        let by = By {
            kind: reach.kinds,
            prefecture: reach.prefectures,
            // Who has no licence has no emergency access.
            roles: !reach.roles.is_empty() || reach.emergency,
        };
        let places = Places::of(sets, reach, test_facilities);
        let mut alike: BTreeMap<Alike, i64> = BTreeMap::new();
        for group in population::groups(queries, by).await? {
            *alike.entry(Alike::of(&group, None, reach)).or_default() += group.memberships;
        }
        // The few that are named are asked for one by one, and taken from the others.
        for (place, facilities) in places.each() {
            for facility in facilities {
                for group in population::groups_at(queries, facility, by).await? {
                    let elsewhere = alike.entry(Alike::of(&group, None, reach)).or_default();
                    *elsewhere = (*elsewhere - group.memberships).max(0);
                    let here = Alike::of(&group, Some(place), reach);
                    *alike.entry(here).or_default() += group.memberships;
                }
            }
        }
        alike.retain(|_, memberships| *memberships > 0);
        Ok(Self { alike, places })
    }
}

impl Alike {
    fn of(group: &Group, place: Option<usize>, reach: &Reach) -> Self {
        let own = authorising_roles(&group.roles);
        let may = |acr: &&str| reach.emergency && emergency::fit(&roles_at(acr, &own), acr).is_ok();
        Self {
            place,
            kind: group.kind.clone(),
            prefecture: group.prefecture,
            fit: acr::LEVELS.into_iter().filter(may).collect(),
            roles: own.into_iter().filter(|role| reach.roles.contains(role)).collect(),
        }
    }

    fn request(&self, facility: &str, acr: &str, moment: &Moment, emergency: bool) -> Request {
        let roles: Vec<String> = self.roles.iter().cloned().collect();
        Request {
            person_id: "anybody".to_owned(),
            roles: roles_at(acr, &roles),
            facility_id: facility.to_owned(),
            facility_kind: self.kind.clone(),
            facility_prefecture: prefecture_code(self.prefecture),
            member: true,
            acr: acr.to_owned(),
            at: moment.at,
            emergency,
            visiting: false,
            patient: false,
        }
    }
}

/// As rules write it; empty for none.
fn prefecture_code(number: i64) -> String {
    if number == 0 { String::new() } else { format!("{number:02}") }
}

/// The old rules, the new ones, and what both look at.
struct Comparison {
    entitlements: Arc<Entitlements>,
    before: Judge,
    after: Judge,
    reach: Reach,
    moments: Vec<Moment>,
    /// How many rules both have.
    rules: usize,
}

/// What a service's rules in force and those that might follow them make different.
///
/// # Errors
/// [`DifferenceError`].
pub async fn of(
    store: &Store,
    entitlements: &Arc<Entitlements>,
    offer: &Offer,
    after: &Rules,
) -> Result<Difference, DifferenceError> {
    // Rules that cannot be read admit nobody, as they do when somebody knocks.
    let before = offer.rules.as_deref().and_then(|json| Rules::from_json(json).ok());
    let before = before.unwrap_or_default();
    let sets = [&before, after];
    let comparison = Comparison {
        entitlements: Arc::clone(entitlements),
        before: entitlements.judge(offer),
        after: entitlements.judge_if(after.clone())?,
        reach: Reach::of(&sets),
        moments: Moment::all(&sets),
        rules: before.rules.len() + after.rules.len(),
    };
    let test_facilities = entitlements.sandbox().facilities();
    // One at a time in this process, counting in the database included: whoever asks again and again takes
    // one processor.
    let _turn = TURNS.acquire().await.map_err(|_| DifferenceError::BrokenOff)?;
    let mut reader = store.read();
    let everybody = Everybody::find(&mut reader, &sets, &comparison.reach, test_facilities).await?;
    // Many decisions: whoever else is served on this thread is not to wait for them.
    let counted = tokio::task::spawn_blocking(move || comparison.count(&everybody)).await;
    counted.map_err(|_| DifferenceError::BrokenOff)?
}

impl Comparison {
    fn count(&self, everybody: &Everybody) -> Result<Difference, DifferenceError> {
        let ways: BTreeSet<_> = acr::LEVELS.iter().map(|acr| self.way(acr)).collect();
        let emergencies = if self.reach.emergency { 2 } else { 1 };
        // A decision looks at each rule, and explains a refusal by each.
        let weight = self.rules.div_ceil(USUAL_RULES).max(1);
        let decisions =
            everybody.alike.len() * ways.len() * self.moments.len() * emergencies * 2 * weight;
        if decisions > MOST_DECISIONS {
            return Err(DifferenceError::TooMany(decisions));
        }
        let places: Vec<_> = everybody.places.0.values().collect();
        let mut difference = Difference {
            memberships: everybody.alike.values().sum(),
            moments: self.moments.clone(),
            levels: acr::LEVELS
                .map(|acr| Level { acr, before: 0, after: 0, changed: [0; What::ALL.len()] })
                .to_vec(),
            rows: Vec::new(),
            emergency: self.reach.emergency,
        };
        for (alike, &memberships) in &everybody.alike {
            let facilities = alike.place.and_then(|place| places.get(place).copied());
            let facilities = facilities.cloned().unwrap_or_default();
            let facility = facilities.first().map_or(NOT_NAMED, String::as_str);
            let mut changes = Vec::new();
            let mut decided = BTreeMap::new();
            for level in &mut difference.levels {
                let key = (self.way(level.acr), alike.fit.contains(&level.acr));
                let outcome =
                    decided.entry(key).or_insert_with(|| self.decide(alike, facility, level.acr));
                level.before += if outcome.before { memberships } else { 0 };
                level.after += if outcome.after { memberships } else { 0 };
                for (number, what) in What::ALL.into_iter().enumerate() {
                    if let Some(moments) = outcome.changes.get(&what) {
                        level.changed[number] += memberships;
                        changes.push(Change { acr: level.acr, what, moments: moments.clone() });
                    }
                }
            }
            if !changes.is_empty() {
                difference.rows.push(Row {
                    facilities,
                    kind: alike.kind.clone(),
                    prefecture: prefecture_code(alike.prefecture),
                    roles: alike.roles.clone(),
                    memberships,
                    changes,
                });
            }
        }
        difference.rows.sort_by_key(|row| std::cmp::Reverse(row.memberships));
        Ok(difference)
    }

    /// What a level comes to for these rules: how strong it is, and whether a profession goes with it.
    fn way(&self, acr: &str) -> (usize, bool) {
        let strength = self.reach.strength(acr, self.entitlements.vocabulary());
        (strength, vouching::names_profession(acr))
    }

    fn decide(&self, alike: &Alike, facility: &str, acr: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let both = |request: &Request| {
            let question = self.entitlements.question(request);
            let ask = |judge| self.entitlements.ask(judge, &question);
            (ask(&self.before), ask(&self.after))
        };
        for (number, moment) in self.moments.iter().enumerate() {
            let (before, after) = both(&alike.request(facility, acr, moment, false));
            let mut changed = What::between(&before, &after, None);
            if alike.fit.contains(&acr) {
                let (old, new) = both(&alike.request(facility, acr, moment, true));
                changed.extend(What::between(&old, &new, Some((&before, &after))));
            }
            outcome.before |= before.allowed;
            outcome.after |= after.allowed;
            for what in changed {
                outcome.changes.entry(what).or_default().push(number);
            }
        }
        outcome
    }
}

#[derive(Debug, Clone, Default)]
struct Outcome {
    before: bool,
    after: bool,
    changes: BTreeMap<What, Vec<usize>>,
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;

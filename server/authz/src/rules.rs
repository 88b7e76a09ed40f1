//! Rules as a person writes them, and the words they may use.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::hours::Hours;

/// The rules of one service: it is open to whom any one of them admits.
///
/// ```
/// let rules = sekisho_authz::Rules::from_json(r#"{
///   "rules": [{
///     "id": "physicians",
///     "roles": ["Medical Doctor"],
///     "kinds": ["hospital", "clinic"],
///     "release": ["name", "hc_role"]
///   }]
/// }"#)?;
/// assert!(rules.rules[0].membership, "membership is asked for unless a rule says otherwise");
/// # Ok::<(), sekisho_authz::RulesError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// In the order in which they are explained. None: nobody is admitted.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Named groups of facilities, by identifier, for the rules to refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

/// Admits those who fulfil every condition that it states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in explanations and in the audit trail: lower-case letters, digits and hyphens.
    pub id: String,
    /// At least one of these professional roles (hcRole, verbatim). Absent: any, even none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<String>>,
    /// The facility is of one of these kinds. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<BTreeSet<String>>,
    /// The facility is one of these, by identifier. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facilities: Option<BTreeSet<String>>,
    /// The facility is in one of these groups of [`Rules::groups`]. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<BTreeSet<String>>,
    /// The facility lies in one of these prefectures, by number (JIS X 0401, `01` to `47`). Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefectures: Option<BTreeSet<String>>,
    /// It is one of these hours of the week. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Vec<Hours>>,
    /// The person proved themself at least this strongly. Absent: as strongly as we know, so that a
    /// weaker way of logging in opens nothing that nobody opened to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_acr: Option<String>,
    /// The person must be a member of the facility. True unless said otherwise.
    #[serde(default = "yes")]
    pub membership: bool,
    /// Whether the service opens to an emergency access: the rule then admits also where membership,
    /// prefecture or hours do not fit. False unless said otherwise.
    #[serde(default, skip_serializing_if = "is_false")]
    pub emergency: bool,
    /// The rule is for patients, who ask for themselves, and for nobody else. They are members nowhere, so
    /// `membership` is not asked. False unless said otherwise: the rule is for people at a facility.
    #[serde(default, skip_serializing_if = "is_false")]
    pub patients: bool,
    /// Claims that the service may be told about somebody admitted by this rule.
    #[serde(default)]
    pub release: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

// As serde calls it.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

/// The words of an instance. A rule that uses another word does not compile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Known professional roles, verbatim.
    pub roles: BTreeSet<String>,
    /// Kinds of organisation, as tokens.
    pub kinds: BTreeSet<String>,
    /// Levels of authentication, weakest first.
    pub acr_levels: Vec<String>,
    /// Claims that may be released at all.
    pub claims: BTreeSet<String>,
}

impl Vocabulary {
    /// Strength of a level, 1 the weakest; `None` for a level that is not ours.
    #[must_use]
    pub fn strength(&self, acr: &str) -> Option<i64> {
        let position = self.acr_levels.iter().position(|level| level == acr)?;
        i64::try_from(position + 1).ok()
    }

    /// The strongest level.
    pub(crate) fn strongest(&self) -> Option<String> {
        self.acr_levels.last().cloned()
    }
}

/// Why rules are refused. They never come into force, not even in part.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not the JSON described at [`Rules`].
    #[error("the rules are malformed")]
    Malformed(#[source] serde_json::Error),
    /// More than this crate is willing to hold.
    #[error("{what}: {actual}, more than the {limit} allowed")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A name that cannot be shown or referred to.
    #[error("the {what} {name:?} is empty, too long or has characters that are not allowed")]
    UnfitName {
        /// What it names.
        what: &'static str,
        /// The name, shortened.
        name: String,
    },
    /// Two rules answer to one name.
    #[error("two rules are named {0:?}")]
    NameTwice(String),
    /// A condition that nobody can fulfil; leave it out to ask for nothing.
    #[error("rule {rule:?}: {what} is an empty list; leave it out to accept any")]
    Empty {
        /// The rule.
        rule: String,
        /// The condition.
        what: &'static str,
    },
    /// A word outside the vocabulary.
    #[error("rule {rule:?}: {word:?} is not a known {what}")]
    Unknown {
        /// The rule.
        rule: String,
        /// What kind of word.
        what: &'static str,
        /// The word, shortened.
        word: String,
    },
    /// Hours in which nobody could be admitted, or that do not say on which of two days they end.
    #[error(
        "rule {rule:?}: the hours from {from} to {to} on {days} days are none; write from 00:00 to 24:00 for whole days"
    )]
    NoHours {
        /// The rule.
        rule: String,
        /// As written.
        from: String,
        /// As written.
        to: String,
        /// How many days are named.
        days: usize,
    },
    /// A rule for patients asks for what no patient has.
    #[error(
        "rule {rule:?}: patients have no {what}; leave it out, or write a rule of its own for them"
    )]
    OfNoPatient {
        /// The rule.
        rule: String,
        /// The condition.
        what: &'static str,
    },
    /// The policy set does not satisfy its schema: a fault of this crate.
    #[error("the rules do not compile: {0}")]
    Compilation(String),
}

pub(crate) fn compilation(fault: impl std::fmt::Display) -> RulesError {
    RulesError::Compilation(fault.to_string())
}

impl Rules {
    /// More rules than a person can keep in mind.
    pub const MOST_RULES: usize = 64;
    /// Entries of one list.
    pub const MOST_ENTRIES: usize = 10_000;
    /// Hours of one rule: two a day of the week.
    pub const MOST_HOURS: usize = 14;

    /// Reads the JSON form. Unknown members are refused.
    ///
    /// # Errors
    /// [`RulesError::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, RulesError> {
        serde_json::from_str(text).map_err(RulesError::Malformed)
    }

    /// Checks everything that can be checked without compiling.
    ///
    /// # Errors
    /// [`RulesError`], the first fault found.
    pub fn check(&self, vocabulary: &Vocabulary) -> Result<(), RulesError> {
        at_most("rules", self.rules.len(), Self::MOST_RULES)?;
        at_most("groups", self.groups.len(), Self::MOST_RULES)?;
        for (group, members) in &self.groups {
            if group.is_empty() || group.len() > 128 || group.chars().any(char::is_control) {
                return Err(unfit("group", group));
            }
            at_most("members of a group", members.len(), Self::MOST_ENTRIES)?;
            members.iter().try_for_each(|id| facility(id))?;
        }
        let listed = self.rules.iter().filter_map(|rule| rule.facilities.as_ref());
        let named = listed.chain(self.groups.values()).map(BTreeSet::len).sum();
        at_most("facilities in all rules and groups", named, Self::MOST_ENTRIES)?;
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            rule.check(vocabulary, &self.groups)?;
            if !names.insert(&rule.id) {
                return Err(RulesError::NameTwice(rule.id.clone()));
            }
        }
        Ok(())
    }

    /// The groups that a facility is in.
    pub(crate) fn groups_of(&self, facility_id: &str) -> impl Iterator<Item = &str> {
        self.groups
            .iter()
            .filter(move |(_, members)| members.contains(facility_id))
            .map(|(name, _)| name.as_str())
    }
}

impl Rule {
    fn check(
        &self,
        vocabulary: &Vocabulary,
        groups: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<(), RulesError> {
        let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(fit) {
            return Err(unfit("rule", &self.id));
        }
        self.list("roles", "role", self.roles.as_ref(), |role| vocabulary.roles.contains(role))?;
        self.list("kinds", "kind", self.kinds.as_ref(), |kind| vocabulary.kinds.contains(kind))?;
        self.list("groups", "group", self.groups.as_ref(), |group| groups.contains_key(group))?;
        self.list("facilities", "facility", self.facilities.as_ref(), |id| facility(id).is_ok())?;
        self.list("prefectures", "prefecture", self.prefectures.as_ref(), is_prefecture)?;
        self.check_hours()?;
        self.check_patients()?;
        if let Some(acr) = &self.minimum_acr
            && vocabulary.strength(acr).is_none()
        {
            return Err(self.unknown("acr", acr));
        }
        match self.release.iter().find(|&claim| !vocabulary.claims.contains(claim)) {
            Some(claim) => Err(self.unknown("claim", claim)),
            None => Ok(()),
        }
    }

    fn check_hours(&self) -> Result<(), RulesError> {
        let Some(hours) = &self.hours else { return Ok(()) };
        at_most("hours", hours.len(), Rules::MOST_HOURS)?;
        if hours.is_empty() {
            return Err(RulesError::Empty { rule: self.id.clone(), what: "hours" });
        }
        match hours.iter().find(|hours| !hours.is_sound()) {
            Some(none) => Err(RulesError::NoHours {
                rule: self.id.clone(),
                from: none.from.to_string(),
                to: none.to.to_string(),
                days: none.days.as_ref().map_or(7, BTreeSet::len),
            }),
            None => Ok(()),
        }
    }

    /// Who asks for themselves has no licence that counts, no facility and no emergency of another's.
    fn check_patients(&self) -> Result<(), RulesError> {
        let stated = [
            ("roles", self.roles.is_some()),
            ("kinds", self.kinds.is_some()),
            ("facilities", self.facilities.is_some()),
            ("groups", self.groups.is_some()),
            ("prefectures", self.prefectures.is_some()),
            ("emergency", self.emergency),
        ];
        match stated.into_iter().find(|(_, is_stated)| self.patients && *is_stated) {
            Some((what, _)) => Err(RulesError::OfNoPatient { rule: self.id.clone(), what }),
            None => Ok(()),
        }
    }

    fn list(
        &self,
        field: &'static str,
        what: &'static str,
        list: Option<&BTreeSet<String>>,
        known: impl Fn(&str) -> bool,
    ) -> Result<(), RulesError> {
        let Some(list) = list else { return Ok(()) };
        at_most(field, list.len(), Rules::MOST_ENTRIES)?;
        if list.is_empty() {
            return Err(RulesError::Empty { rule: self.id.clone(), what: field });
        }
        match list.iter().find(|&word| !known(word)) {
            Some(word) => Err(self.unknown(what, word)),
            None => Ok(()),
        }
    }

    fn unknown(&self, what: &'static str, word: &str) -> RulesError {
        RulesError::Unknown { rule: self.id.clone(), what, word: shorten(word) }
    }
}

fn at_most(what: &'static str, actual: usize, limit: usize) -> Result<(), RulesError> {
    if actual > limit {
        return Err(RulesError::TooMany { what, actual, limit });
    }
    Ok(())
}

/// A number of JIS X 0401 with its leading zero, so that there is one way to write it.
fn is_prefecture(code: &str) -> bool {
    matches!(code.parse::<u8>(), Ok(number @ 1..=47) if format!("{number:02}") == code)
}

fn facility(id: &str) -> Result<(), RulesError> {
    if id.is_empty() || id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(unfit("facility", id));
    }
    Ok(())
}

fn unfit(what: &'static str, name: &str) -> RulesError {
    RulesError::UnfitName { what, name: shorten(name) }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

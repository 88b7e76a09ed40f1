//! What was decided, and why, in a form that a catalogue of messages can put into words.

use std::collections::BTreeSet;

use crate::{condition::Condition, hours::Hours, rules::Rule};

/// The answer to a request. It always names a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the person may use the service.
    pub allowed: bool,
    /// The rule that admitted the person, or the one that came nearest to it; one of the
    /// constants here when there was none to look at.
    pub rule: String,
    /// Constant code of what decided: `admitted`, `emergency`, a condition's code, `no-rules`, `unusable`,
    /// `not-live`, `test-facility`, `visiting`.
    pub code: &'static str,
    /// Why, in one sentence.
    pub reason: Message,
    /// What would help; for somebody admitted, nothing needs to.
    pub help: Option<Message>,
    /// What else the rule asks for in vain, in the order of explanation, and what would help there: who
    /// is told of the first only would go for it and be refused again. Without what another login where
    /// the person is would bring about.
    pub besides: Vec<Besides>,
    /// Claims that the service may be told. Empty unless allowed.
    pub release: BTreeSet<String>,
    /// Whether only the emergency access admits: no rule would without it.
    pub by_emergency: bool,
    /// Whether an emergency access would admit who is refused.
    pub emergency_would_help: bool,
}

/// A further condition that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Besides {
    /// Its code.
    pub code: &'static str,
    /// Why, in one sentence.
    pub reason: Message,
    /// What would help.
    pub help: Message,
}

/// A key of the message catalogue with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Key.
    pub key: &'static str,
    /// Arguments, for the catalogue to translate.
    pub args: Vec<Argument>,
}

/// One argument of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name in the message.
    pub name: &'static str,
    /// What it holds, still untranslated.
    pub values: Values,
}

/// What an argument holds: words of the vocabulary, so that each language can name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Professional roles, verbatim.
    Roles(Vec<String>),
    /// Kinds of organisation, as tokens.
    Kinds(Vec<String>),
    /// Names of groups.
    Groups(Vec<String>),
    /// A level of authentication (`acr`).
    Level(String),
    /// Numbers of prefectures.
    Prefectures(Vec<String>),
    /// Hours of the week.
    Hours(Vec<Hours>),
    /// Patients, or else people at a facility.
    Patients(bool),
}

impl Decision {
    /// Stands for a rule where the service has none.
    pub const DEFAULT_DENY: &'static str = "default-deny";

    pub(crate) fn admitted(rule: &Rule, by_emergency: bool) -> Self {
        Self {
            by_emergency,
            emergency_would_help: false,
            allowed: true,
            rule: rule.id.clone(),
            code: if by_emergency { "emergency" } else { "admitted" },
            reason: Message {
                key: if by_emergency { "authz-reason-emergency" } else { "authz-reason-admitted" },
                args: Vec::new(),
            },
            help: None,
            besides: Vec::new(),
            release: rule.release.clone(),
        }
    }

    /// Refused by `rule` for `first`, and for `others` besides.
    pub(crate) fn failed(rule: &Rule, first: Condition, others: &[Condition]) -> Self {
        let explained = |condition: Condition| {
            let args = arguments(rule, condition);
            Besides {
                code: condition.code(),
                reason: Message { key: condition.reason_key(), args: args.clone() },
                help: Message { key: condition.help_key(), args },
            }
        };
        let Besides { code, reason, help } = explained(first);
        let others = others.iter().filter(|other| !other.is_met_by_login());
        Self {
            allowed: false,
            rule: rule.id.clone(),
            code,
            reason,
            help: Some(help),
            besides: others.map(|other| explained(*other)).collect(),
            release: BTreeSet::new(),
            by_emergency: false,
            emergency_would_help: false,
        }
    }

    /// The level that is lacking, where nothing else is: what another login where the person is mends.
    #[must_use]
    pub fn level_lacking(&self) -> Option<&str> {
        let level = self.reason.args.iter().find_map(|argument| match &argument.values {
            Values::Level(level) => Some(level.as_str()),
            _ => None,
        });
        level.filter(|_| !self.allowed && self.besides.is_empty())
    }

    /// The service has no rules yet: nobody is admitted.
    #[must_use]
    pub fn no_rules() -> Self {
        Self::closed("no-rules", "authz-reason-no-rules", "authz-help-no-rules")
    }

    /// The rules cannot be used, so nobody is admitted.
    #[must_use]
    pub fn unusable() -> Self {
        Self::closed("unusable", "authz-reason-unusable", "authz-help-unusable")
    }

    /// The service is in the sandbox, and this is no test facility.
    #[must_use]
    pub fn not_live() -> Self {
        Self::closed("not-live", "authz-reason-not-live", "authz-help-not-live")
    }

    /// The service is live, and this is a test facility.
    #[must_use]
    pub fn test_facility() -> Self {
        Self::closed("test-facility", "authz-reason-test-facility", "authz-help-test-facility")
    }

    /// The person is at the facility for an emergency alone, and this is not open by one that is in force.
    #[must_use]
    pub fn visiting() -> Self {
        Self::closed("visiting", "authz-reason-visiting", "authz-help-visiting")
    }

    fn closed(code: &'static str, reason: &'static str, help: &'static str) -> Self {
        let message = |key| Message { key, args: Vec::new() };
        Self {
            allowed: false,
            rule: Self::DEFAULT_DENY.to_owned(),
            code,
            reason: message(reason),
            help: Some(message(help)),
            besides: Vec::new(),
            release: BTreeSet::new(),
            by_emergency: false,
            emergency_would_help: false,
        }
    }
}

/// What the sentence about a failed condition has to name. Single facilities are not named: who
/// else uses a service is nobody's business.
fn arguments(rule: &Rule, condition: Condition) -> Vec<Argument> {
    let list = |set: &Option<BTreeSet<String>>| set.iter().flatten().cloned().collect();
    let argument = |name, values| vec![Argument { name, values }];
    match condition {
        Condition::Person => argument("who", Values::Patients(rule.patients)),
        Condition::Kind => argument("kinds", Values::Kinds(list(&rule.kinds))),
        Condition::Group => argument("groups", Values::Groups(list(&rule.groups))),
        Condition::Role => argument("roles", Values::Roles(list(&rule.roles))),
        Condition::Level => {
            argument("level", Values::Level(rule.minimum_acr.clone().unwrap_or_default()))
        }
        Condition::Prefecture => {
            argument("prefectures", Values::Prefectures(list(&rule.prefectures)))
        }
        Condition::Hours => {
            argument("hours", Values::Hours(rule.hours.clone().unwrap_or_default()))
        }
        Condition::Facility | Condition::Membership => Vec::new(),
    }
}

//! Who may use which service: rules as data, a decision, and the reason in words.
//!
//! [`Rules`] are what a service owner writes and an administrator reads. They are checked against
//! the instance's [`Vocabulary`] and compiled into one Cedar policy set per service
//! ([`CompiledRules`]); the time of a decision does not grow with the number of services.
//!
//! A [`Decision`] always names a rule. When it refuses, it also says which condition failed and
//! what would help, as message keys with arguments: the words belong to the caller's catalogue.
//! Whatever is absent, unknown or does not compile refuses.
//!
//! This crate knows neither HTTP nor SQL nor the clock, and leans on nothing of ours.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cache;
mod clause;
mod compiled;
mod condition;
mod decision;
mod hours;
mod question;
mod reach;
mod rules;

pub use cache::Cache;
pub use compiled::{CompiledRules, decide};
pub use condition::Condition;
pub use decision::{Argument, Besides, Decision, Message, Values};
pub use hours::{Day, Hours, TimeOfDay};
pub use question::Question;
pub use reach::{Moment, Reach};
pub use rules::{Rule, Rules, RulesError, Vocabulary};

/// What is known about somebody who wants to use a service.
///
/// Every field comes from something proven in this connection or from the register, never from
/// the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Our identifier of the person.
    pub person_id: String,
    /// Professional roles from the card, verbatim. Those outside the vocabulary authorise nothing.
    pub roles: Vec<String>,
    /// Identifier of the facility whose terminal this is.
    pub facility_id: String,
    /// The facility's kind, a token.
    pub facility_kind: String,
    /// Number of the facility's prefecture (JIS X 0401), two digits; empty where the register has none, and
    /// then no rule that names prefectures is fulfilled.
    pub facility_prefecture: String,
    /// Whether the person is a member of that facility now.
    pub member: bool,
    /// How the person proved themself (`acr`, OIDC Core §2). An unknown value counts as none.
    pub acr: String,
    /// When.
    pub at: time::OffsetDateTime,
    /// Whether an emergency access of this person is in force here. Only rules that say so open to it.
    pub emergency: bool,
    /// Whether they are at this facility for an emergency alone: then nothing but an emergency access that is in
    /// force opens anything, not even what is open to anybody.
    pub visiting: bool,
    /// Whether they ask as a patient, for themselves. A patient has no facility: what is said of one here is
    /// looked at by no rule that is for patients, and no other rule is for them.
    pub patient: bool,
}

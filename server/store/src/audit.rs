//! The audit trail: what happened, written in the transaction of the change.
//!
//! A record's canonical octets are JSON with sorted member names and only strings, whole numbers,
//! lists and objects (a subset of RFC 8785), so that anybody can rebuild and hash them. Personal
//! fields stand apart: the canonical form holds a salted commitment to each, so erasing salt and
//! value later leaves every hash verifiable. One sequencer per node chains the records within a
//! second and has checkpoints signed; no writer waits for the head of the chain.

mod append;
mod canonical;
mod kept;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value as Json;
use time::OffsetDateTime;

pub(crate) use append::append;
pub use canonical::{commitment, leaf_hash, link_hash};
pub use kept::{
    Checkpoint, Columns, Head, PersonalField, Record, chain, checkpoints, link_at, list, nodes,
    personal,
};

/// A value together with the audit records that must be committed with it.
#[derive(Debug)]
#[must_use = "nothing is committed until this is returned from the transaction"]
pub struct Audited<T> {
    value: T,
    entries: Vec<Entry>,
}

impl<T> Audited<T> {
    /// The result of a change and the record that tells of it.
    pub fn new(value: T, entry: Entry) -> Self {
        Self { value, entries: vec![entry] }
    }

    /// Adds a second record to the same commit.
    pub fn and(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// The result.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Keeps the records, changes the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Audited<U> {
        Audited { value: f(self.value), entries: self.entries }
    }

    pub(crate) fn into_parts(self) -> (T, Vec<Entry>) {
        (self.value, self.entries)
    }
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The service itself: scheduled work.
    System,
    /// A person, by identifier.
    Person(String),
    /// A terminal, by its certificate or enrolment code.
    Terminal(String),
    /// A relying service, by `client_id`.
    Service(String),
    /// Somebody at a command line of the server's own machine.
    Operator {
        /// The system's user, as the kernel knows it.
        user: String,
        /// Name of the machine.
        host: String,
    },
    /// Nobody we know: an applicant, a caller without credentials.
    Stranger,
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Person(_) => "person",
            Self::Terminal(_) => "terminal",
            Self::Service(_) => "service",
            Self::Operator { .. } => "operator",
            Self::Stranger => "stranger",
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Person(id) | Self::Terminal(id) | Self::Service(id) => Some(id),
            Self::Operator { user, .. } => Some(user),
            Self::System | Self::Stranger => None,
        }
    }
}

impl Actor {
    /// In which capacity this actor acts where no office permits it: a person in their own name, as
    /// the card's holder or the account's; a terminal and a service by their own keys.
    const fn own_role(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Person(_) => "person",
            Self::Terminal(_) => "terminal",
            Self::Service(_) => "relying_service",
            Self::Operator { .. } => "operator_at_host",
            Self::Stranger => "stranger",
        }
    }
}

/// One record to be written: who did what to whom, in which role, from where.
///
/// Each names a role: the office by [`Entry::in_role`], else the actor's own capacity. Each names a
/// place: an address or a terminal, the machine for an operator, the node for the service itself.
#[derive(Clone, Debug)]
pub struct Entry {
    act: &'static str,
    refused: Option<String>,
    at: OffsetDateTime,
    actor: Actor,
    role: Option<String>,
    organisation_id: Option<String>,
    address: Option<String>,
    terminal_id: Option<String>,
    objects: BTreeMap<&'static str, String>,
    facts: BTreeMap<&'static str, Json>,
    personal: BTreeMap<&'static str, String>,
}

impl Entry {
    /// An act that was carried out. `act` is a dotted constant such as `terminal.create`.
    #[must_use]
    pub fn done(act: &'static str, actor: Actor, at: OffsetDateTime) -> Self {
        Self {
            act,
            refused: None,
            at,
            actor,
            role: None,
            organisation_id: None,
            address: None,
            terminal_id: None,
            objects: BTreeMap::new(),
            facts: BTreeMap::new(),
            personal: BTreeMap::new(),
        }
    }

    /// An act that was refused; `reason` is a constant code, not text for people.
    #[must_use]
    pub fn refused(
        act: &'static str,
        actor: Actor,
        at: OffsetDateTime,
        reason: impl Into<String>,
    ) -> Self {
        Self { refused: Some(reason.into()), ..Self::done(act, actor, at) }
    }

    fn outcome(&self) -> &'static str {
        if self.refused.is_some() { "refused" } else { "done" }
    }

    /// The office that permitted the act, where it was not the actor's own capacity.
    #[must_use]
    pub fn in_role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// The organisation whose auditors and administrators may see this record.
    #[must_use]
    pub fn at_organisation(mut self, id: impl Into<String>) -> Self {
        self.organisation_id = Some(id.into());
        self
    }

    /// Network address the act came from.
    #[must_use]
    pub fn from_address(mut self, address: impl ToString) -> Self {
        self.address = Some(address.to_string());
        self
    }

    /// Terminal the act came from, as proven by its certificate.
    #[must_use]
    pub fn from_terminal(mut self, id: impl Into<String>) -> Self {
        self.terminal_id = Some(id.into());
        self
    }

    /// What was acted upon, by kind and identifier.
    #[must_use]
    pub fn on(mut self, kind: &'static str, id: impl Into<String>) -> Self {
        self.objects.insert(kind, id.into());
        self
    }

    /// Certificates that ended by the act, each by its issuer and serial number. One is what was acted upon; of several,
    /// which one kind of object cannot name, a fact has all.
    #[must_use]
    pub fn ending(self, certificates: &[(String, Vec<u8>)]) -> Self {
        let name = |(issuer_id, serial): &(String, Vec<u8>)| {
            format!("{issuer_id}:{}", hex::encode(serial))
        };
        match certificates {
            [] => self,
            [one] => self.on("certificate", name(one)),
            many => self
                .fact("certificates", many.len())
                .fact("ended", many.iter().map(name).collect::<Vec<_>>().join(" ")),
        }
    }

    /// A fact that names no person. Text or whole number.
    #[must_use]
    pub fn fact(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.facts.insert(name, value.into());
        self
    }

    /// A personal field, stored apart and committed to.
    #[must_use]
    pub fn personal(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.personal.insert(name, value.into());
        self
    }
}

impl Entry {
    fn role(&self) -> &str {
        self.role.as_deref().unwrap_or(self.actor.own_role())
    }

    fn host(&self) -> Option<&str> {
        match &self.actor {
            Actor::Operator { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Whether the record says from where; the node, which every record names, is the place of the
    /// service itself and of nobody else.
    fn is_placed(&self) -> bool {
        self.address.is_some()
            || self.terminal_id.is_some()
            || matches!(self.actor, Actor::System | Actor::Operator { .. })
    }
}

//! The audit trail: what happened, written in the transaction of the change.
//!
//! A record's canonical octets are JSON with sorted member names and only strings, whole numbers,
//! lists and objects (a subset of RFC 8785), so that anybody can rebuild and hash them. Personal
//! fields stand apart: the canonical form holds a salted commitment to each, so erasing salt and
//! value later leaves every hash verifiable. One sequencer per node chains the records within a
//! second and has checkpoints signed; no writer waits for the head of the chain.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Queries, StoreError, Tx,
    db::{sql, sql_rows},
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

/// Commitment to a personal field: SHA-256 over domain tag, salt, field and value, length-framed.
#[must_use]
pub fn commitment(salt: &[u8], field: &str, value: &str) -> [u8; 32] {
    framed_hash(sekisho_wire::domain::AUDIT_PERSONAL, &[salt, field.as_bytes(), value.as_bytes()])
}

/// Hash of a record: SHA-256 over domain tag and canonical octets, length-framed.
#[must_use]
pub fn leaf_hash(canonical: &[u8]) -> [u8; 32] {
    framed_hash(sekisho_wire::domain::AUDIT_LEAF, &[canonical])
}

/// Link of a node's chain: previous link (zeros before the first), position and leaf.
#[must_use]
pub fn link_hash(previous: &[u8; 32], node: &str, seq: i64, leaf: &[u8]) -> [u8; 32] {
    framed_hash(
        sekisho_wire::domain::AUDIT_LINK,
        &[previous, node.as_bytes(), &seq.to_be_bytes(), leaf],
    )
}

fn framed_hash(tag: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&tag).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// JSON text with members sorted by name, whatever order the map type keeps.
fn canonical(value: &Json) -> String {
    let mut text = String::with_capacity(512);
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Json, text: &mut String) {
    match value {
        Json::Object(members) => {
            let mut members: Vec<(&String, &Json)> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                text.push_str(&Json::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Rows of one statement; more records take another one.
const MOST_ROWS: usize = 64;

/// Inserts the records, which no change commits without. One that does not say from where is a
/// defect of whoever wrote it, and its change is not committed either.
pub(crate) async fn append(tx: &mut Tx, node: &str, entries: &[Entry]) -> Result<(), StoreError> {
    if let Some(entry) = entries.iter().find(|entry| !entry.is_placed()) {
        return Err(StoreError::Unplaced { act: entry.act });
    }
    for entries in entries.chunks(MOST_ROWS) {
        let rows: Vec<Row<'_>> = entries.iter().map(|entry| Row::of(node, entry)).collect();
        let mut insert = sql_rows(
            "INSERT INTO audit_record (id, node, at, act, outcome, actor_kind, actor_id,
                 organisation_id, canonical, leaf_hash)
             VALUES ",
            rows.len(),
            10,
            "",
        );
        let mut personal = Vec::new();
        for (row, entry) in rows.into_iter().zip(entries) {
            insert = insert
                .bind(&row.id)
                .bind(node)
                .bind(entry.at)
                .bind(entry.act)
                .bind(entry.outcome())
                .bind(entry.actor.kind())
                .bind(entry.actor.id())
                .bind(entry.organisation_id.as_ref())
                .bind(row.canonical)
                .bind(row.leaf);
            personal.extend(row.personal.into_iter().map(|field| (row.id.clone(), field)));
        }
        tx.execute(insert).await?;
        for (id, (field, salt, value)) in personal {
            tx.execute(
                sql("INSERT INTO audit_personal (record_id, field, salt, value) VALUES ($1, $2, $3, $4)")
                    .bind(id)
                    .bind(field)
                    .bind(salt)
                    .bind(value),
            )
            .await?;
        }
    }
    Ok(())
}

/// A record as it is kept.
struct Row<'a> {
    id: String,
    canonical: Vec<u8>,
    leaf: [u8; 32],
    /// Field, salt, value.
    personal: Vec<(&'static str, Vec<u8>, &'a str)>,
}

impl<'a> Row<'a> {
    fn of(node: &str, entry: &'a Entry) -> Self {
        let id = Uuid::now_v7().to_string();
        let mut commitments = BTreeMap::new();
        let mut personal = Vec::new();
        for (field, value) in &entry.personal {
            // Two version 4 UUIDs: 244 random bits, far beyond guessing a name or an address.
            let salt = [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat();
            commitments.insert(*field, hex::encode(commitment(&salt, field, value)));
            personal.push((*field, salt, value.as_str()));
        }
        let mut form = json!({
            "v": 1,
            "id": id,
            "node": node,
            "at": entry.at.unix_timestamp(),
            "act": entry.act,
            "outcome": entry.outcome(),
            "actor": { "kind": entry.actor.kind() },
            "role": entry.role(),
            "on": entry.objects,
            "facts": entry.facts,
            "personal": commitments,
        });
        let optional = [
            ("reason", entry.refused.as_deref()),
            ("organisation", entry.organisation_id.as_deref()),
            ("address", entry.address.as_deref()),
            ("terminal", entry.terminal_id.as_deref()),
            ("host", entry.host()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                form[name] = value.into();
            }
        }
        if let Some(actor_id) = entry.actor.id() {
            form["actor"]["id"] = actor_id.into();
        }
        let canonical = canonical(&form).into_bytes();
        let leaf = leaf_hash(&canonical);
        Self { id, canonical, leaf, personal }
    }
}

/// A stored record with what it commits to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Record {
    /// UUIDv7.
    pub id: String,
    /// Process that wrote it.
    pub node: String,
    /// Position in its node's chain; absent for at most about a second.
    pub seq: Option<i64>,
    /// The canonical octets.
    pub canonical: Vec<u8>,
    /// Hash of the canonical octets, as stored.
    pub leaf_hash: Vec<u8>,
    /// Link of the chain, as stored.
    pub link_hash: Option<Vec<u8>>,
    /// What lists filter by: repeats what the canonical octets say.
    #[sqlx(flatten)]
    pub columns: Columns,
}

/// The columns beside a record's canonical octets, which repeat members of theirs.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Columns {
    /// When, in Unix seconds.
    pub at: i64,
    /// What.
    pub act: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// What kind of actor.
    pub actor_kind: String,
    /// Which one.
    pub actor_id: Option<String>,
    /// Whose administrators and auditors may see it.
    pub organisation_id: Option<String>,
}

/// A personal field of a record; without salt and value after erasure.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct PersonalField {
    /// The record it belongs to.
    pub record_id: String,
    /// Name of the field.
    pub field: String,
    /// Salt of the commitment.
    pub salt: Option<Vec<u8>>,
    /// The value.
    pub value: Option<String>,
}

/// A signed head of a node's chain.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Checkpoint {
    /// Process whose chain it is.
    pub node: String,
    /// Position of the link it signs.
    pub seq: i64,
    /// Compact JWS, `typ` [`sekisho_wire::typ::AUDIT_CHECKPOINT`].
    pub jws: String,
}

/// Records after `after` (exclusive, by identifier, which is by time), oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn list(
    queries: &mut impl Queries,
    after: &str,
    organisation_id: Option<&str>,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                     r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
                 FROM audit_record r LEFT JOIN audit_link l ON l.record_id = r.id
                 WHERE r.id > $1 AND (CAST($2 AS TEXT) IS NULL OR r.organisation_id = $2) ORDER BY r.id LIMIT $3")
            .bind(after)
            .bind(organisation_id)
            .bind(limit),
        )
        .await
}

/// The personal fields of one record.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn personal(
    queries: &mut impl Queries,
    record_id: &str,
) -> Result<Vec<PersonalField>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT record_id, field, salt, value FROM audit_personal WHERE record_id = $1 ORDER BY field")
                .bind(record_id),
        )
        .await
}

/// All checkpoints of a node, oldest first.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn checkpoints(
    queries: &mut impl Queries,
    node: &str,
) -> Result<Vec<Checkpoint>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT node, seq, jws FROM audit_checkpoint WHERE node = $1 ORDER BY seq")
                .bind(node),
        )
        .await
}

/// Records of a node in the order of its chain, from position `from` on.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn chain(
    queries: &mut impl Queries,
    node: &str,
    from: i64,
    limit: i64,
) -> Result<Vec<Record>, StoreError> {
    queries
        .fetch_all(
            sql("SELECT r.id, r.node, l.seq, r.canonical, r.leaf_hash, l.link_hash,
                     r.at, r.act, r.outcome, r.actor_kind, r.actor_id, r.organisation_id
                 FROM audit_link l JOIN audit_record r ON r.id = l.record_id
                 WHERE l.node = $1 AND l.seq >= $2 ORDER BY l.seq LIMIT $3")
            .bind(node)
            .bind(from)
            .bind(limit),
        )
        .await
}

/// Link at one position of a node's chain.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn link_at(
    queries: &mut impl Queries,
    node: &str,
    seq: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = queries
        .fetch_optional(
            sql("SELECT link_hash FROM audit_link WHERE node = $1 AND seq = $2")
                .bind(node)
                .bind(seq),
        )
        .await?;
    Ok(row.map(|(link,)| link))
}

/// Every node that ever wrote a record.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn nodes(queries: &mut impl Queries) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> =
        queries.fetch_all(sql("SELECT DISTINCT node FROM audit_record ORDER BY node")).await?;
    Ok(rows.into_iter().map(|(node,)| node).collect())
}

/// Head of a node's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Position of the last link; 0 before the first.
    pub seq: i64,
    /// The last link; zeros before the first.
    pub link_hash: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::audit_chain::Look;
    use crate::transaction;

    async fn store(folder: &tempfile::TempDir) -> Store {
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        Store::open(&url.into(), "node-1").await.unwrap()
    }

    fn entry(act: &'static str) -> Entry {
        Entry::done(act, Actor::Person("p1".into()), OffsetDateTime::UNIX_EPOCH)
            .in_role("facility_administrator")
            .from_address("192.0.2.1")
            .on("terminal", "T1")
            .personal("name", "山田　太郎")
    }

    #[tokio::test]
    async fn a_change_and_its_record_are_committed_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let insert = sql("INSERT INTO lease (name, holder, held_until) VALUES ('x', 'y', 1)");
        transaction!(store, StoreError, |tx| {
            tx.execute(insert.clone()).await?;
            Ok(Audited::new((), entry("lease.take")))
        })
        .unwrap();
        let again: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
            tx.execute(insert.clone()).await?;
            Ok(Audited::new((), entry("lease.take")))
        });
        assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
        assert_eq!(list(&mut store.read(), "", None, 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_canonical_form_holds_no_personal_value_and_hashes_to_the_leaf() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        transaction!(store, StoreError, |tx| Ok(Audited::new((), entry("a.b")))).unwrap();
        let record = list(&mut store.read(), "", None, 1).await.unwrap().remove(0);
        let text = String::from_utf8(record.canonical.clone()).unwrap();
        assert!(!text.contains("山田"), "{text}");
        assert_eq!(leaf_hash(&record.canonical).as_slice(), record.leaf_hash);
        let field = personal(&mut store.read(), &record.id).await.unwrap().remove(0);
        let expected = commitment(&field.salt.unwrap(), "name", &field.value.unwrap());
        assert!(text.contains(&hex::encode(expected)), "{text}");
    }

    #[tokio::test]
    async fn chaining_links_every_record_once_and_continues_from_its_head() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        assert_eq!(store.chain_audit(Look::Recent).await.unwrap(), None);
        for act in ["a", "b", "c"] {
            transaction!(store, StoreError, |tx| Ok(Audited::new((), entry(act)))).unwrap();
        }
        let first = store.chain_audit(Look::Recent).await.unwrap().unwrap();
        assert_eq!((first.head.seq, first.is_more), (3, false));
        transaction!(store, StoreError, |tx| Ok(Audited::new((), entry("d")))).unwrap();
        let second = store.chain_audit(Look::Recent).await.unwrap().unwrap().head;
        assert_eq!(second.seq, 4);
        let records = chain(&mut store.read(), "node-1", 1, 10).await.unwrap();
        let mut previous = [0; 32];
        for (position, record) in (1..).zip(&records) {
            previous = link_hash(&previous, "node-1", position, &record.leaf_hash);
            assert_eq!(record.link_hash.as_deref(), Some(previous.as_slice()));
        }
        assert_eq!(previous, second.link_hash);
    }

    /// Every kind of actor, so that a new one asks for its role and its place here.
    fn actors() -> Vec<(Actor, &'static str, bool)> {
        let id = || "x".to_owned();
        let all = vec![
            Actor::System,
            Actor::Person(id()),
            Actor::Terminal(id()),
            Actor::Service(id()),
            Actor::Operator { user: id(), host: "h1".into() },
            Actor::Stranger,
        ];
        all.into_iter()
            .map(|actor| {
                let (role, placed) = match &actor {
                    Actor::System => ("system", true),
                    Actor::Person(_) => ("person", false),
                    Actor::Terminal(_) => ("terminal", false),
                    Actor::Service(_) => ("relying_service", false),
                    Actor::Operator { .. } => ("operator_at_host", true),
                    Actor::Stranger => ("stranger", false),
                };
                (actor, role, placed)
            })
            .collect()
    }

    #[tokio::test]
    async fn every_act_names_a_role_and_a_place_or_is_not_committed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder).await;
        let insert = sql("INSERT INTO lease (name, holder, held_until) VALUES ('x', 'y', 1)");
        for (actor, role, placed) in actors() {
            let bare = Entry::done("a.b", actor.clone(), OffsetDateTime::UNIX_EPOCH);
            let outcome: Result<(), StoreError> = transaction!(store, StoreError, |tx| {
                tx.execute(insert.clone()).await?;
                tx.execute(sql("DELETE FROM lease WHERE name = 'x'")).await?;
                Ok(Audited::new((), bare.clone()))
            });
            assert_eq!(outcome.is_ok(), placed, "{actor:?}: {outcome:?}");
            let from_terminal = bare.clone().from_terminal("T1");
            let from_address = bare.clone().from_address("192.0.2.1");
            for entry in [from_terminal, from_address] {
                transaction!(store, StoreError, |tx| Ok(Audited::new((), entry.clone()))).unwrap();
            }
            let written = list(&mut store.read(), "", None, 99).await.unwrap().pop().unwrap();
            let form: Json = serde_json::from_slice(&written.canonical).unwrap();
            assert_eq!((&form["role"], &form["node"]), (&json!(role), &json!("node-1")));
            let host = matches!(actor, Actor::Operator { .. }).then_some("h1");
            assert_eq!(form["host"].as_str(), host);
        }
    }

    #[test]
    fn objects_are_written_with_sorted_member_names_at_every_depth() {
        let value = json!({"b": 1, "a": [{"d": "\"", "c": null}]});
        assert_eq!(canonical(&value), r#"{"a":[{"c":null,"d":"\""}],"b":1}"#);
    }
}

//! `GET /console/audit`: a page of the trail, newest first, and how far its chains reach.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    Reader, StoreError,
    audit::Record,
    audit_page::{self, Key},
    person,
};
use time::OffsetDateTime;

use super::{PATH, filter::AuditQuery, record_visit};
use crate::{
    app::App,
    audit::{act, form},
    catalogue::{Lang, Text},
    error::page::PageError,
    form::StrictQuery,
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// Records a page.
const PAGE: usize = 50;

/// Somebody or something that a record names by identifier.
struct Named {
    id: String,
    /// What the register calls that person today; empty for anything else.
    name: String,
    /// Somebody else on the page has the same name.
    shared: bool,
}

/// An act: its phrase, and its technical name in the parts at which a line may break.
struct ActName {
    value: String,
    phrase: String,
    parts: Vec<String>,
}

impl ActName {
    fn of(act: &str, text: &Text) -> Self {
        Self {
            value: act.to_owned(),
            phrase: act::phrase(act, text).unwrap_or_default(),
            parts: act.split_inclusive(['.', '_']).map(str::to_owned).collect(),
        }
    }
}

struct Line {
    id: String,
    at: String,
    at_iso: String,
    act: ActName,
    /// Why it was refused; absent when it was done.
    refused: Option<String>,
    actor_kind: String,
    actor: Option<Named>,
    role: String,
    /// The person whom the act was about, where it was about one.
    whom: Option<Named>,
    organisation_id: String,
    /// Address, machine, terminal or process: whichever the record names first.
    place: String,
}

struct Chain {
    node: String,
    linked: i64,
    signed: Option<i64>,
    signed_at: String,
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct ListPage {
    page: PageFrame,
    query: AuditQuery,
    acts: Vec<ActName>,
    lines: Vec<Line>,
    chains: Vec<Chain>,
    /// Query of the next page, if there is one.
    on: Option<String>,
    download: String,
    errors: FieldErrors,
}

impl ListPage {
    /// Message key of a kind of actor.
    fn actor_kind(kind: &str) -> &'static str {
        match kind {
            "system" => "audit-actor-system",
            "person" => "audit-actor-person",
            "terminal" => "audit-actor-terminal",
            "service" => "audit-actor-service",
            "operator" => "audit-actor-operator",
            "stranger" => "audit-actor-stranger",
            _ => "audit-actor-unknown",
        }
    }
}

/// `GET /console/audit?from=&until=&actor=&act=&facility=&before=`.
///
/// # Errors
/// [`PageError`]: no auditor, or the database does not answer.
pub async fn list(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::Auditor)?;
    record_visit(&app, &acting).await?;
    let mut errors = FieldErrors::default();
    let asked = query.read(&app, &page, &mut errors).await?;
    let mut reader = app.store().read();
    let mut found = match &asked {
        // One more than is shown tells whether there are more.
        Some((filter, before)) => {
            let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
            audit_page::newest(&mut reader, filter, before.as_ref(), limit).await?
        }
        None => Vec::new(),
    };
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let on = found.last().filter(|_| more).map(|last| query.after(&Key::of(last)));
    let lang = page.text.lang();
    let people = People::of(&mut reader, &found).await?;
    let lines = found.iter().map(|record| line(record, &people, &page.text)).collect();
    let chains = audit_page::chains(&mut reader).await?.into_iter().map(|chain| Chain {
        node: chain.node,
        linked: chain.linked,
        signed: chain.signed,
        signed_at: chain.signed_at.map(|at| shown(at, lang)).unwrap_or_default(),
    });
    let acts = audit_page::acts(&mut reader).await?;
    let acts = acts.iter().map(|act| ActName::of(act, &page.text)).collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ListPage {
        page: session.frame(page),
        acts,
        chains: chains.collect(),
        download: AuditQuery { before: String::new(), ..query.clone() }.address(),
        query,
        lines,
        on,
        errors,
    };
    Ok((status, Page(page)).into_response())
}

fn shown(unix_secs: i64, lang: Lang) -> String {
    OffsetDateTime::from_unix_timestamp(unix_secs)
        .map_or_else(|_| unix_secs.to_string(), |at| when::shown_to_the_second(at, lang))
}

/// Whom the records of a page name: the actor, and the person whom the act was about.
fn named_in(record: &Record) -> [String; 2] {
    let whom = form::of(record)["on"]["person"].as_str().unwrap_or_default().to_owned();
    [record.columns.actor_id.clone().unwrap_or_default(), whom]
}

/// Names of the people on a page, in one question to the register.
struct People(BTreeMap<String, String>);

impl People {
    async fn of(reader: &mut Reader, records: &[Record]) -> Result<Self, StoreError> {
        let named: Vec<String> = records.iter().flat_map(named_in).collect();
        let ids = named.iter().map(String::as_str).collect();
        Ok(Self(person::names(reader, &ids).await?))
    }

    fn name(&self, id: String) -> Option<Named> {
        if id.is_empty() {
            return None;
        }
        let name = self.0.get(&id).cloned().unwrap_or_default();
        let shared = self.0.values().filter(|other| **other == name).count() > 1;
        Some(Named { id, name, shared })
    }
}

fn line(record: &Record, people: &People, text: &Text) -> Line {
    let form = form::of(record);
    let [actor, whom] = named_in(record).map(|id| people.name(id));
    let word = |name: &str| form[name].as_str().unwrap_or_default().to_owned();
    let columns = &record.columns;
    let at = OffsetDateTime::from_unix_timestamp(columns.at);
    let role = word("role");
    Line {
        id: record.id.clone(),
        at: shown(columns.at, text.lang()),
        at_iso: at.map_or_else(|_| String::new(), when::iso),
        act: ActName::of(&columns.act, text),
        refused: (columns.outcome != "done").then(|| word("reason")),
        actor_kind: columns.actor_kind.clone(),
        actor,
        role: if role.is_empty() { role } else { text.t(Role::name_key(&role)) },
        whom,
        organisation_id: columns.organisation_id.clone().unwrap_or_default(),
        place: ["address", "host", "terminal", "node"]
            .map(word)
            .into_iter()
            .find(|place| !place.is_empty())
            .unwrap_or_default(),
    }
}

//! `GET /console/service/{id}/rules`: the rules in force as a text, how they came about, and what is
//! proposed instead.

use askama::Template;
use axum::extract::State;
use sekisho_authz::Rules;
use sekisho_store::{
    Queries, StoreError, person, rules_draft,
    rules_proposal::{self, Outcome, Proposal},
    rules_version::{self, Version},
    service,
};
use serde::Deserialize;

use super::{
    super::{path_of as path_of_service, seen},
    name_of, path_of, path_of_proposal,
    sentence::{self, Told},
};
use crate::{
    app::App,
    catalogue::Text,
    error::page::PageError,
    form::{PathId, StrictQuery},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

/// Versions a page.
const PAGE: i64 = 20;
/// Decided proposals that are shown.
const MOST_DECIDED: i64 = 20;

struct VersionLine {
    version: i64,
    /// The one before it, to be compared with.
    before: Option<i64>,
    since: String,
    by: String,
    proposed_by: String,
    reason: String,
    returns_to: Option<i64>,
    in_force: bool,
}

struct ProposalLine {
    path: String,
    by: String,
    at: String,
    reason: String,
    /// Message key of what became of it.
    outcome: Option<&'static str>,
    because: String,
    returns_to: Option<i64>,
    overtaken: bool,
}

/// Which part of the list of versions.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    #[serde(default)]
    page: u16,
}

#[derive(Template)]
#[template(path = "console/rules.html")]
struct RulesPage {
    page: PageFrame,
    name: String,
    service: String,
    path: String,
    live: bool,
    /// The version in force with its rules.
    version: Option<i64>,
    unusable: bool,
    rules: Vec<Told>,
    versions: Vec<VersionLine>,
    back: Option<u16>,
    on: Option<u16>,
    open: Vec<ProposalLine>,
    decided: Vec<ProposalLine>,
    /// The reader is writing something.
    writing: bool,
}

async fn called(queries: &mut impl Queries, id: Option<&str>) -> Result<String, StoreError> {
    let Some(id) = id else { return Ok(String::new()) };
    Ok(person::name(queries, id).await?.map_or_else(String::new, |name| name.name))
}

/// The page, for whoever sees the service.
///
/// # Errors
/// [`PageError`]: no such service, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictQuery(part): StrictQuery<Part>,
) -> Result<Page<impl Template>, PageError> {
    let text = &page.text;
    let mut reader = app.store().read();
    let service = seen(&mut reader, &session, &id).await?;
    let stored = service::rules(&mut reader, &id).await?;
    let version = stored.as_ref().map(|(version, _)| *version);
    let in_force = stored.map(|(_, json)| Rules::from_json(&json));
    let unusable = matches!(in_force, Some(Err(_)));
    let rules = in_force.and_then(Result::ok).unwrap_or_default();
    let offset = PAGE * i64::from(part.page);
    let mut found = rules_version::list(&mut reader, &id, offset, PAGE + 1).await?;
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let on = (found.len() > shown).then(|| part.page.saturating_add(1));
    found.truncate(shown);
    let mut versions = Vec::new();
    for found in found {
        versions.push(version_line(&mut reader, found, version, text).await?);
    }
    let (mut open, mut decided) = (Vec::new(), Vec::new());
    for proposal in rules_proposal::open(&mut reader, &id).await? {
        open.push(proposal_line(&mut reader, proposal, version, text).await?);
    }
    for proposal in rules_proposal::of_service(&mut reader, &id, 0, MOST_DECIDED).await? {
        if proposal.outcome.is_some() {
            decided.push(proposal_line(&mut reader, proposal, version, text).await?);
        }
    }
    let writing = rules_draft::find(&mut reader, &id, &session.person_id).await?.is_some();
    Ok(Page(RulesPage {
        name: name_of(&service, text),
        path: path_of(&id),
        service: path_of_service(&id),
        live: service.live_at.is_some(),
        version,
        unusable,
        rules: sentence::told(&rules, text),
        versions,
        back: part.page.checked_sub(1),
        on,
        open,
        decided,
        writing,
        page: session.frame(page),
    }))
}

async fn version_line(
    queries: &mut impl Queries,
    found: Version,
    in_force: Option<i64>,
    text: &Text,
) -> Result<VersionLine, StoreError> {
    Ok(VersionLine {
        before: (found.version > 1).then(|| found.version - 1),
        since: when::shown(found.since, text.lang()),
        by: called(queries, found.by.as_deref()).await?,
        proposed_by: called(queries, found.proposed_by.as_deref()).await?,
        reason: found.reason.unwrap_or_default(),
        returns_to: found.returns_to,
        in_force: in_force == Some(found.version),
        version: found.version,
    })
}

async fn proposal_line(
    queries: &mut impl Queries,
    proposal: Proposal,
    in_force: Option<i64>,
    text: &Text,
) -> Result<ProposalLine, StoreError> {
    Ok(ProposalLine {
        by: called(queries, Some(&proposal.proposed_by)).await?,
        path: path_of_proposal(&proposal.id),
        at: when::shown(proposal.proposed_at, text.lang()),
        outcome: proposal.outcome.map(outcome_key),
        because: proposal.refused_because.unwrap_or_default(),
        returns_to: proposal.returns_to,
        overtaken: proposal.outcome.is_none() && in_force.unwrap_or(0) != proposal.base_version,
        reason: proposal.reason,
    })
}

pub(super) const fn outcome_key(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Published => "rules-outcome-published",
        Outcome::Refused => "rules-outcome-refused",
        Outcome::Withdrawn => "rules-outcome-withdrawn",
    }
}

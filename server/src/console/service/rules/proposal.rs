//! `/console/rules/{id}`: rules that somebody proposed, what they change and for whom, and the decision.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_authz::Rules;
use sekisho_store::{
    person,
    rules_proposal::{self, Proposal},
    rules_version,
    service::Service,
};
use serde::Deserialize;

use super::{
    super::seen,
    change,
    compare::{Compared, Fate},
    in_force, name_of, path_of, path_of_proposal, people, proposing,
    sentence::{self, Told},
    show::outcome_key,
};
use crate::{
    app::App,
    error::{page::PageError, rules::words},
    form::{self, NoFields, PathId, StrictForm, StrictQuery},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// The longest reason of a refusal, in characters.
const LONGEST: usize = 2_000;

/// Which part of the list of groups.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    #[serde(default)]
    page: u16,
}

#[derive(Template)]
#[template(path = "console/rules-proposal.html")]
struct ProposalPage {
    page: PageFrame,
    name: String,
    rules_path: String,
    path: String,
    proposal_id: String,
    by: String,
    at: String,
    reason: String,
    base: i64,
    /// The version in force.
    version: i64,
    returns_to: Option<i64>,
    /// Message key of what became of it, by whom and when.
    outcome: Option<(&'static str, String, String)>,
    because: String,
    overtaken: bool,
    /// The reader proposed it.
    own: bool,
    /// The reader may decide, but for what keeps them out.
    decides: bool,
    /// Message keys of why the reader must leave the decision to another.
    kept_out: Option<(&'static str, &'static str)>,
    told: Vec<Told>,
    compared: Compared,
    /// All of it as a text: what is published.
    whole: String,
    /// While it waits, for whoever decides.
    people: Option<people::Compared>,
    typed: String,
    longest: usize,
    errors: FieldErrors,
}

async fn found(
    app: &App,
    session: &ConsoleSession,
    id: &str,
) -> Result<(Service, Proposal), PageError> {
    let mut reader = app.store().read();
    let proposal = rules_proposal::find(&mut reader, id).await?;
    let proposal = proposal.ok_or_else(PageError::not_found)?;
    let service = seen(&mut reader, session, &proposal.service_id).await?;
    Ok((service, proposal))
}

/// The page, for whoever sees the service.
///
/// # Errors
/// [`PageError`]: no such proposal, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictQuery(part): StrictQuery<Part>,
) -> Result<Response, PageError> {
    shown(&app, &session, page, &id, part, String::new(), FieldErrors::default()).await
}

async fn shown(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    part: Part,
    typed: String,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let (service, proposal) = found(app, session, id).await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let text = &page.text;
    let mut reader = app.store().read();
    let (version, in_force) = in_force(&mut reader, &service.id).await?;
    let rules = Rules::from_json(&proposal.rules).unwrap_or_default();
    let open = proposal.outcome.is_none();
    let runs = session.roles.contains(&Role::OperatingAdministrator);
    let kept_out = if open && runs {
        change::kept_out(&mut reader, &service, &proposal, &session.person_id).await?
    } else {
        None
    };
    // A decided one is held against what it was written for: what is in force now may be itself.
    let before = if open {
        in_force
    } else {
        let base = rules_version::find(&mut reader, &service.id, proposal.base_version).await?;
        base.and_then(|base| Rules::from_json(&base.rules).ok()).unwrap_or_default()
    };
    let mut names = Vec::new();
    for person_id in [Some(&proposal.proposed_by), proposal.decided_by.as_ref()] {
        names.push(match person_id {
            Some(id) => person::name(&mut reader, id).await?.map_or_else(String::new, |n| n.name),
            None => String::new(),
        });
    }
    let decided_by = names.pop().unwrap_or_default();
    let people = if open && runs {
        Some(people::compared(app, &service.id, &rules, part.page, text).await?)
    } else {
        None
    };
    let decided_at = proposal.decided_at.map(|at| when::shown(at, text.lang()));
    let shown = ProposalPage {
        name: name_of(&service, text),
        rules_path: path_of(&service.id),
        path: path_of_proposal(id),
        proposal_id: id.to_owned(),
        by: names.pop().unwrap_or_default(),
        at: when::shown(proposal.proposed_at, text.lang()),
        overtaken: open && version != proposal.base_version,
        own: proposal.proposed_by == session.person_id,
        decides: open && runs,
        kept_out: kept_out.map(words),
        told: sentence::told(&rules, text),
        whole: toml::to_string(&rules).map_err(|error| PageError::internal(&error))?,
        compared: Compared::between(&before, &rules, text),
        outcome: proposal
            .outcome
            .map(|outcome| (outcome_key(outcome), decided_by, decided_at.unwrap_or_default())),
        because: proposal.refused_because.unwrap_or_default(),
        reason: proposal.reason,
        base: proposal.base_version,
        version,
        returns_to: proposal.returns_to,
        people,
        typed,
        longest: LONGEST,
        errors,
        page: session.frame(page.switching_at(&path_of_proposal(id))),
    };
    Ok((status, Page(shown)).into_response())
}

/// `POST /console/rules/{id}/approve`: an administrator of the operating body puts it in force.
///
/// # Errors
/// [`PageError`]: not its administrator, or somebody like the proposer; decided or overtaken; the database
/// does not answer.
pub async fn approve(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Redirect, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let (service, _) = found(&app, &session, &id).await?;
    change::publish(&app, &acting, &id).await?;
    Ok(Redirect::to(&path_of(&service.id)))
}

/// Why the operating body refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    reason: String,
}

/// `POST /console/rules/{id}/refuse`: an administrator of the operating body says no, and why.
///
/// # Errors
/// As for [`approve`].
pub async fn refuse(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Refuse>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    found(&app, &session, &id).await?;
    let mut errors = FieldErrors::of_form(&[("reason", "rules-refuse-reason")]);
    let Some(because) = errors.keep("reason", form::lines(&form.reason, LONGEST), &page.text)
    else {
        let part = Part::default();
        return shown(&app, &session, page, &id, part, form.reason, errors).await;
    };
    change::refuse(&app, &acting, &id, &because).await?;
    Ok(Redirect::to(&path_of_proposal(&id)).into_response())
}

/// `POST /console/rules/{id}/withdraw`: the proposer takes it back.
///
/// # Errors
/// [`PageError`]: another's, or decided; the database does not answer.
pub async fn withdraw(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Redirect, PageError> {
    let (service, _) = found(&app, &session, &id).await?;
    let (_, acting) = proposing(&mut app.store().read(), &session, &service.id).await?;
    change::withdraw(&app, &acting, &id).await?;
    Ok(Redirect::to(&path_of_proposal(&id)))
}

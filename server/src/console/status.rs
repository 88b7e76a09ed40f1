//! `/console/organisations/{id}/status`: suspending, resuming and closing an organisation.
//!
//! Only the operating body's administrator may, and nobody where they have a role themself.

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{
    Queries, StoreError, Tx,
    audit::Audited,
    organisation::{self, Organisation, StatusChange},
    role_grant,
    terminal::{self, Revocation, TerminalStatus},
    transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    app::App,
    error::page::{Chain, PageError},
    form::{self, PathId, StrictForm, Sure},
    notice::{self, Notice, To},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
    register::{
        approval::{Refusal, RegisterError},
        organisation::status_name,
    },
    repository::publish,
};

/// Most characters of a reason.
const MOST_REASON: usize = 200;
/// The most events that the page lists.
const MOST_EVENTS: i64 = 50;
/// Terminals that are read at a time when all are revoked.
const BATCH: i64 = 200;

struct Choice {
    value: &'static str,
    label: String,
    means: String,
    chosen: bool,
}

struct EventLine {
    at: String,
    status: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "console/status.html")]
struct StatusPage {
    page: PageFrame,
    id: String,
    name: String,
    status: String,
    choices: Vec<Choice>,
    own: bool,
    longest: usize,
    events: Vec<EventLine>,
    typed: Typed,
    errors: FieldErrors,
}

/// What was typed, to be put right.
#[derive(Default)]
struct Typed {
    change: Option<Change>,
    reason: String,
}

fn words(change: StatusChange, chosen: bool, page: &PageFrame) -> Choice {
    let (label, means) = match change {
        StatusChange::Suspend => ("status-suspend", "status-suspend-means"),
        StatusChange::Resume => ("status-resume", "status-resume-means"),
        StatusChange::Close => ("status-close", "status-close-means"),
    };
    Choice { value: change.as_str(), label: page.t(label), means: page.t(means), chosen }
}

/// Whether somebody has a role at an organisation: then its status is for others to change.
async fn has_role_at(
    queries: &mut impl Queries,
    person_id: &str,
    organisation_id: &str,
) -> Result<bool, StoreError> {
    let grants = role_grant::of_person(queries, person_id).await?;
    Ok(grants.iter().any(|grant| grant.organisation_id.as_deref() == Some(organisation_id)))
}

/// `GET /console/organisations/{id}/status`: how it stands, what can be done and what that means.
///
/// # Errors
/// [`PageError`]: not the operating body's administrator, no such organisation, or the database
/// does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Response, PageError> {
    session.require(&Role::OperatingAdministrator)?;
    show(&app, &session, page, &id, Typed::default(), FieldErrors::default()).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    typed: Typed,
    mut errors: FieldErrors,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let found = organisation::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    errors.name("sure", page.t1("status-sure", "name", &found.name));
    let own = has_role_at(&mut reader, &session.person_id, id).await?;
    let chosen = typed.change.map(Change::stored);
    let choices = StatusChange::ALL
        .into_iter()
        .filter(|change| !own && change.fits(found.status))
        .map(|change| words(change, chosen == Some(change), &page))
        .collect();
    let events = organisation::events(&mut reader, id, MOST_EVENTS)
        .await?
        .into_iter()
        .map(|event| EventLine {
            at: when::shown(event.at, page.text.lang()),
            status: status_name(event.status, &page.text),
            reason: event.reason,
        })
        .collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = StatusPage {
        status: status_name(found.status, &page.text),
        id: found.id,
        name: found.name,
        choices,
        own,
        longest: MOST_REASON,
        events,
        typed,
        errors,
        page: session.frame(page),
    };
    Ok((status, Page(page)).into_response())
}

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusForm {
    change: Option<Change>,
    reason: String,
    sure: Option<Sure>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Suspend,
    Resume,
    Close,
}

impl Change {
    const fn act(self) -> &'static str {
        match self {
            Self::Suspend => "organisation.suspend",
            Self::Resume => "organisation.resume",
            Self::Close => "organisation.close",
        }
    }

    const fn stored(self) -> StatusChange {
        match self {
            Self::Suspend => StatusChange::Suspend,
            Self::Resume => StatusChange::Resume,
            Self::Close => StatusChange::Close,
        }
    }

    fn notice(self, reason: &str) -> Notice {
        let reason = reason.to_owned();
        match self {
            Self::Suspend => Notice::OrganisationSuspended { reason },
            Self::Resume => Notice::OrganisationResumed { reason },
            Self::Close => Notice::OrganisationClosed { reason },
        }
    }
}

/// What a change of status did besides.
#[derive(Default)]
struct Done {
    sessions: usize,
    certificates: usize,
    issuers: BTreeSet<String>,
}

/// `POST /console/organisations/{id}/status`, fields `change` (`suspend`, `resume`, `close`),
/// `reason` and `sure`: event, sessions, notices to services and to the facility's administrators, and the
/// record of it in one transaction. Every request of its terminals reads the database, so it is
/// refused from the next one on. Closing revokes every terminal, for good.
///
/// # Errors
/// [`PageError`]: not the operating body's administrator, a role at this organisation, a status that
/// the change does not fit, or the database does not answer. A field that does not fit is the page
/// again, with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<StatusForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let path = format!("/console/organisations/{id}/status");
    let mut errors = FieldErrors::of_form(&[("change", "status-change")]);
    if form.change.is_none() {
        errors.add("change", page.t("error-choose-one"));
    }
    let reason = errors.keep("reason", form::lines(&form.reason, MOST_REASON), &page.text);
    if form.sure.is_none() {
        errors.add("sure", page.t("error-not-ticked"));
    }
    let (Some(change), Some(reason), true) = (form.change, reason, errors.is_empty()) else {
        let typed = Typed { change: form.change, reason: form.reason };
        return show(&app, &session, page.switching_at(&path), &id, typed, errors).await;
    };
    let reason = reason.as_str();
    let (now, act, person) = (app.now(), change.act(), acting.person_id());
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let found = organisation::find(tx, &id).await?;
        let refused = |refusal: Refusal| {
            let entry = acting.refused(act, now, refusal.code()).on("organisation", &id);
            // Among the acts at the organisation as well, if there is one.
            let entry = match &found {
                Some(found) => entry.at_organisation(&found.id),
                None => entry,
            };
            Ok(Audited::new(Err(refusal), entry))
        };
        let Some(found) = &found else { return refused(Refusal::NotFound) };
        if has_role_at(tx, person, &id).await? {
            return refused(Refusal::Administered);
        }
        let ended =
            organisation::change_status(tx, &id, change.stored(), person, reason, now).await?;
        let Some(ended) = ended else { return refused(Refusal::Decided) };
        let mut done = Done { sessions: ended.len(), ..Done::default() };
        if matches!(change, Change::Close) {
            revoke_terminals(tx, found, person, reason, now, &mut done).await?;
        }
        let to = To::FacilityAdministrators(id.clone());
        notice::put(tx, to, change.notice(reason), now).await?;
        let entry = acting
            .done(act, now)
            .at_organisation(&id)
            .on("organisation", &id)
            .fact("sessions_ended", done.sessions)
            .fact("certificates_revoked", done.certificates)
            // In words of a person, which might name one.
            .personal("reason", reason);
        Ok(Audited::new(Ok(done), entry))
    })?;
    let done = outcome.map_err(RegisterError::Refused)?;
    for issuer_id in done.issuers {
        // The revocation stands whatever becomes of the list; the job tries again in seconds.
        if let Err(error) = publish::publish_now(&app, &issuer_id).await {
            tracing::error!(error = %Chain(&error), issuer_id, "CRL not published at once");
        }
    }
    Ok(Redirect::to(&path).into_response())
}

/// Revokes every terminal of an organisation that is closed: its certificates must not speak for it
/// anywhere, also where nobody asks us but reads the list.
async fn revoke_terminals(
    tx: &mut Tx,
    organisation: &Organisation,
    person_id: &str,
    note: &str,
    at: OffsetDateTime,
    done: &mut Done,
) -> Result<(), StoreError> {
    let revocation = Revocation {
        crl_reason: RevocationReason::CessationOfOperation.code(),
        cause: "organisation_closed",
        note,
        person_id: Some(person_id),
        at,
    };
    let mut offset = 0;
    loop {
        let terminals = terminal::list(tx, &organisation.id, offset, BATCH).await?;
        if terminals.is_empty() {
            return Ok(());
        }
        for found in terminals {
            if found.status == TerminalStatus::Revoked {
                continue;
            }
            if let Some(taken) =
                terminal::revoke(tx, &found.id, &organisation.id, revocation).await?
            {
                done.certificates += taken.certificates.len();
                done.issuers.extend(taken.certificates.into_iter().map(|(issuer, _)| issuer));
            }
        }
        offset += BATCH;
    }
}

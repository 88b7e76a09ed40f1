//! `GET` and `POST /console/terminals/{id}/revoke`: what it means, then the act.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{
    StoreError,
    audit::Audited,
    router,
    terminal::{self, Revocation, Terminal, TerminalStatus},
    transaction,
};
use serde::Deserialize;

use super::{administered, cause::words_of_cause, code::already_revoked, facility_name};
use crate::{
    app::App,
    error::page::{Chain, PageError},
    form::{self, PathId, StrictForm},
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
    register::typed::FieldError,
    repository::publish,
};

/// Most characters of a note.
const MOST_NOTE: usize = 200;

#[derive(Template)]
#[template(path = "terminals/revoke.html")]
struct RevokePage {
    page: PageFrame,
    id: String,
    name: String,
    /// Not a PC.
    router: bool,
    facility: String,
    longest_note: usize,
    reasons: Vec<Choice>,
    note: String,
    errors: FieldErrors,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

/// Explains what revoking means and asks for the reason.
///
/// # Errors
/// 404 for somebody else's terminal, 409 for a revoked one.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
) -> Result<Response, PageError> {
    let (terminal, _) = administered(&mut app.store().read(), &session, &id).await?;
    show(&app, &session, page, terminal, Form::default(), FieldErrors::default()).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    terminal: Terminal,
    typed: Form,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let mut reader = app.store().read();
    let facility = facility_name(&mut reader, &terminal.organisation_id).await?;
    let router = router::find(&mut reader, &terminal.id).await?.is_some();
    let choice = |reason: Reason| Choice {
        value: reason.as_str(),
        label: page.t(words_of_cause(reason.as_str())),
        chosen: typed.reason == Some(reason),
    };
    let reasons = Reason::ALL.into_iter().map(choice).collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = RevokePage {
        page: session.frame(page),
        id: terminal.id,
        name: terminal.name,
        router,
        facility,
        longest_note: MOST_NOTE,
        reasons,
        note: typed.note.unwrap_or_default(),
        errors,
    };
    Ok((status, Page(page)).into_response())
}

/// What the form holds.
#[derive(Debug, Default, Deserialize)]
pub struct Form {
    /// Why.
    reason: Option<Reason>,
    /// In words.
    note: Option<String>,
}

/// Why a terminal is revoked, in words of a clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Lost or stolen.
    Lost,
    /// Malware, or somebody had access who should not.
    Compromised,
    /// Out of service.
    Retired,
    /// Another PC stands in its place.
    Replaced,
    /// None of these.
    Other,
}

impl Reason {
    const ALL: [Self; 5] =
        [Self::Lost, Self::Compromised, Self::Retired, Self::Replaced, Self::Other];

    /// What CRL and OCSP say.
    fn crl_reason(self) -> RevocationReason {
        match self {
            // Whoever holds the PC holds the key.
            Self::Lost | Self::Compromised => RevocationReason::KeyCompromise,
            Self::Retired => RevocationReason::CessationOfOperation,
            Self::Replaced => RevocationReason::Superseded,
            Self::Other => RevocationReason::Unspecified,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Compromised => "compromised",
            Self::Retired => "retired",
            Self::Replaced => "replaced",
            Self::Other => "other",
        }
    }
}

/// Revokes: terminal, certificates, codes, sessions and the record of it in one transaction. OCSP
/// and every request of the terminal read the database, so they know at once; the CRL follows.
///
/// # Errors
/// 404 for somebody else's terminal, 409 for a revoked one. A field that does not fit is the page
/// again, with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let mut errors = FieldErrors::of_form(&[
        ("reason", "terminals-revoke-reason"),
        ("note", "terminals-revoke-note"),
    ]);
    let reason = errors.keep("reason", form.reason.ok_or(FieldError::Choice), &page.text);
    let note = form.note.as_deref().unwrap_or_default();
    let note = errors.keep("note", form::lines_if_any(note, MOST_NOTE), &page.text);
    let (Some(reason), Some(note)) = (reason, note) else {
        let page = page.switching_at(&format!("/console/terminals/{id}/revoke"));
        return show(&app, &session, page, terminal, form, errors).await;
    };
    let now = app.now();
    let taken = transaction!(app.store(), StoreError, |tx| {
        let revocation = Revocation {
            crl_reason: reason.crl_reason().code(),
            cause: reason.as_str(),
            note: &note,
            person_id: Some(acting.person_id()),
            at: now,
        };
        let taken = terminal::revoke(tx, &id, &terminal.organisation_id, revocation).await?;
        let entry = match &taken {
            None => acting.refused("terminal.revoke", now, "already_revoked"),
            Some(taken) => acting
                .done("terminal.revoke", now)
                .fact("certificates", taken.certificates.len())
                .fact("sessions_ended", taken.sessions.len()),
        };
        let entry = entry
            .on("terminal", &id)
            .fact("terminal_name", terminal.name.as_str())
            .fact("reason", reason.as_str());
        Ok(Audited::new(taken, entry))
    })?
    .ok_or_else(already_revoked)?;
    for issuer_id in issuers(&taken) {
        // The revocation stands whatever becomes of the list; the job tries again in seconds.
        if let Err(error) = publish::publish_now(&app, issuer_id).await {
            tracing::error!(error = %Chain(&error), issuer_id, "CRL not published at once");
        }
    }
    Ok(Redirect::to(&format!("/console/terminals/{}?notice=revoked", terminal.id)).into_response())
}

fn issuers(taken: &terminal::TakenBack) -> std::collections::BTreeSet<&str> {
    taken.certificates.iter().map(|(issuer_id, _)| issuer_id.as_str()).collect()
}

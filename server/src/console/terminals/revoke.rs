//! `GET` and `POST /console/terminals/{id}/revoke`: what it means, then the act.

use askama::Template;
use axum::{extract::State, response::Redirect};
use http::StatusCode;
use sekisho_ca::revocation::RevocationReason;
use sekisho_store::{
    StoreError,
    audit::Audited,
    terminal::{self, Revocation, TerminalStatus},
    transaction,
};
use serde::Deserialize;

use super::{administered, code::already_revoked, facility_name};
use crate::{
    app::App,
    error::page::{Chain, PageError},
    form::{PathId, StrictForm},
    login::logout,
    page::{Page, PageFrame},
    people::session::ConsoleSession,
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
    facility: String,
    longest_note: usize,
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
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, &session, &id).await?;
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let facility = facility_name(&mut reader, &terminal.organisation_id).await?;
    Ok(Page(RevokePage {
        page: session.frame(page),
        id: terminal.id,
        name: terminal.name,
        facility,
        longest_note: MOST_NOTE,
    }))
}

/// What the form holds.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// Why.
    reason: Reason,
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
/// 400 for a note that does not fit, 404 for somebody else's terminal, 409 for a revoked one.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Form>,
) -> Result<Redirect, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let note = form.note.unwrap_or_default().trim().to_owned();
    if note.chars().count() > MOST_NOTE {
        return Err(PageError::new(
            StatusCode::BAD_REQUEST,
            "error-form-title",
            "terminals-note-too-long",
            "error-form-help",
        )
        .arg("most", MOST_NOTE));
    }
    let now = app.now();
    let taken = transaction!(app.store(), StoreError, |tx| {
        let revocation = Revocation {
            crl_reason: form.reason.crl_reason().code(),
            note: &note,
            person_id: Some(acting.person_id()),
            at: now,
        };
        let taken = terminal::revoke(tx, &id, &terminal.organisation_id, revocation).await?;
        if let Some(taken) = &taken {
            logout::fan_out(tx, &taken.sessions, now).await?;
        }
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
            .fact("reason", form.reason.as_str());
        Ok(Audited::new(taken, entry))
    })?
    .ok_or_else(already_revoked)?;
    for issuer_id in issuers(&taken) {
        // The revocation stands whatever becomes of the list; the job tries again in seconds.
        if let Err(error) = publish::publish_now(&app, issuer_id).await {
            tracing::error!(error = %Chain(&error), issuer_id, "CRL not published at once");
        }
    }
    Ok(Redirect::to(&format!("/console/terminals/{}?notice=revoked", terminal.id)))
}

fn issuers(taken: &terminal::TakenBack) -> std::collections::BTreeSet<&str> {
    taken.certificates.iter().map(|(issuer_id, _)| issuer_id.as_str()).collect()
}

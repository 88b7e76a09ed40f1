//! `POST /console/terminals/{id}/replace` and `…/replace/cancel`: another PC takes the terminal's place.
//!
//! The new one is enrolled first; the old one's certificates end with the first login of a person at
//! the new one (docs/decisions/0020).

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::Audited,
    replacement,
    terminal::{Device, TerminalStatus},
    transaction,
};

use super::{
    administered,
    code::{self, Afterwards},
};
use crate::{
    app::App,
    enrol::new_code::{self, NoCode},
    error::page::PageError,
    form::{NoFields, PathId, StrictForm},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
};

/// Why no replacement begins.
#[derive(Clone, Copy)]
enum NotNow {
    /// As for any code.
    NoCode(NoCode),
    /// The terminal has no certificate that works: a plain code does.
    NothingToReplace,
    /// A new PC is enrolled already and waits for its first login.
    UnderWay,
}

impl NotNow {
    /// As in the audit trail.
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoCode(refusal) => refusal.as_str(),
            Self::NothingToReplace => "nothing_to_replace",
            Self::UnderWay => "replacement_under_way",
        }
    }

    fn page(self) -> PageError {
        let (title, text, help) = match self {
            Self::NoCode(refusal) => return code::no_code(refusal),
            Self::NothingToReplace => (
                "terminals-replace-nothing-title",
                "terminals-replace-nothing-text",
                "terminals-replace-nothing-help",
            ),
            Self::UnderWay => (
                "terminals-replace-busy-title",
                "terminals-replace-busy-text",
                "terminals-replace-busy-help",
            ),
        };
        PageError::new(StatusCode::CONFLICT, title, text, help)
    }
}

/// Begins a replacement: shows the new PC's code, once. The old PC works on.
///
/// # Errors
/// 404 for somebody else's terminal; 409 where there is nothing to replace, a new PC waits already, or
/// no code may be issued.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<code::Form>,
) -> Result<Page<impl Template>, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    if terminal.device == Device::Router {
        // Nobody logs in at a router, so nothing would end the old one's certificate.
        return Err(PageError::not_found());
    }
    let now = app.now();
    let code = code::draw_for(&app, terminal.device, form.approval, now)?;
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let (status, refusal) = new_code::standing(tx, &terminal).await?;
        let open = replacement::open(tx, &id).await?;
        let not_now = match (refusal, status, open) {
            (Some(refusal), ..) => Some(NotNow::NoCode(refusal)),
            (None, _, Some(open)) if open.new_pc.is_some() => Some(NotNow::UnderWay),
            (None, Some(TerminalStatus::Enrolled), _) => None,
            (None, ..) => Some(NotNow::NothingToReplace),
        };
        if let Some(not_now) = not_now {
            let entry = acting.refused("terminal.begin_replacement", now, not_now.as_str());
            return Ok(Audited::new(Some(not_now), entry.on("terminal", &id)));
        }
        code.keep(tx, &id, acting.person_id()).await?;
        code.replaces_pc(tx, &id, acting.person_id()).await?;
        let entry = acting
            .done("terminal.begin_replacement", now)
            .on("terminal", &id)
            .fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(None, entry))
    })?;
    match refusal {
        None => {
            let afterwards = Afterwards::at_terminal(&id);
            code::page(&app, session.frame(page), &id, &terminal.name, &code, afterwards)
        }
        Some(not_now) => Err(not_now.page()),
    }
}

/// Calls the replacement off: the new PC's certificate is revoked, the old PC stays.
///
/// # Errors
/// 404 for somebody else's terminal; 409 where none is under way, for instance because somebody has
/// logged in at the new PC.
pub async fn cancel(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let (_, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let now = app.now();
    let cancelled = transaction!(app.store(), StoreError, |tx| {
        let cancelled = replacement::cancel(tx, &id, Some(acting.person_id()), now).await?;
        let Some(cancelled) = cancelled else {
            let entry = acting.refused("terminal.cancel_replacement", now, "none_under_way");
            return Ok(Audited::new(false, entry.on("terminal", &id)));
        };
        let mut entry = acting.done("terminal.cancel_replacement", now).on("terminal", &id);
        if let Some((issuer_id, serial)) = &cancelled.certificate {
            entry = entry.on("certificate", format!("{issuer_id}:{}", hex::encode(serial)));
        }
        Ok(Audited::new(true, entry))
    })?;
    if !cancelled {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "terminals-replace-over-title",
            "terminals-replace-over-text",
            "terminals-replace-over-help",
        ));
    }
    Ok(Redirect::to(&format!("/console/terminals/{id}?notice=replacement-cancelled"))
        .into_response())
}

//! `POST /console/terminals/{id}/usage`: whether a PC is one person's alone, or several people use it in turn.

use axum::{extract::State, response::Redirect};
use sekisho_store::{StoreError, audit::Audited, shared_terminal, terminal::Device, transaction};
use serde::Deserialize;

use super::administered;
use crate::{
    app::App,
    error::page::PageError,
    form::{PathId, StrictForm},
    people::session::ConsoleSession,
};

/// How a PC is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// Several people use it in turn.
    Shared,
    /// One person does.
    Personal,
}

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    usage: Usage,
}

/// What is said again stays so.
///
/// # Errors
/// 404 for a router, or somebody else's terminal; the database does not answer.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Form>,
) -> Result<Redirect, PageError> {
    const ACT: &str = "terminal.usage";
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    if terminal.device == Device::Router {
        return Err(PageError::not_found());
    }
    let (now, personal) = (app.now(), form.usage == Usage::Personal);
    transaction!(app.store(), StoreError, |tx| {
        let news = shared_terminal::note_personal(tx, &id, personal, now).await?;
        let record = match news {
            true => acting.done(ACT, now).fact("personal", personal),
            false => acting.refused(ACT, now, "nothing_to_change"),
        };
        Ok(Audited::new((), record.on("terminal", &id)))
    })?;
    Ok(Redirect::to(&format!("/console/terminals/{id}?notice=usage")))
}

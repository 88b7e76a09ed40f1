//! `POST /console/terminals`: a new terminal and its first code.

use askama::Template;
use axum::extract::State;
use http::StatusCode;
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    organisation, terminal, transaction,
};
use serde::Deserialize;

use super::{
    code::{self, NewCode},
    name,
};
use crate::{
    app::App,
    error::page::PageError,
    form::{LineError, StrictForm},
    page::{Page, PageFrame},
    people::{role::Role, session::ConsoleSession},
};

/// What the form holds.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// The facility's identifier.
    facility: String,
    /// What the terminal is to be called.
    name: String,
}

enum Outcome {
    Created,
    NameInUse,
    FacilityNotActive,
}

/// Creates the terminal and shows its code, once.
///
/// # Errors
/// 400 for a name that does not fit, 403 for another facility, 409 for a name in use.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Page<impl Template>, PageError> {
    let role = Role::FacilityAdministrator(form.facility.clone());
    let acting = session.require(&role)?;
    let name = name::parse(&form.name).map_err(unfit)?;
    let now = app.now();
    let mut random = [0; 8];
    app.random().fill(&mut random).map_err(|error| PageError::internal(&error))?;
    // 50 random bits: a meeting is refused by the register and the person tries again.
    let id = TerminalIdentifier::from_random(u64::from_be_bytes(random)).to_string();
    let code = NewCode::draw(&app, now)?;
    let outcome = transaction!(app.store(), StoreError, |tx| {
        let entry = |entry: Entry| entry.on("terminal", &id).fact("terminal_name", name.as_str());
        if !organisation::is_active(tx, &form.facility).await? {
            let refused = acting.refused("terminal.create", now, "facility_not_active");
            return Ok(Audited::new(Outcome::FacilityNotActive, entry(refused)));
        }
        if terminal::name_in_use(tx, &form.facility, &name).await? {
            let refused = acting.refused("terminal.create", now, "name_in_use");
            return Ok(Audited::new(Outcome::NameInUse, entry(refused)));
        }
        terminal::create(tx, &id, &form.facility, &name, acting.person_id(), now).await?;
        code.keep(tx, &app, &id, acting.person_id()).await?;
        Ok(Audited::new(Outcome::Created, entry(acting.done("terminal.create", now)))
            .and(entry(acting.done("terminal.issue_code", now))))
    })?;
    match outcome {
        Outcome::Created => code::page(&app, session.frame(page), &id, &name, &code),
        Outcome::NameInUse => Err(PageError::new(
            StatusCode::CONFLICT,
            "terminals-name-in-use-title",
            "terminals-name-in-use-text",
            "terminals-name-in-use-help",
        )
        .arg("name", name)),
        Outcome::FacilityNotActive => Err(super::code::facility_not_active()),
    }
}

fn unfit(error: LineError) -> PageError {
    let text = match error {
        LineError::Required => "terminals-name-empty",
        LineError::TooLong(_) => "terminals-name-too-long",
        LineError::Invisible => "terminals-name-invisible",
    };
    PageError::new(StatusCode::BAD_REQUEST, "terminals-name-title", text, "terminals-name-help")
        .arg("most", name::MOST)
}

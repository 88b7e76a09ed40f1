//! `POST /console/terminals`: a new terminal and its first code.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    organisation,
    terminal::{self, Device},
    transaction,
};
use serde::Deserialize;

use super::{
    code::{self, Afterwards},
    list::{self, Refused},
    name,
};
use crate::{
    app::App,
    error::page::PageError,
    form::{StrictForm, Sure},
    page::PageFrame,
    people::{role::Role, session::ConsoleSession},
};

/// What the form holds.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// The facility's identifier.
    facility: String,
    /// What the terminal is to be called.
    name: String,
    /// Whether a person is to approve the key before it is certified.
    approval: Option<Sure>,
}

enum Outcome {
    Created,
    NameInUse,
    FacilityNotActive,
}

/// Creates the terminal and shows its code, once.
///
/// # Errors
/// 403 for another facility, 409 for one that may not act. A name that does not fit or is in use is
/// the list again, with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let role = Role::FacilityAdministrator(form.facility.clone());
    let acting = session.require(&role)?;
    let again = async |error: String| {
        let refused = Refused {
            facility: form.facility.clone(),
            typed: form.name.clone(),
            approval: form.approval.is_some(),
            error,
        };
        list::correct(&app, &session, page.clone(), refused).await
    };
    let name = match name::parse(&form.name) {
        Ok(name) => name,
        Err(error) => return again(error.words(&page.text)).await,
    };
    let now = app.now();
    let mut random = [0; 8];
    app.random().fill(&mut random).map_err(|error| PageError::internal(&error))?;
    // 50 random bits: a meeting is refused by the register and the person tries again.
    let id = TerminalIdentifier::from_random(u64::from_be_bytes(random)).to_string();
    let code = code::draw_for(&app, Device::Pc, form.approval, now)?;
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
        code.keep(tx, &id, acting.person_id()).await?;
        Ok(Audited::new(Outcome::Created, entry(acting.done("terminal.create", now)))
            .and(entry(acting.done("terminal.issue_code", now))))
    })?;
    match outcome {
        Outcome::Created => {
            let afterwards = Afterwards::at_terminal(&id);
            let page = session.frame(page);
            Ok(code::page(&app, page, &id, &name, &code, afterwards)?.into_response())
        }
        Outcome::NameInUse => again(page.t1("terminals-name-in-use", "name", &name)).await,
        Outcome::FacilityNotActive => Err(super::code::facility_not_active()),
    }
}

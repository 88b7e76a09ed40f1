//! `/console/simulator`: what would this person at this facility see?
//!
//! Asked of the same code that decides when somebody knocks. Nothing is changed by it; that somebody was
//! looked at is a record.
//!
//! | who asks | about whom | which services |
//! |---|---|---|
//! | an administrator of the operating body | anybody, anywhere | all |
//! | a facility's administrator | members of that facility, there | all |
//! | who answers for services | somebody without a name, by role, facility and level | their own |

mod asked;
mod show;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    membership::{self, Found},
    transaction,
};
use serde::Deserialize;

use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
};

use asked::{Choices, ShowForm};
use show::Outcome;
pub use show::post as show;

/// Path of the page.
pub const PATH: &str = "/console/simulator";
/// The most people that a search shows.
const MOST_FOUND: usize = 50;
/// The longest name that is searched for, in characters.
const LONGEST: usize = 100;

/// What a reader may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// About anybody, of all services.
    runs: bool,
    /// About people of some facilities.
    administers: bool,
    /// About services of their own.
    owns: bool,
}

impl Rights {
    fn of(session: &ConsoleSession) -> Result<Self, PageError> {
        let runs = session.roles.contains(&Role::OperatingAdministrator);
        let administers = session.facilities().next().is_some();
        let owns = session.roles.iter().any(|role| matches!(role, Role::ServiceOwner(_)));
        if runs || administers || owns {
            return Ok(Self { runs, administers, owns });
        }
        Err(session.missing("operating_administrator", None).into())
    }

    /// Whether people can be looked for by name.
    pub(super) const fn sees_people(self) -> bool {
        self.runs || self.administers
    }

    /// Whether somebody without a name can be asked about.
    pub(super) const fn supposes(self) -> bool {
        self.runs || self.owns
    }
}

/// A search by name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchForm {
    name: String,
}

#[derive(Template)]
#[template(path = "console/simulator.html")]
struct SimulatorPage {
    page: PageFrame,
    sees_people: bool,
    supposes: bool,
    name: String,
    longest: usize,
    /// Who was found; absent before a search.
    found: Option<Vec<Found>>,
    /// There are more than are shown.
    more: bool,
    typed: ShowForm,
    /// Who is asked about: name and facility's name.
    chosen: Option<(String, String)>,
    choices: Choices,
    outcome: Option<Outcome>,
    errors: FieldErrors,
}

impl SimulatorPage {
    fn new(session: &ConsoleSession, rights: Rights, page: PageFrame, typed: ShowForm) -> Self {
        let page = session.frame(page.switching_at(PATH));
        Self {
            sees_people: rights.sees_people(),
            supposes: rights.supposes(),
            name: String::new(),
            longest: LONGEST,
            found: None,
            more: false,
            chosen: None,
            choices: Choices::of(&typed, &page.text),
            outcome: None,
            errors: FieldErrors::default(),
            typed,
            page,
        }
    }

    fn answer(self) -> Response {
        let good = self.errors.is_empty();
        let status = if good { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        (status, Page(self)).into_response()
    }
}

/// `GET /console/simulator`.
///
/// # Errors
/// [`PageError`]: no right to ask about anything.
pub async fn get(session: ConsoleSession, page: PageFrame) -> Result<Response, PageError> {
    let rights = Rights::of(&session)?;
    Ok(SimulatorPage::new(&session, rights, page, ShowForm::default()).answer())
}

/// `POST /console/simulator`: looks for people by name, among those that the reader may ask about. Not in
/// the address, which would keep the name.
///
/// # Errors
/// [`PageError`]: no right to look for people, or the database does not answer.
pub async fn search(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<SearchForm>,
) -> Result<Response, PageError> {
    let rights = Rights::of(&session)?;
    if !rights.sees_people() {
        return Err(session.no_facility().into());
    }
    let mut shown = SimulatorPage::new(&session, rights, page, ShowForm::default());
    shown.errors = FieldErrors::of_form(&[("name", "simulator-name")]);
    let read = form::line(&form.name, LONGEST);
    let name = shown.errors.keep("name", read, &shown.page.text);
    shown.name = form.name;
    let Some(name) = name else { return Ok(shown.answer()) };
    let places: Vec<Option<&str>> =
        if rights.runs { vec![None] } else { session.facilities().map(Some).collect() };
    let limit = i64::try_from(MOST_FOUND + 1).unwrap_or(i64::MAX);
    let now = app.now();
    let mut found = transaction!(app.store(), StoreError, |tx| {
        let mut found = Vec::new();
        for place in &places {
            found.extend(membership::search(tx, &name, *place, limit).await?);
        }
        let actor = Actor::Person(session.person_id.clone());
        let entry = Entry::done("person.search", actor, now)
            .from_address(&session.address)
            .fact("found", found.len())
            .personal("text", &name);
        let entry = match places.as_slice() {
            [Some(facility)] => entry.at_organisation(*facility),
            _ => entry,
        };
        Ok(Audited::new(found, entry))
    })?;
    shown.more = found.len() > MOST_FOUND;
    found.truncate(MOST_FOUND);
    shown.found = Some(found);
    Ok(shown.answer())
}

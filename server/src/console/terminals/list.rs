//! `GET /console/terminals`: every terminal of the facilities that the person administers.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    terminal::{self, Device},
    waiting_enrolment,
};
use serde::Deserialize;
use time::Duration;

use super::{facility_name, name, status_class, status_words};
use crate::{
    app::App,
    error::page::PageError,
    form::StrictQuery,
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

/// Terminals a page.
const PAGE: i64 = 100;
/// Waiting requests of a facility that are marked.
const MOST_WAITING: i64 = 1_000;
/// A certificate that ends so soon is shown as ending.
const SOON: Duration = Duration::days(30);

/// Which part of a long list.
#[derive(Debug, Default, Deserialize)]
pub struct Part {
    /// Pages before this one.
    #[serde(default)]
    page: u16,
}

struct Facility {
    id: String,
    name: String,
    terminals: Vec<Row>,
    more: bool,
    /// What was typed as the name of a new terminal, and what is wrong with it.
    typed: String,
    approval: bool,
    error: Option<String>,
}

/// A name that no new terminal got.
pub(super) struct Refused {
    /// The facility in whose form it was typed.
    pub facility: String,
    /// As typed.
    pub typed: String,
    /// Whether approval was asked for.
    pub approval: bool,
    /// Why, in the page's language.
    pub error: String,
}

struct Row {
    id: String,
    name: String,
    status: String,
    status_class: &'static str,
    until: String,
    ends_soon: bool,
    misused: bool,
    waits: bool,
}

#[derive(Template)]
#[template(path = "terminals/list.html")]
struct ListPage {
    page: PageFrame,
    facilities: Vec<Facility>,
    number: u16,
    longest_name: usize,
}

/// Shows the list and the form for a new terminal.
///
/// # Errors
/// 403 for somebody who administers no facility.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    StrictQuery(part): StrictQuery<Part>,
    page: PageFrame,
) -> Result<Response, PageError> {
    show(&app, &session, page, part.page, None).await
}

/// The list again, after a name was refused.
pub(super) async fn correct(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    refused: Refused,
) -> Result<Response, PageError> {
    show(app, session, page.switching_at("/console/terminals"), 0, Some(refused)).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    number: u16,
    refused: Option<Refused>,
) -> Result<Response, PageError> {
    let soon = app.now() + SOON;
    let mut reader = app.store().read();
    let mut facilities = Vec::new();
    for id in session.facilities() {
        let offset = PAGE * i64::from(number);
        // One more than is shown tells whether there are more.
        let mut found = terminal::list_of(&mut reader, id, Device::Pc, offset, PAGE + 1).await?;
        let more = found.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
        found.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
        let waiting = waiting_enrolment::of_facility(&mut reader, id, MOST_WAITING, app.now());
        let waiting = waiting.await?;
        let terminals = found
            .into_iter()
            .map(|terminal| Row {
                status: status_words(&page, terminal.status),
                status_class: status_class(terminal.status),
                until: terminal
                    .certificate_until
                    .map(|until| when::shown(until, page.text.lang()))
                    .unwrap_or_default(),
                ends_soon: terminal.certificate_until.is_some_and(|until| until <= soon),
                misused: terminal.code_misused_at.is_some(),
                waits: waiting.iter().any(|waiting| waiting.terminal_id == terminal.id),
                id: terminal.id,
                name: terminal.name,
            })
            .collect();
        let name = facility_name(&mut reader, id).await?;
        let (typed, approval, error) = match &refused {
            Some(refused) if refused.facility == id => {
                (refused.typed.clone(), refused.approval, Some(refused.error.clone()))
            }
            _ => (String::new(), false, None),
        };
        facilities.push(Facility {
            id: id.to_owned(),
            name,
            terminals,
            more,
            typed,
            approval,
            error,
        });
    }
    if facilities.is_empty() {
        return Err(session.no_facility().into());
    }
    let status = if refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = session.frame(page);
    let page = ListPage { page, facilities, number, longest_name: name::MOST };
    Ok((status, Page(page)).into_response())
}

//! `GET /console/terminals`: every terminal of the facilities that the person administers.

use askama::Template;
use axum::extract::State;
use sekisho_store::terminal;
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
}

struct Row {
    id: String,
    name: String,
    status: String,
    status_class: &'static str,
    until: String,
    ends_soon: bool,
    misused: bool,
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
) -> Result<Page<impl Template>, PageError> {
    let soon = app.now() + SOON;
    let mut reader = app.store().read();
    let mut facilities = Vec::new();
    for id in session.facilities() {
        let offset = PAGE * i64::from(part.page);
        // One more than is shown tells whether there are more.
        let mut found = terminal::list(&mut reader, id, offset, PAGE + 1).await?;
        let more = found.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
        found.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
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
                id: terminal.id,
                name: terminal.name,
            })
            .collect();
        let name = facility_name(&mut reader, id).await?;
        facilities.push(Facility { id: id.to_owned(), name, terminals, more });
    }
    if facilities.is_empty() {
        return Err(session.no_facility().into());
    }
    Ok(Page(ListPage {
        page: session.frame(page),
        facilities,
        number: part.page,
        longest_name: name::MOST,
    }))
}

//! `/console/organisations`: the register, to find an organisation in.

use askama::Template;
use axum::extract::State;
use sekisho_store::organisation;
use serde::Deserialize;

use crate::{
    app::App,
    error::page::PageError,
    form::StrictQuery,
    page::{Page, PageFrame},
    people::{role::Role, session::ConsoleSession},
    register::{apply::kind_name, organisation::status_name},
};

/// Organisations a page.
const PAGE: i64 = 50;
/// Most characters of a search.
const MOST_TEXT: usize = 100;

/// What is looked for.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Part of a name, a code, or an identifier.
    #[serde(default)]
    q: String,
    /// Pages before this one.
    #[serde(default)]
    page: u16,
}

struct Line {
    id: String,
    name: String,
    kind: String,
    status: String,
}

#[derive(Template)]
#[template(path = "console/organisations.html")]
struct OrganisationsPage {
    page: PageFrame,
    asked: String,
    longest: usize,
    lines: Vec<Line>,
    /// Queries of the neighbouring pages.
    back: Option<String>,
    on: Option<String>,
}

fn query(text: &str, page: u16) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", text)
        .append_pair("page", &page.to_string())
        .finish()
}

/// `GET /console/organisations?q=&page=`, for officers and administrators of the operating body.
///
/// # Errors
/// [`PageError`]: neither of them, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Page<impl Template>, PageError> {
    if session.require(&Role::AccreditationOfficer).is_err() {
        session.require(&Role::OperatingAdministrator)?;
    }
    let text: String = asked.q.chars().take(MOST_TEXT).collect();
    let mut reader = app.store().read();
    // One more than is shown tells whether there are more.
    let offset = PAGE * i64::from(asked.page);
    let mut found = organisation::search(&mut reader, &text, offset, PAGE + 1).await?;
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let on = (found.len() > shown).then(|| query(&text, asked.page.saturating_add(1)));
    found.truncate(shown);
    let lines = found
        .into_iter()
        .map(|found| Line {
            kind: kind_name(found.kind, &page.text),
            status: status_name(found.status, &page.text),
            id: found.id,
            name: found.name,
        })
        .collect();
    Ok(Page(OrganisationsPage {
        page: session.frame(page),
        lines,
        longest: MOST_TEXT,
        back: asked.page.checked_sub(1).map(|before| query(&text, before)),
        on,
        asked: text,
    }))
}

//! `GET /console/whois`: whose an address is, for auditors and administrators of the operating body.
//!
//! Each look-up is a record of the trail, which is written before anything is shown.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{StoreError, audit::Audited, transaction};
use serde::Deserialize;

use crate::{
    app::App,
    error::page::PageError,
    form::StrictQuery,
    network::whois::{self, ACT, Asked, By, Facility, Found, MINUTES, MOST_MINUTES},
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// Its path.
pub const PATH: &str = "/console/whois";
/// The most characters of an address.
const MOST_TEXT: usize = 45;

/// What is asked; without an address it is the form alone.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Query {
    /// IPv4 or IPv6.
    #[serde(default)]
    address: String,
    /// Japan Standard Time, `2026-11-21T09:00`; now unless it is given.
    #[serde(default)]
    at: String,
    /// Minutes before and after it.
    #[serde(default)]
    minutes: String,
}

struct RouterLine {
    by: &'static str,
    id: String,
    name: String,
    network: String,
    facility: Facility,
    since: String,
}

struct TerminalLine {
    id: String,
    name: String,
    facility: Facility,
    first: String,
    last: String,
    acts: usize,
}

struct Answer {
    title: String,
    prefix: Option<(String, Facility)>,
    routers: Vec<RouterLine>,
    terminals: Vec<TerminalLine>,
    others: String,
    cut: bool,
}

#[derive(Template)]
#[template(path = "console/whois.html")]
struct WhoisPage {
    page: PageFrame,
    query: Query,
    minutes: u16,
    most_minutes: u16,
    longest: usize,
    answer: Option<Answer>,
    errors: FieldErrors,
}

/// Shows it.
///
/// # Errors
/// 403 for everybody else. What cannot be read is the form again.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<Query>,
) -> Result<Response, PageError> {
    let acting = match session.require(&Role::Auditor) {
        Ok(acting) => acting,
        Err(_) => session.require(&Role::OperatingAdministrator)?,
    };
    let mut errors = FieldErrors::of_form(&[
        ("address", "whois-address"),
        ("at", "whois-at"),
        ("minutes", "whois-minutes"),
    ]);
    let asked = read(&app, &query, &page, &mut errors);
    let now = app.now();
    let answer = match asked {
        None => None,
        Some(asked) => {
            let found = asked.look_up(&mut app.store().read()).await?;
            let entry = asked.recorded(acting.done(ACT, now), &found);
            transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))?;
            Some(answer(&asked, found, &page))
        }
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = WhoisPage {
        page: session.frame(page),
        query,
        minutes: asked.map_or(MINUTES, |asked| asked.minutes),
        most_minutes: MOST_MINUTES,
        longest: MOST_TEXT,
        answer,
        errors,
    };
    Ok((status, Page(shown)).into_response())
}

/// What the query asks; `None` where it asks nothing, or the mistakes are noted.
fn read(app: &App, query: &Query, page: &PageFrame, errors: &mut FieldErrors) -> Option<Asked> {
    let at = match query.at.as_str() {
        "" => Some(app.now()),
        typed => when::typed(typed),
    };
    if at.is_none() {
        errors.add("at", page.t("audit-error-time"));
    }
    let minutes = match query.minutes.as_str() {
        "" => Some(MINUTES),
        typed => typed.parse().ok().filter(|minutes| (1..=MOST_MINUTES).contains(minutes)),
    };
    if minutes.is_none() {
        errors.add("minutes", page.t1("whois-error-minutes", "most", MOST_MINUTES));
    }
    let address = whois::address(&query.address);
    if address.is_none() && !query.address.is_empty() {
        errors.add("address", page.t("whois-error-address"));
    }
    let asked = Asked { address: address?, at: at?, minutes: minutes? };
    errors.is_empty().then_some(asked)
}

fn answer(asked: &Asked, found: Found, page: &PageFrame) -> Answer {
    let shown = |at| when::shown_to_the_second(at, page.text.lang());
    let told = [("address", asked.address.to_string()), ("at", shown(asked.at))];
    Answer {
        title: page.text.with("whois-answer", &told),
        prefix: found.prefix.map(|(prefix, whose)| (prefix.to_string(), whose)),
        routers: found
            .routers
            .into_iter()
            .map(|(by, router, facility)| RouterLine {
                by: match by {
                    By::Address => "whois-by-address",
                    By::Network => "whois-by-network",
                },
                network: router.network.to_string(),
                since: shown(router.entered_at),
                id: router.terminal_id,
                name: router.name,
                facility,
            })
            .collect(),
        terminals: found
            .terminals
            .into_iter()
            .map(|seen| TerminalLine {
                id: seen.terminal_id,
                name: seen.name,
                facility: seen.facility,
                first: shown(seen.first),
                last: shown(seen.last),
                acts: seen.acts,
            })
            .collect(),
        others: page.t1("whois-others", "count", found.others),
        cut: found.cut,
    }
}

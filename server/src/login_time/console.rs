//! `GET /console/login-times`: the login whose code somebody read out on the telephone.
//!
//! It tells where and how long, not whose it was: the help desk mends PCs and readers. Each look-up is a record.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{StoreError, audit::Audited, login_time, terminal, transaction};
use serde::Deserialize;

use super::{DIGITS, Parts, grouped, service_name, typed};
use crate::{
    app::App,
    error::page::PageError,
    form::StrictQuery,
    page::{Page, PageFrame},
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    portal::when,
};

/// Where the page is.
pub const PATH: &str = "/console/login-times";
/// The most characters that are read as a code.
const MOST_TEXT: usize = 4 * DIGITS;

/// The query; without a code it is the form alone.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[serde(default)]
    code: String,
}

struct Found {
    code: String,
    at: String,
    place: Option<terminal::Place>,
    organisation_id: String,
    terminal_id: String,
    parts: Parts,
    service: Option<String>,
}

#[derive(Template)]
#[template(path = "console/login-times.html")]
struct LookUpPage {
    page: PageFrame,
    code: String,
    longest: usize,
    found: Option<Found>,
    /// A code that is nobody's.
    unknown: bool,
    errors: FieldErrors,
}

/// `GET /console/login-times?code=`.
///
/// # Errors
/// 403 for who is no administrator of the operating body; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(query): StrictQuery<Query>,
) -> Result<Response, PageError> {
    const ACT: &str = "login_time.look_up";
    let acting = session.require(&Role::OperatingAdministrator)?;
    let mut errors = FieldErrors::of_form(&[("code", "login-time-code")]);
    let code = match query.code.as_str() {
        "" => None,
        text => typed(text).filter(|_| text.len() <= MOST_TEXT * 4),
    };
    if code.is_none() && !query.code.is_empty() {
        errors.add("code", page.t1("login-time-code-error", "digits", DIGITS));
    }
    let mut found = None;
    if let Some(code) = &code {
        let mut reader = app.store().read();
        let time = login_time::by_code(&mut reader, code).await?;
        let now = app.now();
        let record = match &time {
            Some(time) => acting
                .done(ACT, now)
                .at_organisation(&time.organisation_id)
                .on("terminal", &time.terminal_id)
                .on("session", hex::encode(time.session_hash)),
            None => acting.refused(ACT, now, "unknown_code"),
        };
        transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), record.clone())))?;
        if let Some(time) = time {
            let terminals = [time.terminal_id.as_str()].into();
            let mut places = terminal::places(&mut reader, &terminals).await?;
            found = Some(Found {
                code: grouped(&time.code),
                at: when::shown(time.at, page.text.lang()),
                place: places.remove(&time.terminal_id),
                parts: Parts::of(&time),
                service: service_name(&mut reader, &time, &page.text).await?,
                organisation_id: time.organisation_id,
                terminal_id: time.terminal_id,
            });
        }
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = LookUpPage {
        page: session.frame(page),
        unknown: code.is_some() && found.is_none(),
        code: query.code,
        longest: MOST_TEXT,
        found,
        errors,
    };
    Ok((status, Page(shown)).into_response())
}

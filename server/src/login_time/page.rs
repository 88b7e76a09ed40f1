//! `GET /login-times`: how long a person's latest logins took, and where the time went.

use askama::Template;
use axum::extract::State;
use sekisho_store::{login_time, terminal};

use super::{Parts, grouped, service_name};
use crate::{
    app::App,
    error::page::PageError,
    listener::FacilityConnection,
    login::session::PortalSession,
    page::{Page, PageFrame},
    portal::when,
};

/// Where the page is.
pub const PATH: &str = "/login-times";
/// How many logins are shown.
const MOST: i64 = 10;

struct Login {
    code: String,
    at: String,
    place: Option<terminal::Place>,
    parts: Parts,
    service: Option<String>,
}

#[derive(Template)]
#[template(path = "login-times.html")]
struct TimesPage {
    page: PageFrame,
    logins: Vec<Login>,
}

/// `GET /login-times`.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    session: PortalSession,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let times = login_time::of_person(&mut reader, &session.person_id, MOST).await?;
    let terminals = times.iter().map(|time| time.terminal_id.as_str()).collect();
    let places = terminal::places(&mut reader, &terminals).await?;
    let mut logins = Vec::new();
    for time in &times {
        logins.push(Login {
            code: grouped(&time.code),
            at: when::shown(time.at, page.text.lang()),
            parts: Parts::of(time),
            service: service_name(&mut reader, time, &page.text).await?,
            place: places.get(&time.terminal_id).cloned(),
        });
    }
    Ok(Page(TimesPage { page: session.frame(page, &facility), logins }))
}

//! `GET /help`: what to do when something does not work, for whoever stands before this terminal.

use askama::Template;
use axum::extract::{Extension, State};
use http::HeaderMap;

use crate::{
    app::App,
    error::page::PageError,
    listener::{FacilityConnection, Peer},
    login::session,
    page::{Page, PageFrame},
};

/// Where the page is.
pub const PATH: &str = "/help";

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    page: PageFrame,
    jpki: bool,
    passkeys: bool,
    day_passes: bool,
    /// Whether somebody is logged in, who may see how long the login took.
    logged_in: bool,
}

/// `GET /help`, logged in or not.
///
/// # Errors
/// [`PageError`]: the database does not answer.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let session = session::present(&app, &peer, &headers, &facility).await?;
    let page = match &session {
        Some(session) => session.frame(page, &facility),
        None => page,
    };
    let card_login = app.config().card_login();
    Ok(Page(HelpPage {
        page,
        jpki: app.card_trust().at(&facility.organisation_id).jpki().is_some(),
        passkeys: card_login.passkeys(),
        day_passes: card_login.day_passes(),
        logged_in: session.is_some_and(|session| !session.ground.is_visit()),
    }))
}

//! `/console`: where somebody without a card begins.

use askama::Template;
use axum::response::{IntoResponse, Response};

use super::{role::Role, session::ConsoleSession};
use crate::page::{Page, PageFrame};

#[derive(Template)]
#[template(path = "people/console.html")]
struct HomePage {
    page: PageFrame,
    name: String,
    roles: Vec<Role>,
}

/// `GET /console`.
pub async fn get(session: ConsoleSession, page: PageFrame) -> Response {
    let page = session.frame(page);
    Page(HomePage { page, name: session.name, roles: session.roles }).into_response()
}

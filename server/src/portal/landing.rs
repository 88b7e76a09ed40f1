//! `GET /` on the public name (総合案内): what this is, and which door is whose.

use askama::Template;
use axum::extract::State;

use crate::{
    app::App,
    instance::fingerprint_hex,
    page::{Page, PageFrame},
};

/// Characters of the root's fingerprint that are read as one group.
const GROUP: usize = 4;

#[derive(Template)]
#[template(path = "landing.html")]
struct LandingPage {
    page: PageFrame,
    /// Origin of the terminal name, where people with a card log in.
    portal: String,
    /// SHA-256 of the root certificate, in groups.
    fingerprint: String,
    root_certificate: String,
}

/// `GET /`: for everybody, without a session.
pub async fn get(State(app): State<App>, page: PageFrame) -> Page<impl Template> {
    let mut fingerprint = String::new();
    for (position, digit) in fingerprint_hex(app.authority().root_der()).chars().enumerate() {
        if position > 0 && position % GROUP == 0 {
            fingerprint.push(' ');
        }
        fingerprint.push(digit);
    }
    Page(LandingPage {
        page,
        portal: app.names().terminal.clone(),
        fingerprint,
        root_certificate: format!("{}/ca/root.crt", app.names().plain),
    })
}

//! The letter as it is printed: it goes to a facility in Japan, so it speaks Japanese first and English
//! below, whatever language the officer's pages are in.

use askama::Template;
use axum::response::{IntoResponse, Response};
use sekisho_store::organisation;
use zeroize::Zeroizing;

use super::letter::Letter;
use crate::{
    app::App,
    catalogue::{Lang, Text},
    error::page::PageError,
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

#[derive(Template)]
#[template(path = "register-letter.html")]
struct LetterPage {
    page: PageFrame,
    organisation_id: String,
    name: String,
    postal_code: String,
    address: String,
    code: Zeroizing<String>,
    activate_url: String,
    further: bool,
    versions: [Version; 2],
}

/// The letter in one language.
struct Version {
    text: Text,
    operator: String,
    help_desk: String,
    dated: String,
    expires_at: String,
}

impl Version {
    fn of(app: &App, letter: &Letter, lang: Lang) -> Self {
        let operator = app.config().operator();
        Self {
            text: app.text(lang),
            operator: operator.name(lang).to_owned(),
            help_desk: operator.help_desk(lang).to_owned(),
            dated: when::shown(app.now(), lang),
            expires_at: when::shown(letter.expires_at, lang),
        }
    }
}

/// The letter, to be printed; what surrounds it is in the officer's language.
///
/// # Errors
/// [`PageError`]: the database does not answer.
pub(super) async fn answer(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    letter: Letter,
) -> Result<Response, PageError> {
    let found = organisation::find(&mut app.store().read(), &letter.organisation_id)
        .await?
        .ok_or_else(PageError::not_found)?;
    let body = LetterPage {
        versions: [Lang::Ja, Lang::En].map(|lang| Version::of(app, &letter, lang)),
        organisation_id: found.id,
        name: found.name,
        postal_code: found.postal_code,
        address: found.address,
        code: letter.code,
        further: letter.further,
        activate_url: format!("{}/activate", app.names().public),
        page: session.frame(page),
    };
    Ok(Page(body).into_response())
}

//! `POST /console/terminals/{id}/certify`: a certificate for the key that the device made.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{failed, page, refused, typed};
use crate::{
    app::App,
    console::terminals::administered,
    enrol::by_person::ByPerson,
    error::page::PageError,
    form::{PathId, StrictForm},
    page::PageFrame,
    people::{field::FieldErrors, session::ConsoleSession},
};

/// What the form holds.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// The request, PEM or base64.
    request: String,
}

/// Certifies the key of the request. The same request gets the same certificate for a while.
///
/// # Errors
/// 404 for somebody else's device; 409 for one that may have no certificate now. A request that cannot be read
/// is the page again, with what was typed unless that may be a secret; one that breaks a rule is 422.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let request = match typed::request(&form.request) {
        Ok(request) => request,
        Err(key) => {
            let mut errors = FieldErrors::of_form(&[("request", "terminals-certify-request")]);
            errors.add("request", page.t(key));
            // What may be a secret is not written into another page.
            let typed =
                if typed::is_shown_again(&form.request) { form.request } else { String::new() };
            let page = page.switching_at(&format!("/console/terminals/{id}/certify"));
            return page::show(
                &app,
                &session,
                page,
                &terminal,
                page::Shown { typed, errors, notice: None },
            )
            .await;
        }
    };
    let by_person = ByPerson {
        app: &app,
        acting: &acting,
        terminal: &terminal,
        request: &request,
        file: None,
        at: app.now(),
    };
    by_person
        .certify()
        .await
        .map_err(|error| failed(&error))?
        .map_err(|refusal| refused(&refusal))?;
    Ok(Redirect::to(&format!("/console/terminals/{id}/certify?notice=issued")).into_response())
}

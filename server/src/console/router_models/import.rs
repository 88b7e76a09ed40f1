//! `POST /console/router-models`, `/console/router-models-shipped` and `GET /console/router-models-download`: files of
//! tests, in and out.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_store::{StoreError, audit::Audited, router_model, router_test, transaction};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    PATH,
    list::{Asked, Import, page_of},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{NoFields, StrictForm},
    network::models::{FileError, MOST_ROWS, SHIPPED, file, keeping, writing},
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
};

/// A file as text.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// What stands in the file.
    file: String,
}

/// Takes a file in, all of it or nothing, and shows the list with what became of it.
///
/// # Errors
/// 403 for everybody but the operating body's administrators. A file that does not fit is the list again, with
/// the line and what is wrong there.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    take(&app, &session, page, form.file).await
}

/// Takes in the file that this program has with it.
///
/// # Errors
/// As [`post`].
pub async fn shipped(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    NoFields: NoFields,
) -> Result<Response, PageError> {
    take(&app, &session, page, SHIPPED.to_owned()).await
}

async fn take(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    typed: String,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::OperatingAdministrator)?;
    let now = app.now();
    let page = page.switching_at(PATH);
    let shown = async |import: Import| {
        page_of(app, Some(session), page.clone(), Asked::default(), import).await
    };
    let again = |error: FileError, typed: String| {
        let mut errors = FieldErrors::of_form(&[("file", "models-import-file")]);
        errors.add("file", error.words(&page.text));
        Import { typed, errors, done: None }
    };
    let file = match file::read(typed.as_bytes(), now) {
        Ok(file) => file,
        Err(error) => return shown(again(error, typed)).await,
    };
    let digest = hex::encode(Sha256::digest(&typed));
    let kept = transaction!(app.store(), StoreError, |tx| {
        let kept = keeping::keep(tx, &file, acting.person_id(), now).await?;
        let entry = match &kept {
            Ok(imported) => imported.recorded(acting.done(keeping::ACT, now)),
            Err(error) => acting
                .refused(keeping::ACT, now, error.wrong.as_str())
                .fact("line", i64::try_from(error.line).unwrap_or(i64::MAX)),
        };
        Ok(Audited::new(kept, entry.fact("file_sha256", digest.as_str())))
    })?;
    match kept {
        Ok(done) => shown(Import { done: Some(done), ..Import::default() }).await,
        Err(error) => shown(again(error, typed)).await,
    }
}

/// Every model and result, as a file that [`post`] and the command line take.
///
/// # Errors
/// 403 for everybody but the operating body's administrators.
pub async fn download(
    State(app): State<App>,
    session: ConsoleSession,
) -> Result<Response, PageError> {
    session.require(&Role::OperatingAdministrator)?;
    let mut reader = app.store().read();
    let models = router_model::all(&mut reader, MOST_ROWS).await?;
    let tests = router_test::all(&mut reader, MOST_ROWS).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/toml")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"router-tests.toml\""),
        ),
    ];
    Ok((headers, writing::write(&models, &tests)).into_response())
}

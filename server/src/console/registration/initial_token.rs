//! `POST /console/services/token`: a token by which one service registers itself.

use axum::{extract::State, response::Response};
use serde::Deserialize;

use super::made;
use crate::{
    app::App,
    error::page::PageError,
    form::StrictForm,
    oidc::{
        client::Registry,
        registration::initial::{self, InitialTokenError, Order},
    },
    page::PageFrame,
    people::{role::Role, session::ConsoleSession},
};

/// For how many days the token can be used.
const DAYS: u32 = 7;

/// Whose service it will be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    organisation: String,
}

/// Makes the token and shows it, once.
///
/// # Errors
/// [`PageError`]: the organisation's services are another's to answer for, or the database does not
/// answer.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::ServiceOwner(form.organisation.clone()))?;
    let registry = Registry::of(&app);
    let order = Order { organisation_id: Some(form.organisation), uses: 1, days: DAYS };
    let failed = |error| match error {
        InitialTokenError::Store(error) => error.into(),
        // A role at an organisation that is not in operation is none.
        InitialTokenError::Organisation(_) => PageError::forbidden(),
        InitialTokenError::Randomness(_) => PageError::internal(&error),
    };
    let prepared = initial::prepare(&registry, order).await.map_err(failed)?;
    let shown =
        made::token_page(&app, session.frame(page), prepared.token(), prepared.expires_at());
    let entry = acting.done("initial_access_token.create", registry.now);
    prepared.keep(&registry, entry, Some(acting.person_id())).await.map_err(failed)?;
    Ok(shown)
}

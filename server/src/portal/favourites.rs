//! `POST /favourites`: which services a person sees first.

use axum::{
    extract::{Extension, State},
    response::Redirect,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    favourite, offer, transaction,
};
use serde::Deserialize;

use super::PATH;
use crate::{
    app::App,
    error::page::PageError,
    form::{FormError, StrictForm},
    listener::{FacilityConnection, Peer},
    login::session::PortalSession,
};

/// The most that a person has: more would be in nobody's sight first.
const MOST: i64 = 24;

/// The form: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    #[serde(default)]
    add: Option<String>,
    #[serde(default)]
    remove: Option<String>,
}

/// `POST /favourites`, field `add` or `remove`: a service's `client_id`. One that is there already, or is not, stays so.
///
/// # Errors
/// [`PageError`]: nobody is logged in; no such service; neither field, or both; or the database does not answer.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    session: PortalSession,
    StrictForm(choice): StrictForm<Choice>,
) -> Result<Redirect, PageError> {
    let (act, service_id, adds) = match (choice.add, choice.remove) {
        (Some(id), None) => ("favourite.add", id, true),
        (None, Some(id)) => ("favourite.remove", id, false),
        (None, None) => return Err(FormError::Missing { field: "add" }.into()),
        (Some(_), Some(_)) => return Err(FormError::Repeated { field: "add".to_owned() }.into()),
    };
    if offer::find(&mut app.store().read(), &service_id).await?.is_none() {
        return Err(PageError::not_found());
    }
    let (now, person_id) = (app.now(), &session.person_id);
    transaction!(app.store(), StoreError, |tx| {
        let changed = if adds {
            favourite::add(tx, person_id, &service_id, MOST, now).await?
        } else {
            favourite::remove(tx, person_id, &service_id).await?
        };
        let person = Actor::Person(person_id.clone());
        let record = if changed {
            Entry::done(act, person, now)
        } else {
            Entry::refused(act, person, now, "nothing_to_change")
        };
        Ok(Audited::new((), facility.place(record.on("service", &service_id), &peer)))
    })?;
    Ok(Redirect::to(PATH))
}

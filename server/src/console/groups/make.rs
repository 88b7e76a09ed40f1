//! `POST /console/groups`: a new group.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{
    StoreError, transaction,
    vpn_group::{NewGroup, Purpose, Topology},
};
use serde::Deserialize;

use super::{PATH, list, path_of, refused};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm, Sure},
    network::groups::{self, By, LONGEST_NAME, Refusal},
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    register::typed::FieldError,
};

/// What the form holds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Form {
    /// Identifier of the facility whose it is to be.
    pub(super) facility: String,
    pub(super) name: String,
    /// In English.
    pub(super) name_en: Option<String>,
    pub(super) purpose: String,
    pub(super) topology: String,
    /// Whether spokes reach each other through a hub.
    pub(super) transit: Option<Sure>,
}

/// Makes it, and leads to its page.
///
/// # Errors
/// 403 for another facility. A field that does not fit is the list again, with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::FacilityAdministrator(form.facility.clone()))?;
    let mut errors = FieldErrors::of_form(&[
        ("name", "groups-name"),
        ("name_en", "groups-name-en"),
        ("purpose", "groups-purpose"),
        ("topology", "groups-topology"),
        ("transit", "groups-transit"),
    ]);
    let name = errors.keep("name", form::line(&form.name, LONGEST_NAME), &page.text);
    let name_en = form.name_en.as_deref().map(|name| form::line(name, LONGEST_NAME)).transpose();
    let name_en = errors.keep("name_en", name_en, &page.text);
    let purpose = Purpose::parse(&form.purpose).ok_or(FieldError::Choice);
    let purpose = errors.keep("purpose", purpose, &page.text);
    let topology = Topology::parse(&form.topology).ok_or(FieldError::Choice);
    let topology = errors.keep("topology", topology, &page.text);
    let transit = form.transit.is_some();
    if transit && topology == Some(Topology::Mesh) {
        errors.add("transit", page.t("groups-transit-of-mesh"));
    }
    let again = async |errors: FieldErrors| {
        let page = page.clone().switching_at(PATH);
        list::show(&app, &session, page, list::Asked::default(), form.clone(), errors).await
    };
    let (Some(name), Some(name_en), Some(purpose), Some(topology), true) =
        (name, name_en, purpose, topology, errors.is_empty())
    else {
        return again(errors).await;
    };
    let new = NewGroup {
        owner_id: &form.facility,
        name_ja: &name,
        name_en: name_en.as_deref().unwrap_or_default(),
        purpose,
        topology,
        transit,
        created_by: acting.person_id(),
        at: app.now(),
    };
    let by = By::Person(&acting);
    match transaction!(app.store(), StoreError, |tx| groups::make(tx, &by, new).await)? {
        Ok(group) => Ok(Redirect::to(&path_of(&group.id)).into_response()),
        Err(refusal @ (Refusal::NameInUse | Refusal::TooManyGroups)) => {
            errors.add("name", page.t(refusal.key()));
            again(errors).await
        }
        Err(refusal) => Err(refused(refusal)),
    }
}

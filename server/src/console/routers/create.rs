//! `POST /console/routers`: a new router and its first code.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    transaction,
};
use serde::Deserialize;

use super::{code, list};
use crate::{
    app::App,
    console::terminals::facility_not_active,
    error::page::PageError,
    form::{self, StrictForm, Sure},
    network::{
        entry::{LONGEST_NAME, NewRouter, Order, Refusal},
        family, typed,
    },
    page::PageFrame,
    people::{field::FieldErrors, role::Role, session::ConsoleSession},
    register::typed::FieldError,
};

/// What the form holds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Form {
    /// The facility's identifier.
    pub(super) facility: String,
    /// What the router is to be called.
    pub(super) name: String,
    /// Certificate profile of its family.
    pub(super) family: String,
    /// Where its peers reach it, if that is fixed.
    pub(super) address: Option<String>,
    /// What lies behind it.
    pub(super) network: String,
    /// Whether a person is to approve the key before it is certified.
    pub(super) approval: Option<Sure>,
}

/// Enters the router and shows its code, once.
///
/// # Errors
/// 403 for another facility, 409 for one that may not act. A field that does not fit is the list again,
/// with what was typed.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::FacilityAdministrator(form.facility.clone()))?;
    let mut errors = FieldErrors::of_form(&[
        ("name", "routers-field-name"),
        ("family", "routers-family"),
        ("address", "routers-address"),
        ("network", "routers-network"),
    ]);
    let order = read(&form, &page, &mut errors);
    let again = async |errors: FieldErrors| {
        let page = page.clone().switching_at("/console/routers");
        list::show(&app, &session, page, form.clone(), errors).await
    };
    let Some(order) = order else { return again(errors).await };
    let now = app.now();
    let router = NewRouter::draw(app.random(), &app.keys().sealing, app.config(), order, now)
        .map_err(|error| PageError::internal(&error))?;
    let id = router.router().terminal_id.as_str();
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let entry = |entry: Entry| {
            entry
                .on("terminal", id)
                .fact("terminal_name", router.name())
                .fact("family", router.router().family.as_str())
        };
        if let Some(refusal) = router.keep(tx, acting.person_id(), now).await? {
            let refused = acting.refused("router.create", now, refusal.as_str());
            return Ok(Audited::new(Some(refusal), entry(refused)));
        }
        Ok(Audited::new(None, entry(acting.done("router.create", now)))
            .and(entry(acting.done("terminal.issue_code", now))))
    })?;
    match refusal {
        None => {
            let frame = session.frame(page);
            Ok(code::page(&app, frame, id, router.name(), router.code()).into_response())
        }
        Some(Refusal::FacilityNotActive) => Err(facility_not_active()),
        Some(Refusal::NameInUse) => {
            errors.add("name", page.t1("terminals-name-in-use", "name", router.name()));
            again(errors).await
        }
        Some(Refusal::AddressInUse) => {
            errors.add("address", page.t("routers-error-address-in-use"));
            again(errors).await
        }
    }
}

/// What the form asks for; `None` and the mistakes are noted.
fn read(form: &Form, page: &PageFrame, errors: &mut FieldErrors) -> Option<Order> {
    let name = errors.keep("name", form::line(&form.name, LONGEST_NAME), &page.text);
    let chosen = family::find(&form.family).ok_or(FieldError::Choice);
    let family = errors.keep("family", chosen, &page.text);
    let address = match form.address.as_deref().map(typed::address).transpose() {
        Ok(address) => Some(address),
        Err(error) => {
            errors.add("address", page.t(error.key()));
            None
        }
    };
    let network = match typed::network(&form.network) {
        Ok(network) => Some(network),
        Err(error) => {
            errors.add("network", page.t(error.key()));
            None
        }
    };
    Some(Order {
        organisation_id: form.facility.clone(),
        name: name?,
        family: family?,
        address: address?,
        // A claim about the network, which a facility does not make for itself.
        certifies_address: false,
        network: network?,
        approval: form.approval.is_some(),
    })
}

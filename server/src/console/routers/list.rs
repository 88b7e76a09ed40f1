//! `GET /console/routers`: the routers of the facilities that the person administers, and the form for
//! another one.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{
    StoreError, router, router_certification, router_model,
    terminal::{self, Device, TerminalStatus},
    waiting_enrolment,
};

use super::create::Form;
use crate::{
    app::App,
    console::{
        router_models::{Tag, certified_today},
        terminals::{facility_name, status_class, status_words},
    },
    error::page::PageError,
    network::{
        entry::LONGEST_NAME,
        family::{self, basis_key},
    },
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
    portal::when,
};

/// Most routers of a facility that are shown. A facility has a handful.
const MOST: i64 = 200;

struct Facility {
    id: String,
    name: String,
    routers: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    family: String,
    /// What the facility says that it is.
    model: Option<Model>,
    in_force: bool,
    dns_name: String,
    status: String,
    status_class: &'static str,
    waits: bool,
    until: String,
}

struct Model {
    id: String,
    title: String,
    certified: Vec<Tag>,
}

struct Choice {
    value: &'static str,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "routers/list.html")]
struct ListPage {
    page: PageFrame,
    facilities: Vec<Facility>,
    families: Vec<Choice>,
    longest_name: usize,
    typed: Form,
    errors: FieldErrors,
}

/// Shows them.
///
/// # Errors
/// 403 for somebody who administers no facility.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Response, PageError> {
    show(&app, &session, page, Form::default(), FieldErrors::default()).await
}

/// The page, after a form was refused with what was typed.
pub(super) async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    typed: Form,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let mut facilities = Vec::new();
    for id in session.facilities() {
        facilities.push(facility(app, &page, id).await?);
    }
    if facilities.is_empty() {
        return Err(session.no_facility().into());
    }
    let families = family::all()
        .iter()
        .map(|family| Choice {
            value: family.profile,
            label: format!("{} — {}", family.name, page.t(basis_key(family.basis))),
            chosen: typed.family == family.profile,
        })
        .collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = session.frame(page);
    let page = ListPage { page, facilities, families, longest_name: LONGEST_NAME, typed, errors };
    Ok((status, Page(page)).into_response())
}

async fn facility(app: &App, page: &PageFrame, id: &str) -> Result<Facility, StoreError> {
    let mut reader = app.store().read();
    let waiting = waiting_enrolment::of_facility(&mut reader, id, MOST, app.now()).await?;
    let latest = router_certification::latest(&mut reader).await?;
    let mut routers = Vec::new();
    for terminal in terminal::list_of(&mut reader, id, Device::Router, 0, MOST).await? {
        let Some(router) = router::find(&mut reader, &terminal.id).await? else { continue };
        let model = router_model::of_router(&mut reader, &terminal.id).await?.map(|model| Model {
            title: model.is.title(),
            certified: certified_today(&latest, &model.id, app.now(), &page.text),
            id: model.id,
        });
        routers.push(Row {
            model,
            in_force: terminal.status != TerminalStatus::Revoked,
            family: family::find(&router.family)
                .map_or(router.family, |family| family.name.clone()),
            dns_name: router.dns_name,
            status: status_words(page, terminal.status),
            status_class: status_class(terminal.status),
            until: terminal
                .certificate_until
                .map(|until| when::shown(until, page.text.lang()))
                .unwrap_or_default(),
            waits: waiting.iter().any(|waiting| waiting.terminal_id == terminal.id),
            id: terminal.id,
            name: terminal.name,
        });
    }
    let name = facility_name(&mut reader, id).await?;
    Ok(Facility { id: id.to_owned(), name, routers })
}

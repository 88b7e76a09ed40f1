//! `/console/staff`: who administers one's own facilities, and the letters that made or can make
//! somebody administrator; a new one-time link for one of them.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use sekisho_store::{
    activation_code, organisation,
    role_grant::{self, NamedGrant},
};
use serde::Deserialize;

use crate::{
    app::App,
    error::page::PageError,
    form::{PathId, StrictForm},
    page::{Page, PageFrame},
    people::{link, role::Role, session::ConsoleSession},
    register::organisation::{LetterLine, MOST_LETTERS},
};

/// Path of the list.
const PATH: &str = "/console/staff";
/// The most administrators of one facility that the page lists.
const MOST_LISTED: i64 = 200;

struct FacilityCard {
    id: String,
    name: String,
    grants: Vec<NamedGrant>,
    letters: Vec<LetterLine>,
}

#[derive(Template)]
#[template(path = "console/staff.html")]
struct StaffPage {
    page: PageFrame,
    own_person_id: String,
    facilities: Vec<FacilityCard>,
}

/// `GET /console/staff`.
///
/// # Errors
/// [`PageError`]: administrator of no facility that may act, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let mut facilities = Vec::new();
    for id in session.facilities() {
        let name = organisation::name(&mut reader, id).await?;
        let letters = activation_code::list(&mut reader, id, MOST_LETTERS).await?;
        facilities.push(FacilityCard {
            grants: role_grant::of_organisation(&mut reader, id, MOST_LISTED).await?,
            letters: letters
                .into_iter()
                .map(|letter| LetterLine::of(letter, app.now(), &page.text))
                .collect(),
            name: name.unwrap_or_else(|| id.to_owned()),
            id: id.to_owned(),
        });
    }
    if facilities.is_empty() {
        return Err(session.no_facility().into());
    }
    let own_person_id = session.person_id.clone();
    Ok(Page(StaffPage { page: session.frame(page), own_person_id, facilities }))
}

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkForm {
    facility: String,
}

/// `POST /console/staff/{person}/link`, field `facility`: the link is shown once.
///
/// # Errors
/// [`PageError`]: not this facility's administrator, one's own account, nobody of this facility, or
/// somebody with a role that another answers for.
pub async fn issue_link(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(person_id): PathId,
    StrictForm(form): StrictForm<LinkForm>,
) -> Result<Response, PageError> {
    let acting = session.require(&Role::FacilityAdministrator(form.facility))?;
    let (link, made) = link::issue(&app, &acting, &person_id, PATH).await?;
    Ok(Page(link.page(&app, session.frame(page), &made)).into_response())
}

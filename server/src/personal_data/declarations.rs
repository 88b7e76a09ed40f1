//! `GET /personal-data` and `GET /personal-data/{id}`: which services use personal data beyond the purpose of the
//! facility, and what each says about it. For everybody, without a login: of joint use people are told beforehand, or
//! can easily come to know (個人情報の保護に関する法律, article 27 (5) (iii)).

use askama::Template;
use axum::extract::State;
use sekisho_store::service::{self, Service};

use super::{Notices, claim_words, claims_of};
use crate::{
    app::App,
    catalogue::{Lang, Text},
    error::page::PageError,
    form::PathId,
    oidc::client::{Ground, PersonalData},
    page::{Page, PageFrame},
};

/// Where the list is.
pub const PATH: &str = "/personal-data";

struct Row {
    id: String,
    name: String,
    description: String,
}

#[derive(Template)]
#[template(path = "personal-data.html")]
struct ListPage {
    page: PageFrame,
    joint: Vec<Row>,
    third: Vec<Row>,
}

/// `GET /personal-data`: the services that are live, by ground.
///
/// # Errors
/// [`PageError`]: the database does not answer.
pub async fn list(
    State(app): State<App>,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let (mut joint, mut third) = (Vec::new(), Vec::new());
    for service in service::declaring(&mut app.store().read()).await? {
        let Some(declared) = PersonalData::of(&service)? else { continue };
        let (name, description) = named(&service, &page.text);
        let row = Row { id: service.id, name, description };
        match declared.ground {
            Ground::JointUse => joint.push(row),
            Ground::ThirdParty => third.push(row),
        }
    }
    Ok(Page(ListPage { page, joint, third }))
}

#[derive(Template)]
#[template(path = "personal-data-of.html")]
struct ServicePage {
    page: PageFrame,
    name: String,
    description: String,
    notices: Notices,
    /// Whether people are asked.
    asked: bool,
    /// What the portal tells it at most.
    told: Vec<String>,
}

/// `GET /personal-data/{id}`: what a service says, and what it is told at most.
///
/// # Errors
/// [`PageError`]: 404 for a service that there is not, or that says nothing; the database does not answer.
pub async fn show(
    State(app): State<App>,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Page<impl Template>, PageError> {
    let found = service::find(&mut app.store().read(), &id).await?;
    let service = found.ok_or_else(PageError::not_found)?;
    let declared = PersonalData::of(&service)?.ok_or_else(PageError::not_found)?;
    let (name, description) = named(&service, &page.text);
    Ok(Page(ServicePage {
        name,
        description,
        notices: Notices::of(&declared, page.text.lang()),
        asked: declared.ground == Ground::ThirdParty,
        told: claim_words(&claims_of(&service), &page.text),
        page,
    }))
}

fn named(service: &Service, text: &Text) -> (String, String) {
    match text.lang() {
        Lang::Ja => (service.name_ja.clone(), service.description_ja.clone()),
        Lang::En => (service.name_en.clone(), service.description_en.clone()),
    }
}

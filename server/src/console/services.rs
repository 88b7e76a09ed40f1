//! `/console/services`: the relying services, as they were registered and with their rules.

use askama::Template;
use axum::extract::State;
use sekisho_store::{going_live, rules_proposal, service};
use serde::Deserialize;

use super::service::{InForce, ServiceCard, card};
use crate::{
    app::App,
    catalogue::Lang,
    error::page::PageError,
    form::StrictQuery,
    page::{Page, PageFrame},
    people::{role::Role, session::ConsoleSession},
};

/// Services a page.
const PAGE: i64 = 50;

/// Which part of a long list.
#[derive(Debug, Default, Deserialize)]
pub struct Part {
    /// Pages before this one.
    #[serde(default)]
    page: u16,
}

#[derive(Template)]
#[template(path = "console/services.html")]
struct ServicesPage {
    page: PageFrame,
    /// Whether the reader may register one.
    registers: bool,
    /// Those that wait for the reader's decision: identifier and name.
    waiting: Vec<(String, String)>,
    /// Those of whose rules a proposal does.
    proposed: Vec<(String, String)>,
    services: Vec<ServiceCard>,
    back: Option<u16>,
    on: Option<u16>,
}

/// `GET /console/services?page=`: all for the operating body's administrator; for a service owner
/// those of the organisations that they answer for.
///
/// # Errors
/// [`PageError`]: neither role, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictQuery(part): StrictQuery<Part>,
) -> Result<Page<impl Template>, PageError> {
    if !session.sees_services() {
        session.require(&Role::OperatingAdministrator)?;
    }
    let mut reader = app.store().read();
    // One more than is shown tells whether there are more.
    let (offset, limit) = (PAGE * i64::from(part.page), PAGE + 1);
    let mut found = if session.roles.contains(&Role::OperatingAdministrator) {
        service::registered(&mut reader, None, offset, limit).await?
    } else {
        let mut found = Vec::new();
        for role in &session.roles {
            if let Role::ServiceOwner(id) = role {
                found.extend(service::registered(&mut reader, Some(id), offset, limit).await?);
            }
        }
        found
    };
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let on = (found.len() > shown).then(|| part.page.saturating_add(1));
    found.truncate(shown);
    let mut services = Vec::with_capacity(found.len());
    for service in found {
        services.push(card(&mut reader, service, &page.text).await?);
    }
    let (mut waiting, mut proposed) = (Vec::new(), Vec::new());
    if session.roles.contains(&Role::OperatingAdministrator) {
        let named = |(id, ja, en)| (id, if page.text.lang() == Lang::Ja { ja } else { en });
        waiting.extend(going_live::waiting(&mut reader, PAGE).await?.into_iter().map(named));
        proposed.extend(rules_proposal::waiting(&mut reader, PAGE).await?.into_iter().map(named));
    }
    let back = part.page.checked_sub(1);
    let registers = session.roles.iter().any(|role| matches!(role, Role::ServiceOwner(_)));
    let page = session.frame(page);
    Ok(Page(ServicesPage { page, registers, waiting, proposed, services, back, on }))
}

//! `/console/service/{id}`: a service's own page, for whoever answers for it.
//!
//! It does not lie below `/console/services`: a service may be called `new`.

mod card;
mod check;
pub mod decision;
mod going_live;
pub mod maintenance;
pub mod personal_data;
mod ready;
pub mod rules;
pub mod servers;
mod show;
mod trial;

use sekisho_store::{
    Queries,
    service::{self, Service},
};

use crate::{
    error::page::PageError,
    people::{
        role::{Acting, Role, RoleMissing},
        session::ConsoleSession,
    },
};

pub(super) use card::{InForce, RuleCard, ServiceCard, card, rule_card};
pub use check::{notice, signature};
pub use going_live::{approve, ask, refuse};
pub use show::get as show;
pub use trial::{card as hand_out, pc as issue_pc_code};

/// Where a service's page lies.
#[must_use]
pub fn path_of(id: &str) -> String {
    format!("/console/service/{id}")
}

/// The service of this identifier, for its owner and for the operating body's administrator.
///
/// # Errors
/// 404, for a service of another organisation too.
async fn seen(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    id: &str,
) -> Result<Service, PageError> {
    let service = service::find(queries, id).await?.ok_or_else(PageError::not_found)?;
    if !session.roles.contains(&Role::OperatingAdministrator) {
        owned(session, &service)?;
    }
    Ok(service)
}

/// The right to act for a service.
///
/// # Errors
/// 404: another answers for it, or nobody does but the operating body.
fn owned(session: &ConsoleSession, service: &Service) -> Result<Acting, PageError> {
    let owner = match &service.organisation_id {
        Some(organisation) => session.require(&Role::ServiceOwner(organisation.clone())),
        None => Err(session.missing("service_owner", None)),
    };
    owner.map_err(RoleMissing::hidden)
}

/// The right to act for a service of whoever answers for it, and of the operating body's administrator.
///
/// # Errors
/// 404, for a service of another organisation too.
async fn acting(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    id: &str,
) -> Result<(Acting, Service), PageError> {
    let service = seen(queries, session, id).await?;
    let acting = match session.require(&Role::OperatingAdministrator) {
        Ok(acting) => acting,
        Err(_) => owned(session, &service)?,
    };
    Ok((acting, service))
}

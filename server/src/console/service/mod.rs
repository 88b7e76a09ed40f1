//! `/console/service/{id}`: a service's own page, for whoever answers for it.
//!
//! It does not lie below `/console/services`: a service may be called `new`.

mod card;
mod ready;
mod show;

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

pub(super) use card::{InForce, ServiceCard, card};
pub use show::get as show;

/// Where a service's page lies.
#[must_use]
pub fn path_of(id: &str) -> String {
    format!("/console/service/{id}")
}

/// The service of this identifier and the right to see it: its owner's, or that of the operating
/// body's administrator.
///
/// # Errors
/// 404, for a service of another organisation too.
async fn seen(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    id: &str,
) -> Result<(Service, Acting), PageError> {
    let service = service::find(queries, id).await?.ok_or_else(PageError::not_found)?;
    let missing = match session.require(&Role::OperatingAdministrator) {
        Ok(acting) => return Ok((service, acting)),
        Err(missing) => missing,
    };
    let owned = service.organisation_id.clone().map(Role::ServiceOwner);
    let acting = owned.map_or(Err(missing), |role| session.require(&role));
    Ok((service, acting.map_err(RoleMissing::hidden)?))
}

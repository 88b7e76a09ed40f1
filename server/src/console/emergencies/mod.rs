//! Emergency accesses, for whoever has to know of them: a facility's administrator sees those of the facility
//! from their first second, the operating body's those that nobody reviewed in time. A second person
//! reviews each.

mod act;
mod list;

use sekisho_store::{
    Queries,
    emergency_access::{self, EmergencyAccess},
};

pub use act::{end, review};
pub use list::get as list;
pub(crate) use list::waiting;

use crate::{
    error::page::PageError,
    people::{
        role::{Acting, Role, RoleMissing},
        session::ConsoleSession,
    },
};

/// Where the list is.
pub const PATH: &str = "/console/emergencies";

/// One, with the right to act on it: as its facility's administrator, or as the operating body's once it was
/// escalated.
///
/// # Errors
/// 404, for another facility's too.
async fn answered_for(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    id: &str,
) -> Result<(EmergencyAccess, Acting), PageError> {
    let found = emergency_access::find(queries, id).await?.ok_or_else(PageError::not_found)?;
    let own = Role::FacilityAdministrator(found.organisation_id.clone());
    let acting = match session.require(&own) {
        Err(_) if found.escalated_at.is_some() => session.require(&Role::OperatingAdministrator),
        required => required,
    };
    Ok((found, acting.map_err(RoleMissing::hidden)?))
}

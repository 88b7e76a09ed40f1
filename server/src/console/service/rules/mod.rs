//! `/console/service/{id}/rules`: whom a live service is open to, and how that changes.
//!
//! Whoever answers for the service, or an administrator of the operating body, writes other rules (a draft,
//! theirs alone), proposes them with a reason, and another human being of the operating body publishes them
//! (`docs/decisions/0039-rules-of-a-live-service-are-proposed-and-published.md`).

pub mod change;
mod check;
mod compare;
mod draft;
mod group_form;
mod hours_text;
mod people;
mod proposal;
mod rule_form;
mod sentence;
mod show;

use sekisho_authz::Rules;
use sekisho_store::{
    Queries,
    service::{self, Service},
};

use super::owned;
use crate::{
    catalogue::{Lang, Text},
    error::page::PageError,
    people::{
        role::{Acting, Role},
        session::ConsoleSession,
    },
};

pub(super) use check::usable;
pub use compare::get as compare;
pub use draft::{begin, discard, get as draft, propose, remove, text};
pub use group_form::post as group;
pub(in crate::console) use people::level_short;
pub use proposal::{approve, get as proposal, refuse, withdraw};
pub use rule_form::{get as rule_form, post as rule};
pub(in crate::console) use sentence::claim_name;
pub use show::get as show;

/// Where a service's rules lie.
#[must_use]
pub fn path_of(service_id: &str) -> String {
    format!("/console/service/{service_id}/rules")
}

/// Where a proposal lies.
#[must_use]
pub fn path_of_proposal(id: &str) -> String {
    format!("/console/rules/{id}")
}

/// The service, and the right to propose rules for it: of whoever answers for it, and of the operating
/// body's administrators.
///
/// # Errors
/// 404, for a service of another organisation too; a service that is not live has no rules to change.
async fn proposing(
    queries: &mut impl Queries,
    session: &ConsoleSession,
    id: &str,
) -> Result<(Service, Acting), PageError> {
    let service = service::find(queries, id).await?.ok_or_else(PageError::not_found)?;
    let acting = match session.require(&Role::OperatingAdministrator) {
        Ok(acting) if !owns(session, &service) => acting,
        _ => owned(session, &service)?,
    };
    if service.live_at.is_none() {
        return Err(change::ChangeError::Refused(change::Refusal::NotLive).into());
    }
    Ok((service, acting))
}

fn owns(session: &ConsoleSession, service: &Service) -> bool {
    let owner = service.organisation_id.clone().map(Role::ServiceOwner);
    owner.is_some_and(|owner| session.roles.contains(&owner))
}

/// What a service is called on a page in this language.
fn name_of(service: &Service, text: &Text) -> String {
    match text.lang() {
        Lang::Ja => service.name_ja.clone(),
        Lang::En => service.name_en.clone(),
    }
}

/// The version in force with its rules; 0 and none where there are none. Stored rules that do not read
/// admit nobody, and are begun anew.
///
/// # Errors
/// [`PageError`]: the database does not answer.
async fn in_force(queries: &mut impl Queries, service_id: &str) -> Result<(i64, Rules), PageError> {
    let stored = service::rules(queries, service_id).await?;
    let (version, json) = stored.unwrap_or_default();
    Ok((version, Rules::from_json(&json).unwrap_or_default()))
}

//! Roles of people without a card, and what proves that one permits an act.

use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Entry},
    organisation::{self, OrganisationStatus},
    role_grant::RoleGrant,
};
use time::OffsetDateTime;

use crate::{error::page::PageError, revocation};

/// In which capacity somebody acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs the operating body's instance (事業主体の管理者): roles, register, services.
    OperatingAdministrator,
    /// Examines and decides applications (認定担当者).
    AccreditationOfficer,
    /// Runs one facility's terminals and members (施設管理者); the facility's identifier.
    FacilityAdministrator(String),
    /// Runs the relying services of one organisation (サービス責任者); its identifier.
    ServiceOwner(String),
    /// Reads the audit trail (監査担当者), changes nothing.
    Auditor,
}

impl Role {
    /// Tokens of the roles that the operating body's administrator may grant. Administrators of
    /// facilities are made by the letter's code, for their facility.
    pub const GRANTABLE: [&'static str; 4] =
        ["accreditation_officer", "auditor", "operating_administrator", "service_owner"];

    /// Whether the operating body's administrator may grant the role of this token.
    #[must_use]
    pub fn is_grantable(token: &str) -> bool {
        Self::GRANTABLE.contains(&token)
    }

    /// As stored and in audit records.
    #[must_use]
    pub const fn token(&self) -> &'static str {
        match self {
            Self::OperatingAdministrator => "operating_administrator",
            Self::AccreditationOfficer => "accreditation_officer",
            Self::FacilityAdministrator(_) => "facility_administrator",
            Self::ServiceOwner(_) => "service_owner",
            Self::Auditor => "auditor",
        }
    }

    /// Message key of an office's name, or of the capacity in which an actor without one acts.
    #[must_use]
    pub fn name_key(token: &str) -> &'static str {
        match token {
            "operating_administrator" => "people-role-operating-administrator",
            "accreditation_officer" => "people-role-accreditation-officer",
            "facility_administrator" => "people-role-facility-administrator",
            "service_owner" => "people-role-service-owner",
            "auditor" => "people-role-auditor",
            "operator_at_host" => "people-role-operator-at-host",
            "person" => "people-role-person",
            "terminal" => "people-role-terminal",
            "relying_service" => "people-role-relying-service",
            "stranger" => "people-role-stranger",
            "system" => "people-role-system",
            _ => "people-role-unknown",
        }
    }

    /// The organisation the role is for.
    #[must_use]
    pub fn organisation(&self) -> Option<&str> {
        match self {
            Self::FacilityAdministrator(id) | Self::ServiceOwner(id) => Some(id),
            Self::OperatingAdministrator | Self::AccreditationOfficer | Self::Auditor => None,
        }
    }

    /// From a stored grant; `None` for a token of a later version, which permits nothing here.
    #[must_use]
    pub fn of_grant(grant: &RoleGrant) -> Option<Self> {
        match (grant.role.as_str(), &grant.organisation_id) {
            ("operating_administrator", None) => Some(Self::OperatingAdministrator),
            ("accreditation_officer", None) => Some(Self::AccreditationOfficer),
            ("facility_administrator", Some(id)) => Some(Self::FacilityAdministrator(id.clone())),
            ("service_owner", Some(id)) => Some(Self::ServiceOwner(id.clone())),
            ("auditor", None) => Some(Self::Auditor),
            _ => None,
        }
    }
}

/// A person acting in a role that they have. Only [`super::session::ConsoleSession::require`] makes
/// one; every changing act of the console holds it and writes its audit record through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    person_id: String,
    role: Role,
    address: String,
}

impl Acting {
    pub(super) fn new(person_id: String, role: Role, address: String) -> Self {
        Self { person_id, role, address }
    }

    /// Who acts.
    #[must_use]
    pub fn person_id(&self) -> &str {
        &self.person_id
    }

    /// In which role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The record of an act carried out: actor, role, organisation and address are filled in.
    #[must_use]
    pub fn done(&self, act: &'static str, at: OffsetDateTime) -> Entry {
        self.complete(Entry::done(act, Actor::Person(self.person_id.clone()), at))
    }

    /// The record of an act refused for `reason`, a constant code.
    #[must_use]
    pub fn refused(&self, act: &'static str, at: OffsetDateTime, reason: &str) -> Entry {
        self.complete(Entry::refused(act, Actor::Person(self.person_id.clone()), at, reason))
    }

    fn complete(&self, entry: Entry) -> Entry {
        let entry = entry.in_role(self.role.token()).from_address(&self.address);
        match self.role.organisation() {
            Some(id) => entry.at_organisation(id),
            None => entry,
        }
    }
}

/// Somebody who is signed in has not the role that the act needs, or has it at an organisation that
/// may not act.
///
/// As a page error it carries itself along, so that the refusal is audited where it is answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the act needs the role {needed}")]
pub struct RoleMissing {
    /// Token of the role.
    pub needed: &'static str,
    /// For which organisation, where the role is for one and it is known to exist or was named in
    /// the form of an identifier.
    pub organisation_id: Option<String>,
    /// The suspended or closed organisation at which the person has it.
    pub at_inactive: Option<Box<Inactive>>,
    /// Who asked.
    pub person_id: String,
    /// From which network address.
    pub address: String,
}

impl RoleMissing {
    /// The refusal where even the object's existence is nobody's business but theirs whose
    /// organisation may not act for now.
    #[must_use]
    pub fn hidden(self) -> PageError {
        if self.at_inactive.is_some() {
            return self.into();
        }
        PageError { role: Some(Box::new(self)), ..PageError::not_found() }
    }
}

/// An organisation that may not act, as its administrator has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inactive {
    /// The organisation.
    pub organisation_id: String,
    /// Its name.
    pub name: String,
    /// Suspended or closed.
    pub status: OrganisationStatus,
    /// Why, in the words of whoever suspended or closed it on the console.
    pub reason: Option<String>,
}

impl Inactive {
    /// How it stands with an organisation, if it may not act now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn find(
        queries: &mut impl Queries,
        organisation_id: &str,
    ) -> Result<Option<Self>, StoreError> {
        let last = organisation::events(queries, organisation_id, 1).await?.pop();
        let Some(last) = last.filter(|last| last.status.is_halted()) else { return Ok(None) };
        Ok(Some(Self {
            organisation_id: organisation_id.to_owned(),
            name: organisation::name(queries, organisation_id).await?.unwrap_or_default(),
            status: last.status,
            reason: revocation::told(last.person_id.as_deref(), last.reason),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: &str, organisation_id: Option<&str>) -> RoleGrant {
        RoleGrant {
            id: String::new(),
            person_id: String::new(),
            role: role.into(),
            organisation_id: organisation_id.map(Into::into),
        }
    }

    #[test]
    fn a_grant_reads_back_as_its_role_and_a_misshapen_one_as_none() {
        let facility = Role::FacilityAdministrator("179927398711".into());
        assert_eq!(Role::of_grant(&grant(facility.token(), Some("179927398711"))), Some(facility));
        assert_eq!(Role::of_grant(&grant("auditor", None)), Some(Role::Auditor));
        assert_eq!(Role::of_grant(&grant("facility_administrator", None)), None);
        assert_eq!(Role::of_grant(&grant("auditor", Some("179927398711"))), None);
        assert_eq!(Role::of_grant(&grant("king", None)), None);
    }
}

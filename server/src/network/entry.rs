//! Entering a router: the same by the console and at the host.
//!
//! The register gives the name by which its peers know it, so that nobody can claim another's. An
//! address is told by whoever enters it; it stands in the certificate only where the operating body
//! says so, since an address there is a claim about the network that a facility cannot make for itself.

use std::net::IpAddr;

use ipnet::IpNet;
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_key::Randomness;
use sekisho_store::{
    Queries, StoreError, Tx, organisation,
    router::{self, Router},
    terminal::{self, Device},
};
use time::OffsetDateTime;

use super::family::Family;
use crate::{
    config::Config,
    enrol::new_code::NewCode,
    sealing::{SealingError, SealingKey},
};

/// Most characters of a router's name, as of any terminal's.
pub const LONGEST_NAME: usize = 40;

/// What is asked for. The texts were read by [`super::typed`] and [`crate::form::line`].
#[derive(Debug)]
pub struct Order {
    /// The facility.
    pub organisation_id: String,
    /// What people call it: 本館ルーター.
    pub name: String,
    /// For which family its certificate is written.
    pub family: &'static Family,
    /// Where its peers reach it, if that is fixed.
    pub address: Option<IpAddr>,
    /// Whether the address is to stand in its certificate.
    pub certifies_address: bool,
    /// What lies behind it.
    pub network: IpNet,
    /// Whether a person is to approve its key before it is certified.
    pub approval: bool,
}

/// A router that may yet be entered, and its first code.
#[derive(Debug)]
pub struct NewRouter {
    organisation_id: String,
    name: String,
    router: Router,
    code: NewCode,
}

/// Why it is not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Suspended, closed, not activated, or not there.
    #[error("the facility is not there or not active; see its page in the register")]
    FacilityNotActive,
    /// A PC or router of the facility is called so.
    #[error("a terminal of this facility has this name; choose another")]
    NameInUse,
    /// A router has this address.
    #[error("another router has this address; revoke that one first if this one takes its place")]
    AddressInUse,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FacilityNotActive => "facility_not_active",
            Self::NameInUse => "name_in_use",
            Self::AddressInUse => "address_in_use",
        }
    }
}

impl NewRouter {
    /// Draws identifier and code.
    ///
    /// # Errors
    /// [`SealingError`]: there is no randomness.
    pub fn draw(
        random: &dyn Randomness,
        sealing: &SealingKey,
        config: &Config,
        order: Order,
        now: OffsetDateTime,
    ) -> Result<Self, SealingError> {
        let mut octets = [0; 8];
        random.fill(&mut octets)?;
        // 50 random bits: a meeting is refused by the register and the person tries again.
        let id = TerminalIdentifier::from_random(u64::from_be_bytes(octets)).to_string();
        Ok(Self {
            router: Router {
                dns_name: config.host_names().of_router(&id),
                terminal_id: id,
                family: order.family.profile.to_owned(),
                address: order.address,
                address_certified: order.certifies_address && order.address.is_some(),
                network: order.network,
            },
            organisation_id: order.organisation_id,
            name: order.name,
            code: NewCode::draw(random, sealing, config, now)?.for_device(
                config,
                Device::Router,
                order.approval,
            ),
        })
    }

    /// What the register will have.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first code.
    #[must_use]
    pub fn code(&self) -> &NewCode {
        &self.code
    }

    /// What stands against it now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn refusal(&self, queries: &mut impl Queries) -> Result<Option<Refusal>, StoreError> {
        if !organisation::is_active(queries, &self.organisation_id).await? {
            return Ok(Some(Refusal::FacilityNotActive));
        }
        if terminal::name_in_use(queries, &self.organisation_id, &self.name).await? {
            return Ok(Some(Refusal::NameInUse));
        }
        match self.router.address {
            Some(address) if router::address_in_use(queries, address).await? => {
                Ok(Some(Refusal::AddressInUse))
            }
            _ => Ok(None),
        }
    }

    /// Enters it with its code, unless something stands against it; then nothing is written.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`]: the identifier is taken; draw another one.
    pub async fn keep(
        &self,
        tx: &mut Tx,
        entered_by: &str,
        at: OffsetDateTime,
    ) -> Result<Option<Refusal>, StoreError> {
        if let Some(refusal) = self.refusal(tx).await? {
            return Ok(Some(refusal));
        }
        let id = &self.router.terminal_id;
        terminal::create(tx, id, &self.organisation_id, &self.name, entered_by, at).await?;
        router::create(tx, &self.router).await?;
        self.code.keep(tx, id, entered_by).await?;
        Ok(None)
    }
}

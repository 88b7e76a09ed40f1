//! What a certificate is made for: a PC or a router, by whom and after which profile.

use std::{net::IpAddr, sync::OnceLock};

use sekisho_ca::{
    issuance::ApprovedRequest,
    profile::{Profile, ProfileError},
    registration::{self, RegisterEntry, RegistrationError},
    request::VerifiedRequest,
};
use sekisho_store::{Queries, StoreError, router, terminal::Device};

use crate::config::Config;

/// A device as its certificate is to have it.
#[derive(Debug, Clone)]
pub(crate) struct CertifiedDevice {
    profile: Profile,
    /// What a router's peers know it by; a PC has none.
    network_names: Option<NetworkNames>,
}

#[derive(Debug, Clone)]
struct NetworkNames {
    dns_name: String,
    address: Option<IpAddr>,
}

/// Why the register's device cannot be certified at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    /// A profile that does not fit the configuration, or is of no family of this build.
    #[error("the certificate profile of the device cannot be used")]
    Profile(#[from] ProfileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CertifiedDevice {
    /// What stands at this terminal's place, as the register has it in this transaction.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(crate) async fn find(
        queries: &mut impl Queries,
        config: &Config,
        device: Device,
        terminal_id: &str,
    ) -> Result<Self, DeviceError> {
        match device {
            Device::Pc => Ok(Self { profile: of_pc(config)?, network_names: None }),
            Device::Router => {
                let router = router::find(queries, terminal_id).await?.ok_or_else(|| {
                    StoreError::Corrupt {
                        what: "router",
                        detail: format!("{terminal_id} has no row of its own"),
                    }
                })?;
                Ok(Self {
                    profile: Profile::shipped(&router.family)?,
                    network_names: Some(NetworkNames {
                        address: router.address.filter(|_| router.address_certified),
                        dns_name: router.dns_name,
                    }),
                })
            }
        }
    }

    /// What its certificate is like.
    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Decides by the rules of registration.
    ///
    /// # Errors
    /// [`RegistrationError`]: the first broken rule.
    pub(super) fn approve(
        &self,
        request: &VerifiedRequest,
        entry: &RegisterEntry,
    ) -> Result<ApprovedRequest, RegistrationError> {
        match &self.network_names {
            None => registration::approve_terminal(request, entry, &self.profile),
            Some(NetworkNames { dns_name, address }) => registration::approve_router(
                request,
                entry,
                &self.profile,
                &[dns_name],
                address.as_slice(),
            ),
        }
    }
}

/// The terminal profile with the configured lifetime, within what the policy allows.
fn of_pc(config: &Config) -> Result<Profile, ProfileError> {
    static SHIPPED: OnceLock<Profile> = OnceLock::new();
    let shipped = match SHIPPED.get() {
        Some(shipped) => shipped.clone(),
        None => {
            let read = Profile::shipped("terminal")?;
            SHIPPED.get_or_init(|| read).clone()
        }
    };
    let lifetime = config.authority().terminal_validity().min(shipped.lifetime());
    shipped.with_lifetime(lifetime)
}

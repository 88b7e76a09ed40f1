//! Keys by which an account is bound to a service: drawn, shown once, kept sealed until they are used
//! (RFC 8555 §7.3.4).

use sekisho_key::{Randomness, RandomnessError};
use sekisho_protocol::octets::encode;
use sekisho_store::{
    MayConflict, Queries, Store, StoreError,
    acme_binding::{self, Binding},
    audit::{Audited, Entry},
    transaction,
};
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{door, names};
use crate::{
    config::Config,
    sealing::{SealingError, SealingKey},
};

/// Act of whoever makes one.
pub const ACT: &str = "acme.bind";
/// Of HS256 (RFC 7518 §3.2).
const KEY_OCTETS: usize = 32;

/// A key that was drawn and opens nothing before it is [kept](NewBinding::keep).
pub struct NewBinding {
    binding: Binding,
    key: Zeroizing<[u8; KEY_OCTETS]>,
    names: Vec<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// The service may not have certificates.
    #[error("{0}")]
    Service(String),
    /// None of the addresses of the service has a name that is certified.
    #[error(
        "service {0} is registered with no host name that can be certified; addresses by number get no certificate"
    )]
    NoNames(String),
    /// No randomness.
    #[error("no key could be made")]
    Randomness(#[from] RandomnessError),
    /// It could not be sealed.
    #[error("the key could not be sealed")]
    Sealing(#[from] SealingError),
    /// The database.
    #[error("the key was not stored")]
    Store(#[from] StoreError),
}

impl BindingError {
    /// Whether another service would help.
    #[must_use]
    pub const fn is_of_the_order(&self) -> bool {
        matches!(self, Self::Service(_) | Self::NoNames(_))
    }
}

impl MayConflict for BindingError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<door::Aborted> for BindingError {
    fn from(aborted: door::Aborted) -> Self {
        match aborted {
            door::Aborted::Refused(error) => Self::Service(error.detail),
            door::Aborted::Store(error) => Self::Store(error),
        }
    }
}

/// Under what a binding key is sealed.
pub(super) fn purpose(id: &str) -> Vec<u8> {
    [b"acme-binding:", id.as_bytes()].concat()
}

impl NewBinding {
    /// Draws one for a service whose servers may have certificates.
    ///
    /// # Errors
    /// [`BindingError`].
    pub async fn draw(
        queries: &mut impl Queries,
        service_id: &str,
        config: &Config,
        (sealing, random): (&SealingKey, &dyn Randomness),
        at: OffsetDateTime,
    ) -> Result<Self, BindingError> {
        if !config.acme().is_enabled() {
            let fault = "ACME is switched off here (acme.enabled)";
            return Err(BindingError::Service(fault.to_owned()));
        }
        let service = door::standing(queries, service_id).await?;
        let names: Vec<String> = names::of(&service).into_iter().collect();
        if names.is_empty() {
            return Err(BindingError::NoNames(service.id));
        }
        let mut key = Zeroizing::new([0; KEY_OCTETS]);
        random.fill(&mut *key)?;
        let id = Uuid::now_v7().to_string();
        let binding = Binding {
            sealed_key: Some(sealing.seal(random, &purpose(&id), &*key)?),
            id,
            service_id: service.id,
            created_at: at,
            expires_at: at + config.acme().binding_lifetime(),
            ended_at: None,
            account_id: None,
        };
        Ok(Self { binding, key, names })
    }

    /// `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.binding.id
    }

    /// The key as clients take it: base64url without padding.
    #[must_use]
    pub fn key(&self) -> Zeroizing<String> {
        Zeroizing::new(encode(*self.key))
    }

    /// The names that can be certified by it today.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Until when it opens an account.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        self.binding.expires_at
    }

    /// Keeps it with `done`, the record of [`ACT`] by who made it; what the service had of unused ones ends.
    ///
    /// # Errors
    /// [`BindingError`]: the service may have no certificates.
    pub async fn keep(&self, store: &Store, done: Entry) -> Result<(), BindingError> {
        transaction!(store, BindingError, |tx| {
            let service = door::standing(tx, &self.binding.service_id).await?;
            acme_binding::add(tx, &self.binding).await?;
            let entry =
                door::of_service(done.clone(), &service).fact("binding", self.binding.id.as_str());
            Ok(Audited::new((), entry))
        })
    }
}

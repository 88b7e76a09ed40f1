//! The operating body lets a service out of the sandbox.

use sekisho_authz::{CompiledRules, Rules};
use sekisho_store::{
    MayConflict, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    going_live,
    service::{self, Service},
    service_change, transaction,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{RegistrationError, Registry, check_organisations, put_in_force};
use crate::notice::{self, Notice, ServiceNamed};

/// Why a service was not approved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// No such service, or it was withdrawn.
    #[error("there is no service {0:?}; `sekisho service list` names those there are")]
    Unknown(String),
    /// It is live.
    #[error("the service {0:?} is approved already")]
    Live(String),
    /// The file is not TOML, or holds something else.
    #[error("the file holds something else than rules and groups")]
    Malformed(#[source] Box<toml::de::Error>),
    /// The rules cannot be used, or name an organisation that is not here.
    #[error(transparent)]
    Rules(#[from] RegistrationError),
    /// The database.
    #[error("the approval was not stored")]
    Store(#[from] StoreError),
}

impl MayConflict for ApprovalError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Rules(error) => error.is_conflict(),
            Self::Store(error) => error.is_conflict(),
            Self::Unknown(_) | Self::Live(_) | Self::Malformed(_) => false,
        }
    }
}

impl ApprovalError {
    /// Whether another `client_id` would help.
    #[must_use]
    pub const fn is_of_the_name(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

/// Reads rules from a file's text, for a service that is there.
///
/// # Errors
/// [`ApprovalError`].
pub async fn read_rules(
    registry: &Registry<'_>,
    client_id: &str,
    toml: &str,
) -> Result<Rules, ApprovalError> {
    if service::find(&mut registry.store.read(), client_id).await?.is_none() {
        return Err(ApprovalError::Unknown(client_id.to_owned()));
    }
    toml::from_str(toml).map_err(|error| ApprovalError::Malformed(Box::new(error)))
}

/// Approves a service of the sandbox: from now on it is open to whom `rules` admit, and to nobody at
/// a test facility. Answers the scopes that it has.
///
/// # Errors
/// [`ApprovalError`].
pub async fn approve(
    registry: &Registry<'_>,
    client_id: &str,
    rules: &Rules,
    by: Actor,
) -> Result<Vec<String>, ApprovalError> {
    transaction!(registry.store, ApprovalError, |tx| {
        let entry = Entry::done("service.approve", by.clone(), registry.now);
        let (scopes, entry) = approve_within(tx, registry, client_id, rules, None, entry).await?;
        Ok(Audited::new(scopes, entry))
    })
}

/// The same within a transaction, by a person or the operator of the host; what the record says of it
/// is added to `entry`. What the owner asked is decided by it.
///
/// # Errors
/// [`ApprovalError`].
pub async fn approve_within(
    tx: &mut Tx,
    registry: &Registry<'_>,
    client_id: &str,
    rules: &Rules,
    by: Option<&str>,
    entry: Entry,
) -> Result<(Vec<String>, Entry), ApprovalError> {
    CompiledRules::compile(rules.clone(), registry.vocabulary).map_err(RegistrationError::from)?;
    let now = registry.now;
    let found = service::find(tx, client_id).await?;
    let found = found.ok_or_else(|| ApprovalError::Unknown(client_id.to_owned()))?;
    check_organisations(tx, &found, rules).await?;
    if !service_change::approve(tx, client_id, now).await? {
        return Err(ApprovalError::Live(client_id.to_owned()));
    }
    going_live::decide(tx, client_id, by, None, now).await?;
    let told = Notice::ServiceApproved { service: ServiceNamed::from(&found) };
    notice::put_about_service(tx, &found, told, now).await?;
    let entry = entry
        .on("service", client_id)
        .fact("scopes", found.scopes.join(" "))
        .fact("redirect_uris", found.redirect_uris.join(" "))
        .fact("registration_sha256", fingerprint(&found));
    let entry = put_in_force(tx, client_id, rules, by, entry, now).await?;
    Ok((found.scopes, entry))
}

/// Tells one registration of a service from another: SHA-256, hexadecimal, over all that its owner
/// may register.
#[must_use]
pub fn fingerprint(service: &Service) -> String {
    let registered = json!([
        service.name_ja,
        service.name_en,
        service.description_ja,
        service.description_en,
        service.home_url,
        service.sector,
        service.auth_method.as_str(),
        service.jwks,
        service.backchannel_logout_uri,
        service.metadata,
        service.personal_data,
        service.scopes,
        service.redirect_uris,
        service.logout_uris,
    ]);
    hex::encode(Sha256::digest(registered.to_string()))
}

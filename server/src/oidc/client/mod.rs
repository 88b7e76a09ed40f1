//! What a relying service is registered as, and its registration from a file that its owner wrote and
//! an administrator read.

mod address;
mod approval;
mod asked;
mod document;
mod file;
mod metadata;
mod personal_data;
mod secret;

use std::collections::BTreeMap;

use secrecy::SecretString;
use sekisho_authz::{CompiledRules, Rules, RulesError, Vocabulary};
use sekisho_key::{Randomness, RandomnessError};
use sekisho_store::{
    Queries, Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    organisation,
    service::{self, Service},
    transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use url::Url;

pub use address::{AddressError, check as check_address};
pub use approval::{ApprovalError, approve, approve_within, fingerprint, read_rules};
pub use asked::{Asked, prepare_asked};
pub use document::{Document, DocumentError, Whose, member, told};
pub use file::{InLanguages, ServiceFile};
pub use metadata::{ClientProfile, GrantType, Metadata, SubjectType};
pub use personal_data::{Ground, MOST_TEXT, PersonalData};
pub use secret::{Drawn, draw_identifier, give as give_secret};

use super::claims::SCOPES;
use crate::{app::App, config::Config};

/// What registration leans on. No key of the instance is needed for it.
#[derive(Clone, Copy)]
pub struct Registry<'a> {
    /// The database.
    pub store: &'a Store,
    /// Our own names, and whether services may lie on loopback.
    pub config: &'a Config,
    /// The words that rules may use.
    pub vocabulary: &'a Vocabulary,
    /// Where secrets come from.
    pub random: &'a dyn Randomness,
    /// Now.
    pub now: OffsetDateTime,
}

impl<'a> Registry<'a> {
    /// Of an instance that is served.
    #[must_use]
    pub fn of(app: &'a App) -> Self {
        Self {
            store: app.store(),
            config: app.config(),
            vocabulary: app.entitlements().vocabulary(),
            random: app.random(),
            now: app.now(),
        }
    }
}

/// A registered service.
#[derive(Debug)]
pub struct Registered {
    /// `client_id`.
    pub client_id: String,
    /// Its secret, shown now and never again; only for the two methods that have one.
    pub client_secret: Option<SecretString>,
}

/// Why a service was not registered. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Not TOML, an unknown key, or a value of another type.
    #[error("the service file does not read")]
    Malformed(#[source] Box<toml::de::Error>),
    /// A value out of bounds.
    #[error("`{key}`: {fault}")]
    Invalid {
        /// Which key.
        key: &'static str,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// An address that is not acceptable.
    #[error("`{key}`: {address:?}")]
    Address {
        /// Which key.
        key: &'static str,
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: AddressError,
    },
    /// The rules do not compile.
    #[error("the rules of the service cannot be used")]
    Rules(#[from] RulesError),
    /// An organisation that is not here: one that runs it, or that a rule or a group names.
    #[error(
        "`{key}`: there is no organisation {id} in the register; give the identifier of one that is, \
         or leave it out"
    )]
    UnknownOrganisation {
        /// Which key.
        key: &'static str,
        /// As given.
        id: String,
    },
    /// A service has the identifier.
    #[error("the identifier {0:?} is in use by another service; choose another one")]
    InUse(String),
    /// A service had the identifier and was withdrawn.
    #[error("the identifier {0:?} was used before; identifiers are never given twice")]
    UsedBefore(String),
    /// No randomness for the secret.
    #[error("no secret could be made")]
    Randomness(#[from] RandomnessError),
    /// The database.
    #[error("the service was not stored")]
    Store(#[from] StoreError),
}

impl sekisho_store::MayConflict for RegistrationError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// A service whose file holds, with the secret it will have. Nothing is stored yet, so that the secret
/// can be shown before it opens anything.
#[derive(Debug)]
pub struct Prepared {
    service: Service,
    /// Whom it is open to; a service of the sandbox has none of its own.
    rules: Option<Rules>,
    client_secret: Option<SecretString>,
}

/// A claim that a rule releases and that is not told, because the service was not approved for its
/// scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "rule {rule} releases {claim}, which is told with scope {scope} only, and `scopes` lacks that"
)]
pub struct InVain<'a> {
    /// Which rule.
    pub rule: &'a str,
    /// Which claim.
    pub claim: &'a str,
    /// Its scope.
    pub scope: &'static str,
}

/// Checks the file whole and stores the service with its rules in one transaction.
///
/// # Errors
/// [`RegistrationError`].
pub async fn register(
    registry: &Registry<'_>,
    toml: &str,
    by: Actor,
) -> Result<Registered, RegistrationError> {
    let entry = Entry::done("service.register", by, registry.now);
    prepare(registry, toml).await?.keep(registry, entry).await
}

/// Checks the file whole, also against the register, and draws the secret.
///
/// # Errors
/// [`RegistrationError`].
pub async fn prepare(registry: &Registry<'_>, toml: &str) -> Result<Prepared, RegistrationError> {
    let file: ServiceFile =
        toml::from_str(toml).map_err(|error| RegistrationError::Malformed(Box::new(error)))?;
    let (mut service, rules) = file.validate(registry.config, registry.now)?;
    CompiledRules::compile(rules.clone(), registry.vocabulary)?;
    let client_secret = secret::give(&mut service, registry.random)?;
    // What an administrator registers is approved by that.
    service.live_at = Some(registry.now);
    let mut reader = registry.store.read();
    if service::find(&mut reader, &service.id).await?.is_some() {
        return Err(RegistrationError::InUse(service.id));
    }
    check_organisations(&mut reader, &service, &rules).await?;
    check_resources(&mut reader, registry.config, &service).await?;
    Ok(Prepared { service, rules: Some(rules), client_secret })
}

impl Prepared {
    /// `client_id`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.service.id
    }

    /// The secret, for the two methods that have one.
    #[must_use]
    pub fn client_secret(&self) -> Option<&SecretString> {
        self.client_secret.as_ref()
    }

    /// Whether people log in to it and it is told of no logout: it may go on showing what the person before saw.
    #[must_use]
    pub fn hears_of_no_logout(&self) -> bool {
        !self.service.redirect_uris.is_empty() && self.service.backchannel_logout_uri.is_none()
    }

    /// Claims that a rule releases in vain, for the service lacks their scope.
    #[must_use]
    pub fn released_in_vain(&self) -> Vec<InVain<'_>> {
        self.rules
            .as_ref()
            .map_or_else(Vec::new, |rules| released_in_vain(&self.service.scopes, rules))
    }

    /// Keeps the service with its rules in one transaction; `entry` is of who registers it.
    ///
    /// # Errors
    /// [`RegistrationError`]: the register changed since, or cannot be written.
    pub async fn keep(
        self,
        registry: &Registry<'_>,
        entry: Entry,
    ) -> Result<Registered, RegistrationError> {
        store(registry, &self.service, self.rules.as_ref(), &entry).await?;
        Ok(Registered { client_id: self.service.id, client_secret: self.client_secret })
    }
}

/// Claims that rules release in vain to a service with these `scopes`.
#[must_use]
pub fn released_in_vain<'a>(scopes: &[String], rules: &'a Rules) -> Vec<InVain<'a>> {
    let has = |scope: &str| scopes.iter().any(|approved| approved == scope);
    let released = rules
        .rules
        .iter()
        .flat_map(|rule| rule.release.iter().map(|claim| (rule.id.as_str(), claim.as_str())));
    released
        .filter_map(|(rule, claim)| {
            let scope = SCOPES.iter().find(|scope| scope.claims.contains(&claim))?.name;
            (!has(scope)).then_some(InVain { rule, claim, scope })
        })
        .collect()
}

/// Whether every organisation that a service and its rules name is there, each looked for once.
///
/// # Errors
/// [`RegistrationError::UnknownOrganisation`], or the database does not answer.
pub async fn check_organisations(
    queries: &mut impl Queries,
    service: &Service,
    rules: &Rules,
) -> Result<(), RegistrationError> {
    let operator = service.organisation_id.iter().map(|id| ("operated_by", id));
    let named: BTreeMap<_, _> = file::facilities(rules)
        .map(|(key, id)| (id, key))
        .chain(operator.map(|(key, id)| (id, key)))
        .collect();
    for (id, key) in named {
        if organisation::status(queries, id).await?.is_none() {
            return Err(RegistrationError::UnknownOrganisation { key, id: id.clone() });
        }
    }
    Ok(())
}

/// Whether what a service names as its own resources is nobody else's and not ours: who has a resource
/// reads the tokens that are for it, and its rules say whom they are made for.
async fn check_resources(
    queries: &mut impl Queries,
    config: &Config,
    service: &Service,
) -> Result<(), RegistrationError> {
    let taken = |resource: &str, whose: &str| RegistrationError::Invalid {
        key: "protocol.resources",
        fault: format!("{resource} is {whose}; a resource belongs to one service"),
    };
    let own = Metadata::of(service)?.resources;
    if own.is_empty() {
        return Ok(());
    }
    for resource in &own {
        if Url::parse(resource).is_ok_and(|url| address::is_ours(config, &url)) {
            return Err(taken(resource, "under one of this service's own names"));
        }
    }
    for other in service::list(queries).await?.iter().filter(|other| other.id != service.id) {
        if let Some(resource) = own.intersection(&Metadata::of(other)?.resources).next() {
            return Err(taken(resource, &format!("a resource of {}", other.id)));
        }
    }
    Ok(())
}

/// Puts rules into force for a service, by a person or the operator of the host; what the record says
/// of them is added to `entry`.
async fn put_in_force(
    tx: &mut Tx,
    service_id: &str,
    rules: &Rules,
    by: Option<&str>,
    entry: Entry,
    now: OffsetDateTime,
) -> Result<Entry, RegistrationError> {
    let json = serde_json::to_string(rules)
        .map_err(|error| RegistrationError::Rules(RulesError::Malformed(error)))?;
    let version = service::add_rules(tx, service_id, &json, by, now).await?;
    Ok(entry
        .fact("rules_version", version)
        .fact("rules_sha256", hex::encode(Sha256::digest(&json))))
}

async fn store(
    registry: &Registry<'_>,
    service: &Service,
    rules: Option<&Rules>,
    entry: &Entry,
) -> Result<(), RegistrationError> {
    let now = registry.now;
    let nobody = Rules::default();
    let stored = transaction!(registry.store, RegistrationError, |tx| {
        check_organisations(tx, service, rules.unwrap_or(&nobody)).await?;
        check_resources(tx, registry.config, service).await?;
        service::add(tx, service).await?;
        let entry = entry
            .clone()
            .on("service", &service.id)
            .fact("scopes", service.scopes.join(" "))
            .fact("authentication", service.auth_method.as_str());
        let entry = match PersonalData::of(service)? {
            Some(declared) => entry.fact("personal_data", declared.ground.as_str()),
            None => entry,
        };
        let entry = match rules {
            Some(rules) => put_in_force(tx, &service.id, rules, None, entry, now).await?,
            None => entry,
        };
        Ok(Audited::new((), entry))
    });
    match stored {
        Err(RegistrationError::Store(StoreError::AlreadyExists { .. })) => {
            let id = service.id.clone();
            let in_use = service::find(&mut registry.store.read(), &id).await?.is_some();
            Err(if in_use {
                RegistrationError::InUse(id)
            } else {
                RegistrationError::UsedBefore(id)
            })
        }
        stored => stored,
    }
}

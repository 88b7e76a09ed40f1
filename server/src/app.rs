//! What every handler is handed: store, clock, randomness, configuration, keys, messages.

use std::sync::Arc;

use sekisho_key::Randomness;
use sekisho_store::{Store, own_key::Purpose};

use crate::{
    assets::Assets,
    authority::Authorities,
    catalogue::{Catalogue, Lang, Text},
    clock::Clock,
    config::Config,
    enrol::{
        ra::RegistrationAuthorities,
        server_made::{HandedKeys, KeysAhead},
    },
    entitlement::Entitlements,
    keys::InstanceKeys,
    listener::RefusalLog,
    login::{jpki::status::JpkiStatus, trust_sources::TrustSources},
    names::Names,
    own_keys::OwnKeys,
    repository::{self, OcspCache},
};

/// One running instance; axum state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: Parts,
    ocsp: Arc<OcspCache>,
    token_keys: OwnKeys,
    login_request_keys: OwnKeys,
    scep_ras: RegistrationAuthorities,
    cmp_ras: RegistrationAuthorities,
    keys_ahead: KeysAhead,
    handed_keys: HandedKeys,
    refusals: RefusalLog,
}

/// What an [`App`] is made of. Everything that a test wants to replace is an argument.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Randomness>,
    /// The validated configuration.
    pub config: Config,
    /// The authorities that sign here.
    pub authority: Authorities,
    /// Signing and sealing keys of this instance.
    pub keys: InstanceKeys,
    /// Messages in both languages.
    pub catalogue: Arc<Catalogue>,
    /// Style sheets and scripts.
    pub assets: Arc<Assets>,
    /// The origin of each name.
    pub names: Names,
    /// What login cards are judged against.
    pub card_trust: TrustSources,
    /// Who tells whether a My Number card's certificate was revoked.
    pub jpki_status: Box<dyn JpkiStatus>,
    /// Who may use which service.
    pub entitlements: Arc<Entitlements>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let ocsp = repository::watched(&parts.store, parts.config.authority().ocsp_kept());
        let (scep_ras, cmp_ras) = <(RegistrationAuthorities, RegistrationAuthorities)>::default();
        let enrolment = parts.config.enrolment();
        let keys_ahead = KeysAhead::new(enrolment.rsa_keys_ahead());
        let handed_keys = HandedKeys::new(enrolment.same_key_grace());
        Self(Arc::new(Inner {
            parts,
            ocsp,
            token_keys: OwnKeys::new(Purpose::Token),
            login_request_keys: OwnKeys::new(Purpose::LoginRequest),
            scep_ras,
            cmp_ras,
            keys_ahead,
            handed_keys,
            refusals: RefusalLog::default(),
        }))
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.parts.clock
    }

    /// Now, in UTC.
    #[must_use]
    pub fn now(&self) -> time::OffsetDateTime {
        self.0.parts.clock.now()
    }

    /// Randomness.
    #[must_use]
    pub fn random(&self) -> &dyn Randomness {
        &*self.0.parts.random
    }

    /// The validated configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.parts.config
    }

    /// The authorities that sign here, and the trust anchor.
    #[must_use]
    pub fn authority(&self) -> &Authorities {
        &self.0.parts.authority
    }

    /// OCSP answers kept signed.
    pub(crate) fn ocsp(&self) -> &OcspCache {
        &self.0.ocsp
    }

    pub(crate) fn refusals(&self) -> &RefusalLog {
        &self.0.refusals
    }

    /// Signing and sealing keys.
    #[must_use]
    pub fn keys(&self) -> &InstanceKeys {
        &self.0.parts.keys
    }

    /// The keys that sign tokens.
    #[must_use]
    pub fn token_keys(&self) -> &OwnKeys {
        &self.0.token_keys
    }

    /// The keys that sign login requests for agents.
    #[must_use]
    pub fn login_request_keys(&self) -> &OwnKeys {
        &self.0.login_request_keys
    }

    /// The keys that answer SCEP messages.
    pub(crate) fn scep_ras(&self) -> &RegistrationAuthorities {
        &self.0.scep_ras
    }

    /// The keys that answer CMP messages.
    pub(crate) fn cmp_ras(&self) -> &RegistrationAuthorities {
        &self.0.cmp_ras
    }

    /// RSA keys for devices that make none, made ahead.
    pub(crate) fn keys_ahead(&self) -> &KeysAhead {
        &self.0.keys_ahead
    }

    /// Keys that such devices were handed a moment ago.
    pub(crate) fn handed_keys(&self) -> &HandedKeys {
        &self.0.handed_keys
    }

    /// Messages in both languages.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.parts.catalogue
    }

    /// Messages in one language.
    #[must_use]
    pub fn text(&self, lang: Lang) -> Text {
        Text::new(Arc::clone(&self.0.parts.catalogue), lang)
    }

    /// Style sheets and scripts.
    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.0.parts.assets
    }

    pub(crate) fn assets_shared(&self) -> Arc<Assets> {
        Arc::clone(&self.0.parts.assets)
    }

    /// Who may use which service.
    #[must_use]
    pub fn entitlements(&self) -> &Arc<Entitlements> {
        &self.0.parts.entitlements
    }

    /// What login cards are judged against.
    #[must_use]
    pub fn card_trust(&self) -> &TrustSources {
        &self.0.parts.card_trust
    }

    /// Who tells whether a My Number card's certificate was revoked.
    #[must_use]
    pub fn jpki_status(&self) -> &dyn JpkiStatus {
        &*self.0.parts.jpki_status
    }

    /// The origin of each name.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.0.parts.names
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("names", &self.0.parts.names).finish_non_exhaustive()
    }
}

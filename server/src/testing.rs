//! A whole instance for tests beside the code: fresh database, standing clock, throw-away keys.

use std::sync::Arc;

use sekisho_ca::{
    ceremony::{CeremonyNames, MadeAuthority, make_authority},
    revocation::ocsp::{OcspResponder, OcspResponders},
};
use sekisho_key::{SoftwareKey, SystemRandomness};
use sekisho_store::Store;
use time::{OffsetDateTime, macros::datetime};
use zeroize::Zeroizing;

use crate::{
    app::{App, Parts},
    assets::Assets,
    authority::Authorities,
    catalogue::Catalogue,
    clock::{Clock, ManualClock},
    config::{Config, Settings},
    instance::fill_register,
    keys::{InstanceKeys, NamedKey, named},
    sealing::SealingKey,
};

/// An [`App`] with what a test wants to move.
#[derive(Debug)]
pub struct TestApp {
    /// The instance.
    pub app: App,
    /// Its clock, at 2026-11-21T09:00:00Z.
    pub clock: Arc<ManualClock>,
    /// Its folder, deleted at the end.
    pub folder: tempfile::TempDir,
}

/// An instance with default configuration.
pub async fn app() -> TestApp {
    app_with(Settings::default()).await
}

/// An instance with this configuration.
pub async fn app_with(settings: Settings) -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    let config = settings.validate(folder.path()).unwrap();
    let store = Store::open(config.instance().database(), config.instance().node()).await.unwrap();
    let clock = Arc::new(ManualClock::new(datetime!(2026-11-21 09:00 UTC)));
    let authority = authorities(&store, &config, clock.now()).await;
    let app = parts(store, clock.clone(), config, authority);
    TestApp { app, clock, folder }
}

/// Another process over the same database, with the same clock.
pub async fn second_process(first: &TestApp, node: &str) -> App {
    let config = first.app.config().clone();
    let store = Store::open(config.instance().database(), node).await.unwrap();
    parts(store, first.clock.clone(), config, first.app.authority().clone())
}

/// Authorities by a real ceremony, entered into the register.
async fn authorities(store: &Store, config: &Config, now: OffsetDateTime) -> Authorities {
    let names = CeremonyNames {
        organisation: "Test Operating Body".to_owned(),
        network: "Test Network".to_owned(),
        publication_base: config.host_names().origins(8443, 8080).plain,
    };
    let made = make_authority(now, &SystemRandomness, &names).await.unwrap();
    fill_register(store, &made, now).await.unwrap();
    let responder = |made: &MadeAuthority| {
        let (certificate, key) = made.ocsp_responder.as_ref().unwrap();
        OcspResponder::delegated(&made.authority, &certificate.der, key.clone()).unwrap()
    };
    let find = |id: &str| made.find(id).unwrap().authority.clone();
    Authorities {
        root_der: made.root.certificate.der.clone(),
        terminals: find("terminals"),
        routers: find("routers"),
        servers: find("servers"),
        ocsp: OcspResponders::new(made.issuing.iter().map(responder).collect()),
    }
}

fn parts(store: Store, clock: Arc<ManualClock>, config: Config, authority: Authorities) -> App {
    let names = config.host_names().origins(8443, 8080);
    App::new(Parts {
        store,
        clock,
        random: Arc::new(SystemRandomness),
        config,
        authority,
        keys: InstanceKeys {
            oidc: vec![key()],
            login_request: key(),
            audit: key(),
            sealing: SealingKey::new(&[1; 32]).unwrap(),
            pairwise_salt: Zeroizing::new([2; 32]),
        },
        catalogue: Arc::new(Catalogue::load().unwrap()),
        assets: Arc::new(Assets::load()),
        names,
    })
}

fn key() -> NamedKey {
    named(Arc::new(SoftwareKey::generate_p256().unwrap())).unwrap()
}

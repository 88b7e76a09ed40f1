//! A whole instance for tests beside the code: fresh database, standing clock, throw-away keys.

use std::sync::Arc;

use sekisho_key::{SoftwareKey, SystemRandomness};
use sekisho_store::Store;
use time::macros::datetime;
use zeroize::Zeroizing;

use crate::{
    app::{App, Parts},
    assets::Assets,
    catalogue::Catalogue,
    clock::ManualClock,
    config::{Config, Settings},
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
    let app = parts(store, clock.clone(), config);
    TestApp { app, clock, folder }
}

/// Another process over the same database, with the same clock.
pub async fn second_process(first: &TestApp, node: &str) -> App {
    let config = first.app.config().clone();
    let store = Store::open(config.instance().database(), node).await.unwrap();
    parts(store, first.clock.clone(), config)
}

fn parts(store: Store, clock: Arc<ManualClock>, config: Config) -> App {
    let names = config.host_names().origins(8443, 8080);
    App::new(Parts {
        store,
        clock,
        random: Arc::new(SystemRandomness),
        config,
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

//! An instance whose key for login requests lies in its folder, as in versions before, is served by this one.

use std::{path::Path, sync::Arc, time::Duration};

use sekisho_key::{SoftwareKey, SystemRandomness};
use sekisho_store::own_key::{self, Purpose};
use time::OffsetDateTime;
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Folder, open_database, run,
    secrets::{former_login_request_key, read_passphrase, write_key},
    tests::{make, plan},
};
use crate::{clock::SystemClock, config::Config, keys::named};

const PATIENCE: Duration = Duration::from_secs(20);

/// Puts a key where instances kept it before; its name.
fn kept_before(folder: &Folder) -> String {
    let key = SoftwareKey::generate_p256().unwrap();
    let passphrase = read_passphrase(folder).unwrap();
    write_key(folder, "login-request-1", &key, &passphrase, &SystemRandomness).unwrap();
    named(Arc::new(key)).unwrap().0
}

/// Serves the instance from start to stop; the keys that its agents are told of.
async fn served(dir: &Path) -> Vec<String> {
    let config = Config::read(dir).unwrap();
    let stop = CancellationToken::new();
    let (told, ready) = oneshot::channel();
    let ended = tokio::spawn(run(
        config.clone(),
        Arc::new(SystemClock),
        Arc::new(SystemRandomness),
        stop.clone(),
        move |_| told.send(()).unwrap(),
    ));
    timeout(PATIENCE, ready).await.unwrap().unwrap();
    stop.cancel();
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    let store = open_database(&config).await.unwrap();
    let now = OffsetDateTime::now_utc();
    let keys = own_key::published(&mut store.read(), Purpose::LoginRequest, now).await.unwrap();
    keys.into_iter().map(|key| key.kid).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_that_agents_know_moves_into_the_register_and_no_other_is_lost() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("instance");
    make(&plan(&dir, |_| {})).await.unwrap();
    let folder = Folder::new(&dir);
    let kid = kept_before(&folder);
    assert_eq!(served(&dir).await, [kid.as_str()]);
    assert!(former_login_request_key(&folder).unwrap().is_none(), "a key lies in one place");
    // Started again, and again with a file that is another's: its key is the only one of its kind.
    assert_eq!(served(&dir).await, [kid.as_str()]);
    kept_before(&folder);
    assert_eq!(served(&dir).await, [kid.as_str()]);
    assert!(former_login_request_key(&folder).unwrap().is_some());
}

//! Under a clock that a test moves: what the signing process is asked once in months.

use std::sync::Arc;

use sekisho_key::SystemRandomness;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Settings, Split, run, split};
use crate::{
    clock::{ManualClock, SystemClock},
    config,
    instance::{self, Folder, Plan, first_certificate, public_key, renew_ocsp_responders},
    testing::app_over,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_is_renewed_under_the_key_that_the_signing_process_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, signer) = (folder.path().join("instance"), folder.path().join("signer"));
    let plan = Plan {
        folder: dir.clone(),
        settings: config::Settings::default(),
        organisation: "Test Operating Body".into(),
        network: "Test Network".into(),
        root_passphrase: None,
        administrator: "admin".into(),
    };
    instance::create(&plan, &SystemClock, &SystemRandomness).await.unwrap();
    let order = Split { instance: dir.clone(), signer: signer.clone(), socket: None, user: None };
    split(&order, &SystemRandomness).unwrap();
    let clock = Arc::new(ManualClock::new(time::OffsetDateTime::now_utc()));
    let stop = CancellationToken::new();
    let (ready, is_ready) = oneshot::channel();
    let signing = {
        let (clock, stop) = (clock.clone(), stop.clone());
        let config = Settings::read(&signer).unwrap().validate(&signer, None).unwrap();
        tokio::spawn(async move { run(&config, clock, stop, || ready.send(()).unwrap()).await })
    };
    is_ready.await.unwrap();

    let (app, ca_keys) = app_over(&dir, clock.clone()).await;
    let paths = Folder::new(&dir);
    ca_keys.check(&paths, app.authority()).await.unwrap();
    let certificate = || first_certificate(&paths, "ocsp-terminals").unwrap();
    let first = certificate();
    renew_ocsp_responders(&app, &ca_keys).await.unwrap();
    assert_eq!(certificate(), first);
    clock.advance(time::Duration::days(250));
    renew_ocsp_responders(&app, &ca_keys).await.unwrap();
    assert_ne!(certificate(), first);
    assert_eq!(public_key(&certificate()).unwrap(), public_key(&first).unwrap());
    assert!(!paths.key("ocsp-terminals").exists());
    // The renewed one answers by the same key, here and after a new start.
    ca_keys.check(&paths, app.authority()).await.unwrap();
    let (again, ca_keys) = app_over(&dir, clock).await;
    ca_keys.check(&paths, again.authority()).await.unwrap();
    stop.cancel();
    signing.await.unwrap().unwrap();
}

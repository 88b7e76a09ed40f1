//! Backups of an instance that serves and issues meanwhile, and what becomes of them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use der::Decode;
use sekisho::{
    config::Config,
    demo::{
        connection::Door,
        crowd::{self, Newcomer},
        est_client::{self, EstClient},
        process::{Program, sibling},
        stage::Stage,
    },
};
use sekisho_store::{Store, crl, issuer};
use serde_json::Value as Json;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use x509_cert::Certificate;

const PATIENCE: Duration = Duration::from_secs(60);

fn sekisho(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = sekisho(arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {why}{said}");
    said
}

/// Fails, and says this.
fn refused(arguments: &[&str], why: &str) {
    let output = sekisho(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?}");
    assert!(said.contains(why), "{arguments:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An identity file, and its recipient.
fn identity(folder: &Path) -> (PathBuf, String) {
    use age::secrecy::ExposeSecret;
    let identity = age::x25519::Identity::generate();
    let path = folder.join("backup.key");
    std::fs::write(&path, identity.to_string().expose_secret()).unwrap();
    (path, identity.to_public().to_string())
}

async fn store(dir: &Path) -> Store {
    let config = Config::read(dir).unwrap();
    Store::open(config.instance().database(), "test").await.unwrap()
}

fn door(origin: &str, dir: &Path) -> Door {
    Door::new(origin, &std::fs::read(dir.join("ca/root.crt")).unwrap()).unwrap()
}

/// Enrols; answers the serial number.
async fn enrol(door: &Door, newcomer: &Newcomer) -> String {
    let mut client = EstClient::over(door.connect(None).await.unwrap());
    let (request, _) = crowd::request(&newcomer.terminal_id).unwrap();
    let (status, body) = client.ask(Some(&newcomer.authorization), &request).await.unwrap();
    let der = est_client::certificate(status, &body).unwrap();
    let certificate = Certificate::from_der(&der).unwrap();
    hex::encode(certificate.tbs_certificate().serial_number().as_bytes())
}

/// Enrols one after the other until told to stop or none is left.
fn keep_enrolling(
    door: Door,
    newcomers: Vec<Newcomer>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut serials = Vec::new();
        for newcomer in newcomers {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            serials.push(enrol(&door, &newcomer).await);
        }
        serials
    })
}

/// Number of the last edition of each authority's lists; every one from 1 on must be there, except
/// those below `passed`.
async fn editions(store: &Store, passed: i64) -> BTreeMap<String, i64> {
    let mut reader = store.read();
    let mut last = BTreeMap::new();
    for issuer in issuer::list(&mut reader).await.unwrap() {
        if let Some((number, _)) = crl::last_edition(&mut reader, &issuer.id).await.unwrap() {
            last.insert(issuer.id, number);
        }
    }
    assert!(last["terminals"] > passed, "{last:?}");
    last
}

/// Waits until the service has published a list after `number`.
async fn edition_after(store: &Store, number: i64) -> i64 {
    let published = async {
        loop {
            let list = crl::newest(&mut store.read(), "terminals", "complete").await.unwrap();
            let last = list.map_or(0, |list| list.number);
            if last > number && !crl::has_pending(&mut store.read(), "terminals").await.unwrap() {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, published).await.unwrap()
}

/// The complete list of terminals in force.
async fn complete_list(store: &Store) -> Vec<u8> {
    let mut reader = store.read();
    let list = crl::newest(&mut reader, "terminals", "complete").await.unwrap().unwrap();
    crl::whole(&mut reader, "terminals", &list).await.unwrap().unwrap()
}

fn revoke(dir: &Path, serial: &str) {
    let dir = text(dir);
    done(&["revoke", "certificate", dir, "--serial", serial, "--reason", "superseded"]);
}

async fn serve(dir: &Path, logs: &Path) -> (Program, Json) {
    let mut command = tokio::process::Command::new(sibling("sekisho").unwrap());
    command.arg("serve").arg(dir);
    let (program, _) = Program::start("restored", command, logs).await.unwrap();
    let addresses = std::fs::read(dir.join("run/addresses.json")).unwrap();
    (program, serde_json::from_slice(&addresses).unwrap())
}

/// The whole story, over these databases.
async fn a_restored_instance_goes_on(database: Option<String>, restore_to: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::build_with(
        folder.path(),
        |settings| {
            if let Some(database) = database {
                settings.instance.database = database;
            }
        },
        |_| Ok(()),
    )
    .await
    .unwrap();
    let old = store(&stage.instance).await;
    let now = OffsetDateTime::now_utc();
    let facility = crowd::facility(&old, now).await.unwrap();
    let mut newcomers = crowd::newcomers(&old, &facility, 400, now).await.unwrap();
    let later = newcomers.split_off(390);
    let old_door = door(&stage.origins.enrol, &stage.instance);
    let first = enrol(&old_door, &newcomers.remove(0)).await;
    revoke(&stage.instance, &first);
    let before = edition_after(&old, 1).await;

    // While certificates are issued without a pause.
    let stop = Arc::new(AtomicBool::new(false));
    let enrolling = keep_enrolling(old_door.clone(), newcomers, Arc::clone(&stop));
    let (key, recipient) = identity(folder.path());
    let backup = folder.path().join("backup.age");
    let manifest = done(&[
        "backup",
        text(&stage.instance),
        "--to",
        text(&backup),
        "--recipient",
        &recipient,
        "--json",
    ]);
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut issued: BTreeSet<String> = enrolling.await.unwrap().into_iter().collect();
    assert!(!issued.is_empty());
    assert_eq!(manifest["crl_numbers"]["terminals"], before);
    assert!(
        std::fs::read_dir(stage.instance.join("run"))
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("backup-") })
    );
    done(&["audit", "verify", text(&stage.instance)]);
    let listed = done(&["audit", "list", text(&stage.instance)]);
    assert!(listed.contains("backup.take"), "{listed}");
    done(&["restore", "--check", text(&backup), "--identity-file", text(&key)]);
    issued.insert(first.clone());
    old.close().await;
    stage.server.stop().await.unwrap();

    let restored = folder.path().join("restored");
    let mut arguments =
        vec!["restore", text(&backup), text(&restored), "--identity-file", text(&key)];
    if let Some(database) = &restore_to {
        arguments.extend(["--database", database]);
    }
    done(&arguments);
    done(&["audit", "verify", text(&restored)]);
    let listed = done(&["audit", "list", text(&restored)]);
    assert!(listed.contains("backup.restore"), "{listed}");
    let new = store(&restored).await;
    let at_restore = editions(&new, before - 1).await;
    assert_eq!(at_restore["terminals"], before);

    // It serves, issues and takes back under the next numbers.
    let (program, addresses) = serve(&restored, &stage.folder.join("logs")).await;
    let new_door = door(addresses["origins"]["enrol"].as_str().unwrap(), &restored);
    for newcomer in &later {
        let serial = enrol(&new_door, newcomer).await;
        assert!(issued.insert(serial.clone()), "serial number {serial} was given again");
    }
    let last = crl::last_edition(&mut new.read(), "terminals").await.unwrap().unwrap().0;
    let serial = enrolled_in(&new).await;
    revoke(&restored, &serial);
    assert_eq!(edition_after(&new, last).await, last + 1);
    new.close().await;
    program.stop().await.unwrap();
    done(&["audit", "verify", text(&restored)]);
}

/// A certificate of a terminal that stands.
async fn enrolled_in(store: &Store) -> String {
    let records = sekisho_store::audit::list(&mut store.read(), "", None, 10_000).await.unwrap();
    let issued = records.iter().rev().find_map(|record| {
        let form: Json = serde_json::from_slice(&record.canonical).unwrap();
        (form["act"] == "certificate.issue" && form["facts"]["profile"] == "terminal")
            .then(|| form["on"]["certificate"].as_str().unwrap().to_owned())
    });
    issued.unwrap().strip_prefix("terminals:").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_instance_goes_on_without_a_gap_or_a_repeated_serial_on_sqlite() {
    a_restored_instance_goes_on(None, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_instance_goes_on_without_a_gap_or_a_repeated_serial_on_postgres() {
    let url = sekisho_test_database::postgres_url;
    a_restored_instance_goes_on(Some(url()), Some(url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_published_after_the_backup_keep_their_numbers_and_revocations() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::build(folder.path(), |_| Ok(())).await.unwrap();
    let old = store(&stage.instance).await;
    let now = OffsetDateTime::now_utc();
    let facility = crowd::facility(&old, now).await.unwrap();
    let newcomers = crowd::newcomers(&old, &facility, 2, now).await.unwrap();
    let old_door = door(&stage.origins.enrol, &stage.instance);
    let known = enrol(&old_door, &newcomers[0]).await;
    let passphrase = folder.path().join("passphrase");
    std::fs::write(&passphrase, "a passphrase of many words\n").unwrap();
    let backup = folder.path().join("backup.age");
    let passphrase = ["--passphrase-file", text(&passphrase)];
    done(&[&["backup", text(&stage.instance), "--to", text(&backup)], &passphrase[..]].concat());

    // After the backup: one is issued, and it and the known one are taken back.
    let unknown = enrol(&old_door, &newcomers[1]).await;
    let mut number = crl::last_edition(&mut old.read(), "terminals").await.unwrap().unwrap().0;
    for serial in [&known, &unknown] {
        revoke(&stage.instance, serial);
        number = edition_after(&old, number).await;
    }
    let published = folder.path().join("published");
    std::fs::create_dir(&published).unwrap();
    let list = complete_list(&old).await;
    std::fs::write(published.join("terminals.crl"), &list).unwrap();
    old.close().await;
    stage.server.stop().await.unwrap();

    let restored = folder.path().join("restored");
    let with_lists = ["--published", text(&published), "--json"];
    let arguments = [&["restore", text(&backup), text(&restored)], &passphrase[..], &with_lists];
    let outcome: Json = serde_json::from_str(&done(&arguments.concat())).unwrap();
    assert_eq!(outcome["numbers"], serde_json::json!([["terminals", number]]));
    assert_eq!(outcome["revoked"], serde_json::json!([["terminals", known]]));
    assert_eq!(outcome["unknown"], serde_json::json!([["terminals", unknown]]));
    let (program, _) = serve(&restored, &stage.folder.join("logs")).await;
    let new = store(&restored).await;
    assert_eq!(edition_after(&new, number).await, number + 1);
    let list = complete_list(&new).await;
    let list: x509_cert::crl::CertificateList = Decode::from_der(&list).unwrap();
    let revoked: Vec<_> = list.tbs_cert_list.revoked_certificates.iter().flatten().collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!(hex::encode(revoked[0].serial_number.as_bytes()), known);
    new.close().await;
    program.stop().await.unwrap();

    // A list that somebody else signed, and one that is none.
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    let mut forged = std::fs::read(published.join("terminals.crl")).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    for (content, why) in [
        (forged, "is not signed by an authority"),
        (vec![0x30, 0], "is no certificate revocation list"),
    ] {
        std::fs::write(foreign.join("x.crl"), content).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        let arguments = [
            &["restore", text(&backup), text(&elsewhere)],
            &passphrase[..],
            &["--published", text(&foreign)],
        ];
        refused(&arguments.concat(), why);
        assert!(!elsewhere.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_backed_up_or_restored_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("instance");
    done(&["init", text(&dir)]);
    let (key, recipient) = identity(folder.path());
    let backup = folder.path().join("backup.age");
    let take = ["backup", text(&dir), "--to", text(&backup), "--recipient", &recipient];
    {
        let lock = std::fs::File::create(dir.join("run/backup.lock")).unwrap();
        lock.lock().unwrap();
        refused(&take, "another backup of this instance is being made");
    }
    // What a killed one left is removed.
    std::fs::create_dir(dir.join("run/backup-left")).unwrap();
    done(&take);
    assert!(!dir.join("run/backup-left").exists());
    refused(&take, "exists; choose another name");
    let octets = std::fs::read(&backup).unwrap();
    assert!(octets.starts_with(b"age-encryption.org/v1\n"));
    let root_key = std::fs::read(dir.join("root/root-key.p8")).unwrap();
    assert!(!root_key.is_empty(), "the root's key is there, and stays out of the backup");

    let other = folder.path().join("other.age");
    let to_other = ["backup", text(&dir), "--to", text(&other)];
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    for command in [&to_other[..], &["init", text(&other)]] {
        let option =
            if command[0] == "init" { "--root-passphrase-file" } else { "--passphrase-file" };
        refused(&[command, &[option, text(&empty)]].concat(), "open to anybody");
    }
    refused(&[&to_other[..], &["--recipient", "age1nothing"]].concat(), "is no age recipient");
    let weak = folder.path().join("weak");
    std::fs::write(&weak, "short\n").unwrap();
    refused(&[&to_other[..], &["--passphrase-file", text(&weak)]].concat(), "at least 20");
    refused(
        &["backup", text(folder.path()), "--to", text(&other), "--recipient", &recipient],
        "sekisho.toml",
    );
    // A key that does not fit its certificate: no backup to rely on.
    let path = dir.join("keys/terminals.p8");
    let kept = std::fs::read(&path).unwrap();
    std::fs::copy(dir.join("keys/routers.p8"), &path).unwrap();
    refused(&[&to_other[..], &["--recipient", &recipient]].concat(), "an authority cannot be used");
    std::fs::write(&path, kept).unwrap();
    assert!(!other.exists());

    let restored = folder.path().join("restored");
    let with_key = ["--identity-file", text(&key)];
    let restore = [&["restore", text(&backup), text(&restored)], &with_key[..]].concat();
    refused(
        &[&restore[..], &["--database", "postgres://u@localhost/d"]].concat(),
        "of another kind",
    );
    refused(
        &["restore", text(&backup), text(&restored), "--identity-file", text(&weak)],
        "holds no age identity",
    );
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let (other_key, _) = identity(&elsewhere);
    refused(
        &["restore", text(&backup), text(&restored), "--identity-file", text(&other_key)],
        "encrypted to another key",
    );
    refused(&[&["restore", text(&weak), text(&restored)], &with_key[..]].concat(), "does not open");
    refused(
        &[&["restore", text(&backup), text(&elsewhere)], &with_key[..]].concat(),
        "is not empty",
    );
    let check = |file: &Path, key: &Path| {
        let arguments = ["restore", "--check", text(file), "--identity-file", text(key)];
        sekisho(&arguments).status.code()
    };
    let damaged = folder.path().join("damaged.age");
    let mut spoilt = octets.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    for spoilt in [&spoilt[..], &octets[..octets.len() / 2], b"no age file"] {
        std::fs::write(&damaged, spoilt).unwrap();
        assert_eq!(check(&damaged, &key), Some(3));
        let restore = [&["restore", text(&damaged), text(&restored)], &with_key[..]].concat();
        assert_eq!(sekisho(&restore).status.code(), Some(3));
    }
    std::fs::write(&damaged, &octets[..octets.len() / 2]).unwrap();
    refused(
        &[&["restore", "--check", text(&damaged)], &with_key[..]].concat(),
        "damaged.age is damaged",
    );
    assert_eq!(check(&backup, &key), Some(0));
    assert_eq!(check(&backup, &other_key), Some(1));
    assert_eq!(check(&folder.path().join("nothing"), &key), Some(2));
    assert!(!restored.exists());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".sekisho"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    done(&restore);
    assert!(!restored.join("root/root-key.p8").exists());
    assert!(!restored.join("run/database").exists());
}

//! The keys leave an instance's folder, once and whole; backups and roll-overs afterwards.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sekisho::{
    demo::stage::free_port,
    instance::{Folder, InUse},
};

use crate::{
    house::{done, fails_to_serve, refused, text},
    old_authority::OldAuthority,
};

struct Folders {
    _folder: tempfile::TempDir,
    instance: PathBuf,
    signer: PathBuf,
}

impl Folders {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (instance, signer) = (folder.path().join("instance"), folder.path().join("signer"));
        // It is started below, until something stops it.
        let (tls, plain) = (free_port().unwrap(), free_port().unwrap());
        let ports = [tls, plain].map(|port| port.to_string());
        done(&["init", text(&instance), "--tls-port", &ports[0], "--plain-port", &ports[1]]);
        fs::remove_file(instance.join("root/root-key.p8")).unwrap();
        Self { _folder: folder, instance, signer }
    }

    fn split(&self) -> String {
        done(&["signer", "split", text(&self.instance), text(&self.signer)])
    }

    fn refuses_to_split(&self, why: &str) {
        refused(&["signer", "split", text(&self.instance), text(&self.signer)], why);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_keys_are_moved_once_and_a_call_that_was_stopped_goes_on() {
    let folders = Folders::new();
    let keys = folders.instance.join("keys");
    let before = names(&keys);
    let old = fs::read(keys.join("terminals.p8")).unwrap();
    let told = folders.split();
    assert!(told.contains("6 keys moved"), "{told}");
    let ca = [
        "ocsp-routers.p8",
        "ocsp-servers.p8",
        "ocsp-terminals.p8",
        "routers.p8",
        "servers.p8",
        "terminals.p8",
    ];
    let moved = names(&folders.signer.join("keys"));
    assert_eq!(moved, ca);
    let left: Vec<_> = before.into_iter().filter(|name| !ca.contains(&name.as_str())).collect();
    assert_eq!(names(&keys), left);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folders.signer), 0o750);
    assert_eq!(mode(&folders.signer.join("keys")), 0o700);
    assert_eq!(mode(&folders.signer.join("keys/terminals.p8")), 0o600);
    assert_eq!(mode(&folders.signer.join("signer.toml")), 0o600);
    // Under another passphrase.
    let secret = |folder: &Path| fs::read(folder.join("secrets/passphrase")).unwrap();
    assert_ne!(secret(&folders.instance), secret(&folders.signer));

    let new = fs::read(folders.signer.join("keys/terminals.p8")).unwrap();
    assert!(folders.split().contains("Nothing changed"));
    // Stopped before the old files were deleted.
    fs::write(keys.join("terminals.p8"), &old).unwrap();
    fails_to_serve(&folders.instance, "keys/terminals.p8 still lies in the folder");
    let told = folders.split();
    assert!(told.contains("1 keys moved") && told.contains("terminals"), "{told}");
    assert!(!keys.join("terminals.p8").exists());
    // Stopped before everything was there.
    fs::write(keys.join("terminals.p8"), &old).unwrap();
    fs::remove_file(folders.signer.join("keys/terminals.p8")).unwrap();
    fs::remove_file(folders.signer.join("signer.toml")).unwrap();
    folders.split();
    assert!(folders.signer.join("signer.toml").exists());
    assert_ne!(fs::read(folders.signer.join("keys/terminals.p8")).unwrap(), new);
    assert!(!keys.join("terminals.p8").exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_is_lost_where_the_keys_cannot_be_moved() {
    let folders = Folders::new();
    let keys = names(&folders.instance.join("keys"));
    fs::create_dir(&folders.signer).unwrap();
    fs::write(folders.signer.join("letter.txt"), "mine").unwrap();
    folders.refuses_to_split("neither empty nor a folder of the signing process");
    assert_eq!(names(&folders.signer), ["letter.txt"]);
    fs::remove_dir_all(&folders.signer).unwrap();

    // Another key has the name of one of them.
    folders.split();
    let other = Folders::new();
    let path = folders.signer.join("keys/terminals.p8");
    let moved = fs::read(&path).unwrap();
    let certificate = fs::read(folders.signer.join("ca/terminals.crt")).unwrap();
    refused(
        &["signer", "split", text(&other.instance), text(&folders.signer)],
        "is another key than that of its certificate",
    );
    assert_eq!(fs::read(&path).unwrap(), moved);
    assert_eq!(fs::read(folders.signer.join("ca/terminals.crt")).unwrap(), certificate);
    // What would be deleted is not what was moved.
    let stray = folders.instance.join("keys/terminals.p8");
    fs::copy(folders.instance.join("keys/audit-1.p8"), &stray).unwrap();
    folders.refuses_to_split("is another key than that of its certificate");
    assert!(stray.exists());
    fs::remove_file(&stray).unwrap();
    assert_eq!(names(&other.instance.join("keys")), keys);
    // The instance asks another process already.
    refused(
        &["signer", "split", text(&folders.instance), text(&other.signer)],
        "is configured for the socket",
    );
    assert!(!other.signer.exists());
}

#[test]
fn a_backup_says_that_it_does_not_hold_the_keys_and_is_restored_without_them() {
    let folders = Folders::new();
    folders.split();
    let passphrase = folders.instance.with_file_name("passphrase");
    fs::write(&passphrase, "a passphrase of many words\n").unwrap();
    let backup = folders.instance.with_file_name("backup.age");
    let with = ["--passphrase-file", text(&passphrase)];
    let told =
        done(&[&["backup", text(&folders.instance), "--to", text(&backup)], &with[..]].concat());
    assert!(told.contains("does not hold the authorities' keys"), "{told}");
    let restored = folders.instance.with_file_name("restored");
    let told = done(&[&["restore", text(&backup), text(&restored)], &with[..]].concat());
    assert!(told.contains("does not hold the authorities' keys"), "{told}");
    assert!(!restored.join("keys/terminals.p8").exists());
    done(&["audit", "verify", text(&restored)]);
}

#[test]
fn keys_are_not_moved_from_under_a_serving_process() {
    let folders = Folders::new();
    let before = names(&folders.instance.join("keys"));
    let serving = InUse::by_server(&Folder::new(&folders.instance)).unwrap();
    folders.refuses_to_split("`sekisho serve` runs on ");
    assert_eq!(names(&folders.instance.join("keys")), before);
    assert!(!folders.signer.exists());
    drop(serving);
    folders.split();
}

#[test]
fn the_key_of_an_authority_that_was_taken_over_moves_too() {
    let folders = Folders::new();
    let old = OldAuthority::p256();
    let file = |name: &str| old.path(name).display().to_string();
    let import = |more: &[&str]| {
        let (certificate, root, archive) = (file("ca.crt"), file("root.crt"), file("newcerts"));
        let list = file("last.crl");
        let begin = ["ceremony", "import", text(&folders.instance), "imported-1", "--lang", "en"];
        let papers = ["--certificate", &certificate, "--above", &root, "--issued", &archive];
        done(&[&begin[..], &papers, &["--crl", &list], more].concat())
    };
    let shown = import(&[]);
    let hash = shown.split("--hash ").nth(1).unwrap().split_whitespace().next().unwrap();
    let (key, secret, out) = (file("ca.p8"), file("passphrase"), file("transcript.json"));
    let take = ["--key", &key, "--secret", &secret, "--hash", hash, "--out", &out];
    import(&take);
    let told = folders.split();
    assert!(told.contains("8 keys moved") && told.contains("imported-1"), "{told}");
    let is_here = || folders.instance.join("keys/imported-1.p8").exists();
    assert!(!is_here() && folders.signer.join("keys/imported-1.p8").exists());
    // Once more, for something that was found later: the key signs the transcript, and moves again.
    import(&take);
    assert!(is_here());
    fails_to_serve(&folders.instance, "keys/imported-1.p8 still lies in the folder");
    folders.split();
    assert!(!is_here());
}

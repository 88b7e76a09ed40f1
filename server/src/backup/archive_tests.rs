//! A backup's file against whoever made it by hand.

use secrecy::SecretString;

use super::*;
use crate::backup::DatabaseForm;

const PASSPHRASE: &str = "correct horse battery staple";

fn identity() -> (Lock, impl Fn() -> Key) {
    let identity = age::x25519::Identity::generate();
    let lock = Lock::Recipients(vec![identity.to_public()]);
    (lock, move || Key::Identities(vec![Box::new(identity.clone())]))
}

fn manifest(files: Vec<FileEntry>) -> Manifest {
    Manifest {
        format: FORMAT,
        made_at: "2026-11-21T09:00:00Z".into(),
        program: "0.1.0".into(),
        node: "node-1".into(),
        root_sha256: "00".into(),
        database: DatabaseForm::Sqlite,
        crl_numbers: [("terminals".to_owned(), 7)].into(),
        files,
    }
}

/// Two files in `from`, measured.
fn two_files(from: &Path) -> Manifest {
    std::fs::create_dir_all(from.join("folder/keys")).unwrap();
    std::fs::write(from.join("database"), vec![7; 100_000]).unwrap();
    std::fs::write(from.join("folder/keys/a.p8"), "key").unwrap();
    let names = ["database", "folder/keys/a.p8"];
    manifest(names.map(|name| measure(name.into(), &from.join(name)).unwrap()).into())
}

fn place(into: &Path) -> impl Fn(&str) -> std::io::Result<PathBuf> {
    let into = into.to_owned();
    move |name| {
        let path = into.join(name);
        std::fs::create_dir_all(path.parent().unwrap())?;
        Ok(path)
    }
}

#[test]
fn what_was_written_is_read_back_with_the_key_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let written = two_files(&from);
    let (lock, key) = identity();
    let to = folder.path().join("b.age");
    write(&to, &lock, &written, |entry| from.join(&entry.path)).unwrap();
    assert!(!folder.path().join("b.age.partial").exists());
    let into = folder.path().join("into");
    assert_eq!(read(&to, key(), place(&into)).unwrap(), written);
    assert_eq!(std::fs::read(into.join("database")).unwrap(), vec![7; 100_000]);
    assert_eq!(std::fs::read_to_string(into.join("folder/keys/a.p8")).unwrap(), "key");

    let (_, other) = identity();
    for wrong in [other(), Key::Passphrase(SecretString::from(PASSPHRASE))] {
        let into = folder.path().join("wrong");
        let refused = read(&to, wrong, place(&into)).unwrap_err();
        assert!(matches!(refused, ArchiveError::Decrypt { .. }), "{refused}");
        assert!(!into.exists());
    }
}

#[test]
fn a_file_that_changed_after_it_was_measured_is_noticed_at_reading() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let written = two_files(&from);
    std::fs::write(from.join("folder/keys/a.p8"), "KEY").unwrap();
    let (lock, key) = identity();
    let to = folder.path().join("b.age");
    write(&to, &lock, &written, |entry| from.join(&entry.path)).unwrap();
    let refused = read(&to, key(), place(&folder.path().join("into"))).unwrap_err();
    assert!(
        matches!(&refused, ArchiveError::Entry { path, fault: "its digest differs" } if path == "folder/keys/a.p8"),
        "{refused}"
    );
}

#[test]
fn damage_and_truncation_anywhere_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    let written = two_files(&from);
    let (lock, key) = identity();
    let to = folder.path().join("b.age");
    write(&to, &lock, &written, |entry| from.join(&entry.path)).unwrap();
    let whole = std::fs::read(&to).unwrap();
    let damaged = folder.path().join("damaged.age");
    for at in (0..whole.len()).step_by(997).chain([0, whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        for octets in [flipped, whole[..at].to_vec()] {
            std::fs::write(&damaged, octets).unwrap();
            let into = tempfile::tempdir().unwrap();
            let fault = read(&damaged, key(), place(into.path())).unwrap_err();
            // An identity's stanza that was damaged is one of somebody else.
            let other_key =
                matches!(fault, ArchiveError::Decrypt { source: DecryptError::NoMatchingKeys, .. });
            assert!(fault.is_of_the_archive() || other_key, "at {at}: {fault:?}");
            // Where it was laid means nothing to whoever holds the backup.
            assert!(!fault.to_string().contains(into.path().to_str().unwrap()), "{fault}");
        }
    }
}

/// Name, kind and content.
type Entry<'a> = (&'a str, tar::EntryType, &'a [u8]);

/// An archive of these entries, encrypted as a backup would be.
fn by_hand(to: &Path, lock: &Lock, entries: &[Entry<'_>]) {
    let recipients = lock.as_recipients();
    let encryptor =
        age::Encryptor::with_recipients(recipients.iter().map(|recipient| &**recipient)).unwrap();
    let encrypted = encryptor.wrap_output(File::create(to).unwrap()).unwrap();
    let mut archive = tar::Builder::new(encrypted);
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses what a hostile maker would write.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_entry_type(*kind);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
}

#[test]
fn an_archive_made_by_hand_writes_nothing_outside_and_nothing_unnamed() {
    use tar::EntryType::{Regular, Symlink};
    let (lock, key) = identity();
    let entry = |path: &str| FileEntry {
        path: path.into(),
        octets: 3,
        sha256: hex::encode(Sha256::digest(b"abc")),
    };
    let named = |paths: &[&str]| {
        serde_json::to_vec(&manifest(paths.iter().map(|path| entry(path)).collect())).unwrap()
    };
    let cases: [(&str, Vec<u8>, &[Entry<'_>]); 9] = [
        ("climbs", named(&["database", "folder/../../evil"]), &[]),
        ("absolute", named(&["database", "/tmp/evil"]), &[]),
        ("is a folder", named(&["database", "folder/"]), &[]),
        ("twice", named(&["database", "database"]), &[]),
        ("no database", named(&["folder/a"]), &[]),
        ("missing", named(&["database"]), &[]),
        ("another", named(&["database"]), &[("folder/a", Regular, b"abc")]),
        ("a link", named(&["database"]), &[("database", Symlink, b"abc")]),
        ("unnamed", named(&["database"]), &[("database", Regular, b"abc"), ("x", Regular, b"abc")]),
    ];
    for (what, described, rest) in cases {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("b.age");
        let mut entries = vec![(MANIFEST, Regular, described.as_slice())];
        entries.extend_from_slice(rest);
        by_hand(&to, &lock, &entries);
        let into = folder.path().join("deep/into");
        let refused = read(&to, key(), place(&into)).unwrap_err();
        assert!(
            matches!(refused, ArchiveError::Manifest { .. } | ArchiveError::Entry { .. }),
            "{what}: {refused}"
        );
        assert!(!folder.path().join("evil").exists() && !folder.path().join("deep/evil").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("b.age");
    by_hand(&to, &lock, &[("database", Regular, b"abc")]);
    let refused = read(&to, key(), place(folder.path())).unwrap_err();
    assert!(matches!(refused, ArchiveError::Manifest { .. }), "{refused}");
}

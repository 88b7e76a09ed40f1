//! The store that Chromium reads takes what we write.

use std::process::Command;

use sekisho_agent::terminal::key::{FileKey, TerminalKey};
use sekisho_agent::terminal::nss;
use sekisho_agent::terminal::place::Place;
use sekisho_ca::lookalike::Forge;
use sekisho_key::SoftwareKey;
use sekisho_pki::encoding::name::{Part, name};
use time::{Duration, OffsetDateTime};

/// A folder as enrolment leaves it.
pub fn enrolled(folder: &std::path::Path) -> (Place, FileKey) {
    let place = Place::create(folder).unwrap();
    let key = FileKey::load_or_make(&place.key()).unwrap();
    let terminal = SoftwareKey::from_pkcs8_der(&key.exportable().unwrap()).unwrap();
    let authority = SoftwareKey::generate_p256().unwrap();
    let now = OffsetDateTime::now_utc();
    let (from, until) = (now - Duration::DAY, now + Duration::DAY);
    let root = name(&[Part::CommonName("Root")]).unwrap();
    let subject = name(&[Part::CommonName("T0123456789")]).unwrap();
    let certify = |subject, key: &SoftwareKey, serial| {
        let forge = Forge { serial, ..Forge::new(&root, subject, key, from, until) };
        forge.sign(&authority).unwrap()
    };
    std::fs::write(place.root(), certify(&root, &authority, 1)).unwrap();
    std::fs::write(place.certificate(), certify(&subject, &terminal, 2)).unwrap();
    (place, key)
}

fn listing(database: &str, option: &str) -> String {
    let output = Command::new("certutil").args([option, "-d", database]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_browser_store_holds_key_certificate_and_root_after_one_import_and_after_two() {
    let folder = tempfile::tempdir().unwrap();
    let (place, key) = enrolled(&folder.path().join("agent"));
    let store = folder.path().join("nssdb");
    for _ in 0..2 {
        nss::import(&place, &key, &store).unwrap();
        let database = format!("sql:{}", store.display());
        let certificates = listing(&database, "-L");
        let ours = certificates.lines().find(|line| line.starts_with("facility-terminal"));
        // u: the store holds the private key too.
        assert!(ours.is_some_and(|line| line.trim_end().ends_with("u,u,u")), "{certificates}");
        assert!(certificates.contains("facility-root-"), "{certificates}");
        assert!(listing(&database, "-K").contains("facility-terminal"));
    }
    // Nothing secret stays behind.
    let left = std::fs::read_dir(&place.folder).unwrap().count();
    assert_eq!(left, 3);
}

#[test]
fn a_root_that_ended_is_forgotten_with_the_next_import() {
    let folder = tempfile::tempdir().unwrap();
    let (place, key) = enrolled(&folder.path().join("agent"));
    let store = folder.path().join("nssdb");
    let database = format!("sql:{}", store.display());
    let roots = || listing(&database, "-L").matches("facility-root-").count();
    nss::import(&place, &key, &store).unwrap();
    std::fs::rename(place.root(), place.former_root()).unwrap();
    let next = SoftwareKey::generate_p256().unwrap();
    let subject = name(&[Part::CommonName("Root 2")]).unwrap();
    let now = OffsetDateTime::now_utc();
    let next_root = Forge::new(&subject, &subject, &next, now - Duration::DAY, now + Duration::DAY);
    std::fs::write(place.root(), next_root.sign(&next).unwrap()).unwrap();
    nss::import(&place, &key, &store).unwrap();
    assert_eq!(roots(), 2, "both during the overlap");
    place.end_former_root().unwrap();
    nss::import(&place, &key, &store).unwrap();
    assert_eq!(roots(), 1);
    assert!(!place.ended_root().exists());
    // One that this store never had.
    std::fs::copy(place.certificate(), place.ended_root()).unwrap();
    nss::import(&place, &key, &store).unwrap();
    assert!(!place.ended_root().exists());
}

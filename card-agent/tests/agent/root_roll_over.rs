//! A root that another one follows, as an agent learns of it from an EST server of the test's own.

use std::sync::atomic::Ordering;

use sekisho_agent::terminal::enrol::{enrol, refresh_trust};
use sekisho_agent::terminal::key::FileKey;
use sekisho_agent::terminal::place::{Enrolment, Place};
use sekisho_ca::lookalike::Forge;
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::encoding::key_identifier::key_identifier;
use sekisho_pki::encoding::name::{Part, name};
use sekisho_protocol::Sha256Digest;
use time::{Duration, OffsetDateTime};
use x509_cert::der::asn1::OctetString;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;

use crate::enrolment::{HOST, invitation, server};

/// A name and its key.
pub(super) type Party<'a> = (&'a Name, &'a SoftwareKey);

/// The certificate of a root by itself or by another one.
pub(super) fn root(
    (issuer, by): Party<'_>,
    (subject, of): Party<'_>,
    serial: u32,
    (from, until): (OffsetDateTime, OffsetDateTime),
) -> Vec<u8> {
    let mut forge = Forge { serial, ..Forge::new(issuer, subject, of, from, until) };
    let identifier = |key: &SoftwareKey| {
        OctetString::new(key_identifier(key.public_key_der()).unwrap()).unwrap()
    };
    forge.put(false, &SubjectKeyIdentifier(identifier(of))).unwrap();
    let issued_by = AuthorityKeyIdentifier {
        key_identifier: Some(identifier(by)),
        ..AuthorityKeyIdentifier::default()
    };
    forge.put(false, &issued_by).unwrap();
    forge.put(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap();
    forge.put(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)).unwrap();
    forge.sign(by).unwrap()
}

/// A root that follows this one an hour later, that one by the first, and the first by that one.
pub(super) fn next_root(
    first: Party<'_>,
    (from, until): (OffsetDateTime, OffsetDateTime),
) -> [Vec<u8>; 3] {
    let key = SoftwareKey::generate_p256().unwrap();
    let name = name(&[Part::CommonName("Test Root 2")]).unwrap();
    let (next, validity) = ((&name, &key), (from + Duration::HOUR, until));
    [(next, next), (first, next), (next, first)].map(|(by, of)| root(by, of, 7, validity))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_follows_the_root_and_forgets_the_former_when_nobody_tells_of_it() {
    let (authority, address) = server(HOST).await;
    let folder = tempfile::tempdir().unwrap();
    let place = Place::create(folder.path()).unwrap();
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    let key = FileKey::load(&place.key()).unwrap();
    let read = |path: std::path::PathBuf| std::fs::read(path).ok();
    let tell = |more: &[&Vec<u8>]| {
        let all = more.iter().copied().chain([&authority.issuing_der]);
        *authority.told.lock().unwrap() = all.cloned().collect();
    };
    let (old, [new, new_by_old, old_by_new]) = (&authority.root_der, &authority.next_root);

    // A new root that the old one says nothing of.
    tell(&[old, new, old_by_new]);
    refresh_trust(&place, &key).await.unwrap();
    assert_eq!((read(place.root()), read(place.former_root())), (Some(old.clone()), None));

    tell(&[old, new, old_by_new, new_by_old]);
    refresh_trust(&place, &key).await.unwrap();
    let followed = (Some(new.clone()), Some(old.clone()));
    assert_eq!((read(place.root()), read(place.former_root())), followed);
    let sha256 = hex::encode(Sha256Digest::of(new).as_bytes());
    assert_eq!(place.enrolment().unwrap().root_sha256, sha256);
    // Again, and where power failed before the fingerprint was written.
    let enrolment = place.enrolment().unwrap();
    place.remember(&Enrolment { root_sha256: "00".repeat(32), ..enrolment }).unwrap();
    refresh_trust(&place, &key).await.unwrap();
    assert_eq!((read(place.root()), read(place.former_root())), followed);
    assert_eq!(place.enrolment().unwrap().root_sha256, sha256);
    // The line of before is still this PC's line.
    enrol(&place, &invitation(&authority, &address)).await.unwrap();
    assert_eq!(authority.issued.load(Ordering::SeqCst), 1);
    assert_eq!(place.enrolment().unwrap().root_sha256, sha256);

    // An answer without the present root ends nothing.
    tell(&[]);
    refresh_trust(&place, &key).await.unwrap();
    assert_eq!((read(place.former_root()), read(place.ended_root())), (Some(old.clone()), None));
    tell(&[new]);
    refresh_trust(&place, &key).await.unwrap();
    assert_eq!((read(place.former_root()), read(place.ended_root())), (None, Some(old.clone())));
    assert_eq!(read(place.root()), Some(new.clone()));
}

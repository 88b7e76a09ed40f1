//! Authorities with P-256 keys, made as they are needed.

use const_oid::db::rfc5280;
use sekisho_ca::lookalike::{Forge, extension};
use sekisho_key::{SigningKey, SoftwareKey};
use sekisho_pki::{
    encoding::name::{Part, name},
    path::{
        self, Anchors, Budget, PathError, Purpose, Requirements, Revocation, TrustAnchor,
        VerifiedPath,
    },
};
use time::{Duration, OffsetDateTime};
use x509_cert::{
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages},
    name::Name,
};

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

/// A certificate with its key.
pub(crate) struct Holder {
    pub(crate) name: Name,
    pub(crate) key: SoftwareKey,
    pub(crate) der: Vec<u8>,
}

pub(crate) fn named(common_name: &str) -> Name {
    name(&[Part::Country("JP"), Part::CommonName(common_name)]).unwrap()
}

/// An authority's certificate, unsigned yet.
pub(crate) fn authority(
    issuer: &Name,
    issuer_key: &SoftwareKey,
    subject: &Name,
    key: &SoftwareKey,
) -> Forge {
    let mut forge =
        Forge::new(issuer, subject, key, now() - Duration::DAY, now() + Duration::days(30));
    forge.extensions = vec![
        extension(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap(),
        extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)).unwrap(),
    ];
    forge.identify(issuer_key).unwrap();
    forge
}

impl Holder {
    pub(crate) fn root(common_name: &str) -> Self {
        let (name, key) = (named(common_name), SoftwareKey::generate_p256().unwrap());
        let der = authority(&name, &key, &name, &key).sign(&key).unwrap();
        Self { name, key, der }
    }

    /// An authority below this one.
    pub(crate) fn authority(&self, common_name: &str, change: impl FnOnce(&mut Forge)) -> Self {
        let (name, key) = (named(common_name), SoftwareKey::generate_p256().unwrap());
        let mut forge = authority(&self.name, &self.key, &name, &key);
        change(&mut forge);
        let der = forge.sign(&self.key).unwrap();
        Self { name, key, der }
    }

    /// Another certificate for `other`'s name and key, by this one.
    pub(crate) fn certify(&self, other: &Self, serial: u32) -> Vec<u8> {
        let mut forge = authority(&self.name, &self.key, &other.name, &other.key);
        forge.serial = serial;
        forge.sign(&self.key).unwrap()
    }

    /// An end entity below this one, serial number 7.
    pub(crate) fn end_entity(&self, change: impl FnOnce(&mut Forge)) -> Self {
        let (name, key) = (named("End Entity"), SoftwareKey::generate_p256().unwrap());
        let mut forge =
            Forge::new(&self.name, &name, &key, now() - Duration::DAY, now() + Duration::DAY);
        forge.serial = 7;
        forge.extensions = vec![
            extension(true, &KeyUsage(KeyUsages::DigitalSignature.into())).unwrap(),
            extension(false, &ExtendedKeyUsage(vec![rfc5280::ID_KP_CLIENT_AUTH])).unwrap(),
        ];
        forge.identify(&self.key).unwrap();
        change(&mut forge);
        let der = forge.sign(&self.key).unwrap();
        Self { name, key, der }
    }

    pub(crate) fn anchors(&self) -> Anchors {
        Anchors::new(vec![TrustAnchor::from_der(&self.der).unwrap()])
    }

    pub(crate) fn key_der(&self) -> &[u8] {
        self.key.public_key_der()
    }
}

/// Judges for any purpose, revocation aside, with the larger budget.
pub(crate) fn judge(
    end_entity: &Holder,
    candidates: &[&[u8]],
    anchors: &Anchors,
) -> Result<VerifiedPath, PathError> {
    let requirements = Requirements {
        budget: Budget::generous(),
        ..Requirements::new(Purpose::Any, Revocation::JudgedByCaller)
    };
    path::validate(&end_entity.der, candidates, anchors, &requirements, now())
}

//! From a plan, the public keys and the existing certificates to everything that would be signed.
//!
//! No private key is needed: a reviewer makes the same statement on a computer of their own.

use std::collections::BTreeMap;

use der::{Decode, Encode};
use sekisho_key::{KeyError, SignatureAlgorithm};
use sekisho_pki::{
    encoding::{
        instant,
        key_identifier::key_identifier,
        name::{Part, name},
        serial::Serial,
    },
    signature::object::public_key_of,
};
use sekisho_wire::domain;
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    ext::pkix::{BasicConstraints, SubjectKeyIdentifier},
    name::Name,
};

use super::{
    Origin, Plan,
    plan::{PlannedAuthority, PlannedCertificate, PlannedCrl},
    statement::{Act, Digest, StatedKey, Statement, Step},
};
use crate::{
    authority::Publication,
    issuance::{ApprovedRequest, Draft, IssuanceError, Issuer, tbs},
    record::Subscriber,
    registration::key::{self, KeyFlaw},
    revocation::crl::{CrlError, CrlKind, CrlSpec, ListToSign, WholeList, encode_entries},
};

/// What a plan names and does not hold.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// DER `SubjectPublicKeyInfo` by the key's name.
    pub public_keys: BTreeMap<String, Vec<u8>>,
    /// DER certificate by the existing authority's identifier.
    pub certificates: BTreeMap<String, Vec<u8>>,
}

/// Why there is nothing to sign.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A public key that was not given.
    #[error("the public half of key `{0}` is missing")]
    NoKey(String),
    /// A public key that is none.
    #[error("key `{name}` cannot be used")]
    Key {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A key that others can compute.
    #[error("key `{name}` is not fit to be certified")]
    Flaw {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: KeyFlaw,
    },
    /// The certificate of an existing authority.
    #[error("authority `{id}`: {what}")]
    Existing {
        /// Which.
        id: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A name does not fit.
    #[error("the name of authority `{0}` cannot be encoded")]
    Name(String),
    /// A certificate would break a rule.
    #[error("step {number}, {file}")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What it would be.
        file: String,
        /// Why not.
        #[source]
        source: IssuanceError,
    },
    /// A list would break a rule.
    #[error("step {number}, {file}")]
    Crl {
        /// Counted from 1.
        number: usize,
        /// What it would be.
        file: String,
        /// Why not.
        #[source]
        source: CrlError,
    },
}

/// A ceremony whose every signature is prepared and linted.
#[derive(Debug)]
pub struct Ceremony {
    pub(super) statement: Statement,
    pub(super) at: OffsetDateTime,
    /// Until when the first of its results is of use.
    pub(super) stale_at: OffsetDateTime,
    pub(super) drafts: Vec<Prepared>,
}

#[derive(Debug)]
pub(super) enum Prepared {
    /// Ten times as large as the other.
    Certificate(Box<Draft>),
    Crl(WholeList),
}

impl Ceremony {
    /// Builds and lints everything that the plan wants signed.
    ///
    /// `salt` is drawn once for a plan and kept with it: a serial number is a hash of it and of
    /// what else the certificate says. The same plan thus has the same statement each time, and
    /// two certificates that differ in anything can't have one serial number, however often a
    /// plan is edited.
    ///
    /// # Errors
    /// [`PrepareError`]: the first thing that is missing or breaks a rule.
    pub fn prepare(
        plan: &Plan,
        material: &Material,
        salt: &[u8; 32],
    ) -> Result<Self, PrepareError> {
        let mut keys = Vec::with_capacity(plan.keys.len());
        for key in &plan.keys {
            let public_key_der = material
                .public_keys
                .get(&key.name)
                .ok_or_else(|| PrepareError::NoKey(key.name.clone()))?;
            key::check(public_key_der)
                .map_err(|source| PrepareError::Flaw { name: key.name.clone(), source })?;
            keys.push(StatedKey { name: key.name.clone(), public_key_der: public_key_der.clone() });
        }
        let mut parties = BTreeMap::new();
        for authority in &plan.authorities {
            parties.insert(authority.id.as_str(), Party::of(plan, authority, material)?);
        }
        let (mut steps, mut drafts) = (Vec::new(), Vec::new());
        let mut stale_at = None;
        let mut ends = |at: OffsetDateTime| {
            stale_at = Some(stale_at.map_or(at, |first: OffsetDateTime| first.min(at)));
        };
        for planned in &plan.certificates {
            let number = steps.len() + 1;
            let draft = certificate(plan, &parties, material, planned, salt).map_err(|source| {
                PrepareError::Certificate { number, file: planned.file(), source }
            })?;
            if let Some(party) = parties.get_mut(planned.subject.as_str())
                && ["root", "issuing"].contains(&planned.profile.name())
            {
                party.validity = Some((plan.at, planned.not_after));
                party.is_root = planned.profile.name() == "root";
            }
            ends(planned.not_after);
            let act = Act::Certificate {
                profile: planned.profile.name().to_owned(),
                subject: planned.subject.clone(),
            };
            steps.push(step(plan, number, act, &planned.issuer, planned.file(), draft.tbs_der()));
            drafts.push(Prepared::Certificate(Box::new(draft)));
        }
        for planned in &plan.crls {
            let number = steps.len() + 1;
            let list = crl(plan, &parties, planned).map_err(|source| PrepareError::Crl {
                number,
                file: planned.file(),
                source,
            })?;
            ends(planned.next_update);
            let act = Act::Crl { number: planned.number };
            steps.push(step(plan, number, act, &planned.issuer, planned.file(), list.tbs_der()));
            drafts.push(Prepared::Crl(list));
        }
        Ok(Self {
            statement: Statement::new(&plan.title, keys, steps),
            at: plan.at,
            stale_at: stale_at.unwrap_or(plan.at),
            drafts,
        })
    }

    /// What it would sign.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }
}

fn step(plan: &Plan, number: usize, act: Act, issuer: &str, file: String, tbs_der: &[u8]) -> Step {
    // The plan has each issuer: it was validated.
    let key = plan.authority(issuer).map(|authority| authority.key.clone()).unwrap_or_default();
    Step { number, act, issuer: issuer.to_owned(), key, file, tbs_der: tbs_der.to_vec() }
}

/// What is known of an authority of the plan, without its private key.
pub(super) struct Party {
    id: String,
    subject: Name,
    public_key_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    key_identifier: Vec<u8>,
    pub(super) validity: Option<(OffsetDateTime, OffsetDateTime)>,
    is_root: bool,
    publication: Publication,
}

impl Party {
    fn of(
        plan: &Plan,
        authority: &PlannedAuthority,
        material: &Material,
    ) -> Result<Self, PrepareError> {
        let no_key = || PrepareError::NoKey(authority.key.clone());
        let public_key_der = material.public_keys.get(&authority.key).ok_or_else(no_key)?;
        let bad_key = |source| PrepareError::Key { name: authority.key.clone(), source };
        let algorithm = SignatureAlgorithm::of_public_key(public_key_der).map_err(bad_key)?;
        let own_identifier = key_identifier(public_key_der)
            .map_err(|error| bad_key(KeyError::MalformedKey(error)))?;
        let is_root_by_name = authority.id == "root" || authority.id.starts_with("root-");
        let new = Self {
            id: authority.id.clone(),
            subject: Name::default(),
            public_key_der: public_key_der.clone(),
            algorithm,
            key_identifier: own_identifier.to_vec(),
            validity: None,
            is_root: false,
            // A root's key is offline: nobody answers by OCSP for it (certificate policy §4.9.9).
            publication: Publication::under(&plan.publication, &authority.id, !is_root_by_name),
        };
        match &authority.origin {
            Origin::New { common_name } => {
                let subject = name(&[
                    Part::Country("JP"),
                    Part::Organization(&plan.organisation),
                    Part::CommonName(common_name),
                ])
                .map_err(|_| PrepareError::Name(authority.id.clone()))?;
                Ok(Self { subject, ..new })
            }
            Origin::Existing { .. } => {
                let wrong = |what| PrepareError::Existing { id: authority.id.clone(), what };
                let der = material
                    .certificates
                    .get(&authority.id)
                    .ok_or_else(|| wrong("its certificate is missing"))?;
                new.existing(der).map_err(wrong)
            }
        }
    }

    /// From a certificate alone.
    pub(super) fn of_certificate(
        id: &str,
        der: &[u8],
        publication: &Publication,
    ) -> Result<Self, PrepareError> {
        let wrong = |what| PrepareError::Existing { id: id.to_owned(), what };
        let public_key_der =
            public_key_of(der).ok_or_else(|| wrong("its certificate cannot be read"))?;
        let bad_key = |source| PrepareError::Key { name: id.to_owned(), source };
        let algorithm = SignatureAlgorithm::of_public_key(&public_key_der).map_err(bad_key)?;
        let own_identifier = key_identifier(&public_key_der)
            .map_err(|error| bad_key(KeyError::MalformedKey(error)))?;
        let party = Self {
            id: id.to_owned(),
            subject: Name::default(),
            public_key_der,
            algorithm,
            key_identifier: own_identifier.to_vec(),
            validity: None,
            is_root: false,
            publication: publication.clone(),
        };
        party.existing(der).map_err(wrong)
    }

    fn existing(self, der: &[u8]) -> Result<Self, &'static str> {
        const UNREADABLE: &str = "its certificate cannot be read";
        let certificate = Certificate::from_der(der).map_err(|_| UNREADABLE)?;
        let tbs = certificate.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(|_| UNREADABLE)?;
        if spki != self.public_key_der {
            return Err("its certificate is for another key than the plan's");
        }
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(|_| UNREADABLE)?;
        if !constraints.is_some_and(|(_, constraints)| constraints.ca) {
            return Err("its certificate is not one of an authority");
        }
        let key_identifier =
            match tbs.get_extension::<SubjectKeyIdentifier>().map_err(|_| UNREADABLE)? {
                Some((_, identifier)) => identifier.0.as_bytes().to_vec(),
                None => self.key_identifier,
            };
        let validity = tbs.validity();
        Ok(Self {
            subject: tbs.subject().clone(),
            key_identifier,
            validity: Some((
                instant::from_time(&validity.not_before),
                instant::from_time(&validity.not_after),
            )),
            is_root: tbs.issuer() == tbs.subject(),
            ..self
        })
    }

    pub(super) fn issuer(&self, validity: Option<(OffsetDateTime, OffsetDateTime)>) -> Issuer<'_> {
        Issuer {
            id: &self.id,
            subject: &self.subject,
            public_key_der: &self.public_key_der,
            algorithm: self.algorithm,
            key_identifier: &self.key_identifier,
            validity,
            publication: &self.publication,
        }
    }
}

type Parties<'a> = BTreeMap<&'a str, Party>;

/// The plan has each party: it was validated, and a party was made of each of its authorities.
fn party<'a>(parties: &'a Parties<'_>, id: &str) -> Result<&'a Party, IssuanceError> {
    parties.get(id).ok_or_else(|| IssuanceError::IssuerNotValid { issuer_id: id.to_owned() })
}

fn certificate(
    plan: &Plan,
    parties: &Parties<'_>,
    material: &Material,
    planned: &PlannedCertificate,
    salt: &[u8; 32],
) -> Result<Draft, IssuanceError> {
    let issuer = party(parties, &planned.issuer)?;
    let self_signed = planned.profile.name() == "root";
    let issuer = issuer.issuer(if self_signed { None } else { issuer.validity });
    let subject = party(parties, &planned.subject)?;
    let subject = if planned.profile.authority().is_some() {
        subject.subject.clone()
    } else {
        let common_name = format!("OCSP {}", planned.subject);
        name(&[Part::Country("JP"), Part::CommonName(&common_name)])
            .map_err(IssuanceError::Build)?
    };
    let approved = ApprovedRequest {
        profile: planned.profile.clone(),
        subject,
        alternative_names: Vec::new(),
        public_key_der: material.public_keys.get(&planned.key).cloned().unwrap_or_default(),
        subscriber: Subscriber::default(),
    };
    let validity = (plan.at, planned.not_after);
    let serial = serial(&issuer, &approved, validity, salt)?;
    Draft::new(&issuer, approved, serial, validity)
}

/// 16 octets, as [`crate::record::draw_serial`] draws them, of which 120 bits are a hash of the
/// salt and of the certificate with another number in the place of this one.
fn serial(
    issuer: &Issuer<'_>,
    approved: &ApprovedRequest,
    validity: (OffsetDateTime, OffsetDateTime),
    salt: &[u8; 32],
) -> Result<Serial, IssuanceError> {
    const FIRST_OCTET: u8 = 0x4b;
    let of = |octets: &[u8]| {
        Serial::from_octets(octets).expect("16 octets, the first of which is not zero")
    };
    let mut octets = [FIRST_OCTET; 16];
    let tbs_der =
        tbs::build(issuer, approved, &of(&octets), validity).map_err(IssuanceError::Build)?;
    let mut digest = Digest::new(domain::CEREMONY_SERIAL);
    digest.octets(salt).octets(&tbs_der);
    octets[1..].copy_from_slice(&digest.finish()[..15]);
    Ok(of(&octets))
}

fn crl(plan: &Plan, parties: &Parties<'_>, planned: &PlannedCrl) -> Result<WholeList, CrlError> {
    // As in `party`; a list of nobody has no window.
    let Some(issuer) = parties.get(planned.issuer.as_str()) else {
        return Err(CrlError::Window { most: time::Duration::ZERO });
    };
    let entries = encode_entries(&planned.revoked)?;
    let spec = CrlSpec {
        kind: CrlKind::Complete { freshest_url: None },
        number: planned.number,
        this_update: plan.at,
        next_update: planned.next_update,
    };
    let mut list =
        ListToSign::begin(&issuer.issuer(issuer.validity), issuer.is_root, &spec, entries.len())?;
    list.push(&entries);
    list.finish()
}

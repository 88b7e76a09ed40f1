//! A ceremony as two people review it: one TOML file, made into a validated twin before any key
//! is touched (`docs/ceremony.md` documents each key).
//!
//! The twin holds what can be said without looking at keys and existing certificates. Whether the
//! certificates keep the certificate policy is judged by the lints on the octets, when the
//! [`Statement`](super::Statement) is made.

use std::collections::BTreeSet;

use time::OffsetDateTime;

pub use super::file::KeyKind;
use super::problem::Problem;
use crate::{profile::Profile, revocation::crl::RevokedEntry};

/// A validated plan. Every name that it uses is explained in it, and none twice.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) title: String,
    pub(super) at: OffsetDateTime,
    pub(super) organisation: String,
    pub(super) publication: String,
    pub(super) keys: Vec<PlannedKey>,
    pub(super) authorities: Vec<PlannedAuthority>,
    pub(super) certificates: Vec<PlannedCertificate>,
    pub(super) crls: Vec<PlannedCrl>,
}

/// A key that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedKey {
    /// Its name within the plan; its public half lies in `NAME.pub` beside the plan.
    pub name: String,
    /// Where its private half lies.
    pub place: KeyPlace,
}

/// Where a private key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// PKCS #8, encrypted, beside the plan.
    File {
        /// What is made if there is none.
        kind: KeyKind,
        /// The file.
        file: String,
    },
    /// A token behind PKCS #11.
    Token {
        /// What is made if there is none.
        kind: KeyKind,
        /// The library.
        module: String,
        /// The token's label.
        token: String,
        /// The key's label.
        label: String,
    },
    /// On another host, which proves by a PKCS #10 request that it has the key.
    Elsewhere {
        /// The request, PEM, beside the plan.
        request: String,
        /// SHA-256 of its `SubjectPublicKeyInfo`, as that host printed it: a request that was
        /// swapped on the way is refused.
        sha256: [u8; 32],
    },
    /// With the caller, who hands it over. Not to be had from a file.
    Given,
}

/// An authority that signs or is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAuthority {
    /// As in the register, in file names and in published addresses.
    pub id: String,
    /// Name of its key.
    pub key: String,
    /// New or known.
    pub origin: Origin,
}

/// Whether an authority has a certificate before the ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It gets its certificate here.
    New {
        /// commonName of its subject.
        common_name: String,
    },
    /// It has one.
    Existing {
        /// The certificate's file beside the plan, PEM or DER.
        certificate: String,
    },
}

/// A certificate to be signed.
#[derive(Debug, Clone)]
pub struct PlannedCertificate {
    /// By which profile.
    pub profile: Profile,
    /// The authority that it is of, or whose OCSP responder it is of.
    pub subject: String,
    /// The authority that signs.
    pub issuer: String,
    /// Name of the certified key.
    pub key: String,
    /// Last second of validity.
    pub not_after: OffsetDateTime,
}

/// A CRL to be signed.
#[derive(Debug, Clone)]
pub struct PlannedCrl {
    /// The authority that signs.
    pub issuer: String,
    /// Its number.
    pub number: u64,
    /// nextUpdate.
    pub next_update: OffsetDateTime,
    /// Its entries.
    pub revoked: Vec<RevokedEntry>,
}

impl Plan {
    /// An empty plan; who makes one without a file goes on with [`Self::add_key`] and the others,
    /// in this order, and ends with [`Self::finish`].
    pub(super) fn begin(
        title: &str,
        at: OffsetDateTime,
        organisation: &str,
        publication: &str,
    ) -> Result<Self, Problem> {
        ensure(!title.trim().is_empty(), || Problem::Together("title is empty"))?;
        check_text(organisation)?;
        let host = publication.strip_prefix("http://").unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        ensure(!host.is_empty() && host.bytes().all(plain), || {
            Problem::Publication(publication.to_owned())
        })?;
        Ok(Self {
            title: title.to_owned(),
            at,
            organisation: organisation.to_owned(),
            publication: publication.to_owned(),
            keys: Vec::new(),
            authorities: Vec::new(),
            certificates: Vec::new(),
            crls: Vec::new(),
        })
    }

    pub(super) fn add_key(&mut self, key: PlannedKey) -> Result<(), Problem> {
        check_name(&key.name)?;
        ensure(self.key(&key.name).is_err(), || Problem::Duplicate(key.name.clone()))?;
        self.keys.push(key);
        Ok(())
    }

    pub(super) fn add_authority(&mut self, authority: PlannedAuthority) -> Result<(), Problem> {
        check_name(&authority.id)?;
        self.key(&authority.key)?;
        ensure(self.authority(&authority.id).is_err(), || {
            Problem::Duplicate(authority.id.clone())
        })?;
        // Two authorities of one name could be told apart by their keys alone, which not every
        // client of theirs looks at: docs/decisions/0007.
        if let Origin::New { common_name } = &authority.origin {
            check_text(common_name)?;
            let taken = self.authorities.iter().any(|other| {
                matches!(&other.origin, Origin::New { common_name: other } if other == common_name)
            });
            ensure(!taken, || Problem::Duplicate(common_name.clone()))?;
        }
        ensure(self.authorities.iter().all(|other| other.key != authority.key), || {
            Problem::Together("each authority has a key of its own")
        })?;
        self.authorities.push(authority);
        Ok(())
    }

    pub(super) fn add_certificate(&mut self, planned: PlannedCertificate) -> Result<(), Problem> {
        let subject = self.authority(&planned.subject)?;
        let issuer = self.authority(&planned.issuer)?;
        self.key(&planned.key)?;
        let own = planned.subject == planned.issuer;
        let authority = planned.profile.authority().is_some();
        let is_new = matches!(subject.origin, Origin::New { .. });
        match planned.profile.name() {
            "root" => ensure(own && is_new, || {
                Problem::Together("a root is new and certifies itself: subject = issuer")
            })?,
            "issuing" => ensure(!own && is_new, || {
                Problem::Together("an issuing authority is new and certified by another")
            })?,
            "cross" => ensure(!own, || {
                Problem::Together("a cross-certificate joins two different authorities")
            })?,
            _ => ensure(own && planned.key != subject.key, || {
                Problem::Together(
                    "an OCSP responder is certified by its own authority and has a key of its own",
                )
            })?,
        }
        ensure(!authority || planned.key == subject.key, || {
            Problem::Together("an authority's certificate is for the authority's own key")
        })?;
        ensure(planned.not_after > self.at, || Problem::Lifetime)?;
        let self_signed = planned.profile.name() == "root";
        ensure(self_signed || self.has_certificate(issuer), || {
            Problem::Order(planned.issuer.clone())
        })?;
        let file = planned.file();
        ensure(self.certificates.iter().all(|other| other.file() != file), || {
            Problem::Duplicate(file)
        })?;
        self.certificates.push(planned);
        Ok(())
    }

    pub(super) fn add_crl(&mut self, crl: PlannedCrl) -> Result<(), Problem> {
        let issuer = self.authority(&crl.issuer)?;
        ensure(self.has_certificate(issuer), || Problem::Order(crl.issuer.clone()))?;
        ensure(crl.number > 0, || Problem::Together("a CRL number is at least 1"))?;
        ensure(self.crls.iter().all(|other| other.issuer != crl.issuer), || {
            Problem::Duplicate(crl.file())
        })?;
        self.crls.push(crl);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Self, Problem> {
        ensure(!self.certificates.is_empty() || !self.crls.is_empty(), || Problem::Empty)?;
        for authority in &self.authorities {
            ensure(self.has_certificate(authority), || {
                Problem::NeverCertified(authority.id.clone())
            })?;
        }
        Ok(self)
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The moment that its certificates and CRLs begin at.
    #[must_use]
    pub fn at(&self) -> OffsetDateTime {
        self.at
    }

    /// The keys that take part.
    #[must_use]
    pub fn keys(&self) -> &[PlannedKey] {
        &self.keys
    }

    /// The authorities that take part.
    #[must_use]
    pub fn authorities(&self) -> &[PlannedAuthority] {
        &self.authorities
    }

    /// Names of the keys that sign something, each once.
    #[must_use]
    pub fn signers(&self) -> BTreeSet<&str> {
        let issuers = self.certificates.iter().map(|certificate| certificate.issuer.as_str());
        issuers
            .chain(self.crls.iter().map(|crl| crl.issuer.as_str()))
            .filter_map(|id| self.authority(id).ok())
            .map(|authority| authority.key.as_str())
            .collect()
    }

    pub(super) fn key(&self, name: &str) -> Result<&PlannedKey, Problem> {
        let unknown = || Problem::Unknown { what: "key", name: name.to_owned() };
        self.keys.iter().find(|key| key.name == name).ok_or_else(unknown)
    }

    pub(super) fn authority(&self, id: &str) -> Result<&PlannedAuthority, Problem> {
        let unknown = || Problem::Unknown { what: "authority", name: id.to_owned() };
        self.authorities.iter().find(|authority| authority.id == id).ok_or_else(unknown)
    }

    fn has_certificate(&self, authority: &PlannedAuthority) -> bool {
        let own = |certificate: &PlannedCertificate| {
            certificate.subject == authority.id
                && ["root", "issuing"].contains(&certificate.profile.name())
        };
        matches!(authority.origin, Origin::Existing { .. }) || self.certificates.iter().any(own)
    }
}

impl PlannedCertificate {
    /// Name of the file that the certificate is written to, PEM.
    #[must_use]
    pub fn file(&self) -> String {
        match self.profile.name() {
            "cross" => format!("{}-by-{}.crt", self.subject, self.issuer),
            "ocsp_responder" => format!("ocsp-{}.crt", self.subject),
            _ => format!("{}.crt", self.subject),
        }
    }
}

impl PlannedCrl {
    /// Name of the file that the list is written to, PEM.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.crl", self.issuer)
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(plain);
    ensure(fits, || Problem::Name(name.to_owned()))
}

fn check_text(text: &str) -> Result<(), Problem> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
    ensure(fits, || Problem::Text(text.to_owned()))
}

pub(super) fn ensure(holds: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(problem()) }
}

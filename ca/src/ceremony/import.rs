//! Taking over an authority that another system ran: its certificate, what it issued, and its last list.
//!
//! It issues no more to anybody: its certificates lead to an anchor that this network's terminals do not
//! have. What it issued is answered for until it ends, so what is taken over must be complete: of
//! a certificate that is not here nobody could say that it is good, and its serial number could be
//! given again.

mod transcript;

use std::collections::BTreeMap;

use der::{Decode, Encode};
use sekisho_pki::{
    encoding::{
        instant,
        key_identifier::{fingerprint, public_key_sha256},
        serial::Serial,
        signed_object::SignedObject,
    },
    path::{Anchors, PathError, Purpose, Requirements, Revocation, TrustAnchor, validate},
    signature::{self, PublicKeyKind, SignatureError},
};
use sekisho_wire::domain;
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    ext::pkix::{BasicConstraints, KeyUsage},
};

use super::{
    judged_list::{JudgedList, ListFault},
    statement::Digest,
};
pub use transcript::{ImportTranscript, verify_import_transcript};

use crate::{
    profile::StrengthLimits,
    record::{IssuedCertificate, Subscriber},
    registration::key::{self, KeyFlaw},
};

/// Profile of what another system issued, in the register: none of ours.
const IMPORTED: &str = "imported";

/// What the other system left, as it lies before us.
#[derive(Debug, Clone, Copy)]
pub struct Papers<'a> {
    /// The authority's identifier from now on.
    pub id: &'a str,
    /// Its certificate, DER.
    pub certificate_der: &'a [u8],
    /// The authorities above it in any order, its root among them, DER; none if it is itself a root.
    pub above_der: &'a [Vec<u8>],
    /// Every certificate that it issued, DER, in any order.
    pub issued_der: &'a [Vec<u8>],
    /// Its last list, DER.
    pub list_der: &'a [u8],
}

/// An authority that may be taken over.
#[derive(Debug, Clone)]
pub struct Import {
    /// Its identifier from now on.
    pub id: String,
    /// Its certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Its name, RFC 4514.
    pub subject: String,
    /// Last second of its certificate.
    pub not_after: OffsetDateTime,
    /// Its key, DER `SubjectPublicKeyInfo`.
    pub public_key_der: Vec<u8>,
    /// What it issued, by serial number.
    pub issued: Vec<IssuedCertificate>,
    /// Its last list; each certificate that it names is among [`Self::issued`].
    pub list: JudgedList,
}

/// Why an authority is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not a certificate.
    #[error("the authority's certificate cannot be read")]
    Malformed(#[from] der::Error),
    /// An end entity's.
    #[error("the certificate is not one of an authority that signs certificates and lists: {0}")]
    NotAnAuthority(&'static str),
    /// Past its end, or before its beginning.
    #[error("the authority's certificate is not valid now: from {not_before} until {not_after}")]
    NotValid {
        /// First second.
        not_before: OffsetDateTime,
        /// Last second.
        not_after: OffsetDateTime,
    },
    /// A key that others can compute.
    #[error("the authority's key is not fit")]
    Flaw(#[from] KeyFlaw),
    /// Too short, or too short by now (certificate policy §6.1.5).
    #[error("the authority's key is too weak now")]
    Weak,
    /// A root that did not sign itself.
    #[error("the authority's certificate names itself as its issuer and is not signed by its key")]
    NotSelfSigned(#[source] SignatureError),
    /// No root among the authorities above.
    #[error("none of the certificates above it is a root's; give all of them up to the root")]
    NoRoot,
    /// The certificates above it do not lead to their root.
    #[error("the authority's certificate does not lead to the root that was given")]
    Path(#[source] PathError),
    /// An authority above it allows fewer authorities below itself.
    #[error(
        "{above} allows {allowed} authorities below itself: what this one issued counts nowhere"
    )]
    PathLength {
        /// Subject of the authority above.
        above: String,
        /// Its pathLenConstraint.
        allowed: u8,
    },
    /// Something that it issued.
    #[error("certificate {position} of those that it issued is refused")]
    Issued {
        /// Counted from 1.
        position: usize,
        /// Why.
        #[source]
        source: IssuedFault,
    },
    /// Two certificates of one number.
    #[error("serial number {0} stands in two different certificates")]
    SerialCollision(Serial),
    /// The list.
    #[error("the authority's list is refused")]
    List(#[from] ListFault),
    /// An entry of the list without its certificate.
    #[error(
        "the list names serial number {0}, and the certificate is not among those that were given: \
         look for it in the other system's archive"
    )]
    NotGiven(Serial),
    /// A limit of this build.
    #[error("the strength limits cannot be read")]
    Limits(#[from] crate::profile::ProfileError),
}

/// Why a certificate is not one of the authority's.
#[derive(Debug, thiserror::Error)]
pub enum IssuedFault {
    /// Not a certificate.
    #[error("it is not a certificate")]
    Malformed(#[from] der::Error),
    /// A number that the register cannot keep.
    #[error("its serial number is not positive or has more than 20 octets")]
    Serial,
    /// Another's.
    #[error("it was issued by another authority")]
    Issuer,
    /// Another's signature.
    #[error("it is not signed by the authority's key")]
    Signature(#[source] SignatureError),
    /// The authority was above others.
    #[error("it is the certificate of an authority: take over the authorities below it instead")]
    Authority,
}

impl Papers<'_> {
    /// Judges everything, as if a stranger had brought it. Whether its key is at hand is for the caller
    /// to say.
    ///
    /// # Errors
    /// [`ImportError`]: the first thing that does not fit.
    pub fn judge(&self, now: OffsetDateTime) -> Result<Import, ImportError> {
        let certificate = Certificate::from_der(self.certificate_der)?;
        let public_key_der = certificate.tbs_certificate().subject_public_key_info().to_der()?;
        is_authority(&certificate)?;
        let validity = certificate.tbs_certificate().validity();
        let not_before = instant::from_time(&validity.not_before);
        let not_after = instant::from_time(&validity.not_after);
        if now < not_before || now > not_after {
            return Err(ImportError::NotValid { not_before, not_after });
        }
        is_fit(&public_key_der, now)?;
        self.leads_to_its_root(&certificate, &public_key_der, now)?;
        let list = JudgedList::judge(self.list_der, self.certificate_der, now)?;
        let issued = self.issued(&certificate, &public_key_der)?;
        let unknown = |serial: &Serial| !issued.contains_key(serial);
        if let Some(entry) = list.entries.iter().find(|entry| unknown(&entry.serial)) {
            return Err(ImportError::NotGiven(entry.serial.clone()));
        }
        Ok(Import {
            id: self.id.to_owned(),
            certificate_der: self.certificate_der.to_vec(),
            subject: certificate.tbs_certificate().subject().to_string(),
            not_after,
            public_key_der,
            issued: issued.into_values().collect(),
            list,
        })
    }

    fn leads_to_its_root(
        &self,
        certificate: &Certificate,
        public_key_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<(), ImportError> {
        let tbs = certificate.tbs_certificate();
        if tbs.issuer() == tbs.subject() {
            return signed_by(public_key_der, self.certificate_der)?
                .map_err(ImportError::NotSelfSigned);
        }
        let is_root = |der: &&Vec<u8>| {
            Certificate::from_der(der)
                .is_ok_and(|one| one.tbs_certificate().issuer() == one.tbs_certificate().subject())
        };
        let (roots, between): (Vec<_>, Vec<_>) = self.above_der.iter().partition(is_root);
        if roots.is_empty() {
            return Err(ImportError::NoRoot);
        }
        let anchors =
            roots.into_iter().map(|der| TrustAnchor::from_der(der)).collect::<Result<_, _>>();
        let anchors = Anchors::new(anchors.map_err(ImportError::Path)?);
        let between: Vec<&[u8]> = between.into_iter().map(Vec::as_slice).collect();
        // Its issuer's lists are the other system's to keep; the people who review know.
        let requirements = Requirements::new(Purpose::Any, Revocation::JudgedByCaller);
        let path = validate(self.certificate_der, &between, &anchors, &requirements, now)
            .map_err(ImportError::Path)?;
        // RFC 5280 §6.1.4 (l) counts the authorities between an anchor and an end entity. Here the
        // last of them is the one that was validated.
        let above = path.certificates_der()[1..].iter().map(Vec::as_slice);
        for (index, der) in above.chain([path.anchor_der()]).enumerate() {
            let above = Certificate::from_der(der)?;
            let tbs = above.tbs_certificate();
            let constraints = tbs.get_extension::<BasicConstraints>()?;
            let allowed = constraints.and_then(|(_, constraints)| constraints.path_len_constraint);
            if let Some(allowed) = allowed
                && usize::from(allowed) < index + 1
            {
                return Err(ImportError::PathLength { above: tbs.subject().to_string(), allowed });
            }
        }
        Ok(())
    }

    /// By serial number.
    fn issued(
        &self,
        authority: &Certificate,
        public_key_der: &[u8],
    ) -> Result<BTreeMap<Serial, IssuedCertificate>, ImportError> {
        let mut issued: BTreeMap<Serial, IssuedCertificate> = BTreeMap::new();
        for (index, der) in self.issued_der.iter().enumerate() {
            let refused = |source| ImportError::Issued { position: index + 1, source };
            let one = self.one(der, authority, public_key_der).map_err(refused)?;
            match issued.get(&one.serial) {
                Some(same) if same.der == one.der => {}
                Some(_) => return Err(ImportError::SerialCollision(one.serial)),
                None => {
                    issued.insert(one.serial.clone(), one);
                }
            }
        }
        Ok(issued)
    }

    fn one(
        &self,
        der: &[u8],
        authority: &Certificate,
        public_key_der: &[u8],
    ) -> Result<IssuedCertificate, IssuedFault> {
        let certificate = Certificate::from_der(der)?;
        let tbs = certificate.tbs_certificate();
        if tbs.issuer() != authority.tbs_certificate().subject() {
            return Err(IssuedFault::Issuer);
        }
        let serial = Serial::from_x509(tbs.serial_number()).map_err(|_| IssuedFault::Serial)?;
        signed_by(public_key_der, der)?.map_err(IssuedFault::Signature)?;
        let constraints = tbs.get_extension::<BasicConstraints>()?;
        // A root's archive has its own certificate.
        if constraints.is_some_and(|(_, constraints)| constraints.ca) && der != self.certificate_der
        {
            return Err(IssuedFault::Authority);
        }
        let validity = tbs.validity();
        let not_before = instant::from_time(&validity.not_before);
        Ok(IssuedCertificate {
            issuer_id: self.id.to_owned(),
            serial,
            profile: IMPORTED.to_owned(),
            subscriber: Subscriber::default(),
            fingerprint: fingerprint(der),
            public_key_sha256: public_key_sha256(&tbs.subject_public_key_info().to_der()?),
            der: der.to_vec(),
            not_before,
            not_after: instant::from_time(&validity.not_after),
            // As far as the certificate itself tells.
            issued_at: not_before,
        })
    }
}

impl Import {
    /// SHA-256 over everything that is taken over, each part with its length before it: what reviewers
    /// compare. The order in which certificates were given changes nothing.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut digest = Digest::new(domain::CEREMONY_IMPORT);
        digest.octets(self.id.as_bytes()).octets(&self.certificate_der).octets(&self.list.der);
        for one in &self.issued {
            digest.octets(&one.der);
        }
        digest.finish()
    }

    /// SHA-256 of its key's `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn key_sha256(&self) -> [u8; 32] {
        public_key_sha256(&self.public_key_der)
    }
}

fn is_authority(certificate: &Certificate) -> Result<(), ImportError> {
    let not = |what| Err(ImportError::NotAnAuthority(what));
    let tbs = certificate.tbs_certificate();
    match tbs.get_extension::<BasicConstraints>()? {
        Some((_, constraints)) if !constraints.ca => return not("basicConstraints says so"),
        Some((false, _)) => return not("its basicConstraints is not critical"),
        Some((true, _)) => {}
        None => return not("it has no basicConstraints"),
    }
    match tbs.get_extension::<KeyUsage>()? {
        Some((_, usage)) if usage.key_cert_sign() && usage.crl_sign() => Ok(()),
        Some(_) => not("its keyUsage lacks keyCertSign or cRLSign"),
        None => not("it has no keyUsage"),
    }
}

fn is_fit(public_key_der: &[u8], now: OffsetDateTime) -> Result<(), ImportError> {
    key::check(public_key_der)?;
    let limits = StrengthLimits::shipped()?;
    let limit = PublicKeyKind::of_der(public_key_der).and_then(|kind| limits.of(kind));
    match limit {
        Some(limit) if limit.until.is_none_or(|until| now <= until) => Ok(()),
        _ => Err(ImportError::Weak),
    }
}

/// Whether the signature holds, over the octets as they came.
fn signed_by(public_key_der: &[u8], der: &[u8]) -> der::Result<Result<(), SignatureError>> {
    let signed = SignedObject::parse(der, false)?;
    Ok(signature::verify(public_key_der, &signed.algorithm, signed.to_be_signed, &signed.signature))
}

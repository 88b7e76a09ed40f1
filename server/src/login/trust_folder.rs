//! Folders of trusted certificates and of evidence about revocation, as they were read.
//!
//! A file that does not parse counts as absent, and so denies rather than admits.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use hashlink::LruCache;
use sekisho_pki::{
    national::{
        hpki::{HpkiError, HpkiRules, VerifiedHpkiCertificate},
        jpki::StoredEvidence,
    },
    path::{Anchors, Crl, OcspAnswer, TrustAnchor, turning_points},
};
use sekisho_protocol::{Base64Url, Sha256Digest, trust::CardIssuer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;

use super::hpki::admission::role_verbatim;

/// The most files that a folder may hold.
const MOST_FILES: usize = 256;
/// The largest certificate file, in octets.
const MOST_CERTIFICATE_OCTETS: u64 = 64 * 1024;
/// The largest revocation list, in octets. That of 2017 had some hundred kilobytes.
const MOST_LIST_OCTETS: u64 = 64 * 1024 * 1024;

/// Cards whose judgement is remembered: those of a morning's sessions, in a few mebibytes.
const MOST_REMEMBERED: usize = 10_000;

/// What cards are judged against.
#[derive(Debug, Clone, Default)]
pub(super) struct FolderTrust {
    anchors: Anchors,
    /// Configured sub-CAs, DER.
    authorities: Vec<Vec<u8>>,
    crls: Vec<Crl>,
    rules: HpkiRules,
    card_issuers: Vec<CardIssuer>,
    /// When something of these begins or ceases to count.
    turns: Vec<OffsetDateTime>,
    remembered: Arc<Remembered>,
}

/// The roles of certificates that held, by their SHA-256. They are asked for at each use of a session, and nothing
/// but the time changes what these files say of a certificate.
struct Remembered(Mutex<LruCache<[u8; 32], Held>>);

/// A certificate that held.
#[derive(Clone)]
struct Held {
    judged_at: OffsetDateTime,
    not_after: OffsetDateTime,
    roles: Arc<[String]>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_REMEMBERED)))
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").finish_non_exhaustive()
    }
}

impl Remembered {
    fn get(&self, fingerprint: &[u8; 32]) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(fingerprint).cloned()
    }

    fn put(&self, fingerprint: [u8; 32], held: Held) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint, held);
    }
}

impl FolderTrust {
    /// Authorities whose cards are of use: every configured sub-CA, or the anchors themselves where
    /// there is none below them.
    pub(super) fn card_issuers(&self) -> &[CardIssuer] {
        &self.card_issuers
    }

    /// Judges a card's certificate at `now`. Issuers are the configured ones: what a card brings
    /// along is not looked at.
    ///
    /// # Errors
    /// [`HpkiError`].
    pub(super) fn judge(
        &self,
        certificate_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<VerifiedHpkiCertificate, HpkiError> {
        let candidates: Vec<&[u8]> = self.authorities.iter().map(Vec::as_slice).collect();
        self.rules.judge(certificate_der, &candidates, &self.anchors, &self.crls, now)
    }

    /// The roles, verbatim, of a certificate that holds at `now`. Judged anew only where the time may have changed
    /// the judgement.
    ///
    /// # Errors
    /// [`HpkiError`].
    pub(super) fn roles(
        &self,
        certificate_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<Arc<[String]>, HpkiError> {
        let fingerprint = Sha256::digest(certificate_der).into();
        if let Some(held) = self.remembered.get(&fingerprint)
            && self.still_holds(&held, now)
        {
            return Ok(held.roles);
        }
        let verified = self.judge(certificate_der, now)?;
        let roles: Arc<[String]> = verified.roles().iter().map(role_verbatim).collect();
        let not_after = verified.not_after();
        self.remembered.put(fingerprint, Held { judged_at: now, not_after, roles: roles.clone() });
        Ok(roles)
    }

    fn still_holds(&self, held: &Held, now: OffsetDateTime) -> bool {
        // A clock that was put back is no ground to believe what was found later.
        let next = self.turns.partition_point(|turn| *turn <= held.judged_at);
        now >= held.judged_at
            && now < held.not_after + Duration::SECOND
            && self.turns.get(next).is_none_or(|turn| now < *turn)
    }
}

/// How the name of a file ends that holds an OCSP answer.
const OCSP_ANSWER: &str = "ors";

/// A folder of certificates and one of revocation lists and OCSP answers, or one of them.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    pub(super) anchors: Option<PathBuf>,
    pub(super) evidence: Option<PathBuf>,
}

/// One file as it lay in the folder when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    octets: u64,
    modified: Option<SystemTime>,
}

/// The files of folders.
pub(super) type Stamps = BTreeMap<PathBuf, Stamp>;

impl Folders {
    /// The files that lie there now.
    pub(super) fn stamps(&self) -> Stamps {
        let mut stamps = Stamps::new();
        for (folder, most) in
            [(&self.anchors, MOST_CERTIFICATE_OCTETS), (&self.evidence, MOST_LIST_OCTETS)]
        {
            let Some(folder) = folder else { continue };
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "trust folder cannot be read");
                    continue;
                }
            };
            for entry in entries.take(MOST_FILES).flatten() {
                let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
                if !metadata.is_file() || entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                if metadata.len() > most {
                    tracing::error!(file = %entry.path().display(), "trust file is too large");
                    continue;
                }
                let stamp = Stamp { octets: metadata.len(), modified: metadata.modified().ok() };
                stamps.insert(entry.path(), stamp);
            }
        }
        stamps
    }

    /// Reads those of the files that lie here.
    pub(super) fn read(&self, stamps: &Stamps) -> Content {
        let mut content = Content::default();
        for path in stamps.keys() {
            let lies_in = |folder: &Option<PathBuf>| {
                folder.as_deref().is_some_and(|folder| path.parent() == Some(folder))
            };
            let (is_evidence, is_certificate) = (lies_in(&self.evidence), lies_in(&self.anchors));
            if is_evidence || is_certificate {
                content.take_in(path, is_evidence);
            }
        }
        content
    }
}

/// What a pair of folders holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    certificates: Vec<ReadCertificate>,
    crls: Vec<Crl>,
    answers: Vec<OcspAnswer>,
}

impl Content {
    fn take_in(&mut self, path: &Path, is_evidence: bool) {
        let octets = match std::fs::read(path) {
            Ok(octets) => octets,
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "trust file cannot be read");
                return;
            }
        };
        if is_evidence && path.extension().is_some_and(|ending| ending == OCSP_ANSWER) {
            match OcspAnswer::parse(&octets) {
                Ok(answer) => self.answers.push(answer),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "no OCSP answer");
                }
            }
            return;
        }
        if is_evidence {
            match Crl::parse_file(&octets) {
                Ok(crl) => self.crls.push(crl),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "no revocation list");
                }
            }
            return;
        }
        match read_certificates(&octets) {
            Ok(certificates) => self.certificates.extend(certificates),
            Err(error) => tracing::error!(file = %path.display(), %error, "no certificate"),
        }
    }

    /// Takes out what the other one has, too: of the same name, by which people are told apart, or of
    /// the same key. Answers their names.
    pub(super) fn without(&mut self, other: &Self) -> Vec<String> {
        let mut names = Vec::new();
        self.certificates.retain(|own| {
            let shared = other.certificates.iter().any(|theirs| {
                theirs.issuer.subject_der == own.issuer.subject_der
                    || theirs.issuer.spki_sha256 == own.issuer.spki_sha256
            });
            if shared {
                names.push(own.name.clone());
            }
            !shared
        });
        names
    }

    /// What HPKI cards are judged by: certificates and lists.
    pub(super) fn into_trust(self, accepted_policies: &[ObjectIdentifier]) -> FolderTrust {
        let rules =
            HpkiRules { accepted_policies: accepted_policies.to_vec(), ..HpkiRules::default() };
        let certificates = self.certificates.iter().map(|certificate| certificate.der.as_slice());
        let turns = turning_points(certificates, &self.crls, rules.most_crl_age);
        let Issuers { anchors, authorities, card_issuers } = Issuers::of(self.certificates);
        FolderTrust {
            anchors,
            authorities,
            card_issuers,
            crls: self.crls,
            rules,
            turns,
            remembered: Arc::default(),
        }
    }

    /// The certificates alone.
    pub(super) fn into_issuers(self) -> Issuers {
        Issuers::of(self.certificates)
    }

    /// The evidence alone.
    pub(super) fn into_evidence(self) -> StoredEvidence {
        StoredEvidence { answers: self.answers, crls: self.crls, ..StoredEvidence::default() }
    }
}

/// Certificates of who issues cards.
#[derive(Debug, Clone, Default)]
pub(super) struct Issuers {
    pub(super) anchors: Anchors,
    /// Configured sub-CAs, DER.
    pub(super) authorities: Vec<Vec<u8>>,
    /// Every sub-CA, or the anchors where there is none.
    pub(super) card_issuers: Vec<CardIssuer>,
}

impl Issuers {
    fn of(certificates: Vec<ReadCertificate>) -> Self {
        let (mut anchors, mut anchor_issuers) = (Vec::new(), Vec::new());
        let (mut authorities, mut card_issuers) = (Vec::new(), Vec::new());
        for read in certificates {
            match read.anchor {
                Some(anchor) => {
                    anchors.push(anchor);
                    anchor_issuers.push(read.issuer);
                }
                None => {
                    authorities.push(read.der);
                    card_issuers.push(read.issuer);
                }
            }
        }
        if card_issuers.is_empty() {
            card_issuers = anchor_issuers;
        }
        Self { anchors: Anchors::new(anchors), authorities, card_issuers }
    }
}

#[derive(Debug)]
struct ReadCertificate {
    der: Vec<u8>,
    name: String,
    anchor: Option<TrustAnchor>,
    issuer: CardIssuer,
}

/// Certificates of one file; a self-issued one is an anchor.
fn read_certificates(
    content: &[u8],
) -> Result<Vec<ReadCertificate>, Box<dyn std::error::Error + Send + Sync>> {
    let certificates = if content.starts_with(b"-----BEGIN") {
        Certificate::load_pem_chain(content)?
    } else {
        vec![Certificate::from_der(content)?]
    };
    certificates
        .into_iter()
        .map(|certificate| {
            let der = certificate.to_der()?;
            let tbs = certificate.tbs_certificate();
            let anchor = if tbs.issuer() == tbs.subject() {
                Some(TrustAnchor::from_der(&der)?)
            } else {
                None
            };
            let issuer = CardIssuer {
                subject_der: Base64Url(tbs.subject().to_der()?),
                spki_sha256: Sha256Digest::of(tbs.subject_public_key_info().to_der()?),
            };
            Ok(ReadCertificate { der, name: tbs.subject().to_string(), anchor, issuer })
        })
        .collect()
}

//! One folder of trusted certificates with its folder of revocation lists, as they were read.
//!
//! A file that does not parse counts as absent, and so denies rather than admits.

use std::{collections::BTreeMap, path::Path, path::PathBuf, time::SystemTime};

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use sekisho_pki::{
    national::hpki::{HpkiError, HpkiRules, VerifiedHpkiCertificate},
    path::{Anchors, Crl, TrustAnchor},
};
use sekisho_protocol::{Base64Url, Sha256Digest, trust::CardIssuer};
use time::OffsetDateTime;
use x509_cert::Certificate;

/// The most files that a folder may hold.
const MOST_FILES: usize = 256;
/// The largest certificate file, in octets.
const MOST_CERTIFICATE_OCTETS: u64 = 64 * 1024;
/// The largest revocation list, in octets. That of 2017 had some hundred kilobytes.
const MOST_LIST_OCTETS: u64 = 64 * 1024 * 1024;

/// What cards are judged against.
#[derive(Debug, Clone, Default)]
pub(super) struct FolderTrust {
    anchors: Anchors,
    /// Configured sub-CAs, DER.
    authorities: Vec<Vec<u8>>,
    crls: Vec<Crl>,
    rules: HpkiRules,
    card_issuers: Vec<CardIssuer>,
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
}

/// A folder of certificates and one of lists.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    pub(super) anchors: PathBuf,
    pub(super) crls: PathBuf,
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
            [(&self.anchors, MOST_CERTIFICATE_OCTETS), (&self.crls, MOST_LIST_OCTETS)]
        {
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
            let folder = path.parent();
            let (is_list, is_certificate) =
                (folder == Some(&*self.crls), folder == Some(&*self.anchors));
            if is_list || is_certificate {
                content.take_in(path, is_list);
            }
        }
        content
    }
}

/// Certificates and lists of a pair of folders.
#[derive(Debug, Default)]
pub(super) struct Content {
    certificates: Vec<ReadCertificate>,
    crls: Vec<Crl>,
}

impl Content {
    fn take_in(&mut self, path: &Path, is_list: bool) {
        let octets = match std::fs::read(path) {
            Ok(octets) => octets,
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "trust file cannot be read");
                return;
            }
        };
        if is_list {
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

    /// What is judged by it.
    pub(super) fn into_trust(self, accepted_policies: &[ObjectIdentifier]) -> FolderTrust {
        let mut trust = FolderTrust {
            crls: self.crls,
            rules: HpkiRules {
                accepted_policies: accepted_policies.to_vec(),
                ..HpkiRules::default()
            },
            ..FolderTrust::default()
        };
        let (mut anchors, mut anchor_issuers) = (Vec::new(), Vec::new());
        for read in self.certificates {
            match read.anchor {
                Some(anchor) => {
                    anchors.push(anchor);
                    anchor_issuers.push(read.issuer);
                }
                None => {
                    trust.authorities.push(read.der);
                    trust.card_issuers.push(read.issuer);
                }
            }
        }
        trust.anchors = Anchors::new(anchors);
        if trust.card_issuers.is_empty() {
            trust.card_issuers = anchor_issuers;
        }
        trust
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

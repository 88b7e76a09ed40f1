//! HPKI anchors, sub-CAs and revocation lists from the configured folders.
//!
//! Read at the start, again when a file changes (a scheduled job looks), and on demand when a login
//! meets an issuer or a status that nobody knows. Nothing that a certificate names is fetched. A
//! file that does not parse counts as absent, and so denies rather than admits.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, RwLock},
    time::SystemTime,
};

use der::{Decode, Encode};
use sekisho_pki::{
    national::hpki::{HpkiError, HpkiRules, VerifiedHpkiCertificate},
    path::{Anchors, Crl, PathError, TrustAnchor},
};
use sekisho_protocol::{Base64Url, Sha256Digest, trust::CardIssuer};
use time::OffsetDateTime;
use x509_cert::Certificate;

use super::refusal::Refusal;
use crate::config::CardLogin;

/// The most files that a folder may hold.
const MOST_FILES: usize = 256;
/// The largest certificate file, in octets.
const MOST_CERTIFICATE_OCTETS: u64 = 64 * 1024;
/// The largest revocation list, in octets. That of 2017 had some hundred kilobytes.
const MOST_LIST_OCTETS: u64 = 64 * 1024 * 1024;

/// What cards are judged against at one moment.
#[derive(Debug, Clone, Default)]
pub struct CardTrust {
    anchors: Anchors,
    /// Configured sub-CAs, DER.
    authorities: Vec<Vec<u8>>,
    crls: Vec<Crl>,
    rules: HpkiRules,
    card_issuers: Vec<CardIssuer>,
}

impl CardTrust {
    /// Authorities whose cards are of use: every configured sub-CA, or the anchors themselves where
    /// there is none below them.
    #[must_use]
    pub fn card_issuers(&self) -> &[CardIssuer] {
        &self.card_issuers
    }

    /// Judges a card's certificate at `now`. Issuers are the configured ones: what a card brings
    /// along is not looked at.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(
        &self,
        certificate_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<VerifiedHpkiCertificate, Refusal> {
        let candidates: Vec<&[u8]> = self.authorities.iter().map(Vec::as_slice).collect();
        self.rules.judge(certificate_der, &candidates, &self.anchors, &self.crls, now).map_err(
            |error| {
                // The facts of the failure are for the log; the person is told what to do.
                tracing::info!(error = %crate::error::page::Chain(&error), "card refused");
                refusal_of(&error)
            },
        )
    }
}

/// What a person is told of a certificate that was refused.
fn refusal_of(error: &HpkiError) -> Refusal {
    match error {
        HpkiError::SigningCertificate => Refusal::SigningCertificate,
        HpkiError::IssuerNotAccepted { .. } => Refusal::ForeignIssuer,
        HpkiError::NoSerialNumber => Refusal::NoSerialNumber,
        HpkiError::NoCommonName | HpkiError::Malformed { .. } => Refusal::CertificateMalformed,
        HpkiError::Role(_) => Refusal::HcRoleUnreadable,
        HpkiError::Path(error) => match error {
            PathError::Malformed { .. } => Refusal::CertificateMalformed,
            PathError::NoTrustedIssuer { .. } | PathError::NotSignedByIssuer { .. } => {
                Refusal::ForeignIssuer
            }
            PathError::NotYetValid { .. } => Refusal::CertificateNotYetValid,
            PathError::Expired { .. } => Refusal::CertificateExpired,
            PathError::EndEntityIsAuthority { .. }
            | PathError::WrongPurpose { .. }
            | PathError::NameMismatch { .. }
            | PathError::PolicyNotAccepted { .. } => Refusal::CertificatePurpose,
            PathError::Revoked { .. } => Refusal::CertificateRevoked,
            PathError::RevocationUnknown { .. } => Refusal::RevocationUnknown,
            PathError::TooLarge { .. }
            | PathError::BudgetSpent { .. }
            | PathError::UnsupportedExtension { .. }
            | PathError::NotAnAuthority { .. }
            | PathError::PathTooLong { .. }
            | PathError::TooDeep { .. }
            | PathError::NonConforming { .. }
            | PathError::NameNotPermitted { .. }
            | PathError::NoValidPolicy { .. }
            | PathError::AnyPolicyMapped { .. }
            | PathError::UnfitKey { .. } => Refusal::CertificatePath,
        },
    }
}

/// One file as it lay in the folder when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    octets: u64,
    modified: Option<SystemTime>,
}

type Stamps = BTreeMap<PathBuf, Stamp>;

/// The folders and what was last read from them.
#[derive(Debug)]
pub struct TrustSources {
    settings: CardLogin,
    held: RwLock<(Stamps, Arc<CardTrust>)>,
}

impl TrustSources {
    /// Reads the folders. Missing folders are empty ones: then no card is accepted.
    #[must_use]
    pub fn load(settings: &CardLogin) -> Self {
        let stamps = stamps(settings);
        let trust = read(settings, &stamps);
        Self { settings: settings.clone(), held: RwLock::new((stamps, Arc::new(trust))) }
    }

    /// What was last read.
    #[must_use]
    pub fn current(&self) -> Arc<CardTrust> {
        match self.held.read() {
            Ok(held) => Arc::clone(&held.1),
            // Nothing panics while holding the lock but an allocation failure; then the value is
            // still whole, because it is replaced in one assignment.
            Err(poisoned) => Arc::clone(&poisoned.into_inner().1),
        }
    }

    /// Reads the folders again if a file was added, removed or changed; answers whether so.
    pub async fn reload(&self) -> bool {
        let settings = self.settings.clone();
        let held = match self.held.read() {
            Ok(held) => held.0.clone(),
            Err(poisoned) => poisoned.into_inner().0.clone(),
        };
        let fresh = tokio::task::spawn_blocking(move || {
            let stamps = stamps(&settings);
            (stamps != held).then(|| {
                let trust = read(&settings, &stamps);
                (stamps, Arc::new(trust))
            })
        })
        .await;
        let Ok(Some(fresh)) = fresh else { return false };
        match self.held.write() {
            Ok(mut held) => *held = fresh,
            Err(poisoned) => *poisoned.into_inner() = fresh,
        }
        true
    }
}

fn stamps(settings: &CardLogin) -> Stamps {
    let mut stamps = Stamps::new();
    for (folder, most) in
        [(settings.anchors(), MOST_CERTIFICATE_OCTETS), (settings.crls(), MOST_LIST_OCTETS)]
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

fn read(settings: &CardLogin, stamps: &Stamps) -> CardTrust {
    let mut trust = CardTrust {
        rules: HpkiRules {
            accepted_policies: settings.accepted_policies().to_vec(),
            ..HpkiRules::default()
        },
        ..CardTrust::default()
    };
    let (mut anchors, mut anchor_issuers) = (Vec::new(), Vec::new());
    for path in stamps.keys() {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "trust file cannot be read");
                continue;
            }
        };
        if path.parent() == Some(settings.crls()) {
            match Crl::parse_file(&content) {
                Ok(crl) => trust.crls.push(crl),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "no revocation list");
                }
            }
            continue;
        }
        match read_certificates(&content) {
            Ok(certificates) => {
                for read in certificates {
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
            }
            Err(error) => tracing::error!(file = %path.display(), %error, "no certificate"),
        }
    }
    trust.anchors = Anchors::new(anchors);
    if trust.card_issuers.is_empty() {
        trust.card_issuers = anchor_issuers;
    }
    trust
}

struct ReadCertificate {
    der: Vec<u8>,
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
            Ok(ReadCertificate { der, anchor, issuer })
        })
        .collect()
}

//! Whose cards count where: HPKI anchors, sub-CAs and revocation lists from the configured folders, and
//! apart from them those of the sandbox's invented people.
//!
//! A card counts in its own world only ([`TrustSources::at`] is the one place that picks the anchors, by
//! the facility of the connection): one of the sandbox never at a facility that is real, whatever role it
//! names, and a real one never at a test facility, where services are told everything. Nothing that both
//! worlds would trust is trusted at all (`docs/decisions/0022-invented-people-have-anchors-of-their-own.md`).
//!
//! Read at the start, again when a file changes (a scheduled job looks), and on demand when a login by
//! HPKI card meets an issuer or a status that nobody knows. Nothing that a certificate names is fetched.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicU64, Ordering},
};

use const_oid::ObjectIdentifier;
use sekisho_pki::{
    national::hpki::{HpkiError, VerifiedHpkiCertificate},
    path::PathError,
};
use sekisho_protocol::trust::CardIssuer;
use sekisho_store::world::World;
use time::OffsetDateTime;

use super::{
    jpki::trust::JpkiTrust,
    refusal::Refusal,
    trust_folder::{FolderTrust, Folders, Stamps},
};
use crate::config::{CardLogin, Config, Jpki, JpkiSource, Sandbox};

/// What cards are judged against at one facility, at one moment.
#[derive(Debug, Clone)]
pub struct CardTrust {
    world: World,
    here: Arc<FolderTrust>,
    /// Of the other world, for the reason of a refusal only.
    elsewhere: Arc<FolderTrust>,
    jpki: Option<Arc<JpkiTrust>>,
}

impl CardTrust {
    /// Which world's cards count.
    #[must_use]
    pub fn world(&self) -> World {
        self.world
    }

    /// Authorities whose cards are of use: every configured sub-CA, or the anchors themselves where
    /// there is none below them.
    #[must_use]
    pub fn card_issuers(&self) -> &[CardIssuer] {
        self.here.card_issuers()
    }

    /// What My Number cards are judged against, where they count: at real facilities, and only where
    /// somebody tells whether their certificates were revoked.
    #[must_use]
    pub fn jpki(&self) -> Option<&JpkiTrust> {
        self.jpki.as_deref()
    }

    /// Issuers, and the policies of which a certificate must assert one (dotted decimal), of the HPKI
    /// cards that log in here; with My Number cards, where these count and `jpki` wants them.
    #[must_use]
    pub fn for_login(
        &self,
        hpki_policies: &[ObjectIdentifier],
        jpki: bool,
    ) -> (Vec<CardIssuer>, Vec<String>) {
        let mut issuers = self.card_issuers().to_vec();
        let mut policies: Vec<String> = hpki_policies.iter().map(ToString::to_string).collect();
        if let Some(jpki) = self.jpki().filter(|_| jpki) {
            issuers.extend_from_slice(jpki.card_issuers());
            policies.push(JpkiTrust::accepted_policy());
        }
        (issuers, policies)
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
        self.here.judge(certificate_der, now).map_err(|error| {
            // The facts of the failure are for the log; the person is told what to do.
            tracing::info!(error = %crate::error::page::Chain(&error), "card refused");
            self.refusal(&error, certificate_der, now)
        })
    }

    /// The roles, verbatim, of a certificate that holds at `now`: without a word in the log, of what is asked at
    /// every request.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn roles(
        &self,
        certificate_der: &[u8],
        now: OffsetDateTime,
    ) -> Result<Vec<String>, Refusal> {
        let roles = self.here.roles(certificate_der, now);
        roles
            .map(|roles| roles.to_vec())
            .map_err(|error| self.refusal(&error, certificate_der, now))
    }

    fn refusal(&self, error: &HpkiError, certificate_der: &[u8], now: OffsetDateTime) -> Refusal {
        match refusal_of(error) {
            Refusal::ForeignIssuer if self.elsewhere.judge(certificate_der, now).is_ok() => {
                Refusal::of_other_world(self.world)
            }
            refusal => refusal,
        }
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
        HpkiError::Path(error) => refusal_of_path(error),
    }
}

/// The same of a path that does not hold, of cards of either family.
pub(super) fn refusal_of_path(error: &PathError) -> Refusal {
    match error {
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
    }
}

/// A certificate that is configured for real cards and for those of the sandbox.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} is trusted for the sandbox and for real cards, by its name or its key: invented people would \
     count as real ones. Take it out of {} or of {}",
    sandbox.display(), real.display()
)]
pub struct SharedTrust {
    name: String,
    sandbox: std::path::PathBuf,
    real: std::path::PathBuf,
}

/// Which folders are looked at.
#[derive(Debug, Clone)]
struct Settings {
    card_login: CardLogin,
    sandbox: Sandbox,
    jpki: Jpki,
}

/// What was last read.
#[derive(Debug, Clone)]
struct Held {
    stamps: Stamps,
    real: Arc<FolderTrust>,
    sandbox: Arc<FolderTrust>,
    jpki: Option<Arc<JpkiTrust>>,
}

/// The folders and what was last read from them.
#[derive(Debug)]
pub struct TrustSources {
    settings: Settings,
    held: RwLock<Held>,
    generation: AtomicU64,
}

impl TrustSources {
    /// Reads the folders. Missing folders are empty ones: then no card is accepted.
    ///
    /// # Errors
    /// [`SharedTrust`].
    pub fn load(config: &Config) -> Result<Self, SharedTrust> {
        let settings = Settings {
            card_login: config.card_login().clone(),
            sandbox: config.sandbox().clone(),
            jpki: config.jpki().clone(),
        };
        let (held, shared) = settings.read(settings.stamps());
        match shared.into_iter().next() {
            Some(name) => Err(SharedTrust {
                name,
                sandbox: settings.sandbox.anchors().to_owned(),
                real: settings.card_login.anchors().to_owned(),
            }),
            None => Ok(Self { settings, held: RwLock::new(held), generation: AtomicU64::new(1) }),
        }
    }

    /// Whose cards count at a facility, by what was last read.
    #[must_use]
    pub fn at(&self, facility_id: &str) -> CardTrust {
        let Held { real, sandbox, jpki, .. } = self.held();
        let world = self.settings.sandbox.world_of(facility_id);
        match world {
            World::Real => CardTrust { world, here: real, elsewhere: sandbox, jpki },
            World::Sandbox => CardTrust { world, here: sandbox, elsewhere: real, jpki: None },
        }
    }

    fn held(&self) -> Held {
        match self.held.read() {
            Ok(held) => held.clone(),
            // Nothing panics while holding the lock but an allocation failure; then the value is
            // still whole, because it is replaced in one assignment.
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }

    /// Reads the folders again if a file was added, removed or changed; answers whether so.
    ///
    /// What both worlds would trust by now is left out, and so is all of the sandbox.
    pub async fn reload(&self) -> bool {
        let settings = self.settings.clone();
        let held = self.held().stamps;
        let fresh = tokio::task::spawn_blocking(move || {
            let stamps = settings.stamps();
            (stamps != held).then(|| settings.read(stamps))
        })
        .await;
        let Ok(Some((fresh, shared))) = fresh else { return false };
        for name in shared {
            tracing::error!(
                name,
                "trusted for the sandbox and for real cards: left out, and no card of the sandbox counts"
            );
        }
        match self.held.write() {
            Ok(mut held) => *held = fresh,
            Err(poisoned) => *poisoned.into_inner() = fresh,
        }
        self.generation.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// How often the folders were read, from 1: another number means that another judgement is possible.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

impl Settings {
    /// Real cards, those of the sandbox, and the JPKI's where anybody tells of revocation.
    fn folders(&self) -> (Folders, Folders, Option<Folders>) {
        let of = |anchors: &std::path::Path, crls: &std::path::Path| Folders {
            anchors: Some(anchors.to_owned()),
            evidence: Some(crls.to_owned()),
        };
        let jpki = match self.jpki.source() {
            JpkiSource::Nobody => None,
            JpkiSource::Files(_) | JpkiSource::Responder { .. } => {
                Some(Folders { anchors: Some(self.jpki.anchors().to_owned()), evidence: None })
            }
        };
        (
            of(self.card_login.anchors(), self.card_login.crls()),
            of(self.sandbox.anchors(), self.sandbox.crls()),
            jpki,
        )
    }

    /// The files of all of them. Without test facilities the sandbox has none.
    fn stamps(&self) -> Stamps {
        let (real, invented, jpki) = self.folders();
        let mut stamps = real.stamps();
        if self.sandbox.has_facilities() {
            stamps.extend(invented.stamps());
        }
        stamps.extend(jpki.iter().flat_map(Folders::stamps));
        stamps
    }

    /// What the files hold, and the names of what both worlds would trust.
    fn read(&self, stamps: Stamps) -> (Held, Vec<String>) {
        let (real, invented, jpki) = self.folders();
        let (mut real, mut invented) = (real.read(&stamps), invented.read(&stamps));
        let shared = real.without(&invented);
        if !shared.is_empty() {
            invented = Default::default();
        }
        let trust = |content: super::trust_folder::Content| {
            Arc::new(content.into_trust(self.card_login.accepted_policies()))
        };
        let jpki = jpki.and_then(|folders| {
            let issuers = folders.read(&stamps).into_issuers();
            JpkiTrust::of(issuers, self.jpki.most_status_age()).map(Arc::new)
        });
        (Held { stamps, real: trust(real), sandbox: trust(invented), jpki }, shared)
    }
}

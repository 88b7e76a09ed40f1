//! Registration authorities: the keys that sign a door's answers beside issuing authorities, whose keys sign
//! certificates alone. SCEP's is RSA and opens requests, too (RFC 8894 §2.2); CMP's is P-256 (RFC 9810 §3.1.1.2).
//!
//! Their keys lie sealed in the register, as those for tokens do (decision 0026): a device may fetch the
//! certificate from one process and send its request to another. The newest is told; the others answer
//! what is sent to them until they end.

use std::sync::{Arc, PoisonError, RwLock};

use der::{Decode, Encode};
use sekisho_ca::{
    issuance::IssuanceError,
    profile::{Profile, ProfileError},
    registration::{self, RegistrationError},
};
use sekisho_key::{KeyError, SigningKey as _, SoftwareKey, TransportKey};
use sekisho_pki::{
    encoding::{instant, key_identifier::key_identifier},
    scep::Envelope,
};
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Actor, Audited, Entry},
    certificate,
    revocation::Status,
    scep_ra::{self, ScepRa},
    transaction,
};
use spki::AlgorithmIdentifierOwned;
use time::OffsetDateTime;
use x509_cert::Certificate;
use zeroize::Zeroizing;

use crate::{app::App, authority::Line, sealing::SealingError};

/// Why there is no registration authority.
#[derive(Debug, thiserror::Error)]
pub enum RaError {
    /// What stands in the register is no such key or certificate.
    #[error("the registration authority of the register does not read back")]
    Unreadable,
    /// What is sealed does not open.
    #[error(
        "the key of the registration authority cannot be opened; database and folder must be of one instance"
    )]
    Sealed(#[from] SealingError),
    /// The key.
    #[error("the key of the registration authority failed")]
    Key(#[from] KeyError),
    /// Its profile.
    #[error("the profile of the registration authority cannot be used")]
    Profile(#[from] ProfileError),
    /// It was not approved.
    #[error("the registration authority was not approved")]
    Registration(#[from] RegistrationError),
    /// Its certificate.
    #[error("the registration authority was not certified")]
    Issuance(#[from] IssuanceError),
    /// The database.
    #[error("the register cannot be used")]
    Store(#[from] StoreError),
}

impl MayConflict for RaError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Whose registration authority it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The door for SCEP.
    Scep,
    /// The door for CMP.
    Cmp,
}

impl Of {
    const fn name(self) -> &'static str {
        match self {
            Self::Scep => "scep",
            Self::Cmp => "cmp",
        }
    }

    const fn profile(self) -> &'static str {
        match self {
            Self::Scep => "scep_ra",
            Self::Cmp => "cmp_ra",
        }
    }

    const fn act(self) -> &'static str {
        match self {
            Self::Scep => "scep_ra.make",
            Self::Cmp => "cmp_ra.make",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Scep => "SCEP",
            Self::Cmp => "CMP",
        }
    }

    fn is_enabled(self, app: &App) -> bool {
        match self {
            Self::Scep => app.config().scep().is_enabled(),
            Self::Cmp => app.config().cmp().is_enabled(),
        }
    }

    fn in_memory(self, app: &App) -> &RegistrationAuthorities {
        match self {
            Self::Scep => app.scep_ras(),
            Self::Cmp => app.cmp_ras(),
        }
    }

    /// What is sealed is bound to its certificate.
    fn purpose(self, certificate_sha256: &[u8; 32]) -> Vec<u8> {
        [self.name().as_bytes(), b"-ra:", certificate_sha256.as_slice()].concat()
    }
}

/// One key with its certificate, open.
#[derive(Debug)]
pub(super) struct RegistrationAuthority {
    stored: ScepRa,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    key_identifier: Vec<u8>,
    not_before: OffsetDateTime,
    signing: SoftwareKey,
    /// Opens requests, where its door encrypts them.
    transport: Option<TransportKey>,
}

impl RegistrationAuthority {
    fn open(app: &App, of: Of, stored: ScepRa) -> Result<Self, RaError> {
        let unreadable = |_| RaError::Unreadable;
        let purpose = of.purpose(&stored.certificate_sha256);
        let pkcs8 = app.keys().sealing.open(&purpose, &stored.sealed_key)?;
        let signing = SoftwareKey::from_pkcs8_der(&pkcs8)?;
        let certificate = Certificate::from_der(&stored.certificate_der).map_err(unreadable)?;
        let tbs = certificate.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(unreadable)?;
        // A row whose halves do not belong together signs what nobody can verify.
        if spki != signing.public_key_der() {
            return Err(RaError::Unreadable);
        }
        Ok(Self {
            issuer: tbs.issuer().to_der().map_err(unreadable)?,
            serial: tbs.serial_number().as_bytes().to_vec(),
            key_identifier: key_identifier(&spki).map_err(|_| RaError::Unreadable)?.to_vec(),
            not_before: instant::from_time(&tbs.validity().not_before),
            transport: match of {
                Of::Scep => Some(TransportKey::of(&signing)?),
                Of::Cmp => None,
            },
            signing,
            stored,
        })
    }

    /// Its certificate, DER.
    pub(super) fn certificate_der(&self) -> &[u8] {
        &self.stored.certificate_der
    }

    /// The key identifier in its certificate.
    pub(super) fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// Which of our authorities issued it.
    pub(super) fn issuer_id(&self) -> &str {
        &self.stored.issuer_id
    }

    /// With what it signs.
    pub(super) fn algorithm(&self) -> AlgorithmIdentifierOwned {
        self.signing.algorithm().identifier()
    }

    /// Signs with SHA-256: RSA by RSASSA-PKCS1-v1_5.
    pub(super) fn sign(&self, to_be_signed: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.signing.sign_now(to_be_signed)
    }

    /// Opens what was encrypted for it. `None` says nothing of why.
    ///
    /// # Errors
    /// [`RaError`]: no randomness, without which nothing may be opened.
    pub(super) fn open_envelope(
        &self,
        app: &App,
        envelope: &Envelope,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, RaError> {
        let mut recipients = envelope.recipients().iter();
        let mine =
            recipients.find(|found| found.is(&self.issuer, &self.serial, &self.key_identifier));
        let (Some(recipient), Some(transport)) = (mine, &self.transport) else { return Ok(None) };
        // Drawn before anything is known of what came.
        let mut otherwise = Zeroizing::new(vec![0; envelope.cipher().key_octets()]);
        app.random().fill(&mut otherwise).map_err(SealingError::from)?;
        Ok(envelope.open(recipient, |encrypted, _| transport.unwrap_or(encrypted, otherwise)))
    }

    /// Whether one of these is encrypted for it.
    fn is_recipient_of(&self, envelope: &Envelope) -> bool {
        let mut recipients = envelope.recipients().iter();
        recipients.any(|found| found.is(&self.issuer, &self.serial, &self.key_identifier))
    }

    /// Whether two thirds of its life are over, or the routers' authority is another one now.
    fn is_due(&self, issuer_id: &str, now: OffsetDateTime) -> bool {
        let life = self.stored.not_after - self.not_before;
        self.stored.issuer_id != issuer_id || now >= self.not_before + life * 2 / 3
    }
}

/// The keys in force in this process's memory, newest first; read anew by the clock and when somebody asks
/// for what is not there.
#[derive(Debug, Default)]
pub struct RegistrationAuthorities(RwLock<Arc<Vec<Arc<RegistrationAuthority>>>>);

impl RegistrationAuthorities {
    fn held(&self) -> Arc<Vec<Arc<RegistrationAuthority>>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one that is told to who asks; `None` where there is none yet.
    pub(super) async fn newest(
        app: &App,
        of: Of,
    ) -> Result<Option<Arc<RegistrationAuthority>>, RaError> {
        let now = app.now();
        let in_force = |held: &Vec<Arc<RegistrationAuthority>>| {
            held.iter().find(|ra| ra.stored.not_after >= now).cloned()
        };
        match in_force(&of.in_memory(app).held()) {
            Some(found) => Ok(Some(found)),
            None => {
                let held = Self::read_anew(app, of).await?;
                Ok(in_force(&held))
            }
        }
    }

    /// The one for whom this is encrypted, which answers it, too: a router verifies the answer by the
    /// certificate that it has. `None` where it is for none of them.
    pub(super) async fn recipient_of(
        app: &App,
        envelope: &Envelope,
    ) -> Result<Option<Arc<RegistrationAuthority>>, RaError> {
        let of = Of::Scep;
        let now = app.now();
        let named = |held: &Vec<Arc<RegistrationAuthority>>| {
            let mut living = held.iter().filter(|ra| ra.stored.not_after >= now);
            living.find(|ra| ra.is_recipient_of(envelope)).cloned()
        };
        // Another process may have made one meanwhile: `refresh` takes it over within seconds, and until
        // then this process tells nobody of it.
        match named(&of.in_memory(app).held()) {
            Some(found) => Ok(Some(found)),
            None => {
                let held = Self::read_anew(app, of).await?;
                Ok(named(&held))
            }
        }
    }

    async fn read_anew(app: &App, of: Of) -> Result<Arc<Vec<Arc<RegistrationAuthority>>>, RaError> {
        let mut reader = app.store().read();
        let stored = scep_ra::in_force(&mut reader, of.name(), app.now()).await?;
        let before = of.in_memory(app).held();
        let mut held = Vec::with_capacity(stored.len());
        for stored in stored {
            let sha256 = &stored.certificate_sha256;
            let certificate = certificate::find_by_fingerprint(&mut reader, sha256).await?;
            // One that was taken back neither opens nor signs any more.
            if certificate.is_none_or(|certificate| certificate.status != Status::Good) {
                continue;
            }
            // Opening a private key is dear, and most of them are as they were.
            let known = before.iter().find(|ra| ra.stored == stored);
            match known
                .cloned()
                .map_or_else(|| RegistrationAuthority::open(app, of, stored).map(Arc::new), Ok)
            {
                Ok(ra) => held.push(ra),
                // Another is made in its place: one spoilt key is not the end of the door.
                Err(error) => {
                    tracing::error!(%error, door = of.name(), "a registration authority cannot be opened");
                }
            }
        }
        let held = Arc::new(held);
        *of.in_memory(app).0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&held);
        Ok(held)
    }
}

/// Scheduled on each node: takes over what other processes made.
///
/// # Errors
/// [`RaError`]: what was held stays.
pub async fn refresh(app: &App) -> Result<(), RaError> {
    for of in [Of::Scep, Of::Cmp] {
        if of.is_enabled(app) {
            RegistrationAuthorities::read_anew(app, of).await?;
        }
    }
    Ok(())
}

/// Scheduled on one node: makes the first registration authority of each door that is open, and the next
/// when two thirds of the present one's life are over or its certificate was taken back.
///
/// # Errors
/// [`RaError`]: the next run tries again.
pub async fn keep_up(app: &App) -> Result<(), RaError> {
    // One that fails does not keep the other's from being made.
    let (scep, cmp) = (keep_up_of(app, Of::Scep).await, keep_up_of(app, Of::Cmp).await);
    scep.and(cmp)
}

async fn keep_up_of(app: &App, of: Of) -> Result<(), RaError> {
    if !of.is_enabled(app) {
        return Ok(());
    }
    let now = app.now();
    let issuer_id = app.authority().routers(now).id().to_owned();
    let held = RegistrationAuthorities::read_anew(app, of).await?;
    if held.first().is_some_and(|newest| !newest.is_due(&issuer_id, now)) {
        return Ok(());
    }
    make(app, of).await?;
    RegistrationAuthorities::read_anew(app, of).await?;
    tracing::info!(issuer = issuer_id, door = of.name(), "registration authority made");
    Ok(())
}

async fn new_key(app: &App, of: Of) -> Result<SoftwareKey, KeyError> {
    match of {
        Of::Scep => {
            let size = app.config().scep().ra_key();
            // An RSA key takes up to seconds of one core.
            let made = tokio::task::spawn_blocking(move || SoftwareKey::generate_rsa(size)).await;
            let failed = |_| KeyError::Cryptography { act: "make an RSA key" };
            made.map_err(failed).and_then(std::convert::identity)
        }
        Of::Cmp => SoftwareKey::generate_p256(),
    }
}

async fn make(app: &App, of: Of) -> Result<(), RaError> {
    let (now, key) = (app.now(), new_key(app, of).await?);
    let profile = Profile::shipped(of.profile())?;
    let authority = app.authority().current(Line::Routers, now);
    let name = format!("{} {}", of.title(), authority.id());
    let approved = registration::approve_registration_authority(&key, &name, &profile)?;
    let issued = authority.issue(app.store(), approved, now, app.random()).await?;
    let sha256 = issued.fingerprint;
    let pkcs8 = key.pkcs8_der()?;
    let sealed_key = app.keys().sealing.seal(app.random(), &of.purpose(&sha256), &pkcs8)?;
    let ra = ScepRa {
        door: of.name().to_owned(),
        certificate_sha256: sha256,
        issuer_id: issued.issuer_id.clone(),
        certificate_der: issued.der.clone(),
        sealed_key,
        made_at: now,
        not_after: issued.not_after,
    };
    transaction!(app.store(), RaError, |tx| {
        scep_ra::add(tx, &ra).await?;
        let serial = hex::encode(issued.serial.as_octets());
        let entry = Entry::done(of.act(), Actor::System, now)
            .on("certificate", format!("{}:{serial}", issued.issuer_id));
        Ok(Audited::new((), entry))
    })
}

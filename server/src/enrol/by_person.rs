//! A device's certificate, by an administrator of its facility who brings the key's request to the console, or
//! has the key made here: they stand up for the key, as a code does elsewhere.
//!
//! 1. one transaction asks registration and records who stands up for it;
//! 2. the issuance ceremony;
//! 3. one transaction notes the certificate at the device.
//!
//! The certificates that the device has go on: somebody carries the new one there by hand, and until it works its
//! tunnels hang on an old one; which, nobody here knows. A person ends them, or the device's own renewal.

use sekisho_ca::{
    issuance::{ApprovedRequest, IssuanceError},
    record::IssuedCertificate,
    registration::RegistrationError,
    request::VerifiedRequest,
};
use sekisho_store::{
    StoreError, Tx,
    audit::{Audited, Entry},
    certificate::{self, Certificate},
    key_delivery::{self, Ended, NewDelivery},
    replacement,
    revocation::{self, SUPERSEDED, Status},
    terminal::{self, Device, Terminal},
    transaction,
};
use time::{Duration, OffsetDateTime};

use super::{
    device::CertifiedDevice,
    key_file::{KeyFile, KeyFileError, tell_taken_back},
    new_code::{self, NoCode},
    registration::{self, ApprovalError},
};
use crate::{app::App, authority::Line, people::role::Acting};

/// Most certificates that a device may have good at once before another is issued here.
const MOST_GOOD: usize = 4;
/// Most certificates that a device gets here within a day: each stands in a list until its end.
const MOST_A_DAY: usize = 20;
/// What step 1 does, in the audit trail.
const APPROVE: &str = "terminal.approve_certificate";
/// What step 3 does.
const CERTIFY: &str = "terminal.certify";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// The device may have none now.
    #[error(transparent)]
    Standing(NoCode),
    /// A new PC is about to take the place of the one that the certificate would be for.
    #[error("another PC is about to take this one's place")]
    BeingReplaced,
    /// It has several that are good.
    #[error("the device has several certificates in force")]
    TooManyInForce,
    /// It got many of late.
    #[error("many certificates were issued for the device within a day")]
    TooManyOfLate,
    /// A rule of registration.
    #[error(transparent)]
    Registration(RegistrationError),
    /// The same form made a file before.
    #[error("this form has made a file before")]
    MadeBefore,
    /// The device was revoked or put on hold meanwhile, or the certificate was; or the file took too long.
    #[error("the certificate was taken back before it was handed out")]
    TakenBack,
}

impl NoCertificate {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Standing(standing) => standing.as_str(),
            Self::BeingReplaced => "being_replaced",
            Self::TooManyInForce => "too_many_in_force",
            Self::TooManyOfLate => "too_many_of_late",
            Self::Registration(_) => "registration",
            Self::MadeBefore => "made_before",
            Self::TakenBack => "taken_back",
        }
    }
}

/// Why it is not known whether there is one.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The register.
    #[error("the register does not say whether the device may have a certificate")]
    Approval(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The ceremony. What was begun is on record.
    #[error("the certificate was not issued")]
    Issuance(#[from] IssuanceError),
    /// The file. Nobody fetches it in time, and so the certificate is taken back.
    #[error("the file was not made")]
    File(#[from] KeyFileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an administrator asks for.
#[derive(Debug, Clone, Copy)]
pub struct ByPerson<'a> {
    /// The instance.
    pub app: &'a App,
    /// Who stands up for the key.
    pub acting: &'a Acting,
    /// The device.
    pub terminal: &'a Terminal,
    /// The key, proven.
    pub request: &'a VerifiedRequest,
    /// The file in which a key that was made here goes to the device.
    pub file: Option<&'a KeyFile>,
    /// Now.
    pub at: OffsetDateTime,
}

enum Decision {
    Issue(Box<ApprovedRequest>),
    /// The key's certificate of a moment ago.
    Again(Box<Certificate>),
    Refuse(NoCertificate),
}

impl ByPerson<'_> {
    /// The certificate for the key, DER. The file, where one is asked for, is ready to be fetched.
    ///
    /// # Errors
    /// [`Failed`]; inside, [`NoCertificate`], which is recorded.
    pub async fn certify(&self) -> Result<Result<Vec<u8>, NoCertificate>, Failed> {
        // 1
        let approved = match self.approve().await? {
            Decision::Issue(approved) => approved,
            Decision::Again(certificate) => return Ok(Ok(certificate.der)),
            Decision::Refuse(refused) => return Ok(Err(refused)),
        };
        // 2
        let (store, rng) = (self.app.store(), self.app.random());
        let line = Line::of_device(self.terminal.device);
        let authority = self.app.authority().current(line, self.at);
        let issued = authority.issue(store, *approved, self.at, rng).await?;
        // 3
        let file = match self.file {
            Some(file) => Some((file.id(), file.seal(self.app, &issued)?)),
            None => None,
        };
        Ok(self.conclude(&issued, file).await?.map(|()| issued.der))
    }

    async fn approve(&self) -> Result<Decision, Failed> {
        let grace = self.app.config().enrolment().same_key_grace();
        let spki_sha256 = self.request.public_key_sha256();
        let id = self.terminal.id.as_str();
        let decided = transaction!(self.app.store(), ApprovalError, |tx| {
            if let Some(refused) = standing(tx, self.terminal).await? {
                return Ok(self.refuse(APPROVE, refused));
            }
            let recent = registration::recent(tx, id, &spki_sha256, grace, self.at).await?;
            if let Some(certificate) = recent {
                // A process that died before step 3 left it unnoted.
                if !terminal::was_certified_since(tx, id, certificate.issued_at).await? {
                    note(tx, id, &certificate.serial, self.at).await?;
                }
                let again = self.entry(self.acting.done("terminal.certify_again", self.at));
                return Ok(Audited::new(Decision::Again(Box::new(certificate)), again));
            }
            if let Some(refused) = self.too_many(tx).await? {
                return Ok(self.refuse(APPROVE, refused));
            }
            if let Some(file) = self.file
                && key_delivery::find(tx, file.id()).await?.is_some()
            {
                return Ok(self.refuse(APPROVE, NoCertificate::MadeBefore));
            }
            let certified =
                CertifiedDevice::find(tx, self.app.config(), self.terminal.device, id).await?;
            let by = self.acting.person_id();
            match registration::approve(tx, self.request, id, by, &certified, self.at).await {
                Ok(approved) => {
                    let entry = self.entry(self.acting.done(APPROVE, self.at));
                    let entry = self.begin_file(tx, &spki_sha256, entry).await?;
                    Ok(Audited::new(Decision::Issue(Box::new(approved)), entry))
                }
                Err(ApprovalError::Refused(rule)) => {
                    Ok(self.refuse(APPROVE, NoCertificate::Registration(rule)))
                }
                Err(error) => Err(error),
            }
        });
        decided.map_err(|error| match error {
            ApprovalError::Store(error) => Failed::Store(error),
            other => Failed::Approval(Box::new(other)),
        })
    }

    /// Whether the device has, or got of late, as many as it may.
    async fn too_many(&self, tx: &mut Tx) -> Result<Option<NoCertificate>, StoreError> {
        let all = certificate::of_terminal(tx, &self.terminal.id).await?;
        let in_force = |one: &&Certificate| one.status == Status::Good && self.at <= one.not_after;
        if all.iter().filter(in_force).count() >= MOST_GOOD {
            return Ok(Some(NoCertificate::TooManyInForce));
        }
        let yesterday = self.at - Duration::DAY;
        let of_late = all.iter().filter(|one| one.issued_at > yesterday).count();
        Ok((of_late >= MOST_A_DAY).then_some(NoCertificate::TooManyOfLate))
    }

    /// Notes the file that is about to be made. Earlier ones that were ready and that nobody fetched end; one that
    /// is still being made goes its way.
    async fn begin_file(
        &self,
        tx: &mut Tx,
        spki_sha256: &[u8; 32],
        entry: Entry,
    ) -> Result<Entry, StoreError> {
        let Some(file) = self.file else { return Ok(entry) };
        let mut taken_back = Vec::new();
        for earlier in key_delivery::of_terminal(tx, &self.terminal.id).await? {
            if earlier.fetched_at.is_none()
                && earlier.has_file
                && let Ended::TakenBack(certificates) =
                    key_delivery::end(tx, &earlier, self.at).await?
                && !certificates.is_empty()
            {
                taken_back.extend(
                    certificates
                        .iter()
                        .map(|(issuer_id, serial)| format!("{issuer_id}:{}", hex::encode(serial))),
                );
                // Who makes the new one knows; a colleague does not.
                if earlier.made_by != self.acting.person_id() {
                    tell_taken_back(tx, &earlier, self.terminal, self.at).await?;
                }
            }
        }
        let delivery = NewDelivery {
            id: file.id(),
            terminal_id: &self.terminal.id,
            spki_sha256,
            person_id: self.acting.person_id(),
            at: self.at,
            expires_at: self.at + self.app.config().enrolment().key_file_time(),
        };
        key_delivery::begin(tx, delivery).await?;
        Ok(match taken_back.is_empty() {
            true => entry,
            false => entry.fact("taken_back", taken_back.join(" ")),
        })
    }

    async fn conclude(
        &self,
        issued: &IssuedCertificate,
        file: Option<(&str, Vec<u8>)>,
    ) -> Result<Result<(), NoCertificate>, StoreError> {
        let (issuer_id, serial) = (issued.issuer_id.as_str(), issued.serial.as_octets());
        transaction!(self.app.store(), StoreError, |tx| {
            let counts = self.counts(tx, issuer_id, serial).await?
                && match &file {
                    Some((id, file)) => key_delivery::keep_file(tx, id, file).await?,
                    None => true,
                };
            let entry = if counts {
                note(tx, &self.terminal.id, serial, self.at).await?;
                self.acting.done(CERTIFY, self.at)
            } else {
                revocation::revoke(tx, issuer_id, serial, SUPERSEDED, self.at).await?;
                self.acting.refused(CERTIFY, self.at, NoCertificate::TakenBack.as_str())
            };
            let name = format!("{issuer_id}:{}", hex::encode(serial));
            let outcome = if counts { Ok(()) } else { Err(NoCertificate::TakenBack) };
            Ok(Audited::new(outcome, self.entry(entry).on("certificate", name)))
        })
    }

    /// Whether nothing happened to device, facility and certificate since step 1.
    async fn counts(
        &self,
        tx: &mut Tx,
        issuer_id: &str,
        serial: &[u8],
    ) -> Result<bool, StoreError> {
        let mine = certificate::find(tx, issuer_id, serial).await?;
        let good = mine.is_some_and(|mine| mine.status == Status::Good);
        Ok(good && standing(tx, self.terminal).await?.is_none())
    }

    fn refuse(&self, act: &'static str, refused: NoCertificate) -> Audited<Decision> {
        let entry = self.entry(self.acting.refused(act, self.at, refused.as_str()));
        let entry = match &refused {
            NoCertificate::Registration(rule) => entry.fact("rule", rule.to_string()),
            _ => entry,
        };
        Audited::new(Decision::Refuse(refused), entry)
    }

    fn entry(&self, entry: Entry) -> Entry {
        entry
            .at_organisation(&self.terminal.organisation_id)
            .on("terminal", &self.terminal.id)
            .fact("terminal_name", self.terminal.name.as_str())
            .fact("door", "console")
            .fact("key_made", if self.file.is_some() { "here" } else { "by_device" })
            .fact("key_sha256", hex::encode(self.request.public_key_sha256()))
    }
}

/// Why the device may have no certificate now, if it may not.
async fn standing(tx: &mut Tx, terminal: &Terminal) -> Result<Option<NoCertificate>, StoreError> {
    if let (_, Some(standing)) = new_code::standing(tx, terminal).await? {
        return Ok(Some(NoCertificate::Standing(standing)));
    }
    let replaced =
        terminal.device == Device::Pc && replacement::open(tx, &terminal.id).await?.is_some();
    Ok(replaced.then_some(NoCertificate::BeingReplaced))
}

/// Whether the device and this form may have a file at all: asked before a key is made, since an RSA key costs a
/// core some tenths of a second. It is decided by [`ByPerson::certify`].
///
/// # Errors
/// The database; inside, [`NoCertificate`].
pub async fn ask_for_file(
    app: &App,
    acting: &Acting,
    terminal: &Terminal,
    file_id: &str,
) -> Result<Result<(), NoCertificate>, StoreError> {
    let at = app.now();
    let refused = transaction!(app.store(), StoreError, |tx| {
        let refused = match standing(tx, terminal).await? {
            None if key_delivery::find(tx, file_id).await?.is_some() => {
                Some(NoCertificate::MadeBefore)
            }
            standing => standing,
        };
        let entry = match &refused {
            Some(refused) => acting.refused(APPROVE, at, refused.as_str()),
            None => acting.done("terminal.ask_for_key_file", at),
        };
        let entry = entry
            .at_organisation(&terminal.organisation_id)
            .on("terminal", &terminal.id)
            .fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(refused, entry))
    })?;
    Ok(refused.map_or(Ok(()), Err))
}

/// Notes the certificate at the device.
async fn note(
    tx: &mut Tx,
    terminal_id: &str,
    serial: &[u8],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let others = certificate::of_terminal(tx, terminal_id).await?;
    let renewed = others.iter().any(|other| other.serial != serial && other.status == Status::Good);
    terminal::note_certificate(tx, terminal_id, renewed, at).await
}

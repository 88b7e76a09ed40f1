//! Taking certificates back, by whichever handle an operator has: a certificate, a terminal, a
//! facility, a key, an authority. Each decision is one transaction with the record of it; doing it
//! twice changes nothing the second time. Whoever serves the instance publishes the lists.

use sekisho_ca::revocation::{RevocationKind, RevocationReason};
use sekisho_store::{
    MayConflict, Store, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    certificate, issuer,
    organisation::{self, OrganisationStatus, StatusChange},
    revocation::{self, Act, CERTIFICATE_HOLD, CertificateKey, KEY_COMPROMISE, Scope, Status},
    session::{self, SessionOf},
    terminal::{self, Terminal, TerminalStatus},
    terminal_hold, transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

mod register;
mod standing;
mod telling;

pub use register::HeldBy;
pub use standing::Standing;

/// A key that somebody has certified over and over is looked at so far back.
pub(crate) const MOST_CERTIFICATES_OF_A_KEY: i64 = 100;

/// What is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One certificate.
    Certificate {
        /// Name of its issuer: `terminals`, `routers`, `servers`, `root`.
        issuer_id: String,
        /// Its serial number, big-endian without leading zeros.
        serial: Vec<u8>,
    },
    /// A terminal: its certificates, codes and sessions. Held, it is so whether or not it has a
    /// certificate: none is issued to it.
    Terminal(String),
    /// A facility: the certificates of all its devices, and its sessions. Held, it is in
    /// quarantine: nothing of it is accepted and nothing is issued to it.
    Facility(String),
    /// A public key, by the SHA-256 of its `SubjectPublicKeyInfo`: every certificate for it, and no
    /// other ever.
    Key([u8; 32]),
    /// An authority: everything that it signed.
    Issuer(String),
}

impl Target {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "certificate",
            Self::Terminal(_) => "terminal",
            Self::Facility(_) => "facility",
            Self::Key(_) => "key",
            Self::Issuer(_) => "issuer",
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Certificate { issuer_id, serial } => {
                format!("{issuer_id}:{}", hex::encode(serial))
            }
            Self::Terminal(id) | Self::Facility(id) | Self::Issuer(id) => id.clone(),
            Self::Key(spki_sha256) => hex::encode(spki_sha256),
        }
    }
}

/// How it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// For ever.
    Revoke(RevocationReason),
    /// For now: certificateHold.
    Hold,
    /// No longer: the hold of the same target ends.
    Release,
}

impl Measure {
    const fn is_for_ever(self) -> bool {
        matches!(self, Self::Revoke(_))
    }

    const fn act(self) -> &'static str {
        match self {
            Self::Revoke(_) => "revocation.revoke",
            Self::Hold => "revocation.hold",
            Self::Release => "revocation.release",
        }
    }

    fn event(self, order: &Order) -> Act {
        let (kind, reason) = match self {
            Self::Revoke(reason) => (RevocationKind::Revoked, reason),
            Self::Hold => (RevocationKind::Held, RevocationReason::CertificateHold),
            Self::Release => (RevocationKind::Released, RevocationReason::Unspecified),
        };
        Act { kind, reason: reason.code(), invalidity_at: order.invalidity_at, at: order.at }
    }
}

/// Why a terminal was revoked by the operator, as its event keeps it beside the note.
#[must_use]
pub const fn cause(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "unspecified",
        RevocationReason::KeyCompromise => "key_compromise",
        RevocationReason::CaCompromise => "ca_compromise",
        RevocationReason::AffiliationChanged => "affiliation_changed",
        RevocationReason::Superseded => "superseded",
        RevocationReason::CessationOfOperation => "cessation_of_operation",
        RevocationReason::CertificateHold => "certificate_hold",
        RevocationReason::PrivilegeWithdrawn => "privilege_withdrawn",
    }
}

/// The reason of an event, as far as the facility it is about reads it: what a person wrote on the
/// console, which says so beforehand. An operator's note at the command line is for the audit trail.
#[must_use]
pub fn told(person_id: Option<&str>, reason: String) -> Option<String> {
    person_id.is_some().then_some(reason).filter(|reason| !reason.is_empty())
}

/// A decision.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub target: Target,
    /// How.
    pub measure: Measure,
    /// Since when key or holder were not to be relied on (RFC 5280 §5.3.2), if that is known.
    pub invalidity_at: Option<OffsetDateTime>,
    /// Why, in words for the audit trail: see [`told`].
    pub note: String,
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: OffsetDateTime,
}

/// What a decision changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Certificates whose status it changed.
    pub certificates: Vec<CertificateKey>,
    /// Sessions that it ended.
    pub sessions_ended: usize,
    /// Whether it changed anything; if not, it had been carried out before.
    pub changed: bool,
    /// After a release: what holds the target still.
    pub held_by: Option<HeldBy>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing of that name.
    #[error("there is no {kind} {name} here; nothing was changed")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// A key or an authority cannot be held: whether somebody else has the key is no matter of
    /// waiting.
    #[error("a {kind} cannot be held or released, only revoked; hold the facility or the terminal")]
    OnlyForEver {
        /// What.
        kind: &'static str,
    },
    /// A revoked terminal stays revoked.
    #[error("terminal {id} was revoked, which is final; create a new one for the device")]
    TerminalRevoked {
        /// Which.
        id: String,
    },
    /// A revoked certificate stays revoked, by itself or by its authority.
    #[error("certificate {name} was revoked for good: it can be neither held nor released")]
    CertificateRevoked {
        /// Issuer and serial number.
        name: String,
    },
    /// A closed facility stays closed.
    #[error("facility {id} was closed for good: it can be neither held nor released")]
    FacilityClosed {
        /// Which.
        id: String,
    },
    /// The reason is not for this target.
    #[error("`{reason}` is no reason for revoking a {kind}; {instead}")]
    Reason {
        /// As given.
        reason: &'static str,
        /// What.
        kind: &'static str,
        /// What to give.
        instead: &'static str,
    },
    /// The date of invalidity lies ahead or before 1970, or belongs to no revocation.
    #[error("an invalidity date lies in the past, not before 1970, and belongs to a revocation")]
    InvalidityDate,
}

impl RevocationError {
    /// Whether the [`Order`] asks for what cannot be, or names what is not there.
    #[must_use]
    pub const fn is_of_the_order(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::OnlyForEver { .. }
                | Self::Reason { .. }
                | Self::InvalidityDate
        )
    }
}

impl MayConflict for RevocationError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Carries out a decision and records it, in one transaction.
///
/// # Errors
/// [`RevocationError`]; nothing was changed then.
pub async fn carry_out(store: &Store, order: &Order) -> Result<Outcome, RevocationError> {
    carry_out_recorded(store, order, |entry| entry).await
}

/// The same, where the record says more: from where it was asked for, by which account.
///
/// # Errors
/// As [`carry_out`].
pub async fn carry_out_recorded(
    store: &Store,
    order: &Order,
    complete: impl Fn(Entry) -> Entry + Sync,
) -> Result<Outcome, RevocationError> {
    check(order)?;
    transaction!(store, RevocationError, |tx| {
        let mut outcome = apply(tx, order).await?;
        if order.measure == Measure::Release {
            outcome.held_by = register::held_by(tx, &order.target).await?;
        }
        let mut entry = Entry::done(order.measure.act(), order.actor.clone(), order.at)
            .on(order.target.kind(), order.target.name())
            .fact("note", order.note.as_str())
            .fact("changed", i64::from(outcome.changed))
            .fact("certificates", outcome.certificates.len())
            .fact("sessions_ended", outcome.sessions_ended);
        if let Measure::Revoke(reason) = order.measure {
            entry = entry.fact("reason", reason.code());
        }
        if let Some(at) = order.invalidity_at {
            entry = entry.fact("invalidity_at", at.unix_timestamp());
        }
        if let Some(id) = register::organisation_of(tx, &order.target).await? {
            entry = entry.at_organisation(&id);
        }
        Ok(Audited::new(outcome, complete(entry)))
    })
}

fn check(order: &Order) -> Result<(), RevocationError> {
    let kind = order.target.kind();
    let refused =
        |reason: &'static str, instead| Err(RevocationError::Reason { reason, kind, instead });
    match (&order.target, order.measure) {
        (Target::Key(_) | Target::Issuer(_), Measure::Hold | Measure::Release) => {
            return Err(RevocationError::OnlyForEver { kind });
        }
        (_, Measure::Revoke(RevocationReason::CertificateHold)) => {
            return refused("certificate-hold", "give --hold instead");
        }
        (Target::Issuer(_), Measure::Revoke(RevocationReason::KeyCompromise)) => {
            return refused("key-compromise", "for an authority it is ca-compromise");
        }
        (Target::Key(_), Measure::Revoke(reason)) if reason != RevocationReason::KeyCompromise => {
            return refused("another", "a key is revoked for key-compromise only");
        }
        (Target::Issuer(_), _) => {}
        (_, Measure::Revoke(RevocationReason::CaCompromise)) => {
            return refused("ca-compromise", "revoke the authority: `sekisho revoke issuer`");
        }
        _ => {}
    }
    let revokes = order.measure.is_for_ever();
    let sayable = OffsetDateTime::UNIX_EPOCH..=order.at;
    if order.invalidity_at.is_some_and(|since| !revokes || !sayable.contains(&since)) {
        return Err(RevocationError::InvalidityDate);
    }
    Ok(())
}

async fn apply(tx: &mut Tx, order: &Order) -> Result<Outcome, RevocationError> {
    match &order.target {
        Target::Certificate { issuer_id, serial } => {
            match revocation::status(tx, issuer_id, serial).await? {
                None => Err(not_found(&order.target)),
                Some(Status::Revoked { reason, .. })
                    if reason != CERTIFICATE_HOLD && !order.measure.is_for_ever() =>
                {
                    Err(RevocationError::CertificateRevoked { name: order.target.name() })
                }
                Some(_) => {
                    let scope = Scope::Certificate { issuer_id, serial };
                    let mut outcome = certificates(tx, order, scope).await?;
                    if order.measure.is_for_ever() {
                        // Or its terminal would come back by the certificate of before.
                        let scope = Scope::OlderThan { issuer_id, serial };
                        let older = certificates(tx, order, scope).await?;
                        outcome.changed |= older.changed;
                        outcome.certificates.extend(older.certificates);
                    }
                    telling::of_certificates(tx, order, &outcome).await?;
                    Ok(outcome)
                }
            }
        }
        Target::Terminal(id) => {
            let Some(found) = terminal::find(tx, id).await? else {
                return Err(not_found(&order.target));
            };
            let outcome = of_terminal(tx, order, &found).await?;
            if outcome.changed {
                telling::of_terminal(tx, order, found).await?;
            }
            Ok(outcome)
        }
        Target::Facility(id) => {
            let outcome = of_facility(tx, order, id).await?;
            if outcome.changed {
                telling::of_facility(tx, order, id).await?;
            }
            Ok(outcome)
        }
        Target::Key(spki_sha256) => {
            let listed =
                revocation::note_compromised_key(tx, spki_sha256, &order.note, order.at).await?;
            let mut outcome = certificates(tx, order, Scope::Key(spki_sha256)).await?;
            telling::of_certificates(tx, order, &outcome).await?;
            outcome.changed |= listed;
            Ok(outcome)
        }
        Target::Issuer(id) => of_issuer(tx, order, id).await,
    }
}

async fn certificates(
    tx: &mut Tx,
    order: &Order,
    scope: Scope<'_>,
) -> Result<Outcome, RevocationError> {
    let certificates = revocation::carry_out(tx, scope, order.measure.event(order)).await?;
    Ok(Outcome { changed: !certificates.is_empty(), certificates, ..Outcome::default() })
}

async fn of_terminal(
    tx: &mut Tx,
    order: &Order,
    found: &Terminal,
) -> Result<Outcome, RevocationError> {
    let id = found.id.as_str();
    match order.measure {
        Measure::Revoke(reason) => {
            // The certificates first: terminal::revoke would not know of an invalidity date.
            let mut outcome = certificates(tx, order, Scope::Terminal(id)).await?;
            let act = terminal::Revocation {
                crl_reason: reason.code(),
                cause: cause(reason),
                note: &order.note,
                person_id: None,
                at: order.at,
            };
            if let Some(taken) = terminal::revoke(tx, id, &found.organisation_id, act).await? {
                ended(&mut outcome, &taken.sessions);
                outcome.changed = true;
            }
            Ok(outcome)
        }
        Measure::Hold | Measure::Release if found.status == TerminalStatus::Revoked => {
            Err(RevocationError::TerminalRevoked { id: id.to_owned() })
        }
        Measure::Hold => {
            // The terminal's own first: its history is told from that.
            let begun = terminal_hold::begin(tx, id, &order.note, order.at).await?;
            let mut outcome = certificates(tx, order, Scope::Terminal(id)).await?;
            outcome.changed |= begun;
            let sessions = session::end_of_terminal(tx, id, "terminal_held", order.at).await?;
            ended(&mut outcome, &sessions);
            Ok(outcome)
        }
        Measure::Release => {
            // Its certificates would stay held, and nothing would say by what.
            let facility = organisation::status(tx, &found.organisation_id).await?;
            if facility == Some(OrganisationStatus::Suspended) {
                return Ok(Outcome::default());
            }
            let ended = terminal_hold::end(tx, id, &order.note, order.at).await?;
            let mut outcome = certificates(tx, order, Scope::Terminal(id)).await?;
            outcome.changed |= ended;
            Ok(outcome)
        }
    }
}

async fn of_facility(tx: &mut Tx, order: &Order, id: &str) -> Result<Outcome, RevocationError> {
    let Some(status) = organisation::status(tx, id).await? else {
        return Err(not_found(&order.target));
    };
    let change = match order.measure {
        Measure::Hold | Measure::Release if status == OrganisationStatus::Closed => {
            return Err(RevocationError::FacilityClosed { id: id.to_owned() });
        }
        Measure::Revoke(_) | Measure::Hold => StatusChange::Suspend,
        Measure::Release => StatusChange::Resume,
    };
    let ended_sessions =
        organisation::change_status_by(tx, id, change, None, &order.note, order.at).await?;
    let mut outcome = certificates(tx, order, Scope::Facility(id)).await?;
    if let Some(sessions) = ended_sessions {
        outcome.changed = true;
        ended(&mut outcome, &sessions);
    }
    Ok(outcome)
}

/// The authority counts no more at once and for everything; its own certificate goes on the list of
/// the authority above it.
async fn of_issuer(tx: &mut Tx, order: &Order, id: &str) -> Result<Outcome, RevocationError> {
    let Some(found) = issuer::find(tx, id).await? else { return Err(not_found(&order.target)) };
    let Measure::Revoke(reason) = order.measure else {
        return Err(RevocationError::OnlyForEver { kind: "issuer" });
    };
    let taken = revocation::revoke_issuer(tx, id, reason.code(), order.at).await?;
    let fingerprint: [u8; 32] = Sha256::digest(&found.certificate_der).into();
    let own = certificate::find_by_fingerprint(tx, &fingerprint).await?;
    let mut outcome = match &own {
        Some(own) => {
            let scope = Scope::Certificate { issuer_id: &own.issuer_id, serial: &own.serial };
            certificates(tx, order, scope).await?
        }
        None => Outcome::default(),
    };
    outcome.changed |= taken;
    Ok(outcome)
}

fn ended(outcome: &mut Outcome, sessions: &[SessionOf]) {
    outcome.sessions_ended += sessions.len();
    outcome.changed |= !sessions.is_empty();
}

fn not_found(target: &Target) -> RevocationError {
    RevocationError::NotFound { kind: target.kind(), name: target.name() }
}

/// Brings certificates in line with their facilities: those of a suspended one are held, whoever
/// suspended it and whatever was being issued meanwhile; those of one that may act again come back.
///
/// # Errors
/// [`StoreError`].
pub async fn follow_facilities(store: &Store, now: OffsetDateTime) -> Result<(), StoreError> {
    if !revocation::differs_from_facility(&mut store.read(), now).await? {
        return Ok(());
    }
    transaction!(store, StoreError, |tx| {
        let held = revocation::carry_out(tx, Scope::SuspendedFacilities, Act::hold(now)).await?;
        let back = revocation::carry_out(tx, Scope::ActiveFacilities, Act::release(now)).await?;
        let entry = Entry::done("revocation.follow_facilities", Actor::System, now)
            .fact("held", held.len())
            .fact("released", back.len());
        Ok(Audited::new((), entry))
    })
}

/// Why a key counts as compromised: somebody said so, or a certificate for it was revoked for that.
///
/// # Errors
/// [`StoreError`].
pub async fn key_is_compromised(
    queries: &mut impl sekisho_store::Queries,
    spki_sha256: &[u8; 32],
    certificates: &[certificate::Certificate],
) -> Result<bool, StoreError> {
    let by_certificate = certificates.iter().any(|certificate| {
        matches!(certificate.status, Status::Revoked { reason: KEY_COMPROMISE, .. })
    });
    Ok(by_certificate || revocation::is_compromised_key(queries, spki_sha256).await?)
}

#[cfg(test)]
mod tests;

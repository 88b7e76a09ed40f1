//! From a proven asker to an approved request: what the register says of it and of its key.

use sekisho_ca::{
    issuance::ApprovedRequest,
    registration::{
        Approval, KeyHolder, RegisterEntry, RegistrationError,
        terminal_identifier::{TerminalIdentifier, TerminalIdentifierError},
    },
    request::VerifiedRequest,
};
use sekisho_pki::national::facility_identifier::{FacilityIdentifier, FacilityIdentifierError};
use sekisho_store::{
    MayConflict, Queries, StoreError, Tx,
    certificate::{self, Certificate},
    organisation,
    revocation::Status,
    server_key, subscriber_key,
    terminal::{self, Terminal, TerminalStatus},
};
use time::{Duration, OffsetDateTime};

use super::device::{CertifiedDevice, DeviceError};
use crate::{
    revocation::{MOST_CERTIFICATES_OF_A_KEY, key_is_compromised},
    sealing::SealingError,
};

/// Why a proven asker gets no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApprovalError {
    /// A rule of registration.
    #[error(transparent)]
    Refused(#[from] RegistrationError),
    /// A device that the register has and no profile fits.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// An identifier in the database that is none.
    #[error("the register holds a terminal identifier that is none")]
    Terminal(#[from] TerminalIdentifierError),
    /// An identifier in the database that is none.
    #[error("the register holds a facility identifier that is none")]
    Facility(#[from] FacilityIdentifierError),
    /// A request that is to wait could not be sealed.
    #[error("the request could not be kept")]
    Sealing(#[from] SealingError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for ApprovalError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) | Self::Device(DeviceError::Store(error))
            if error.is_conflict())
    }
}

/// Decides from the register, read in this transaction, whether the terminal may have a certificate for
/// the key of `request`, and makes the key its own. `approved_by` is the person who made the code, or
/// `renewal`.
pub(super) async fn approve(
    tx: &mut Tx,
    request: &VerifiedRequest,
    terminal_id: &str,
    approved_by: &str,
    device: &CertifiedDevice,
    at: OffsetDateTime,
) -> Result<ApprovedRequest, ApprovalError> {
    let approved = ask(tx, request, terminal_id, approved_by, device, at).await?;
    // What was read may be changing: at the table's key one of two wins.
    let holder = subscriber_key::claim(tx, &request.public_key_sha256(), terminal_id, at).await?;
    if holder != terminal_id {
        let owner = KeyHolder::Terminal(TerminalIdentifier::parse(&holder)?);
        return Err(RegistrationError::KeyOfAnother { owner }.into());
    }
    Ok(approved)
}

/// The same as the register has it now; nothing is written.
pub(super) async fn ask(
    tx: &mut Tx,
    request: &VerifiedRequest,
    terminal_id: &str,
    approved_by: &str,
    device: &CertifiedDevice,
    at: OffsetDateTime,
) -> Result<ApprovedRequest, ApprovalError> {
    let terminal = terminal::find(tx, terminal_id).await?.ok_or(StoreError::Corrupt {
        what: "terminal",
        detail: "it is no longer there".to_owned(),
    })?;
    let before =
        certificate::of_key(tx, &request.public_key_sha256(), MOST_CERTIFICATES_OF_A_KEY).await?;
    let asks = Asks {
        terminal_id: &terminal.id,
        organisation_id: &terminal.organisation_id,
        terminal_active: terminal.status != TerminalStatus::Revoked,
        facility_active: organisation::is_active(tx, &terminal.organisation_id).await?,
        approved_by,
    };
    let of_server = server_key::holder(tx, &request.public_key_sha256()).await?;
    let key = Key {
        compromised: key_is_compromised(tx, &request.public_key_sha256(), &before).await?,
        used_by: match of_server {
            Some(_) => Some(KeyHolder::Server),
            None => other_holder(&before, &terminal)?.map(KeyHolder::Terminal),
        },
    };
    decide(request, &asks, key, device, at)
}

/// Who asks, as the register has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asks<'a> {
    /// The terminal, PC or router.
    pub(super) terminal_id: &'a str,
    /// Its facility.
    pub(super) organisation_id: &'a str,
    /// Not revoked.
    pub(super) terminal_active: bool,
    /// In operation.
    pub(super) facility_active: bool,
    /// The person who made the code, or `renewal`.
    pub(super) approved_by: &'a str,
}

/// What certificates were made for a key before.
#[derive(Debug, Default)]
pub(super) struct Key {
    compromised: bool,
    used_by: Option<KeyHolder>,
}

/// Decides by the rules of registration. A key that no certificate was made for is
/// [`Key::default`].
pub(super) fn decide(
    request: &VerifiedRequest,
    asks: &Asks<'_>,
    key: Key,
    device: &CertifiedDevice,
    at: OffsetDateTime,
) -> Result<ApprovedRequest, ApprovalError> {
    let entry = RegisterEntry {
        facility: FacilityIdentifier::parse(asks.organisation_id)?,
        facility_active: asks.facility_active,
        terminal: TerminalIdentifier::parse(asks.terminal_id)?,
        terminal_active: asks.terminal_active,
        approval: Some(Approval { by: asks.approved_by.to_owned(), at }),
        key_compromised: key.compromised,
        key_used_by: key.used_by,
        organisation_id: asks.organisation_id.to_owned(),
    };
    Ok(device.approve(request, &entry)?)
}

fn other_holder(
    before: &[Certificate],
    terminal: &Terminal,
) -> Result<Option<TerminalIdentifier>, TerminalIdentifierError> {
    before
        .iter()
        .filter_map(|certificate| certificate.terminal_id.as_deref())
        .find(|&id| id != terminal.id)
        .map(TerminalIdentifier::parse)
        .transpose()
}

/// A good certificate of this terminal for this key that is younger than `grace`: asking again in
/// that time gets the same one, whatever became of the first answer.
pub(super) async fn recent(
    queries: &mut impl Queries,
    terminal_id: &str,
    spki_sha256: &[u8; 32],
    grace: Duration,
    at: OffsetDateTime,
) -> Result<Option<Certificate>, StoreError> {
    let of_key = certificate::of_key(queries, spki_sha256, MOST_CERTIFICATES_OF_A_KEY).await?;
    Ok(of_key.into_iter().find(|certificate| {
        certificate.terminal_id.as_deref() == Some(terminal_id)
            && certificate.status == Status::Good
            && at <= certificate.issued_at + grace
    }))
}

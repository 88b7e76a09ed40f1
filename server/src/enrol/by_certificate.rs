//! A device's next certificate, by its present one, whose key it was seen to hold, at whatever door.
//!
//! The old certificate stays good until the new one is used, by a PC at the portal, by a router at its
//! next renewal: whoever loses the answer must still be able to ask again, and a PC's sessions and a
//! router's tunnels hang on it. The same key gets the same new certificate for a while.

use sekisho_ca::{issuance::ApprovedRequest, record::IssuedCertificate, request::VerifiedRequest};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate::{self, Certificate},
    issuing::Right,
    revocation::{self, SUPERSEDED},
    terminal::{self, Device, TerminalStatus},
    transaction,
};
use time::OffsetDateTime;

use super::{
    Fact,
    device::CertifiedDevice,
    plain::{self, Course},
    refusal,
    registration::{self, ApprovalError, Asks, Key},
    with_facts,
};
use crate::{
    app::App,
    authority::Line,
    error::est::EstError,
    listener::{FacilityConnection, Peer},
};

/// Reason of the refusal to a new PC at which nobody has logged in: it is not the terminal's yet, and
/// one renewal more would have to be told from the other PC's.
const AWAITS_LOGIN: &str = "awaits_login";

/// The new certificate, DER, for the key of `request`. `facts` are what the door adds to each record.
///
/// # Errors
/// [`EstError`]: the refusal in words; it is recorded.
pub(super) async fn renew(
    app: &App,
    device: Device,
    peer: &Peer,
    facility: &FacilityConnection,
    request: &VerifiedRequest,
    facts: &[Fact],
) -> Result<Vec<u8>, EstError> {
    let grace = app.config().enrolment().same_key_grace();
    let spki_sha256 = request.public_key_sha256();
    let at = app.now();
    let entry = |entry: Entry| with_facts(entry_of(entry, peer, facility, &spki_sha256), facts);
    if facility.of_new_pc {
        transaction!(app.store(), StoreError, |tx| {
            let refuse = Entry::refused("terminal.renew", actor(facility), at, AWAITS_LOGIN);
            Ok(Audited::new((), entry(refuse)))
        })?;
        return Err(refusal::renewal(AWAITS_LOGIN));
    }

    match plain_course(app, device, facility, request, at, &entry).await? {
        Course::Issued(der) => return Ok(der),
        Course::ToConclude(issued) => {
            return concluded(app, facility, *issued, at, &entry).await;
        }
        Course::Unusual => {}
        Course::IssuerRevoked => return Err(refusal::issuer_revoked()),
    }
    // A key that has a certificate, or a refusal.
    let decision = transaction!(app.store(), ApprovalError, |tx| {
        let recent =
            registration::recent(tx, &facility.terminal_id, &spki_sha256, grace, at).await?;
        if let Some(certificate) = recent.filter(|c| c.fingerprint != facility.fingerprint) {
            let again = Entry::done("terminal.renew_again", actor(facility), at);
            return Ok(Audited::new(Decision::Answer(Box::new(certificate)), entry(again)));
        }
        let certified =
            CertifiedDevice::find(tx, app.config(), device, &facility.terminal_id).await?;
        let approval =
            registration::approve(tx, request, &facility.terminal_id, "renewal", &certified, at);
        match approval.await {
            Ok(approved) => {
                let approve = Entry::done("terminal.approve_renewal", actor(facility), at);
                Ok(Audited::new(Decision::Issue(Box::new(approved)), entry(approve)))
            }
            Err(ApprovalError::Refused(rule)) => {
                let refuse = Entry::refused("terminal.renew", actor(facility), at, "registration")
                    .fact("rule", rule.to_string());
                Ok(Audited::new(Decision::Refuse(rule.into()), entry(refuse)))
            }
            Err(other) => Err(other),
        }
    })?;
    match decision {
        Decision::Answer(certificate) => Ok(certificate.der),
        Decision::Refuse(refused) => Err(refused),
        Decision::Issue(approved) => {
            let issued = app
                .authority()
                .current(Line::of_device(device), at)
                .issue(app.store(), *approved, at, app.random())
                .await?;
            concluded(app, facility, issued, at, &entry).await
        }
    }
}

enum Decision {
    Issue(Box<ApprovedRequest>),
    Answer(Box<Certificate>),
    Refuse(EstError),
}

/// A key that has no certificate. Two commits, shared with other requests.
async fn plain_course(
    app: &App,
    device: Device,
    facility: &FacilityConnection,
    request: &VerifiedRequest,
    at: OffsetDateTime,
    entry: &(impl Fn(Entry) -> Entry + Sync),
) -> Result<Course, EstError> {
    let spki_sha256 = request.public_key_sha256();
    if certificate::key_is_certified(&mut app.store().read(), &spki_sha256).await? {
        return Ok(Course::Unusual);
    }
    let asks = Asks {
        terminal_id: &facility.terminal_id,
        organisation_id: &facility.organisation_id,
        // The connection was judged just now; the use of the right asks once more.
        terminal_active: true,
        facility_active: true,
        approved_by: "renewal",
    };
    let mut reader = app.store().read();
    let certified =
        CertifiedDevice::find(&mut reader, app.config(), device, &facility.terminal_id).await;
    let certified = certified.map_err(ApprovalError::from)?;
    let approved = match registration::decide(request, &asks, Key::default(), &certified, at) {
        Ok(approved) => approved,
        // Decided once more, and recorded, by the transaction.
        Err(ApprovalError::Refused(_)) => return Ok(Course::Unusual),
        Err(error) => return Err(error.into()),
    };
    let right = Right::Renewal {
        terminal_id: facility.terminal_id.clone(),
        issuer_id: facility.issuer_id.clone(),
        serial: facility.serial.clone(),
        spki_sha256,
    };
    let done = |act| entry(Entry::done(act, actor(facility), at));
    let entries = (done("terminal.approve_renewal"), done("terminal.renew"));
    plain::issue(app, Line::of_device(device), right, approved, entries, at).await
}

async fn concluded(
    app: &App,
    facility: &FacilityConnection,
    issued: IssuedCertificate,
    at: OffsetDateTime,
    entry: &(impl Fn(Entry) -> Entry + Sync),
) -> Result<Vec<u8>, EstError> {
    let serial = issued.serial.as_octets();
    if keep(app, facility, &issued.issuer_id, serial, at, entry).await? {
        Ok(issued.der)
    } else {
        Err(refusal::renewal("revoked"))
    }
}

/// Notes the renewal; `false` when the terminal was revoked or held since the request was judged, and then
/// what was signed does not count either.
async fn keep(
    app: &App,
    facility: &FacilityConnection,
    issuer_id: &str,
    serial: &[u8],
    at: OffsetDateTime,
    entry: &(impl Fn(Entry) -> Entry + Sync),
) -> Result<bool, StoreError> {
    transaction!(app.store(), StoreError, |tx| {
        let terminal = terminal::find(tx, &facility.terminal_id).await?;
        let active = terminal.is_some_and(|terminal| {
            !matches!(terminal.status, TerminalStatus::Revoked | TerminalStatus::Held)
        });
        let old = certificate::find(tx, &facility.issuer_id, &facility.serial).await?;
        let renewable = active && old.is_some_and(|c| c.status == revocation::Status::Good);
        if !renewable {
            revocation::revoke(tx, issuer_id, serial, SUPERSEDED, at).await?;
            let refuse = Entry::refused("terminal.renew", actor(facility), at, "revoked");
            return Ok(Audited::new(false, entry(refuse)));
        }
        terminal::note_certificate(tx, &facility.terminal_id, true, at).await?;
        let renew = Entry::done("terminal.renew", actor(facility), at)
            .on("certificate", format!("{issuer_id}:{}", hex::encode(serial)));
        Ok(Audited::new(true, entry(renew)))
    })
}

fn actor(facility: &FacilityConnection) -> Actor {
    Actor::Terminal(facility.terminal_id.clone())
}

fn entry_of(entry: Entry, peer: &Peer, facility: &FacilityConnection, key: &[u8; 32]) -> Entry {
    entry
        .from_address(peer.addr.ip())
        .from_terminal(&facility.terminal_id)
        .at_organisation(&facility.organisation_id)
        .on("terminal", &facility.terminal_id)
        .fact("key_sha256", hex::encode(key))
}

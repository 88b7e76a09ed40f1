//! The facility behind a connection, judged on every request.

use axum::extract::{FromRef, FromRequestParts};
use der::{Decode, Encode};
use http::request::Parts;
use sekisho_pki::{encoding::instant, signature};
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Actor, Audited, Entry},
    current_certificate, facility_connection, session,
    terminal::{self, Device, TerminalStatus},
    transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_cert::Certificate;

use super::Peer;
use crate::{
    app::App, authority::Line, error::page::PageError, login::session::TERMINAL_RENEWED,
    names::NameRole,
};

/// A terminal of an active facility at the other end of *this* connection, as of *now*.
///
/// Extractor: its absence is a page that explains. It never comes from a cookie, a header or the
/// database alone, and it is made anew for every request, so that a revocation counts at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilityConnection {
    /// The terminal's identifier.
    pub terminal_id: String,
    /// The terminal's name within its facility.
    pub terminal_name: String,
    /// The facility's immutable identifier.
    pub organisation_id: String,
    /// The facility's name as registered now.
    pub organisation_name: String,
    /// SHA-256 of the certificate (`x5t#S256`).
    pub fingerprint: [u8; 32],
    /// Which of our authorities issued it.
    pub issuer_id: String,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// The certificate, DER.
    pub certificate_der: Vec<u8>,
    /// Whether this PC takes the place of another with its first login.
    pub of_new_pc: bool,
    /// Until when the certificates are valid that this one took the place of, where they were not
    /// taken back.
    older_until: Option<OffsetDateTime>,
}

/// Why a connection does not speak for a facility.
#[derive(Debug, thiserror::Error)]
pub enum FacilityError {
    /// The browser sent no certificate.
    #[error("the connection carries no certificate")]
    NoCertificate,
    /// Not issued to a terminal by us: another authority, a forgery, or not well formed.
    #[error("the certificate is not one that we issued to a terminal")]
    NotOurs,
    /// Its validity has not begun.
    #[error("the certificate of terminal {terminal_id} is valid from {not_before} only")]
    NotYetValid {
        /// The facility.
        organisation_id: String,
        /// The terminal.
        terminal_id: String,
        /// When it begins.
        not_before: OffsetDateTime,
    },
    /// Its validity is over.
    #[error("the certificate of terminal {terminal_id} ended at {not_after}")]
    Expired {
        /// The facility.
        organisation_id: String,
        /// The terminal.
        terminal_id: String,
        /// When it ended.
        not_after: OffsetDateTime,
    },
    /// It was taken back, or its terminal was.
    #[error("terminal {terminal_id} or its certificate is revoked")]
    Revoked {
        /// The facility.
        organisation_id: String,
        /// The terminal.
        terminal_id: String,
    },
    /// It was taken back, but its terminal was not: another one took its place, and this browser has
    /// not taken that up.
    #[error(
        "the certificate of terminal {terminal_id} was replaced by another one, which is in force"
    )]
    Replaced {
        /// The facility.
        organisation_id: String,
        /// The terminal.
        terminal_id: String,
    },
    /// Another PC took the place of this one at the terminal.
    #[error("another PC took the place of this one at terminal {terminal_id} on {}", at.date())]
    PcReplaced {
        /// The facility.
        organisation_id: String,
        /// The terminal.
        terminal_id: String,
        /// When somebody first logged in at the other PC.
        at: OffsetDateTime,
    },
    /// It is on hold, alone or with all of its facility: what was held can be released.
    #[error("the certificate of terminal {terminal_id} is on hold")]
    OnHold {
        /// The facility.
        organisation_id: String,
        /// The terminal.
        terminal_id: String,
    },
    /// The facility is suspended, closed, or not yet activated.
    #[error("facility {organisation_id} is not active ({status})")]
    FacilityNotActive {
        /// The facility.
        organisation_id: String,
        /// Its name.
        organisation_name: String,
        /// The terminal.
        terminal_id: String,
        /// Its last event.
        status: String,
    },
    /// The database did not say. Not knowing refuses.
    #[error("the status of the certificate is not known")]
    Unknown(#[from] StoreError),
}

impl FacilityError {
    /// A constant code for audit records and machine-readable answers.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::NotOurs => "foreign_certificate",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Expired { .. } => "expired",
            Self::Revoked { .. } => "revoked",
            Self::Replaced { .. } => "replaced",
            Self::PcReplaced { .. } => "pc_replaced",
            Self::OnHold { .. } => "on_hold",
            Self::FacilityNotActive { .. } => "facility_not_active",
            Self::Unknown(_) => "unknown_status",
        }
    }

    /// The terminal and its facility, where the certificate is one of ours.
    fn terminal(&self) -> Option<(&str, &str)> {
        match self {
            Self::NotYetValid { organisation_id, terminal_id, .. }
            | Self::Expired { organisation_id, terminal_id, .. }
            | Self::Revoked { organisation_id, terminal_id }
            | Self::Replaced { organisation_id, terminal_id }
            | Self::PcReplaced { organisation_id, terminal_id, .. }
            | Self::OnHold { organisation_id, terminal_id }
            | Self::FacilityNotActive { organisation_id, terminal_id, .. } => {
                Some((terminal_id, organisation_id))
            }
            Self::NoCertificate | Self::NotOurs | Self::Unknown(_) => None,
        }
    }
}

impl FacilityConnection {
    /// The terminal as actor: who else is there may not be known.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Terminal(self.terminal_id.clone())
    }

    /// Adds to a record where the request came from.
    #[must_use]
    pub fn place(&self, entry: Entry, peer: &Peer) -> Entry {
        entry
            .at_organisation(&self.organisation_id)
            .from_terminal(&self.terminal_id)
            .from_address(peer.addr.ip())
    }

    /// Judges the peer's certificate: ours, within its validity, not revoked, of a terminal that is
    /// not revoked, of an active facility, not on hold; the same of the terminal's current one, where
    /// this is an older one. A refusal of a terminal that we know is audited. The first use at the
    /// portal takes back what the certificate took the place of.
    ///
    /// # Errors
    /// [`FacilityError`]: the first of these that fails.
    pub async fn judge(app: &App, peer: &Peer) -> Result<Self, FacilityError> {
        let connection = Self::judge_of_agent(app, peer).await?;
        // What it took the place of ends with its first use by the browser: from then on the PC
        // needs no other. The agent's own use is no sign of that, it has the certificate before the
        // browser does.
        let superseded = connection.older_until.is_some_and(|until| until >= app.now());
        if peer.role == NameRole::Terminal && superseded {
            connection.supersede_older(app, peer, app.now()).await?;
        }
        Ok(connection)
    }

    /// The same of a connection of the terminal's agent, which takes nothing back.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub async fn judge_of_agent(app: &App, peer: &Peer) -> Result<Self, FacilityError> {
        let outcome = Self::judge_silently(app, peer, Device::Pc).await;
        if let Err(error) = &outcome {
            audit_refusal(app, peer, error).await;
        }
        outcome
    }

    async fn judge_silently(app: &App, peer: &Peer, device: Device) -> Result<Self, FacilityError> {
        let leaf = peer.chain.first().ok_or(FacilityError::NoCertificate)?;
        let now = app.now();
        // 1. Signed by our authority for such devices. The register alone would do for honest rows;
        // the signature stands against a row that somebody wrote behind our back.
        let (not_before, not_after) =
            signed_by_us(app, leaf, device).ok_or(FacilityError::NotOurs)?;
        // 2. In the register, as such a device's.
        let fingerprint: [u8; 32] = Sha256::digest(leaf).into();
        let mut reader = app.store().read();
        let row = match device {
            Device::Pc => facility_connection::find(&mut reader, &fingerprint).await?,
            Device::Router => facility_connection::find_router(&mut reader, &fingerprint).await?,
        };
        let row = row.ok_or(FacilityError::NotOurs)?;
        let active = row.organisation_active();
        let (terminal_id, organisation_id) = (row.terminal_id, row.organisation_id);
        // 3. Within its validity.
        if now < not_before {
            return Err(FacilityError::NotYetValid { organisation_id, terminal_id, not_before });
        }
        if now > not_after {
            return Err(FacilityError::Expired { organisation_id, terminal_id, not_after });
        }
        // 4. Not taken back for good, nor its terminal.
        if row.terminal_revoked || row.certificate_revoked && !row.certificate_on_hold {
            let found = terminal::find(&mut app.store().read(), &terminal_id).await?;
            // Then it is this certificate that is gone, and the terminal's current one is another.
            let stands = found.is_some_and(|found| found.status == TerminalStatus::Enrolled);
            return Err(match row.pc_replaced_at {
                Some(at) if stands => {
                    FacilityError::PcReplaced { organisation_id, terminal_id, at }
                }
                None if stands => FacilityError::Replaced { organisation_id, terminal_id },
                _ => FacilityError::Revoked { organisation_id, terminal_id },
            });
        }
        // 5. The facility may act. Before a hold, which a suspension brings along: the facility's
        // state is what there is to do something about.
        if !active {
            return Err(FacilityError::FacilityNotActive {
                organisation_id,
                organisation_name: row.organisation_name,
                terminal_id,
                status: row.organisation_status,
            });
        }
        // 6. Not on hold.
        if row.certificate_revoked {
            return Err(FacilityError::OnHold { organisation_id, terminal_id });
        }
        Ok(Self {
            terminal_id,
            terminal_name: row.terminal_name,
            organisation_id,
            organisation_name: row.organisation_name,
            fingerprint,
            issuer_id: row.issuer_id,
            serial: row.serial,
            certificate_der: leaf.to_vec(),
            of_new_pc: row.of_new_pc,
            older_until: row.older_until,
        })
    }

    /// Takes the certificates back that this one took the place of, with the sessions that hang on
    /// them. Of several requests at once, in whatever processes, one does.
    async fn supersede_older(
        &self,
        app: &App,
        peer: &Peer,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let outcome = transaction!(app.store(), SupersedeError, |tx| {
            let taken =
                current_certificate::supersede_older(tx, &self.issuer_id, &self.serial, at).await?;
            if taken.is_empty() {
                return Err(SupersedeError::DoneBefore);
            }
            let ended = session::end_of_other_certificates(
                tx,
                &self.terminal_id,
                &self.fingerprint,
                TERMINAL_RENEWED,
                at,
            )
            .await?;
            let entry = Entry::done("terminal.supersede", self.actor(), at)
                .on("terminal", &self.terminal_id)
                .fact("sessions_ended", ended.len())
                .ending(&taken);
            Ok(Audited::new((), self.place(entry, peer)))
        });
        match outcome {
            Ok(()) | Err(SupersedeError::DoneBefore) => Ok(()),
            Err(SupersedeError::Store(error)) => Err(error),
        }
    }
}

/// Why older certificates were not taken back.
#[derive(Debug, thiserror::Error)]
enum SupersedeError {
    /// Another request was first.
    #[error("the older certificates are taken back already")]
    DoneBefore,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for SupersedeError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Validity of a certificate that an authority of ours for such devices signed, now or before a
/// roll-over; `None` for any other.
fn signed_by_us(
    app: &App,
    leaf: &[u8],
    device: Device,
) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let certificate = Certificate::from_der(leaf).ok()?;
    let tbs = certificate.tbs_certificate();
    // Each generation of the authority has a name of its own.
    let line = Line::of_device(device);
    let issuer = app.authority().of(line).find(|issuer| issuer.subject() == tbs.issuer())?;
    if tbs.signature() != certificate.signature_algorithm() {
        return None;
    }
    signature::verify(
        issuer.public_key_der(),
        certificate.signature_algorithm(),
        &tbs.to_der().ok()?,
        certificate.signature().as_bytes()?,
    )
    .ok()?;
    let validity = tbs.validity();
    Some((instant::from_time(&validity.not_before), instant::from_time(&validity.not_after)))
}

async fn audit_refusal(app: &App, peer: &Peer, error: &FacilityError) {
    let (Some(leaf), Some((terminal_id, organisation_id))) = (peer.chain.first(), error.terminal())
    else {
        return;
    };
    let now = app.now();
    let fingerprint: [u8; 32] = Sha256::digest(leaf).into();
    if !app.refusals().is_due((fingerprint, error.code()), now) {
        return;
    }
    let entry = Entry::refused(
        "facility.connect",
        Actor::Terminal(terminal_id.to_owned()),
        now,
        error.code(),
    )
    .from_address(peer.addr.ip())
    .at_organisation(organisation_id)
    .on("terminal", terminal_id)
    .fact("certificate_sha256", hex::encode(fingerprint));
    let written: Result<(), StoreError> =
        transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())));
    if let Err(failure) = written {
        tracing::error!(%failure, refusal = error.code(), "refusal could not be audited");
    }
}

/// [`FacilityConnection`] of a request that the terminal's agent makes by itself: no use by the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConnection(pub FacilityConnection);

/// A facility's router at the other end, judged as a terminal is. It speaks for a device and never for
/// a person's PC, so that it is a type of its own, and of the enrolment door alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConnection(pub FacilityConnection);

impl RouterConnection {
    /// As [`FacilityConnection::judge`], of a router. What the certificate took the place of is taken
    /// back here: that the router renews with it shows that it has it.
    ///
    /// # Errors
    /// [`FacilityError`]: the first that fails.
    pub async fn judge(app: &App, peer: &Peer) -> Result<Self, FacilityError> {
        let Self(connection) = Self::judge_of_report(app, peer).await?;
        if connection.older_until.is_some_and(|until| until >= app.now()) {
            connection.supersede_older(app, peer, app.now()).await?;
        }
        Ok(Self(connection))
    }

    /// The same of a router that only tells something, which takes nothing back: its daemon may yet go on with the
    /// certificate before.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub async fn judge_of_report(app: &App, peer: &Peer) -> Result<Self, FacilityError> {
        let outcome = FacilityConnection::judge_silently(app, peer, Device::Router).await;
        if let Err(error) = &outcome {
            audit_refusal(app, peer, error).await;
        }
        outcome.map(Self)
    }
}

impl<S> FromRequestParts<S> for AgentConnection
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let app = App::from_ref(state);
        let peer = parts.extensions.get::<Peer>().ok_or(FacilityError::NoCertificate)?;
        Ok(Self(FacilityConnection::judge_of_agent(&app, peer).await?))
    }
}

impl<S> FromRequestParts<S> for FacilityConnection
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let app = App::from_ref(state);
        let peer = parts.extensions.get::<Peer>().ok_or(FacilityError::NoCertificate)?;
        Ok(Self::judge(&app, peer).await?)
    }
}

//! A device's first certificate, by its one-time code, at whatever door: proven is that it holds the key of
//! its request, and what it brought as a code.
//!
//! 1. registration is asked; then the issuance ceremony, whose steps are durable one by one. The
//!    code is used up with the intention and tied to the certificate with the certificate itself:
//!    two commits, shared with other requests.
//!
//! What is not plain is decided apart: a code that was used or is none, a key that has a
//! certificate, a terminal that has one, a key that a person has yet to approve ([`approval`]).
//!
//! 2. one transaction claims the code for the key and asks registration;
//! 3. the issuance ceremony;
//! 4. one transaction ties the certificate to the code, takes older certificates of the terminal
//!    back and records the enrolment.

mod approval;
mod concluding;

pub(super) use approval::open_request;

use sekisho_ca::{
    issuance::ApprovedRequest, registration::terminal_identifier::TerminalIdentifier,
    request::VerifiedRequest,
};
use sekisho_store::{
    Queries, StoreError, Tx,
    attempt::Subject,
    audit::{Actor, Audited, Entry},
    certificate::Certificate,
    enrolment_code::{self, Attempt, Claim, ClaimPolicy, Holder},
    issuing::Right,
    terminal::{self, Device},
    transaction,
};
use time::{Duration, OffsetDateTime};

use super::{
    Fact,
    device::CertifiedDevice,
    notice,
    plain::{self, Course},
    refusal,
    registration::{self, ApprovalError, Asks, Key},
    with_facts,
};
use crate::{
    app::App,
    authority::Line,
    error::est::EstError,
    listener::Peer,
    people::tries::{self, Door},
};

/// An issuance takes milliseconds; one that has not ended by now died with its process.
const ISSUANCE_LIMIT: Duration = Duration::seconds(10);

/// What is charged for a refusal. A code has 95 random bits: what is bounded is how much of the trail a
/// network fills.
pub(super) fn refusals(app: &App, peer: &Peer) -> Subject {
    tries::network(app.config(), Door::Enrolment, &peer.addr.ip().to_string())
}

/// In the audit trail.
pub(super) const ACT: &str = "terminal.enrol";

/// Records of this act that nothing was brought that could be judged, for this reason and, where there is
/// such a one, for this terminal.
pub(super) async fn refused_at_the_door(
    app: &App,
    peer: &Peer,
    act: &'static str,
    reason: &'static str,
    terminal: Option<TerminalIdentifier>,
    facts: &[Fact],
) -> Result<(), StoreError> {
    let now = app.now();
    let named = terminal.map(|terminal| terminal.to_string());
    transaction!(app.store(), StoreError, |tx| {
        let entry = Entry::refused(act, Actor::Stranger, now, reason).from_address(peer.addr.ip());
        let entry = with_facts(entry, facts);
        let holder = match &named {
            Some(terminal_id) => holder(tx, terminal_id).await?,
            None => None,
        };
        Ok(Audited::new((), of_holder(entry, holder.as_ref())))
    })
}

/// The terminal of this identifier and its facility. A stranger's invention is no object of the
/// register: `None`.
pub(super) async fn holder(tx: &mut Tx, terminal_id: &str) -> Result<Option<Holder>, StoreError> {
    Ok(terminal::find(tx, terminal_id).await?.map(|terminal| Holder {
        terminal_id: terminal.id,
        terminal_name: terminal.name,
        organisation_id: terminal.organisation_id,
    }))
}

/// Writes into a record whom it is about, so that the facility's trail shows it.
pub(super) fn of_holder(entry: Entry, holder: Option<&Holder>) -> Entry {
    match holder {
        Some(holder) => entry
            .at_organisation(&holder.organisation_id)
            .on("terminal", &holder.terminal_id)
            .fact("terminal_name", holder.terminal_name.clone()),
        None => entry,
    }
}

/// One attempt to enrol.
pub(super) struct Enrolment<'a> {
    pub(super) app: &'a App,
    pub(super) peer: &'a Peer,
    /// For whom the door is.
    pub(super) device: Device,
    pub(super) terminal_id: String,
    pub(super) code_hash: [u8; 32],
    pub(super) spki_sha256: [u8; 32],
    pub(super) at: OffsetDateTime,
    /// What the door adds to each record.
    pub(super) facts: &'a [Fact],
    /// By which it comes.
    pub(super) protocol: Protocol<'a>,
}

/// What an attempt comes by, as far as it may have to wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol<'a> {
    /// The client sends the whole request again.
    Est,
    /// The client asks by its transaction; its message, DER, is kept sealed until then.
    Cmp {
        /// The transaction, in hexadecimal.
        transaction_id: &'a str,
        /// The message.
        request_der: &'a [u8],
    },
    /// The client asks by its transaction; its request, DER, is kept sealed until then.
    Scep {
        /// The transaction.
        transaction_id: &'a str,
        /// The request.
        request_der: &'a [u8],
    },
}

/// What an attempt led to.
#[derive(Debug)]
pub(super) enum Came {
    /// To the certificate, DER.
    Certificate(Vec<u8>),
    /// Nowhere yet: a person has to approve the key. The device may ask again after so many seconds.
    Waits(u32),
}

/// What the code leads to.
enum Decision {
    Issue(Box<ApprovedRequest>),
    Answer(Box<Certificate>),
    Wait,
    Refuse(EstError),
}

impl Enrolment<'_> {
    /// The certificate for the key of `request`, or that it waits for a person.
    ///
    /// # Errors
    /// [`EstError`]: the refusal in words; it is recorded and charged to the network.
    pub(super) async fn run(&self, request: &VerifiedRequest) -> Result<Came, EstError> {
        let refusals = refusals(self.app, self.peer);
        match self.plain_course(request).await? {
            Course::Issued(der) => Ok(Came::Certificate(der)),
            Course::ToConclude(issued) => Ok(Came::Certificate(self.fulfil(&issued).await?)),
            Course::Unusual if self.waits().await? => Ok(self.to_wait()),
            Course::Unusual => self.unusual_course(request, refusals).await,
            Course::IssuerRevoked => {
                let _ = tries::charge(self.app, refusals).await?;
                Err(refusal::issuer_revoked())
            }
        }
    }

    /// Whether the code is good and nobody has used it. Decides nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn has_unused_code(&self) -> Result<bool, StoreError> {
        let unused = enrolment_code::unused(&mut self.app.store().read(), self.attempt()).await?;
        Ok(unused.is_some())
    }

    /// A code that nobody has used, for a terminal without certificates and a new key.
    async fn plain_course(&self, request: &VerifiedRequest) -> Result<Course, EstError> {
        let unused = enrolment_code::unused(&mut self.app.store().read(), self.attempt()).await?;
        let Some(unused) = unused.filter(|unused| {
            unused.device == self.device
                && !unused.key_certified
                && !unused.terminal_certified
                && !unused.needs_approval
        }) else {
            return Ok(Course::Unusual);
        };
        let holder = unused.holder;
        let asks = Asks {
            terminal_id: &holder.terminal_id,
            organisation_id: &holder.organisation_id,
            terminal_active: !unused.terminal_revoked,
            facility_active: unused.facility_active,
            approved_by: "code",
        };
        let certified = self.certified(&mut self.app.store().read()).await?;
        let decided = registration::decide(request, &asks, Key::default(), &certified, self.at);
        let approved = match decided {
            Ok(approved) => approved,
            // Decided, and recorded, with the code claimed.
            Err(ApprovalError::Refused(_)) => return Ok(Course::Unusual),
            Err(error) => return Err(error.into()),
        };
        let right = Right::Code {
            code_hash: self.code_hash,
            terminal_id: self.terminal_id.clone(),
            spki_sha256: self.spki_sha256,
        };
        let entries = (self.done("terminal.claim_code", &holder), self.done(ACT, &holder));
        let line = Line::of_device(self.device);
        plain::issue(self.app, line, right, approved, entries, self.at).await
    }

    async fn unusual_course(
        &self,
        request: &VerifiedRequest,
        refusals: Subject,
    ) -> Result<Came, EstError> {
        // What is plain is answered also to a network that rests: its code is right.
        tries::rested(self.app, &refusals).await??;
        // 2
        let approved = match self.claim(request).await? {
            Decision::Answer(certificate) => return Ok(Came::Certificate(certificate.der)),
            Decision::Wait => return Ok(self.to_wait()),
            Decision::Refuse(refused) => {
                // Charged after it was judged: what was said is said, the next one waits.
                let _ = tries::charge(self.app, refusals).await?;
                return Err(refused);
            }
            Decision::Issue(approved) => approved,
        };
        // 3
        let (store, rng) = (self.app.store(), self.app.random());
        let authority = self.app.authority().current(Line::of_device(self.device), self.at);
        let issued = authority.issue(store, *approved, self.at, rng).await?;
        // 4
        Ok(Came::Certificate(self.fulfil(&issued).await?))
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            terminal_id: &self.terminal_id,
            code_hash: &self.code_hash,
            spki_sha256: &self.spki_sha256,
            at: self.at,
        }
    }

    async fn certified(
        &self,
        queries: &mut impl Queries,
    ) -> Result<CertifiedDevice, ApprovalError> {
        let config = self.app.config();
        Ok(CertifiedDevice::find(queries, config, self.device, &self.terminal_id).await?)
    }

    /// Claims the code and asks registration, in one transaction with its audit record.
    async fn claim(&self, request: &VerifiedRequest) -> Result<Decision, EstError> {
        let grace = self.app.config().enrolment().same_key_grace();
        let decision = transaction!(self.app.store(), ApprovalError, |tx| {
            if let Some(refused) = self.at_the_other_door(tx).await? {
                return Ok(refused);
            }
            let policy = ClaimPolicy { same_key_grace: grace, issuance_limit: ISSUANCE_LIMIT };
            let claim = enrolment_code::claim(tx, self.attempt(), policy).await?;
            self.decide(tx, claim, request, grace).await
        })?;
        Ok(decision)
    }

    /// The refusal where this terminal enrols at the other door. What its code is worth there it
    /// keeps, and a wrong one is told as anywhere.
    async fn at_the_other_door(
        &self,
        tx: &mut Tx,
    ) -> Result<Option<Audited<Decision>>, StoreError> {
        let found = terminal::find(tx, &self.terminal_id).await?;
        let Some(terminal) = found.filter(|terminal| terminal.device != self.device) else {
            return Ok(None);
        };
        let answer = match enrolment_code::unused(tx, self.attempt()).await? {
            Some(_) => refusal::other_door(terminal.device),
            None => refusal::unauthorized(),
        };
        let holder = holder(tx, &self.terminal_id).await?;
        let entry = self.refused("other_door", holder.as_ref());
        Ok(Some(Audited::new(Decision::Refuse(answer), entry)))
    }

    async fn decide(
        &self,
        tx: &mut Tx,
        claim: Claim,
        request: &VerifiedRequest,
        grace: Duration,
    ) -> Result<Audited<Decision>, ApprovalError> {
        let (answer, reason, holder) = match claim {
            Claim::Won(holder) => return self.issue(tx, holder, request, grace).await,
            Claim::NeedsApproval(holder) => return self.park(tx, holder, request).await,
            Claim::Issued(holder, certificate) => {
                let entry = self.done("terminal.enrol_again", &holder);
                return Ok(Audited::new(Decision::Answer(certificate), entry));
            }
            Claim::OtherKey { holder, first } => return self.other_key(tx, &holder, first).await,
            Claim::AnsweredBefore(holder) => {
                (refusal::answered_before(), "code_used", Some(holder))
            }
            Claim::TakenBack(holder) => (refusal::taken_back(), "taken_back", Some(holder)),
            Claim::UnderWay(holder) => (refusal::under_way(), "under_way", Some(holder)),
            Claim::Refused(refused) => {
                let holder = holder(tx, &self.terminal_id).await?;
                (refusal::code(refused), refused.as_str(), holder)
            }
        };
        let entry = self.refused(reason, holder.as_ref());
        Ok(Audited::new(Decision::Refuse(answer), entry))
    }

    /// The code is ours for this key: may this key have a certificate?
    async fn issue(
        &self,
        tx: &mut Tx,
        holder: Holder,
        request: &VerifiedRequest,
        grace: Duration,
    ) -> Result<Audited<Decision>, ApprovalError> {
        // A process that died between signing and telling left a certificate: give that one.
        let left = registration::recent(tx, &holder.terminal_id, &self.spki_sha256, grace, self.at);
        if let Some(certificate) = left.await? {
            self.tie(tx, &certificate.issuer_id, &certificate.serial, &holder).await?;
            let entry = self.done(ACT, &holder);
            return Ok(Audited::new(Decision::Answer(Box::new(certificate)), entry));
        }
        let certified = self.certified(tx).await?;
        let approval =
            registration::approve(tx, request, &holder.terminal_id, "code", &certified, self.at);
        match approval.await {
            Ok(approved) => {
                let entry = self.done("terminal.claim_code", &holder);
                Ok(Audited::new(Decision::Issue(Box::new(approved)), entry))
            }
            Err(ApprovalError::Refused(rule)) => {
                enrolment_code::release(tx, &self.code_hash).await?;
                let entry =
                    self.refused("registration", Some(&holder)).fact("rule", rule.to_string());
                Ok(Audited::new(Decision::Refuse(rule.into()), entry))
            }
            Err(other) => Err(other),
        }
    }

    /// The code came with another key before: one of the two devices is not the facility's.
    async fn other_key(
        &self,
        tx: &mut Tx,
        holder: &Holder,
        first: bool,
    ) -> Result<Audited<Decision>, ApprovalError> {
        if first {
            notice::misused_code(tx, holder, self.at).await?;
        }
        let entry = self.refused("code_used_with_another_key", Some(holder));
        Ok(Audited::new(Decision::Refuse(refusal::other_key()), entry))
    }

    fn done(&self, act: &'static str, holder: &Holder) -> Entry {
        let actor = Actor::Terminal(holder.terminal_id.clone());
        self.at_terminal(Entry::done(act, actor, self.at), Some(holder))
    }

    fn refused(&self, reason: &'static str, holder: Option<&Holder>) -> Entry {
        let entry = Entry::refused(ACT, Actor::Stranger, self.at, reason);
        self.at_terminal(entry, holder)
    }

    fn at_terminal(&self, entry: Entry, holder: Option<&Holder>) -> Entry {
        let entry = entry
            .from_address(self.peer.addr.ip())
            .fact("key_sha256", hex::encode(self.spki_sha256));
        of_holder(with_facts(entry, self.facts), holder)
    }
}

//! A message judged, and its answer protected as it was itself.

use std::sync::Arc;

use der::asn1::OctetString;
use sekisho_pki::{
    cmp::{
        BodyKind, FailInfo, Header, InfoTypeAndValue, MacParameters, Message, PkiStatus, Reply,
        StatusInfo, body::Body,
    },
    encoding::instant,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    cmp_transaction::{self, CmpTransaction},
    terminal::Device,
    transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use x509_cert::{Certificate, der::Decode, ext::pkix::name::GeneralName};

use super::{
    confirm, door, general, poll,
    prove::{self, Asker, Proof},
    refusal::{Refusal, Trouble, unsupported},
    request::{self, OF_P10CR},
    revoke, transaction as kept,
};
use crate::{
    app::App,
    authority::Line,
    enrol::{
        Fact, by_code,
        ra::{Of, RegistrationAuthorities, RegistrationAuthority},
    },
    error::est::EstError,
    listener::Peer,
    people::tries,
};

/// RFC 9810 §5.1.1; of a salt RFC 9810 §5.1.3.1 leaves it to us.
const NONCE_OCTETS: usize = 16;

/// A message whose shape is right.
pub(super) struct Asked<'a> {
    pub(super) app: &'a App,
    pub(super) peer: &'a Peer,
    /// For whom the door is.
    pub(super) device: Device,
    pub(super) message: &'a Message<'a>,
    /// The same as it came.
    pub(super) octets: &'a [u8],
    /// SHA-256 of the whole message: by that it is known when it is sent once more.
    pub(super) sha256: [u8; 32],
    pub(super) transaction_id: Vec<u8>,
    pub(super) sender_nonce: Vec<u8>,
    /// What the door adds to each record.
    pub(super) facts: Vec<Fact>,
    pub(super) at: OffsetDateTime,
}

/// What is told of in answer.
pub(super) enum Told {
    Certificate {
        der: Vec<u8>,
        /// What was asked by.
        of: BodyKind,
        cert_req_id: i32,
        begun: Box<CmpTransaction>,
        is_implicit: bool,
    },
    /// A person has to approve the key first; the client polls (RFC 9810 §5.3.22).
    Waits {
        of: BodyKind,
        cert_req_id: i32,
        seconds: u32,
        text: String,
    },
    Revoked(Box<CmpTransaction>),
    Confirmed,
    Answers(Vec<InfoTypeAndValue>),
    /// What was answered before.
    Again(Vec<u8>),
}

/// The answer to a message, DER.
///
/// # Errors
/// [`EstError`]: nothing that could be answered in CMP's form, or nobody to sign it.
pub(super) async fn to(
    app: &App,
    peer: &Peer,
    device: Device,
    octets: &[u8],
) -> Result<Vec<u8>, EstError> {
    tries::rested(app, &by_code::refusals(app, peer)).await??;
    let mut facts = vec![("door", "cmp".to_owned())];
    let message = match Message::parse(octets) {
        Ok(message) => message,
        // Without a header there is nobody to answer.
        Err(fault) => {
            let refusal = Refusal::new(FailInfo::BadDataFormat, "cmp_malformed", fault.to_string());
            note(app, peer, &refusal, &facts).await?;
            return Err(door::bad_request(&fault.to_string()));
        }
    };
    let octets_of = |value: &Option<OctetString>| {
        value.as_ref().map(|value| value.as_bytes().to_vec()).unwrap_or_default()
    };
    facts.push(("message", message.kind.name().to_owned()));
    let asked = Asked {
        app,
        peer,
        device,
        sha256: Sha256::digest(octets).into(),
        transaction_id: octets_of(&message.header.transaction_id),
        sender_nonce: octets_of(&message.header.sender_nonce),
        message: &message,
        octets,
        facts,
        at: app.now(),
    };
    let newest = RegistrationAuthorities::newest(app, Of::Cmp).await;
    let ra = newest.map_err(|error| EstError::internal(&error))?.ok_or_else(not_yet)?;
    let answering = Answering { asked: &asked, ra };
    let (asker, outcome) = judge(&asked).await;
    let body = match outcome {
        Ok(Told::Again(answer)) => return Ok(answer),
        Ok(told) => return answering.told(told, asker.as_ref()).await,
        Err(Trouble::Failed(error)) => return Err(error),
        Err(Trouble::Refused(refusal)) => {
            note(app, peer, &refusal, &asked.facts).await?;
            answering.refusal(&refusal, asker.is_some())
        }
    };
    let body = body.map_err(|error| EstError::internal(&error))?;
    Ok(answering.protected(&body, asker.as_ref(), false)?.0)
}

async fn judge(asked: &Asked<'_>) -> (Option<Asker>, Result<Told, Trouble>) {
    if let Err(refusal) = prove::header(asked) {
        return (None, Err(refusal.into()));
    }
    let asker = match prove::who(asked).await {
        Ok(Proof::Device(asker)) => asker,
        Ok(Proof::Refused(asker, refusal)) => return (Some(asker), Err(refusal.into())),
        Ok(Proof::Answered(answer)) => return (None, Ok(Told::Again(answer))),
        Err(trouble) => return (None, Err(trouble)),
    };
    let kind = asked.message.kind;
    let told = match (kind, &asker) {
        (BodyKind::Ir, Asker::Code { .. })
        | (BodyKind::Kur, Asker::Holder(_))
        | (BodyKind::Cr | BodyKind::P10cr, _) => request::certificate(asked, &asker).await,
        (BodyKind::Rr, _) => revoke::answer(asked, &asker).await,
        (BodyKind::CertConf, _) => confirm::answer(asked, &asker).await,
        (BodyKind::PollReq, Asker::Code { .. }) => poll::answer(asked, &asker).await,
        (BodyKind::Genm, _) => general::answer(asked).await,
        _ => Err(unsupported(kind.name()).into()),
    };
    (Some(asker), told)
}

/// The first registration authority is made within a minute of the start.
fn not_yet() -> EstError {
    EstError {
        retry_after_secs: Some(10),
        ..EstError::new(
            http::StatusCode::SERVICE_UNAVAILABLE,
            "CMP: the registration authority has no certificate yet; try again in a few seconds",
        )
    }
}

/// Charges the network for a refusal and records it, unless the common road did.
async fn note(app: &App, peer: &Peer, refusal: &Refusal, facts: &[Fact]) -> Result<(), EstError> {
    let Some(reason) = refusal.reason else { return Ok(()) };
    tries::charge(app, by_code::refusals(app, peer)).await??;
    let facts = [facts, &refusal.facts].concat();
    by_code::refused_at_the_door(app, peer, by_code::ACT, reason, None, &facts).await?;
    tracing::info!(reason, text = refusal.text, "CMP message refused");
    Ok(())
}

/// What a request for a certificate is answered by.
fn answer_to(request: BodyKind) -> BodyKind {
    match request {
        BodyKind::Ir => BodyKind::Ip,
        BodyKind::Kur => BodyKind::Kup,
        _ => BodyKind::Cp,
    }
}

/// Who answers what.
struct Answering<'a> {
    asked: &'a Asked<'a>,
    ra: Arc<RegistrationAuthority>,
}

impl Answering<'_> {
    /// In the form of the answer that was due (RFC 9483 §3.6.4), where it is known who hears it.
    fn refusal(&self, refusal: &Refusal, is_proven: bool) -> der::Result<Body> {
        let status = StatusInfo::rejection(refusal.fail_info, &refusal.text)?;
        if !is_proven {
            return Body::error(status);
        }
        match self.asked.message.kind {
            kind @ (BodyKind::Ir | BodyKind::Cr | BodyKind::P10cr | BodyKind::Kur) => {
                let cert_req_id = if kind == BodyKind::P10cr { OF_P10CR } else { 0 };
                Body::certificate(answer_to(kind), cert_req_id, status, None, &[])
            }
            BodyKind::Rr => Body::revoked(status),
            _ => Body::error(status),
        }
    }

    async fn told(&self, told: Told, asker: Option<&Asker>) -> Result<Vec<u8>, EstError> {
        let unencodable = |error: der::Error| EstError::internal(&error);
        let accepted = StatusInfo::plain(PkiStatus::Accepted);
        let (body, begun, is_implicit, certificate) = match told {
            Told::Again(answer) => return Ok(answer),
            Told::Confirmed => (Body::confirmed(), None, false, None),
            Told::Answers(all) => (Body::answers(&all), None, false, None),
            Told::Revoked(begun) => (Body::revoked(accepted), Some(begun), false, None),
            Told::Waits { cert_req_id, seconds, text, .. }
                if self.asked.message.kind == BodyKind::PollReq =>
            {
                (Body::poll_again(cert_req_id, seconds, &text), None, false, None)
            }
            Told::Waits { of, cert_req_id, text, .. } => {
                let status =
                    StatusInfo { text: Some(vec![text]), ..StatusInfo::plain(PkiStatus::Waiting) };
                let body = Body::certificate(answer_to(of), cert_req_id, status, None, &[]);
                (body, None, false, None)
            }
            Told::Certificate { der, of, cert_req_id, begun, is_implicit } => {
                let root = self.asked.app.authority().root_der(self.asked.at);
                let kind = answer_to(of);
                // Under the code the root is proven, too (RFC 9483 §4.1.1).
                let roots: &[&[u8]] = if kind == BodyKind::Ip { &[root] } else { &[] };
                let body = Body::certificate(kind, cert_req_id, accepted, Some(&der), roots);
                (body, Some(begun), is_implicit, confirm::issued(self.asked, &der).await?)
            }
        };
        let body = body.map_err(unencodable)?;
        let (answer, nonce) = self.protected(&body, asker, is_implicit)?;
        let Some(begun) = begun else { return Ok(answer) };
        let noted = CmpTransaction {
            answer: Some(answer.clone()),
            answer_nonce: Some(nonce),
            certificate,
            ..*begun
        };
        self.keep(noted).await
    }

    /// Keeps what is answered, for who asks the same again. Where the same message was judged twice at a time,
    /// both hear what was kept first: by its nonce the certificate is confirmed.
    async fn keep(&self, noted: CmpTransaction) -> Result<Vec<u8>, EstError> {
        let (asked, terminal_id) = (self.asked, noted.terminal_id.as_str());
        let is_poll = asked.message.kind == BodyKind::PollReq;
        let kept = transaction!(asked.app.store(), StoreError, |tx| {
            let first = cmp_transaction::answered(tx, &noted, is_poll, asked.at).await?;
            let kept = match first {
                true => noted.answer.clone(),
                false => cmp_transaction::find(tx, terminal_id, &noted.transaction_id)
                    .await?
                    .filter(|found| found.certificate == noted.certificate)
                    .and_then(|found| found.answer),
            };
            let actor = Actor::Terminal(terminal_id.to_owned());
            let entry =
                Entry::done("terminal.cmp_answer", actor, asked.at).fact("first", i64::from(first));
            Ok(Audited::new(kept, kept::about(asked, tx, entry, terminal_id).await?))
        })?;
        kept.ok_or_else(|| door::bad_request("CMP: this transaction has ended; begin a new one"))
    }

    fn random(&self) -> Result<Vec<u8>, EstError> {
        let mut octets = vec![0; NONCE_OCTETS];
        let filled = self.asked.app.random().fill(&mut octets);
        filled.map_err(|error| EstError::internal(&error))?;
        Ok(octets)
    }

    /// The message, and its nonce: a MAC for who came with a MAC, a signature for who came with a
    /// certificate, nothing for whom nothing is proven of (RFC 9483 §3.2).
    fn protected(
        &self,
        body: &Body,
        asker: Option<&Asker>,
        is_implicit: bool,
    ) -> Result<(Vec<u8>, Vec<u8>), EstError> {
        self.built(body, asker, is_implicit).map_err(|trouble| match trouble {
            Trouble::Failed(error) => error,
            Trouble::Refused(refusal) => door::bad_request(&refusal.text),
        })
    }

    fn built(
        &self,
        body: &Body,
        asker: Option<&Asker>,
        is_implicit: bool,
    ) -> Result<(Vec<u8>, Vec<u8>), Trouble> {
        let (asked, nonce) = (self.asked, self.random()?);
        let theirs = &asked.message.header;
        let ra = Certificate::from_der(self.ra.certificate_der())?;
        let parameters = match asker {
            Some(Asker::Code { .. }) => Some(MacParameters::usual(self.random()?)),
            _ => None,
        };
        let (protection_alg, sender_kid) = match (asker, &parameters) {
            (_, Some(parameters)) => (Some(parameters.identifier()?), theirs.sender_kid.clone()),
            (Some(_), None) => {
                let kid = OctetString::new(self.ra.key_identifier())?;
                (Some(self.ra.algorithm()), Some(kid))
            }
            (None, None) => (None, None),
        };
        let mut header = Header {
            pvno: theirs.pvno.clamp(2, 3),
            sender: GeneralName::DirectoryName(ra.tbs_certificate().subject().clone()),
            recipient: theirs.sender.clone(),
            message_time: Some(instant::to_generalized(asked.at)?),
            protection_alg,
            sender_kid,
            recip_kid: None,
            transaction_id: theirs.transaction_id.clone(),
            sender_nonce: Some(OctetString::new(nonce.as_slice())?),
            recip_nonce: theirs.sender_nonce.clone(),
            free_text: None,
            general_info: None,
        };
        if is_implicit {
            header.confirm_implicitly();
        }
        let reply = Reply::new(&header, body)?;
        let protection = match (asker, &parameters) {
            (Some(Asker::Code { secret, .. }), Some(parameters)) => {
                Some(parameters.mac(secret, reply.protected()))
            }
            (Some(_), _) => {
                let signed = self.ra.sign(reply.protected());
                Some(signed.map_err(|error| EstError::internal(&error))?)
            }
            (None, _) => None,
        };
        let answer = reply.finish(protection.as_deref(), &self.chain(asker))?;
        Ok((answer, nonce))
    }

    /// Who signed, and the authorities above them and above the device's certificate.
    fn chain(&self, asker: Option<&Asker>) -> Vec<&[u8]> {
        let mut all: Vec<&[u8]> = Vec::new();
        let authority = self.asked.app.authority();
        let line = Line::of_device(self.asked.device);
        if let Some(Asker::Holder(_)) = asker {
            all.push(self.ra.certificate_der());
            let mut routers = authority.of(Line::Routers);
            let issuer = routers.find(|issuer| issuer.id() == self.ra.issuer_id());
            all.extend(issuer.map(|issuer| issuer.certificate_der()));
        }
        if asker.is_some() {
            let issuer = authority.current(line, self.asked.at).certificate_der();
            if !all.contains(&issuer) {
                all.push(issuer);
            }
        }
        all
    }
}

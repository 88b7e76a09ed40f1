//! `PKIOperation`: a message judged, and its answer signed.

use std::sync::Arc;

use sekisho_key::KeyError;
use sekisho_pki::{
    encoding::{cms, key_identifier::public_key_sha256},
    scep::{
        Attributes, Cipher, Envelope, FailInfo, MessageFault, MessageToSign, MessageType, Reply,
        UnverifiedMessage, VerifiedMessage, Weakness, seal,
    },
    signature::PublicKeyKind,
};
use sekisho_store::StoreError;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    ca, door, enrol, look_up, poll,
    refusal::{self, Refusal},
};
use crate::{
    app::App,
    enrol::{
        Fact, by_code,
        ra::{Of, RaError, RegistrationAuthorities, RegistrationAuthority},
    },
    error::est::EstError,
    listener::Peer,
    people::tries,
};

/// RFC 8894 §3.2.1.5.
const NONCE_OCTETS: usize = 16;

/// A message whose signature holds.
pub(super) struct Asked<'a> {
    pub(super) app: &'a App,
    pub(super) peer: &'a Peer,
    pub(super) message: VerifiedMessage,
    envelope: Envelope,
    /// For whom it is encrypted.
    ra: Arc<RegistrationAuthority>,
    /// Algorithms in it that are taken of old routers only.
    pub(super) weaknesses: Vec<Weakness>,
    /// What the door adds to each record.
    pub(super) facts: Vec<Fact>,
    pub(super) at: OffsetDateTime,
}

impl Asked<'_> {
    /// SHA-256 of the key that signed.
    pub(super) fn signer_sha256(&self) -> [u8; 32] {
        public_key_sha256(&self.message.signer_key_der)
    }

    /// SHA-256 of the encrypted content: by that a message is known that is sent once more.
    pub(super) fn content_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.message.content).into()
    }

    /// The content; `None` where it does not open. Whoever is told anything that depends on it could open
    /// other people's messages with our help, so nothing is but by one and the same refusal, until it is
    /// proven that who signed also made it.
    pub(super) fn open(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
        Ok(self.ra.open_envelope(self.app, &self.envelope)?)
    }

    /// Refuses what is weak, unless the router's family is excused; `None` is a router that we do not know.
    pub(super) fn excuse(&self, family: Option<&str>) -> Result<(), Trouble> {
        let scep = self.app.config().scep();
        if self.weaknesses.is_empty() || family.is_some_and(|family| scep.takes_weak_of(family)) {
            return Ok(());
        }
        Err(refusal::weak(&self.weaknesses).into())
    }
}

/// What is told of in answer.
pub(super) enum Told {
    Certificate(Vec<u8>),
    List(Vec<u8>),
    /// A person has to approve first; the client polls (RFC 8894 §3.3.2.3).
    Waits,
}

/// Why nothing is told of.
pub(super) enum Trouble {
    /// The router is refused, in SCEP's form.
    Refused(Box<Refusal>),
    /// Not for the router to mend: HTTP says so.
    Failed(EstError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<&MessageFault> for Trouble {
    fn from(fault: &MessageFault) -> Self {
        Refusal::from(fault).into()
    }
}

impl From<EstError> for Trouble {
    fn from(error: EstError) -> Self {
        match refusal::Common::from(error) {
            refusal::Common::Refused(refusal) => refusal.into(),
            refusal::Common::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RaError> for Trouble {
    fn from(error: RaError) -> Self {
        match error {
            RaError::Store(error) => error.into(),
            other => Self::Failed(ca::failed(&other)),
        }
    }
}

/// The answer to a message: a CertRep, DER.
///
/// # Errors
/// [`EstError`]: nothing that could be answered in SCEP's form, or nobody to sign it.
pub(super) async fn to(
    app: &App,
    peer: &Peer,
    octets: &[u8],
    facts: &[Fact],
) -> Result<Vec<u8>, EstError> {
    // Each message costs two private-key operations, and a refusal a record: a network that only fails rests.
    tries::rested(app, &by_code::refusals(app, peer)).await??;
    let unverified = match UnverifiedMessage::parse(octets) {
        Ok(unverified) => unverified,
        // Without a transaction there is nothing to answer in.
        Err(fault) => {
            let refusal = Refusal::from(&fault);
            note(app, peer, &refusal, facts).await?;
            return Err(door::bad_request(&fault.to_string()));
        }
    };
    let asked = unverified.attributes().clone();
    let signer_der = unverified.signer_der().to_vec();
    let mut facts = facts.to_vec();
    facts.push(("transaction", asked.transaction_id.clone()));
    facts.push(("message", asked.message_type.name().to_owned()));
    let newest =
        RegistrationAuthorities::newest(app, Of::Scep).await.map_err(|error| ca::failed(&error))?;
    let mut answering = Answering { ra: newest.ok_or_else(ca::not_yet)?, cipher: Cipher::Aes128 };
    let reply = match judge(app, peer, unverified, &mut answering, &mut facts).await {
        Ok(told) => answering.sealed(app, told, &signer_der)?,
        Err(Trouble::Failed(error)) => return Err(error),
        Err(Trouble::Refused(refusal)) => {
            note(app, peer, &refusal, &facts).await?;
            Reply::Failure(refusal.fail_info, refusal.text)
        }
    };
    answering.signed(app, reply, &asked)
}

/// Charges the network for a refusal and records it, unless the common road did.
async fn note(app: &App, peer: &Peer, refusal: &Refusal, facts: &[Fact]) -> Result<(), EstError> {
    let Some(reason) = refusal.reason else { return Ok(()) };
    tries::charge(app, by_code::refusals(app, peer)).await??;
    let facts = [facts, &refusal.facts].concat();
    by_code::refused_at_the_door(app, peer, by_code::ACT, reason, None, &facts).await?;
    tracing::info!(reason, text = refusal.text, "SCEP message refused");
    Ok(())
}

async fn judge(
    app: &App,
    peer: &Peer,
    unverified: UnverifiedMessage,
    answering: &mut Answering,
    facts: &mut Vec<Fact>,
) -> Result<Told, Trouble> {
    let message = unverified.verify().map_err(|fault| Trouble::from(&fault))?;
    // Nothing could be encrypted for another kind of key, and nothing may be issued that cannot be told.
    if !matches!(PublicKeyKind::of_der(&message.signer_key_der), Some(PublicKeyKind::Rsa { .. })) {
        return Err(Refusal::new(
            FailInfo::BadAlg,
            "scep_key",
            "SCEP: the message is signed by a key that is not RSA, so that no answer can be encrypted for \
             it (RFC 8894 section 3.1); make an RSA key of 3072 bits, or enrol by EST",
        )
        .into());
    }
    let envelope = Envelope::parse(&message.content).map_err(|fault| Trouble::from(&fault))?;
    let ra = RegistrationAuthorities::recipient_of(app, &envelope).await?;
    answering.ra = ra.ok_or_else(refusal::other_recipient)?;
    let weaknesses: Vec<_> =
        [message.weakness, envelope.cipher().weakness()].into_iter().flatten().collect();
    if !weaknesses.is_empty() && !app.config().scep().takes_weak() {
        return Err(refusal::weak(&weaknesses).into());
    }
    answering.cipher = envelope.cipher();
    if !weaknesses.is_empty() {
        let names: Vec<_> = weaknesses.iter().map(|weakness| weakness.name()).collect();
        tracing::warn!(
            weak = names.join(", "),
            "SCEP message in algorithms that are taken of old routers only (scep.legacy_families)"
        );
        facts.push(("weak", names.join(", ")));
    }
    let kind = message.attributes.message_type;
    let (ra, facts) = (Arc::clone(&answering.ra), facts.clone());
    let asked = Asked { app, peer, message, envelope, ra, weaknesses, facts, at: app.now() };
    match kind {
        MessageType::PkcsReq | MessageType::RenewalReq => enrol::certificate(asked).await,
        MessageType::CertPoll => poll::certificate(asked).await,
        MessageType::GetCert => look_up::certificate(asked).await,
        MessageType::GetCrl => look_up::list(asked).await,
        MessageType::CertRep => Err(refusal::unsupported(kind.name()).into()),
    }
}

/// Who answers, and how.
struct Answering {
    ra: Arc<RegistrationAuthority>,
    /// What the client showed that it can do.
    cipher: Cipher,
}

impl Answering {
    /// Encrypted for who signed the request (RFC 8894 §3.3.2.1).
    fn sealed(&self, app: &App, told: Told, signer_der: &[u8]) -> Result<Reply, EstError> {
        let content = match &told {
            Told::Certificate(der) => cms::certs_only(&[der]),
            Told::List(der) => cms::list_only(der),
            Told::Waits => return Ok(Reply::Pending),
        };
        let content = content.map_err(|error| EstError::internal(&error))?;
        let mut key = Zeroizing::new(vec![0; self.cipher.key_octets()]);
        let mut iv = vec![0; self.cipher.block_octets()];
        for octets in [key.as_mut_slice(), &mut iv] {
            app.random().fill(octets).map_err(|error| EstError::internal(&error))?;
        }
        let sealed = seal(&content, signer_der, self.cipher, &key, &iv);
        Ok(Reply::Success(sealed.map_err(|error| EstError::internal(&error))?))
    }

    fn signed(&self, app: &App, reply: Reply, asked: &Attributes) -> Result<Vec<u8>, EstError> {
        let mut nonce = vec![0; NONCE_OCTETS];
        app.random().fill(&mut nonce).map_err(|error| EstError::internal(&error))?;
        let (attributes, content) = reply.to(asked, nonce);
        let unencodable = |error: der::Error| EstError::internal(&error);
        let message = MessageToSign::new(&attributes, content).map_err(unencodable)?;
        let signature = self.ra.sign(message.to_be_signed());
        let signature = signature.map_err(|error: KeyError| EstError::internal(&error))?;
        message.attach(&signature, self.ra.certificate_der()).map_err(unencodable)
    }
}

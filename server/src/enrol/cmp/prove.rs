//! Who protected a message: a device with its code, or with its certificate (RFC 9810 §5.1.3).

use der::{Decode, Encode};
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_pki::{
    cmp::{BodyKind, FailInfo, MacParameters, Protection},
    encoding::name,
    signature,
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate, cmp_secret, enrolment_code,
    terminal::Device,
    transaction,
};
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierOwned;
use x509_cert::{Certificate, ext::pkix::name::GeneralName};
use zeroize::Zeroizing;

use super::{
    answer::Asked,
    refusal::{self, Refusal, Trouble},
    secret,
    transaction::{self as kept, CONFIRMATION},
};
use crate::{
    enrol::{by_code, with_facts},
    error::est::EstError,
    listener::{FacilityConnection, FacilityError, Peer, RouterConnection},
    people::tries,
};

/// Longest senderKID that is read as an identifier.
const MOST_REFERENCE: usize = 64;

/// A proven device.
pub(super) enum Asker {
    /// By its code.
    Code {
        terminal_id: String,
        code_hash: [u8; 32],
        /// As the device has it.
        secret: Zeroizing<Vec<u8>>,
    },
    /// By its present certificate.
    Holder(Box<FacilityConnection>),
}

impl Asker {
    /// SHA-256 of the code, or of the certificate.
    pub(super) fn proof(&self) -> [u8; 32] {
        match self {
            Self::Code { code_hash, .. } => *code_hash,
            Self::Holder(holder) => holder.fingerprint,
        }
    }

    pub(super) fn terminal_id(&self) -> &str {
        match self {
            Self::Code { terminal_id, .. } => terminal_id,
            Self::Holder(holder) => &holder.terminal_id,
        }
    }
}

/// What the proof came to.
pub(super) enum Proof {
    /// Who asks.
    Device(Asker),
    /// Who asks, and what is not accepted of them: told under their own protection.
    Refused(Asker, Refusal),
    /// The message came before: this was answered, whatever became of the certificate since.
    Answered(Vec<u8>),
}

/// Proves who protected the message.
///
/// # Errors
/// [`Trouble`]: nothing is proven; whoever asks is told no more than that.
pub(super) async fn who(asked: &Asked<'_>) -> Result<Proof, Trouble> {
    let header = &asked.message.header;
    let Some(algorithm) = &header.protection_alg else {
        return Err(refusal::unproven("cmp_unprotected").into());
    };
    let Some(protection) = &asked.message.protection else {
        return Err(refusal::unproven("cmp_unprotected").into());
    };
    match Protection::of(algorithm).map_err(|fault| Refusal::from(&fault))? {
        Protection::Mac(parameters) => by_mac(asked, &parameters, protection).await,
        Protection::Signature(algorithm) => by_signature(asked, &algorithm, protection).await,
    }
}

/// By the code of the terminal that senderKID names.
async fn by_mac(
    asked: &Asked<'_>,
    parameters: &MacParameters,
    given: &[u8],
) -> Result<Proof, Trouble> {
    let reference = asked.message.header.sender_kid.as_ref().map(|kid| kid.as_bytes());
    let reference = reference.filter(|octets| octets.len() <= MOST_REFERENCE).unwrap_or_default();
    let text = std::str::from_utf8(reference).unwrap_or_default().trim().to_ascii_uppercase();
    let terminal = TerminalIdentifier::parse(&text).ok();
    let app = asked.app;
    // A code that was used protects its transaction to the end.
    let since = asked.at - app.config().enrolment().same_key_grace().max(CONFIRMATION);
    let candidates = match terminal {
        Some(terminal) => {
            let id = terminal.to_string();
            cmp_secret::of_terminal(&mut app.store().read(), &id, since).await?
        }
        None => Vec::new(),
    };
    let protected = asked.message.protected();
    for candidate in &candidates {
        let opened = secret::open(&app.keys().sealing, candidate);
        for written in opened.map_err(|error| EstError::internal(&error))? {
            if !parameters.is_mac(&written, protected, given) {
                continue;
            }
            let asker =
                Asker::Code { terminal_id: text, code_hash: candidate.code_hash, secret: written };
            if !parameters.is_weak() {
                return Ok(Proof::Device(asker));
            }
            if app.config().cmp().takes_legacy_mac() {
                tracing::warn!("CMP message under a MAC by HMAC-SHA-1 (cmp.legacy_mac)");
                return Ok(Proof::Device(asker));
            }
            return Ok(Proof::Refused(asker, refusal::weak_mac()));
        }
    }
    if candidates.is_empty() {
        // As much work as for a device that exists: how long it takes tells nobody which do.
        for _ in 0..2 {
            std::hint::black_box(parameters.is_mac(&[0; 24], protected, given));
        }
    }
    wrong(asked, terminal).await
}

/// As a wrong code at any door: the network is charged, and the terminal's codes lose a try. Not so by what
/// comes late in a transaction: a device that goes on polling under a code that was withdrawn must not use up
/// the next one.
async fn wrong(asked: &Asked<'_>, terminal: Option<TerminalIdentifier>) -> Result<Proof, Trouble> {
    let Asked { app, peer, at, .. } = *asked;
    tries::charge(app, by_code::refusals(app, peer)).await?.map_err(EstError::from)?;
    let named = terminal.map(|terminal| terminal.to_string());
    transaction!(app.store(), StoreError, |tx| {
        let holder = match &named {
            Some(id) => by_code::holder(tx, id).await?,
            None => None,
        };
        let reason = if holder.is_some() { "wrong_code" } else { "unknown_terminal" };
        let asks = matches!(asked.message.kind, BodyKind::Ir | BodyKind::Cr | BodyKind::P10cr);
        if let Some(holder) = holder.as_ref().filter(|_| asks) {
            enrolment_code::count_wrong(tx, &holder.terminal_id, at).await?;
        }
        let entry = Entry::refused(by_code::ACT, Actor::Stranger, at, reason);
        let entry = with_facts(entry.from_address(peer.addr.ip()), &asked.facts);
        Ok(Audited::new((), by_code::of_holder(entry, holder.as_ref())))
    })?;
    Err(Refusal { reason: None, ..refusal::unproven("wrong_code") }.into())
}

/// By the certificate that stands first in extraCerts (RFC 9483 §3.3), which is judged as at every door.
async fn by_signature(
    asked: &Asked<'_>,
    algorithm: &AlgorithmIdentifierOwned,
    octets: &[u8],
) -> Result<Proof, Trouble> {
    let unproven = || Trouble::from(refusal::unproven("cmp_signature"));
    let signer_der = *asked.message.extra_certs.first().ok_or_else(unproven)?;
    let signer = Certificate::from_der(signer_der).map_err(|_| unproven())?;
    let tbs = signer.tbs_certificate();
    let key = tbs.subject_public_key_info().to_der().map_err(|_| unproven())?;
    signature::verify(&key, algorithm, asked.message.protected(), octets)
        .map_err(|_| unproven())?;
    // Who says to have sent it is whose certificate it is (RFC 9483 §3.1).
    let GeneralName::DirectoryName(sender) = &asked.message.header.sender else {
        return Err(unproven());
    };
    if !name::same(sender, tbs.subject()) {
        return Err(unproven());
    }
    if let Some(answer) = heard_before(asked, signer_der).await? {
        return Ok(Proof::Answered(answer));
    }
    let chain = [signer_der.to_vec().into()].into();
    let peer = Peer { chain, ..asked.peer.clone() };
    let judged = match asked.device {
        Device::Pc => FacilityConnection::judge_of_agent(asked.app, &peer).await,
        Device::Router => RouterConnection::judge(asked.app, &peer).await.map(|router| router.0),
    };
    match judged {
        Ok(holder) => Ok(Proof::Device(Asker::Holder(Box::new(holder)))),
        Err(FacilityError::NotOurs) => Err(refusal::unproven("cmp_other_signer").into()),
        Err(FacilityError::Unknown(error)) => Err(error.into()),
        Err(error) => Err(refusal::certificate(error.code()).into()),
    }
}

/// What was answered to this very message. Asked before the certificate is judged: by this message it may
/// have been revoked.
async fn heard_before(asked: &Asked<'_>, signer_der: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
    let fingerprint = Sha256::digest(signer_der).into();
    let mut reader = asked.app.store().read();
    let known = certificate::find_by_fingerprint(&mut reader, &fingerprint).await?;
    let Some(terminal_id) = known.and_then(|known| known.terminal_id) else { return Ok(None) };
    match kept::before(asked, &terminal_id).await? {
        kept::Before::Answered(answer) => Ok(Some(answer)),
        kept::Before::Nothing | kept::Before::Unanswered(_) => Ok(None),
    }
}

/// What a header must have (RFC 9483 §3.1), before anything is proven.
pub(super) fn header(asked: &Asked<'_>) -> Result<(), Refusal> {
    /// RFC 9810 §5.1.1 wants 128 bits of a nonce, and no more than that of an identifier's length.
    const OCTETS: std::ops::RangeInclusive<usize> = 16..=64;
    let header = &asked.message.header;
    if !(2..=3).contains(&header.pvno) {
        return Err(Refusal::new(
            FailInfo::UnsupportedVersion,
            "cmp_version",
            "CMP: versions 2 and 3 are spoken here (RFC 9810 section 7)",
        ));
    }
    let is_fit = |octets: &Option<der::asn1::OctetString>| {
        octets.as_ref().is_some_and(|octets| OCTETS.contains(&octets.as_bytes().len()))
    };
    if !is_fit(&header.transaction_id) {
        return Err(Refusal::new(
            FailInfo::BadDataFormat,
            "cmp_transaction",
            "CMP: the message has no transactionID of 16 to 64 octets (RFC 9483 section 3.1)",
        ));
    }
    if !is_fit(&header.sender_nonce) {
        return Err(Refusal::new(
            FailInfo::BadSenderNonce,
            "cmp_nonce",
            "CMP: the message has no senderNonce of 16 to 64 octets (RFC 9483 section 3.1)",
        ));
    }
    Ok(())
}

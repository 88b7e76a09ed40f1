//! PKCSReq and RenewalReq (RFC 8894 §3.3.1): a certificate by code, or by the present certificate.

use der::Decode;
use sekisho_ca::{
    registration::terminal_identifier::TerminalIdentifier,
    request::{UnverifiedRequest, VerifiedRequest},
};
use sekisho_pki::{
    encoding::{instant, name},
    scep::{MessageType, request::challenge_password},
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    certificate, router, scep_message,
    scep_transaction::{self, ScepTransaction},
    terminal::Device,
    transaction,
};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;

use super::{
    answer::{Asked, Told, Trouble},
    refusal::{self, Refusal},
};
use crate::{
    enrol::{
        by_certificate,
        by_code::{self, Came, Protocol},
        refusal as common, with_facts,
    },
    error::est::EstError,
    listener::{FacilityConnection, FacilityError, Peer, RouterConnection},
    paper_code::PaperCode,
    people::tries,
};

/// The certificate for the key of the request in it.
pub(super) async fn certificate(mut asked: Asked<'_>) -> Result<Told, Trouble> {
    let content = asked.open()?.ok_or_else(refusal::unreadable)?;
    let request = UnverifiedRequest::parse(&content).map_err(|_| refusal::unreadable())?;
    let challenge = challenge_password(&content).map_err(|_| refusal::unreadable())?;
    let own_key = request.public_key_der() == asked.message.signer_key_der;
    // What else is wrong with it is told only to who made it.
    let request = request.verify().map_err(|error| {
        if own_key { refusal::own_request(&error) } else { refusal::unreadable() }
    })?;
    let by_code = asked.message.attributes.message_type == MessageType::PkcsReq && own_key;
    let came = match challenge {
        Some(challenge) if by_code => {
            note_quirks(&mut asked, &request);
            of_code(&asked, &request, (content.as_slice(), challenge.as_str())).await?
        }
        _ => Came::Certificate(of_certificate(&asked, &request, own_key).await?),
    };
    told(&asked, came).await
}

/// What came of a request, as its transaction is told.
pub(super) async fn told(asked: &Asked<'_>, came: Came) -> Result<Told, Trouble> {
    match came {
        Came::Certificate(der) => {
            bind(asked, &der).await?;
            Ok(Told::Certificate(der))
        }
        Came::Waits(_) => Ok(Told::Waits),
    }
}

/// Ways of old clients that are let pass, for whoever reads log and record: Cisco IOS signs with a
/// certificate of another subject than its request's, which RFC 8894 §2.3 does not allow. The key is what
/// proves who asks, and the subject is the register's.
fn note_quirks(asked: &mut Asked<'_>, request: &VerifiedRequest) {
    let signer = Certificate::from_der(&asked.message.signer_der);
    if signer.is_ok_and(|signer| signer.tbs_certificate().subject() != request.subject()) {
        tracing::info!(
            transaction = asked.message.attributes.transaction_id,
            "SCEP: subject of the self-signed certificate is not that of the request (RFC 8894 \
             section 2.3); the key counts, and the subject is taken from the register"
        );
        asked.facts.push(("quirk", "subject_mismatch".to_owned()));
    }
}

/// By a code that is the challenge password; the message is signed with the key that is to be certified.
async fn of_code(
    asked: &Asked<'_>,
    request: &VerifiedRequest,
    (request_der, challenge): (&[u8], &str),
) -> Result<Came, Trouble> {
    let (named, code) = match challenge.split_once(':') {
        Some((router, code)) => (Some(router.trim().to_owned()), code),
        None => (common_name(request), challenge),
    };
    let named = named.ok_or_else(refusal::no_router)?;
    let terminal = TerminalIdentifier::parse(&named.to_ascii_uppercase()).ok();
    let (Some(terminal), Ok(code)) = (terminal, PaperCode::parse(code)) else {
        return unauthorized(asked, "malformed_credentials", terminal).await;
    };
    let enrolment = by_code::Enrolment {
        app: asked.app,
        peer: asked.peer,
        device: Device::Router,
        terminal_id: terminal.to_string(),
        code_hash: code.hash(),
        spki_sha256: request.public_key_sha256(),
        at: asked.at,
        facts: &asked.facts,
        protocol: Protocol::Scep {
            transaction_id: &asked.message.attributes.transaction_id,
            request_der,
        },
    };
    if let Err(weak) = asked.excuse(family_of(asked, terminal).await?.as_deref()) {
        // Told only to who has the code: else whoever tries identifiers learns which routers there are.
        if enrolment.has_unused_code().await? {
            return Err(weak);
        }
        return unauthorized(asked, "weak_without_code", Some(terminal)).await;
    }
    Ok(enrolment.run(request).await?)
}

/// As a wrong code of a router that exists: nobody learns which do.
async fn unauthorized<T>(
    asked: &Asked<'_>,
    reason: &'static str,
    terminal: Option<TerminalIdentifier>,
) -> Result<T, Trouble> {
    let Asked { app, peer, .. } = *asked;
    tries::charge(app, by_code::refusals(app, peer)).await?.map_err(EstError::from)?;
    by_code::refused_at_the_door(app, peer, by_code::ACT, reason, terminal, &asked.facts).await?;
    Err(common::unauthorized().into())
}

async fn family_of(
    asked: &Asked<'_>,
    terminal: TerminalIdentifier,
) -> Result<Option<String>, StoreError> {
    let mut reader = asked.app.store().read();
    Ok(router::find(&mut reader, &terminal.to_string()).await?.map(|router| router.family))
}

/// By the router's present certificate, whose key signed the message: RenewalReq, or PKCSReq as older
/// clients send it.
async fn of_certificate(
    asked: &Asked<'_>,
    request: &VerifiedRequest,
    own_key: bool,
) -> Result<Vec<u8>, Trouble> {
    // A renewal that somebody recorded is good as long as the certificate that signed it: it counts once. A
    // client whose answer was lost sends another message, which is judged as any. Asked before the certificate
    // is judged: one that is seen used takes the one before it back.
    let mut reader = asked.app.store().read();
    let before = scep_message::answered_at(&mut reader, &asked.content_sha256()).await?;
    let grace = asked.app.config().enrolment().same_key_grace();
    if before.is_some_and(|before| asked.at > before + grace) {
        return Err(refusal::answered_before().into());
    }
    let router = match judged(asked).await? {
        Some(router) => router,
        None if own_key => return Err(refusal::no_challenge().into()),
        None => return Err(refusal::other_signer().into()),
    };
    if !own_key && common_name(request).as_deref() != Some(router.terminal_id.as_str()) {
        // Another router's request, taken out of its message: by whom it was made nothing else tells.
        return Err(refusal::unreadable().into());
    }
    let (app, peer) = (asked.app, asked.peer);
    let renewed =
        by_certificate::renew(app, Device::Router, peer, &router, request, &asked.facts).await?;
    Ok(renewed)
}

/// The router whose certificate signed the message; `None` where it is not one of ours.
///
/// # Errors
/// Its certificate, router or facility does not count, or its algorithms do not.
pub(super) async fn judged(asked: &Asked<'_>) -> Result<Option<FacilityConnection>, Trouble> {
    let mut reader = asked.app.store().read();
    let fingerprint = Sha256::digest(&asked.message.signer_der).into();
    let known = certificate::find_by_fingerprint(&mut reader, &fingerprint).await?;
    let family = match known.and_then(|known| known.terminal_id) {
        Some(terminal_id) => {
            router::find(&mut reader, &terminal_id).await?.map(|found| found.family)
        }
        None => None,
    };
    // Before it is judged: a certificate that is seen used takes the one before it back.
    asked.excuse(family.as_deref())?;
    let signer = asked.message.signer_der.clone().into();
    let peer = Peer { chain: [signer].into(), ..asked.peer.clone() };
    match RouterConnection::judge(asked.app, &peer).await {
        Ok(router) => Ok(Some(router.0)),
        Err(FacilityError::NotOurs) => Ok(None),
        Err(FacilityError::Unknown(error)) => Err(error.into()),
        Err(error) => Err(refusal::certificate(error.code()).into()),
    }
}

/// Binds the certificate to transaction and signer. Where it is bound to others, it is not told of.
async fn bind(asked: &Asked<'_>, der: &[u8]) -> Result<(), Trouble> {
    let unreadable = |error: der::Error| Trouble::Failed(EstError::internal(&error));
    let certificate = Certificate::from_der(der).map_err(unreadable)?;
    let tbs = certificate.tbs_certificate();
    let mine = ScepTransaction {
        certificate_sha256: Sha256::digest(der).into(),
        transaction_id: asked.message.attributes.transaction_id.clone(),
        signer_sha256: asked.signer_sha256(),
        begun_at: asked.at,
        expires_at: instant::from_time(&tbs.validity().not_after),
    };
    let router = common_name_of(tbs.subject()).unwrap_or_default();
    let bound = transaction!(asked.app.store(), StoreError, |tx| {
        let bound = scep_transaction::bind(tx, &mine).await?;
        let content = asked.content_sha256();
        scep_message::note(tx, &content, asked.at, mine.expires_at).await?;
        let same = bound.transaction_id == mine.transaction_id
            && bound.signer_sha256 == mine.signer_sha256;
        let (act, actor) = ("terminal.scep_answer", Actor::Terminal(router.clone()));
        let entry = if same {
            Entry::done(act, actor, asked.at)
        } else {
            Entry::refused(act, actor, asked.at, "scep_other_transaction")
        };
        let holder = by_code::holder(tx, &router).await?;
        let entry = by_code::of_holder(entry.from_address(asked.peer.addr.ip()), holder.as_ref());
        Ok(Audited::new(same, with_facts(entry, &asked.facts)))
    })?;
    if bound {
        return Ok(());
    }
    Err(Refusal { reason: None, ..refusal::other_transaction() }.into())
}

fn common_name(request: &VerifiedRequest) -> Option<String> {
    common_name_of(request.subject())
}

fn common_name_of(subject: &x509_cert::name::Name) -> Option<String> {
    let mut names = subject.iter().filter(|part| part.oid == const_oid::db::rfc4519::COMMON_NAME);
    names.next().and_then(|part| name::text(&part.value)).map(|text| text.trim().to_owned())
}

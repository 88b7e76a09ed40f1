//! `POST /login/card`: consume, verify, decide, open — in this order.

use axum::response::{IntoResponse, Response};
use sekisho_pki::national::jpki::claims_to_be_of_jpki;
use sekisho_protocol::{
    ChallengeNonce,
    answer::{LoginSubmission, LoginTimes},
    request::Purpose,
};
use sekisho_store::{
    audit::{Audited, Entry},
    challenge::{self, Challenge, Consumption},
    transaction,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    admission::{self, Arrival, Entered, Expected, Holder},
    call::Call,
    challenge::{browser_hash, purpose_word, terminal_key},
    hpki::{ThisConnection, VerifiedCardHolder, VerifiedCardProof, named_nonce, our_request},
    jpki::holder::VerifiedJpkiHolder,
    refusal::{LoginError, Refusal},
    session, visitor,
};
use crate::{
    app::App,
    listener::{FacilityConnection, Peer},
    login_time::Stopwatch,
};

/// Where the page goes next.
#[derive(Debug, Serialize)]
struct OpenedReply {
    redirect: String,
}

/// `POST /login/card`.
pub async fn post(call: Call) -> Response {
    match submit(&call).await {
        Ok((entered, return_to)) => opened(entered, return_to),
        Err(error) => call.refuse(error),
    }
}

/// The answer that opens a session: its cookies, and where the page goes next.
pub(super) fn opened(entered: Entered, return_to: Option<String>) -> Response {
    let redirect = entered.next(return_to);
    let mut response = axum::Json(OpenedReply { redirect }).into_response();
    entered.give(&mut response);
    response
}

async fn submit(call: &Call) -> Result<(Entered, Option<String>), LoginError> {
    let Call { app, peer, facility, headers, .. } = call;
    let Judged { holder, challenge, browser_hash, times } = match judge(call).await {
        Ok(judged) => judged,
        Err(error) => return Err(call.note_refusal("login.card", error).await),
    };
    let request = our_request(&challenge.request_jws)?;
    let expected = request.expected_subject.as_ref();
    let stopwatch = times.and_then(|times| Stopwatch::of(app.random(), times));
    let arrival = Arrival {
        peer,
        facility,
        browser_hash: &browser_hash,
        for_emergency: visitor::leads_to_emergency(challenge.return_to.as_deref()),
        invitation_id: challenge.invitation_id.as_deref(),
        expected: expected
            .map(|subject| Expected { subject, certificate: request.expected_certificate }),
        within: None,
        previous_cookie: session::cookie_hash(headers),
        headers,
        stopwatch: stopwatch.as_ref(),
    };
    Ok((admission::admit(app, &holder, arrival).await?, challenge.return_to))
}

/// Whose card answered, and on what.
struct Judged {
    holder: Holder,
    challenge: Box<Challenge>,
    browser_hash: [u8; 32],
    times: Option<LoginTimes>,
}

async fn judge(call: &Call) -> Result<Judged, LoginError> {
    let Call { app, facility, .. } = call;
    let Proven { proof, challenge, browser_hash, times } = prove(call).await?;
    if ![Purpose::Login, Purpose::Stepup].map(purpose_word).contains(&challenge.purpose.as_str()) {
        return Err(Refusal::OtherPurpose.into());
    }
    let trust = app.card_trust().at(&facility.organisation_id);
    let holder = match trust.jpki().filter(|_| claims_to_be_of_jpki(proof.certificate_der())) {
        Some(trust) => {
            Holder::Jpki(Box::new(VerifiedJpkiHolder::validate(app, proof, trust).await?))
        }
        None => Holder::Hpki(Box::new(hpki_holder(app, facility, proof).await?)),
    };
    Ok(Judged { holder, challenge, browser_hash, times })
}

async fn hpki_holder(
    app: &App,
    facility: &FacilityConnection,
    proof: VerifiedCardProof,
) -> Result<VerifiedCardHolder, Refusal> {
    let sources = app.card_trust();
    let trust = || sources.at(&facility.organisation_id);
    match VerifiedCardHolder::validate(proof.clone(), &trust()) {
        // A newer list may lie in the folder already: look once before turning somebody away.
        Err(Refusal::RevocationUnknown | Refusal::ForeignIssuer) => {
            sources.reload().await;
            VerifiedCardHolder::validate(proof, &trust())
        }
        other => other,
    }
}

/// A card's proof on a challenge that nobody can use again.
pub(super) struct Proven {
    pub(super) proof: VerifiedCardProof,
    pub(super) challenge: Box<Challenge>,
    pub(super) browser_hash: [u8; 32],
    /// As the page says.
    times: Option<LoginTimes>,
}

/// Reads a submission, consumes the challenge that it names, and verifies agent, page and card. Whose
/// card it is nobody asked yet.
///
/// # Errors
/// [`LoginError::Refused`], not audited yet; the database.
pub(super) async fn prove(call: &Call) -> Result<Proven, LoginError> {
    let Call { app, peer, facility, headers, .. } = call;
    let submission: LoginSubmission = call.read()?;
    let nonce = named_nonce(&submission).ok_or(Refusal::Malformed)?;
    let challenge = consume(app, peer, facility, nonce).await?;
    let browser_hash = browser_hash(headers).ok_or(Refusal::BrowserUnknown)?;
    let terminal_key = terminal_key(facility).ok_or(Refusal::OtherTerminal)?;
    let here = ThisConnection {
        browser_hash: &browser_hash,
        terminal_fingerprint: &facility.fingerprint,
        terminal_key: &terminal_key,
        origin: &app.names().terminal,
        now: app.now(),
    };
    let proof = VerifiedCardProof::verify(&challenge, &submission, nonce, here)?;
    Ok(Proven { proof, challenge, browser_hash, times: submission.times })
}

/// Consumes the challenge in a commit of its own: whatever the verification says afterwards, the
/// same submission finds nothing a second time.
async fn consume(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    nonce: ChallengeNonce,
) -> Result<Box<Challenge>, LoginError> {
    let nonce_hash: [u8; 32] = Sha256::digest(nonce.as_bytes()).into();
    let now = app.now();
    let record = |entry_of: Entry| facility.place(entry_of, peer);
    let act = "login.challenge.consume";
    transaction!(app.store(), LoginError, |tx| {
        match challenge::consume(tx, &nonce_hash, now).await? {
            Consumption::Consumed(challenge) => {
                let entry = Entry::done(act, facility.actor(), now);
                Ok(Audited::new(challenge, record(entry)))
            }
            // Nothing was consumed: the caller records the refusal of the login.
            Consumption::Replayed => Err(Refusal::ChallengeReplayed.into()),
            Consumption::Unknown => Err(Refusal::ChallengeUnknown.into()),
        }
    })
}

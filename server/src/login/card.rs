//! `POST /login/card`: consume, verify, decide, open — in this order.

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use sekisho_protocol::{ChallengeNonce, answer::LoginSubmission};
use sekisho_store::{
    audit::{Audited, Entry},
    challenge::{self, Challenge, Consumption},
    transaction,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    admission::{self, Arrival},
    challenge::{BROWSER_COOKIE, browser_hash, note_refusal, read_json, terminal_key},
    hpki::{ThisConnection, VerifiedCardHolder, VerifiedCardProof, named_nonce, our_request},
    refusal::{LoginError, Refusal},
    session,
};
use crate::{
    app::App,
    catalogue::Language,
    cookie,
    error::login::problem,
    listener::{FacilityConnection, Peer},
};

/// Where the page goes next.
#[derive(Debug, Serialize)]
struct CardReply {
    redirect: String,
}

/// `POST /login/card`.
pub async fn post(
    State(app): State<App>,
    Language(text): Language,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match submit(&app, &peer, &facility, &headers, body).await {
        Ok((session_cookie, redirect)) => {
            let mut response = axum::Json(CardReply { redirect }).into_response();
            let cookies = [Some(session_cookie), cookie::clear(BROWSER_COOKIE)];
            for cookie in cookies.into_iter().flatten() {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => problem(error, &text),
    }
}

async fn submit(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(http::HeaderValue, String), LoginError> {
    let judged = judge(app, peer, facility, headers, body).await;
    let (holder, challenge, browser_hash) = match judged {
        Ok(judged) => judged,
        Err(error) => return Err(note_refusal(app, "login.card", peer, facility, error).await),
    };
    let expected = our_request(&challenge.request_jws)?.expected_subject;
    let arrival = Arrival {
        peer,
        facility,
        browser_hash: &browser_hash,
        invitation_id: challenge.invitation_id.as_deref(),
        expected: expected.as_ref(),
        previous_cookie: session::cookie_hash(headers),
    };
    let opened = admission::admit(app, &holder, arrival).await?;
    Ok((opened, challenge.return_to.unwrap_or_else(|| "/".to_owned())))
}

async fn judge(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(VerifiedCardHolder, Box<Challenge>, [u8; 32]), LoginError> {
    let submission: LoginSubmission = read_json(headers, body)?;
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
    let sources = app.card_trust();
    let trust = || sources.at(&facility.organisation_id);
    let holder = match VerifiedCardHolder::validate(proof.clone(), &trust()) {
        // A newer list may lie in the folder already: look once before turning somebody away.
        Err(Refusal::RevocationUnknown | Refusal::ForeignIssuer) => {
            sources.reload().await;
            VerifiedCardHolder::validate(proof, &trust())?
        }
        other => other?,
    };
    Ok((holder, challenge, browser_hash))
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

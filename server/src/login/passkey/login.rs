//! `POST /login/passkey/challenge` and `POST /login/passkey`: a person logs in by a passkey, without
//! typing a name.

use axum::response::Response;
use sekisho_store::passkey_challenge::Purpose;
use sekisho_wire::acr;
use serde::Deserialize;
use webauthn_rs::prelude::{PublicKeyCredential, RequestChallengeResponse};

use super::{
    admission::ACT,
    assertion::Assertion,
    question::{self, Question},
    relying_party::RelyingParty,
};
use crate::{
    listener::{self},
    login::{
        admission::{self, Arrival, Entered, Holder},
        call::Call,
        card::opened,
        challenge::{browser_hash, local_path},
        refusal::{LoginError, Refusal},
        session::{self, PortalSession},
        visitor,
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Where the browser goes afterwards; `null` where nobody waits. It is always there, or `[]` would
    /// do for a body.
    #[serde(deserialize_with = "Option::deserialize")]
    return_to: Option<String>,
}

/// `POST /login/passkey/challenge`.
pub async fn challenge(call: Call) -> Response {
    let issued = issue(&call).await.map(axum::Json);
    call.answer("passkey.challenge.issue", issued).await
}

async fn issue(call: &Call) -> Result<RequestChallengeResponse, LoginError> {
    let app = &call.app;
    let body: Body = call.read()?;
    if !app.config().card_login().passkeys() {
        return Err(Refusal::PasskeysOff.into());
    }
    let return_to = body.return_to.map(local_path).transpose()?;
    let session = session_here(call).await?;
    let (options, state) = RelyingParty::of(app)?.ask_to_log_in()?;
    let question = Question {
        purpose: Purpose::Login,
        challenge: &options.public_key.challenge,
        state: &state,
        session: session.as_ref(),
        return_to,
    };
    question.remember(call).await?;
    Ok(options)
}

/// The living session within which a passkey proves its person again. What a card proved, no passkey
/// proves again.
async fn session_here(call: &Call) -> Result<Option<PortalSession>, LoginError> {
    let session = call.present().await?;
    if session.as_ref().is_some_and(|session| session.acr != acr::PASSKEY) {
        return Err(Refusal::CardOfSessionNeeded.into());
    }
    Ok(session)
}

/// `POST /login/passkey`.
pub async fn post(call: Call) -> Response {
    match submit(&call).await {
        Ok((entered, return_to)) => opened(entered, return_to),
        Err(error) => call.refuse(error),
    }
}

async fn submit(call: &Call) -> Result<(Entered, Option<String>), LoginError> {
    let Call { app, peer, facility, headers, .. } = call;
    let judged = match judge(call).await {
        Ok(judged) => judged,
        Err(error) => return Err(call.note_refusal(ACT, error).await),
    };
    let arrival = Arrival {
        peer,
        facility,
        browser_hash: &judged.browser_hash,
        for_emergency: visitor::leads_to_emergency(judged.return_to.as_deref()),
        invitation_id: None,
        expected: None,
        within: judged.within,
        previous_cookie: session::cookie_hash(headers),
        headers,
        stopwatch: None,
    };
    Ok((admission::admit(app, &judged.holder, arrival).await?, judged.return_to))
}

/// An answer that counts for what is here: this browser, terminal and session.
struct Judged {
    holder: Holder,
    browser_hash: [u8; 32],
    within: Option<[u8; 32]>,
    return_to: Option<String>,
}

async fn judge(call: &Call) -> Result<Judged, LoginError> {
    let Call { app, peer, facility, headers, .. } = call;
    let answer: PublicKeyCredential = call.read()?;
    let client_data = &answer.response.client_data_json;
    let challenge = question::consume(call, client_data, Purpose::Login).await?;
    if !app.config().card_login().passkeys() {
        return Err(Refusal::PasskeysOff.into());
    }
    let session = session_here(call).await?;
    if session.map(|session| session.id_hash) != challenge.session_hash {
        return Err(Refusal::OtherSession.into());
    }
    let state = question::state(&challenge)?;
    let assertion = Assertion { answer, state };
    if let Some(why) = assertion.worth_nothing(app).await? {
        // Once a minute with the reason; the caller's record of the same refusal is not due then.
        let told = (ACT, Refusal::PasskeyUnknown.code());
        listener::note_refusal(app, peer, facility, told, |entry| entry.fact("why", why)).await?;
        return Err(Refusal::PasskeyUnknown.into());
    }
    Ok(Judged {
        holder: Holder::Passkey(Box::new(assertion)),
        browser_hash: browser_hash(headers).ok_or(Refusal::BrowserUnknown)?,
        within: challenge.session_hash,
        return_to: challenge.return_to,
    })
}

//! `POST /login/second-factor/challenge` and `POST /login/second-factor`: login name, password and a passkey's answer
//! in one request.

use axum::response::Response;
use sekisho_store::passkey_challenge::Purpose;
use serde::Deserialize;
use webauthn_rs::prelude::{PublicKeyCredential, RequestChallengeResponse};
use zeroize::Zeroizing;

use super::allowed;
use crate::{
    form,
    login::{
        admission::Entered,
        call::Call,
        card::opened,
        challenge::local_path,
        passkey::{
            assertion::Assertion,
            question::{self, Question},
            relying_party::RelyingParty,
        },
        password::{
            self,
            login::{Beside, Connection, Turned},
        },
        refusal::{LoginError, Refusal},
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Where the browser goes afterwards; `null` where nobody waits. It is always there, or `[]` would do for a body.
    #[serde(deserialize_with = "Option::deserialize")]
    return_to: Option<String>,
}

/// `POST /login/second-factor/challenge`.
pub async fn challenge(call: Call) -> Response {
    let issued = issue(&call).await.map(axum::Json);
    call.answer("passkey.challenge.issue", issued).await
}

/// Nobody is named here: which passkeys there are, the browser knows.
async fn issue(call: &Call) -> Result<RequestChallengeResponse, LoginError> {
    let app = &call.app;
    let body: Asked = call.read()?;
    if !allowed(app.config()) {
        return Err(Refusal::PasskeysOff.into());
    }
    let return_to = body.return_to.map(local_path).transpose()?;
    let session = call.present().await?;
    password::login::asked(app, None, session.as_ref().map(|session| session.acr.as_str()))?;
    let (options, state) = RelyingParty::of(app)?.ask_to_log_in()?;
    let question = Question {
        purpose: Purpose::SecondFactor,
        challenge: &options.public_key.challenge,
        state: &state,
        session: session.as_ref(),
        return_to,
    };
    question.remember(call).await?;
    Ok(options)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submission {
    login_name: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    answer: PublicKeyCredential,
}

/// `POST /login/second-factor`.
pub async fn post(call: Call) -> Response {
    match submit(&call).await {
        Ok((entered, return_to)) => opened(entered, return_to),
        Err(Turned::Away(error)) => call.refuse(error),
        Err(Turned::Resting(_)) => call.refuse(Refusal::Resting.into()),
    }
}

async fn submit(call: &Call) -> Result<(Entered, Option<String>), Turned> {
    let Judged { name, password, assertion, return_to } = match judge(call).await {
        Ok(judged) => judged,
        Err(error) => {
            let act = password::admission::ACT;
            return Err(call.note_refusal(act, error).await.into());
        }
    };
    let Call { app, peer, facility, headers, .. } = call;
    let connection = Connection { app, peer, facility, headers };
    let beside = Beside::Passkey(Box::new(assertion));
    Ok((connection.submit(&name, password, beside, None).await?, return_to))
}

struct Judged {
    name: String,
    password: Zeroizing<String>,
    assertion: Assertion,
    return_to: Option<String>,
}

/// An answer that counts for what is here: this browser, terminal and session. Whose it is nobody asked yet.
async fn judge(call: &Call) -> Result<Judged, LoginError> {
    let Submission { login_name, password, answer } = call.read()?;
    let client_data = &answer.response.client_data_json;
    let challenge = question::consume(call, client_data, Purpose::SecondFactor).await?;
    if !allowed(call.app.config()) {
        return Err(Refusal::PasskeysOff.into());
    }
    let session = call.present().await?;
    if session.map(|session| session.id_hash) != challenge.session_hash {
        return Err(Refusal::OtherSession.into());
    }
    let state = question::state(&challenge)?;
    Ok(Judged {
        name: login_name.trim().to_lowercase(),
        password,
        assertion: Assertion { answer, state },
        return_to: challenge.return_to,
    })
}

//! `POST /passkeys/challenge` and `POST /passkeys/enrol`: a passkey is enrolled for the person of a session
//! that their HPKI card opened.
//!
//! An authenticator names nobody, so nothing in its answer says whose it is. What stands for that is
//! the session: its HPKI card proved the person within [`vouching::FRESH`], and the answer counts for
//! this session alone, as long as the same proof stands in it.

use axum::response::Response;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    passkey::{self, NewPasskey},
    passkey_challenge::{PasskeyChallenge, Purpose},
    transaction,
};
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{
    CreationChallengeResponse, Passkey as Credential, PasskeyRegistration,
    RegisterPublicKeyCredential,
};

use super::{
    page::ENROLLED,
    question::{self, Question},
    relying_party::{Of, RelyingParty},
};
use crate::{
    app::App,
    form,
    login::{
        call::Call,
        refusal::{LoginError, Refusal},
        session::PortalSession,
        vouching,
    },
};

/// Most characters of a passkey's name.
pub(super) const MOST_NAME: usize = 40;
/// Most passkeys of a person.
pub(super) const MOST_PASSKEYS: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// By which the person will know the passkey.
    pub(super) name: String,
}

/// With what the answer is verified, and under what name it is kept.
#[derive(Serialize, Deserialize)]
struct Enrolling {
    name: String,
    registration: PasskeyRegistration,
}

/// Where the page goes next.
#[derive(Debug, Serialize)]
pub(super) struct EnrolReply {
    pub(super) redirect: &'static str,
}

/// `POST /passkeys/challenge`.
pub async fn challenge(call: Call) -> Response {
    let issued = issue(&call).await.map(axum::Json);
    call.answer("passkey.challenge.issue", issued).await
}

async fn issue(call: &Call) -> Result<CreationChallengeResponse, LoginError> {
    let app = &call.app;
    let body: Body = call.read()?;
    if !app.config().card_login().passkeys() {
        return Err(Refusal::PasskeysOff.into());
    }
    let session = call.session().await?;
    let session = session.ok_or(Refusal::OtherSession)?;
    if !vouching::may_vouch(&session, app.now()) {
        return Err(Refusal::CardLevelNeeded.into());
    }
    let enrolled = passkey::of_person(&mut app.store().read(), &session.person_id).await?;
    let enrolled = enrolled.into_iter().map(|passkey| passkey.credential_id).collect();
    ask(call, &session, Purpose::Enrol, &body.name, enrolled).await
}

/// Asks for a new passkey of the session's person, who has these, under a name.
///
/// # Errors
/// [`LoginError::Refused`]: no name, or as many as there may be; the database.
pub(super) async fn ask(
    call: &Call,
    session: &PortalSession,
    purpose: Purpose,
    name: &str,
    enrolled: Vec<Vec<u8>>,
) -> Result<CreationChallengeResponse, LoginError> {
    let app = &call.app;
    let name = form::line(name, MOST_NAME).map_err(|_| Refusal::PasskeyName)?;
    if enrolled.len() >= MOST_PASSKEYS {
        return Err(Refusal::TooManyPasskeys.into());
    }
    let of = match purpose {
        Purpose::EnrolSecondFactor => Of::SecondFactor,
        _ => Of::Login,
    };
    let (options, registration) =
        RelyingParty::of(app)?.ask_to_enrol(app, (session, of), enrolled)?;
    let question = Question {
        purpose,
        challenge: &options.public_key.challenge,
        state: &Enrolling { name, registration },
        session: Some(session),
        return_to: None,
    };
    question.remember(call).await?;
    Ok(options)
}

/// `POST /passkeys/enrol`.
pub async fn post(call: Call) -> Response {
    let enrolled = submit(&call).await;
    let next = enrolled.map(|()| axum::Json(EnrolReply { redirect: ENROLLED }));
    call.answer("passkey.enrol", next).await
}

async fn submit(call: &Call) -> Result<(), LoginError> {
    let Call { app, peer, facility, .. } = call;
    let judged = judge(call).await?;
    let Judged { session, name, credential, voucher_fingerprint } = &judged;
    let kept = serde_json::to_string(credential)
        .map_err(|error| StoreError::Corrupt { what: "passkey", detail: error.to_string() })?;
    let now = app.now();
    transaction!(app.store(), LoginError, |tx| {
        if !vouching::stands(tx, session, now).await? {
            return Err(Refusal::OtherSession.into());
        }
        let enrolled = passkey::of_person(tx, &session.person_id).await?;
        if enrolled.len() >= MOST_PASSKEYS {
            return Err(Refusal::TooManyPasskeys.into());
        }
        let new = NewPasskey {
            person_id: &session.person_id,
            credential_id: credential.cred_id(),
            credential: &kept,
            name,
            voucher_fingerprint,
            voucher_evidence_id: &session.evidence_id,
            at: now,
        };
        let passkey_id = passkey::enrol(tx, &new).await.map_err(|error| match error {
            StoreError::AlreadyExists { .. } => LoginError::from(Refusal::PasskeyEnrolled),
            error => error.into(),
        })?;
        let record = Entry::done("passkey.enrol", Actor::Person(session.person_id.clone()), now)
            .on("passkey", passkey_id)
            .on("session", hex::encode(session.id_hash))
            .on("card", hex::encode(voucher_fingerprint))
            .on("vouching_evidence", &session.evidence_id);
        Ok(Audited::new((), facility.place(record, peer)))
    })
}

/// A passkey that answered for a session, and the certificate that vouches in it.
struct Judged {
    session: PortalSession,
    name: String,
    credential: Credential,
    voucher_fingerprint: [u8; 32],
}

async fn judge(call: &Call) -> Result<Judged, LoginError> {
    let Answered { session, answer, challenge } = answered(call, Purpose::Enrol).await?;
    let voucher_fingerprint = vouching::new_voucher(&call.app, &session).await?;
    let (name, credential) = credential(&call.app, &answer, &challenge)?;
    Ok(Judged { session, name, credential, voucher_fingerprint })
}

/// A passkey's answer to a question that nobody can use again, in the session that asked.
pub(super) struct Answered {
    pub(super) session: PortalSession,
    pub(super) answer: RegisterPublicKeyCredential,
    pub(super) challenge: Box<PasskeyChallenge>,
}

/// Consumes the question, and holds the session against the one that asked it.
///
/// # Errors
/// [`LoginError::Refused`], not audited yet; the database.
pub(super) async fn answered(call: &Call, purpose: Purpose) -> Result<Answered, LoginError> {
    let answer: RegisterPublicKeyCredential = call.read()?;
    let client_data = &answer.response.client_data_json;
    let challenge = question::consume(call, client_data, purpose).await?;
    if !call.app.config().card_login().passkeys() {
        return Err(Refusal::PasskeysOff.into());
    }
    let session = call.session().await?;
    // Not one that was proved anew meanwhile, by whatever.
    let session = session.filter(|session| {
        challenge.session_hash == Some(session.id_hash)
            && challenge.session_evidence_id.as_ref() == Some(&session.evidence_id)
    });
    let session = session.ok_or(Refusal::OtherSession)?;
    Ok(Answered { session, answer, challenge })
}

/// The new passkey, if the answer holds, with its name.
///
/// # Errors
/// [`Refusal::PasskeyUnsound`]; a stored question that cannot be read.
pub(super) fn credential(
    app: &App,
    answer: &RegisterPublicKeyCredential,
    challenge: &PasskeyChallenge,
) -> Result<(String, Credential), LoginError> {
    let Enrolling { name, registration } = question::state(challenge)?;
    let credential = RelyingParty::of(app)?
        .library()
        .finish_passkey_registration(answer, &registration)
        .map_err(|error| {
            tracing::info!(%error, "a passkey was refused");
            Refusal::PasskeyUnsound
        })?;
    Ok((name, credential))
}

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
    passkey_challenge::Purpose,
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
    relying_party::RelyingParty,
};
use crate::{
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
struct Body {
    /// By which the person will know the passkey.
    name: String,
}

/// With what the answer is verified, and under what name it is kept.
#[derive(Serialize, Deserialize)]
struct Enrolling {
    name: String,
    registration: PasskeyRegistration,
}

/// Where the page goes next.
#[derive(Debug, Serialize)]
struct EnrolReply {
    redirect: &'static str,
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
    let name = form::line(&body.name, MOST_NAME).map_err(|_| Refusal::PasskeyName)?;
    let enrolled = passkey::of_person(&mut app.store().read(), &session.person_id).await?;
    if enrolled.len() >= MOST_PASSKEYS {
        return Err(Refusal::TooManyPasskeys.into());
    }
    let enrolled = enrolled.into_iter().map(|passkey| passkey.credential_id);
    let (options, registration) =
        RelyingParty::of(app)?.ask_to_enrol(app, &session, enrolled.collect())?;
    let question = Question {
        purpose: Purpose::Enrol,
        challenge: &options.public_key.challenge,
        state: &Enrolling { name, registration },
        session: Some(&session),
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
    let app = &call.app;
    let answer: RegisterPublicKeyCredential = call.read()?;
    let client_data = &answer.response.client_data_json;
    let challenge = question::consume(call, client_data, Purpose::Enrol).await?;
    if !app.config().card_login().passkeys() {
        return Err(Refusal::PasskeysOff.into());
    }
    let session = call.session().await?;
    // Not one that was proved anew meanwhile, by whichever card.
    let session = session.filter(|session| {
        challenge.session_hash == Some(session.id_hash)
            && challenge.session_evidence_id.as_ref() == Some(&session.evidence_id)
    });
    let session = session.ok_or(Refusal::OtherSession)?;
    let voucher_fingerprint = vouching::new_voucher(app, &session).await?;
    let Enrolling { name, registration } = question::state(&challenge)?;
    let credential = RelyingParty::of(app)?
        .library()
        .finish_passkey_registration(&answer, &registration)
        .map_err(|error| {
            tracing::info!(%error, "a passkey was refused");
            Refusal::PasskeyUnsound
        })?;
    Ok(Judged { session, name, credential, voucher_fingerprint })
}

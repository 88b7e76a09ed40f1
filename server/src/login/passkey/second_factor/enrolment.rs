//! `POST /second-factor/challenge` and `POST /second-factor/enrol`: a passkey is enrolled in a session that both
//! factors of its account opened within [`FRESH`](crate::login::vouching::FRESH).

use axum::response::Response;
use sekisho_store::{
    StoreError, account,
    account_passkey::{self, NewAccountPasskey},
    audit::{Actor, Audited, Entry},
    passkey_challenge::Purpose,
    transaction,
};
use webauthn_rs::prelude::CreationChallengeResponse;

use super::{allowed, may_enrol, page::ENROLLED};
use crate::{
    login::{
        call::Call,
        passkey::enrolment::{
            Answered, Body, EnrolReply, MOST_PASSKEYS, answered, ask, credential,
        },
        refusal::{LoginError, Refusal},
        vouching,
    },
    notice::{self, Notice, To},
};

/// `POST /second-factor/challenge`.
pub async fn challenge(call: Call) -> Response {
    let issued = issue(&call).await.map(axum::Json);
    call.answer("passkey.challenge.issue", issued).await
}

async fn issue(call: &Call) -> Result<CreationChallengeResponse, LoginError> {
    let app = &call.app;
    let body: Body = call.read()?;
    if !allowed(app.config()) {
        return Err(Refusal::PasskeysOff.into());
    }
    let session = call.session().await?.ok_or(Refusal::OtherSession)?;
    if !may_enrol(&session, app.now()) {
        return Err(Refusal::BothFactorsNeeded.into());
    }
    let own = account_passkey::of_person(&mut app.store().read(), &session.person_id).await?;
    let own = own.into_iter().map(|passkey| passkey.credential_id).collect();
    ask(call, &session, Purpose::EnrolSecondFactor, &body.name, own).await
}

/// `POST /second-factor/enrol`.
pub async fn post(call: Call) -> Response {
    let enrolled = submit(&call).await;
    let next = enrolled.map(|()| axum::Json(EnrolReply { redirect: ENROLLED }));
    call.answer("second_factor.enrol", next).await
}

async fn submit(call: &Call) -> Result<(), LoginError> {
    let Call { app, peer, facility, .. } = call;
    let Answered { session, answer, challenge } =
        answered(call, Purpose::EnrolSecondFactor).await?;
    if !allowed(app.config()) {
        return Err(Refusal::PasskeysOff.into());
    }
    if !may_enrol(&session, app.now()) {
        return Err(Refusal::BothFactorsNeeded.into());
    }
    let (name, credential) = credential(app, &answer, &challenge)?;
    let kept = serde_json::to_string(&credential)
        .map_err(|error| StoreError::Corrupt { what: "passkey", detail: error.to_string() })?;
    let (now, person_id) = (app.now(), session.person_id.as_str());
    transaction!(app.store(), LoginError, |tx| {
        if !vouching::stands(tx, &session, now).await? {
            return Err(Refusal::OtherSession.into());
        }
        // Whose factors are void meanwhile gets none of the new ones by this way.
        let found = account::of_person(tx, person_id).await?;
        if !found.is_some_and(|account| account.is_complete()) {
            return Err(Refusal::OtherSession.into());
        }
        if account_passkey::of_person(tx, person_id).await?.len() >= MOST_PASSKEYS {
            return Err(Refusal::TooManyPasskeys.into());
        }
        let new = NewAccountPasskey {
            person_id,
            credential_id: credential.cred_id(),
            credential: &kept,
            name: &name,
            enrolled_by: &session.evidence_id,
            at: now,
        };
        let id = account_passkey::enrol(tx, &new).await.map_err(|error| match error {
            StoreError::AlreadyExists { .. } => LoginError::from(Refusal::PasskeyEnrolled),
            error => error.into(),
        })?;
        // Whoever did not do it reads of it at the console.
        let told = Notice::SecondFactorEnrolled { name: name.clone() };
        notice::put(tx, To::Person(person_id.to_owned()), told, now).await?;
        let record = Entry::done("second_factor.enrol", Actor::Person(person_id.to_owned()), now)
            .on("account_passkey", id)
            .on("session", hex::encode(session.id_hash))
            .on("evidence", &session.evidence_id);
        Ok(Audited::new((), facility.place(record, peer)))
    })
}

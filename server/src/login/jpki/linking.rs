//! `POST /my-number-card/challenge` and `POST /my-number-card/link`: a My Number card is linked to the
//! person of a session that their HPKI card opened.
//!
//! The card names nobody, so nothing in it says whose it is. What stands for that is the session: its
//! HPKI card proved the person within [`FRESH`](crate::login::vouching::FRESH), the request names what
//! that card signed, and the answer counts for this session alone.

use axum::response::{IntoResponse, Response};
use sekisho_pki::national::jpki::claims_to_be_of_jpki;
use sekisho_protocol::{Sha256Digest, request::Purpose};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    evidence,
    jpki_link::{self, NewLink},
    presence, session as sessions, transaction,
};
use sekisho_wire::acr;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{holder::VerifiedJpkiHolder, page::LINKED, trust::JpkiTrust};
use crate::{
    app::App,
    login::{
        asking::{Asking, ChallengeReply, What},
        call::Call,
        card::{Proven, prove},
        challenge::purpose_word,
        hpki::our_request,
        refusal::{LoginError, Refusal},
        session::PortalSession,
        vouching::{may_vouch, new_voucher, stands},
    },
};

/// Why sessions by a My Number card end when another one takes its place.
pub const RELINKED: &str = "card_relinked";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    page_key: serde_json::Value,
    /// The page will go to the agent by top-level navigation.
    #[serde(default)]
    navigation: bool,
}

/// Where the page goes next.
#[derive(Debug, Serialize)]
struct LinkReply {
    redirect: &'static str,
}

/// `POST /my-number-card/challenge`.
pub async fn challenge(call: Call) -> Response {
    let issued = issue(&call).await.map(axum::Json);
    call.answer("login.challenge.issue", issued).await
}

async fn issue(call: &Call) -> Result<ChallengeReply, LoginError> {
    let Call { app, facility, .. } = call;
    let body: Body = call.read()?;
    let session = call.session().await?;
    let session = session.ok_or(Refusal::OtherSession)?;
    if !may_vouch(&session, app.now()) {
        return Err(Refusal::CardLevelNeeded.into());
    }
    let trust = app.card_trust().at(&facility.organisation_id);
    let card_issuers = trust.jpki().map(JpkiTrust::card_issuers).unwrap_or_default();
    let vouching_request = vouching_request(app, &session).await?;
    let asking = Asking::begin(call, body.page_key, body.navigation).await?;
    let what = What {
        purpose: Purpose::Link,
        acr: acr::JPKI_CARD,
        expected_subject: None,
        expected_certificate: None,
        vouching_request: Some(vouching_request),
        card_issuers: card_issuers.to_vec(),
        accepted_policies: vec![JpkiTrust::accepted_policy()],
        invitation_id: None,
        return_to: None,
        session_hash: Some(session.id_hash),
    };
    asking.sign(call, what).await
}

/// SHA-256 of the request that the HPKI card signed when it last proved this session.
async fn vouching_request(app: &App, session: &PortalSession) -> Result<Sha256Digest, LoginError> {
    let evidence = evidence::find(&mut app.store().read(), &session.evidence_id).await?;
    let evidence = evidence.ok_or_else(|| StoreError::Corrupt {
        what: "portal session",
        detail: "nothing proved it".to_owned(),
    })?;
    Ok(Sha256Digest::of(evidence.request_jws))
}

/// `POST /my-number-card/link`.
pub async fn link(call: Call) -> Response {
    match submit(&call).await {
        Ok(()) => axum::Json(LinkReply { redirect: LINKED }).into_response(),
        Err(error) => call.refuse(error),
    }
}

async fn submit(call: &Call) -> Result<(), LoginError> {
    let Call { app, peer, facility, .. } = call;
    let linked = async {
        let judged = judge(call).await?;
        let now = app.now();
        let link = async || {
            transaction!(app.store(), LoginError, |tx| {
                let (outcome, entry) = decide(tx, &judged, now).await?;
                Ok(Audited::new(outcome, facility.place(entry, peer)))
            })
        };
        match link().await {
            // Somebody linked the card, or the person another one, in this moment: decided by what stands
            // now.
            Err(LoginError::Store(StoreError::AlreadyExists { .. })) => link().await,
            linked => linked,
        }
    };
    let outcome: Result<(), Refusal> = match linked.await {
        Ok(outcome) => outcome,
        Err(error) => return Err(call.note_refusal("card.link", error).await),
    };
    Ok(outcome?)
}

/// A card that answered for a session, and the certificate that vouches in it.
struct Judged {
    session: PortalSession,
    holder: VerifiedJpkiHolder,
    voucher_fingerprint: [u8; 32],
}

async fn judge(call: &Call) -> Result<Judged, LoginError> {
    let Call { app, facility, .. } = call;
    let Proven { proof, challenge, .. } = prove(call).await?;
    if challenge.purpose != purpose_word(Purpose::Link) {
        return Err(Refusal::OtherPurpose.into());
    }
    let session = call.session().await?;
    let session = session.filter(|session| challenge.session_hash == Some(session.id_hash));
    let session = session.ok_or(Refusal::OtherSession)?;
    // Not one that was proved anew meanwhile, by whichever card: what vouches stands in the request.
    let vouching = Some(vouching_request(app, &session).await?);
    if our_request(&challenge.request_jws)?.vouching_request != vouching {
        return Err(Refusal::OtherSession.into());
    }
    let voucher_fingerprint = new_voucher(app, &session).await?;
    let trust = app.card_trust().at(&facility.organisation_id);
    let jpki = trust.jpki().ok_or(Refusal::NotConfigured)?;
    if !claims_to_be_of_jpki(proof.certificate_der()) {
        return Err(Refusal::MyNumberCardNeeded.into());
    }
    let holder = VerifiedJpkiHolder::validate(app, proof, jpki).await?;
    Ok(Judged { session, holder, voucher_fingerprint })
}

async fn decide(
    tx: &mut Tx,
    judged: &Judged,
    now: OffsetDateTime,
) -> Result<(Result<(), Refusal>, Entry), LoginError> {
    let Judged { session, holder, voucher_fingerprint } = judged;
    if !stands(tx, session, now).await? {
        return Err(Refusal::OtherSession.into());
    }
    let person_id = session.person_id.as_str();
    let person = Actor::Person(person_id.to_owned());
    let linked = jpki_link::of_serial(tx, &holder.serial_hash).await?;
    if linked.is_some_and(|link| link.person_id != person_id) {
        let refusal = Refusal::LinkedToAnother;
        let record = Entry::refused("card.link", person, now, refusal.code())
            .on("session", hex::encode(session.id_hash));
        return Ok((Err(refusal), record));
    }
    let before = jpki_link::of_person(tx, person_id).await?;
    let mut sessions_ended = 0;
    if let Some(before) = &before {
        jpki_link::end(tx, person_id, "replaced", now).await?;
        if before.fingerprint != holder.fingerprint {
            let ended =
                sessions::end_of_level(tx, person_id, acr::JPKI_CARD, RELINKED, now).await?;
            sessions_ended = ended.len();
        }
    }
    let evidence_id = evidence::keep(tx, &holder.evidence).await?;
    let new = NewLink {
        person_id,
        serial_hash: &holder.serial_hash,
        fingerprint: &holder.fingerprint,
        public_key: &holder.public_key,
        not_after: holder.not_after,
        voucher_fingerprint,
        voucher_evidence_id: &session.evidence_id,
        evidence_id: &evidence_id,
        at: now,
    };
    let link_id = jpki_link::make(tx, &new).await?;
    presence::watch_instead(tx, &session.id_hash, &holder.presence_id, now).await?;
    let mut record = Entry::done("card.link", person, now)
        .on("jpki_link", link_id)
        .on("session", hex::encode(session.id_hash))
        .on("card", hex::encode(voucher_fingerprint))
        .on("evidence", evidence_id)
        .on("vouching_evidence", &session.evidence_id);
    if let Some(before) = before {
        record = record.on("jpki_link_before", before.id).fact("sessions_ended", sessions_ended);
    }
    Ok((Ok(()), record))
}

//! Whether the person agrees to what a service is told of them, where that leaves the purpose of the facility
//! (OIDC Core §3.1.2.4).

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Uri, header};
use sekisho_store::{
    StoreError, Tx,
    audit::{Actor, Audited, Entry},
    consent,
    parked_request::{self, Parked},
    service::{self, Service},
    transaction,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Decided, Origin, Refusal, Reply, RequestError, Resumed, answer, park,
    resume::{self, ResumeError},
    wanted::{Prompt, Wanted},
};
use crate::{
    app::App,
    catalogue::Lang,
    error::page::PageError,
    form::StrictForm,
    listener::{FacilityConnection, Peer, note_refusal},
    login::session::{PortalSession, Present},
    middleware::ContentPolicy,
    oidc::{client_authentication::Client, parameters::Parameters, resource},
    page::{Page, PageFrame},
    personal_data::{self, Needed, Notices, claim_words, claims_of},
};

#[derive(Template)]
#[template(path = "authorize-consent.html")]
struct ConsentPage {
    page: PageFrame,
    service: String,
    notices: Notices,
    /// What the service would be told, in words.
    told: Vec<String>,
    /// The request that waits.
    request: String,
    /// The claims, as the answer names them.
    claims: String,
    /// What was shown, to whom.
    seen: String,
}

/// The person agreed to what the service is told, or nobody has to; otherwise they are asked, and a client that wants
/// no page is told so.
pub(super) async fn settled(
    origin: &Origin<'_>,
    client: &Client,
    session: &PortalSession,
    wanted: &Wanted,
    claims: &Map<String, Value>,
    reply: &Reply,
) -> Result<(), Refusal> {
    if origin.decided == Some(Decided::Refused) {
        return Err(RequestError::new("access_denied", "the person did not agree").into());
    }
    let mut reader = origin.app.store().read();
    for called in resource::called(&mut reader, client, &wanted.resources).await? {
        // A page for one service does not ask about another: that one asks at its own login.
        let person_id = &session.person_id;
        if !personal_data::is_settled_for_calls(&mut reader, &called, person_id).await? {
            let description = "the person has not agreed to what the called service is told";
            return Err(RequestError::new("consent_required", description).into());
        }
    }
    let again = wanted.consent_again && origin.decided.is_none();
    let (service, person_id) = (&client.service, &session.person_id);
    let needed = personal_data::needed(&mut reader, service, person_id, claims, again).await?;
    let Some(needed) = needed else { return Ok(()) };
    if wanted.prompt == Prompt::None {
        let description = "the person has not agreed to what this service is told";
        return Err(RequestError::new("consent_required", description).into());
    }
    Err(Refusal::Instead(asked(origin, service, session, needed, reply).await?))
}

async fn asked(
    origin: &Origin<'_>,
    service: &Service,
    session: &PortalSession,
    needed: Needed,
    reply: &Reply,
) -> Result<Response, Refusal> {
    // The login did for this request; reading the page does not make it too old.
    let login_since = session.auth_time.min(origin.app.now());
    let request = park::set_aside_as(origin, login_since).await?;
    let request = request.ok_or_else(|| Refusal::Page(park::too_many_parked()))?;
    let page = session.frame(origin.page.clone(), origin.facility);
    let claims = needed.claims.join(" ");
    let shown = ConsentPage {
        service: match page.text.lang() {
            Lang::Ja => service.name_ja.clone(),
            Lang::En => service.name_en.clone(),
        },
        notices: Notices::of(&needed.declared, page.text.lang()),
        told: claim_words(&needed.claims, &page.text),
        request,
        seen: seen(&needed.column, &claims, session),
        claims,
        page,
    };
    // What follows the answer leads on to the service.
    let policy = match reply.origin() {
        Some(origin) => ContentPolicy::strict().form_action(&origin),
        None => ContentPolicy::strict(),
    };
    Ok(([(header::CONTENT_SECURITY_POLICY, policy.header())], Page(shown)).into_response())
}

/// Tells one question from another: what the service says, what it would be told, and who was asked in which login.
fn seen(column: &str, claims: &str, session: &PortalSession) -> String {
    let mut hash = Sha256::new();
    hash.update(session.id_hash);
    for part in [column, claims] {
        hash.update(Sha256::digest(part));
    }
    hex::encode(hash.finalize())
}

/// What the person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// They agree.
    Agree,
    /// They do not.
    Refuse,
}

/// The form, filled in by the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    request: String,
    claims: String,
    seen: String,
    decision: Decision,
}

/// `POST /authorize/consent`: keeps the consent in the transaction that takes up the request which waited, then runs
/// the whole table again. Where the service says something else meanwhile, or another person is logged in, nothing is
/// kept and the person is asked anew.
///
/// # Errors
/// [`PageError`]: nobody is logged in; the request is unknown, used, expired, or another terminal's; or as for
/// `GET /authorize`.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    (uri, headers): (Uri, HeaderMap),
    // A visitor's emergency lifts no consent, so they are asked, too.
    Present(session): Present,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let id_hash: [u8; 32] = Sha256::digest(&form.request).into();
    let now = app.now();
    let taken_up = transaction!(app.store(), ResumeError, |tx| {
        let parked = parked_request::resume(tx, &id_hash, &facility.fingerprint, now).await?;
        let parked = parked.ok_or(ResumeError::NotParked)?;
        let resumed = facility.place(Entry::done(resume::ACT, facility.actor(), now), &peer);
        let decided = decide(tx, &session, &form, &parked, now).await?;
        let audited =
            Audited::new((parked, decided.as_ref().map(|(decided, _)| *decided)), resumed);
        Ok(match decided {
            Some((_, record)) => audited.and(facility.place(record, &peer)),
            None => audited,
        })
    });
    let (parked, decided) = match taken_up {
        Ok(taken_up) => taken_up,
        Err(ResumeError::NotParked) => {
            note_refusal(&app, &peer, &facility, (resume::ACT, "not_parked"), |entry| entry)
                .await?;
            return Err(resume::gone());
        }
        Err(ResumeError::Store(error)) => return Err(error.into()),
    };
    answer(Origin {
        app: &app,
        peer: &peer,
        facility: &facility,
        headers: &headers,
        uri: &uri,
        preferred: None,
        page,
        query: &parked.parameters,
        resumed: Some(Resumed::of(&parked)),
        decided,
    })
    .await
}

/// Keeps what was decided, with its record; `None` where it is not about what was shown.
async fn decide(
    tx: &mut Tx,
    session: &PortalSession,
    form: &Form,
    parked: &Parked,
    now: time::OffsetDateTime,
) -> Result<Option<(Decided, Entry)>, StoreError> {
    let parameters = Parameters::parse(parked.parameters.as_bytes()).ok();
    let client_id = parameters.as_ref().and_then(|parameters| parameters.get("client_id"));
    let Some(service) = service::find(tx, client_id.unwrap_or_default()).await? else {
        return Ok(None);
    };
    let Some(column) = &service.personal_data else { return Ok(None) };
    if form.seen != seen(column, &form.claims, session) {
        return Ok(None);
    }
    let claims: Vec<String> = form.claims.split_ascii_whitespace().map(str::to_owned).collect();
    let own = claims_of(&service);
    if !claims.iter().all(|claim| own.contains(claim)) {
        return Ok(None);
    }
    let (person_id, person) = (&session.person_id, Actor::Person(session.person_id.clone()));
    let about = |record: Entry| {
        let record = record.on("service", &service.id).on("person", person_id);
        record
            .fact("claims", claims.join(" "))
            .fact("declared", hex::encode(Sha256::digest(column)))
    };
    Ok(Some(match form.decision {
        Decision::Agree => {
            let given = consent::give(tx, person_id, &service.id, (column, &claims), now).await?;
            let record = Entry::done("consent.give", person, now).on("consent", given);
            (Decided::Agreed, about(record))
        }
        Decision::Refuse => (Decided::Refused, about(Entry::done("consent.refuse", person, now))),
    }))
}

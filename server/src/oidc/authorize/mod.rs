//! `GET /authorize` on the terminal name (OIDC Core §3.1.2): the table of checks.
//!
//! The order is the security of this endpoint. Until client and redirect URI are known to belong
//! together, an error is a page and never a redirect; afterwards the client is told.

mod check;
mod reply;
mod resume;

use axum::{
    extract::{Extension, RawQuery, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use sekisho_key::RandomnessError;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    authorization_code::{self, Code},
    offer, parked_request, service, transaction,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub use reply::{Reply, RequestError};
pub use resume::get as resume;

use super::{claims, parameters::Parameters};
use crate::{
    app::App,
    entitlement,
    error::page::PageError,
    listener::{FacilityConnection, Peer, note_refusal},
    login::session::{self as portal_session, PortalSession},
    page::PageFrame,
};

/// Where the request came from.
struct Origin<'a> {
    app: &'a App,
    peer: &'a Peer,
    facility: &'a FacilityConnection,
    headers: &'a HeaderMap,
    page: PageFrame,
    /// The query as it was sent, for parking.
    query: &'a str,
    /// When the request was parked, if it comes back from a login.
    parked_at: Option<OffsetDateTime>,
}

/// Why no code is given.
enum Refusal {
    /// The client is told.
    Request(RequestError),
    /// The person is told.
    Page(PageError),
    /// Neither: the person goes elsewhere or reads an explanation first.
    Instead(Response),
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<RandomnessError> for Refusal {
    fn from(error: RandomnessError) -> Self {
        Self::Page(PageError::internal(&error))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Page(error.into())
    }
}

/// `GET /authorize`.
///
/// # Errors
/// [`PageError`]: the request cannot be answered to a client.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    (method, uri, headers): (Method, Uri, HeaderMap),
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let query = query.unwrap_or_default();
    // Not as an extractor: of what is repeated in this query the client is told.
    let page = PageFrame::of_request(&app, &method, &uri, &headers);
    let origin = Origin {
        app: &app,
        peer: &peer,
        facility: &facility,
        headers: &headers,
        page,
        query: &query,
        parked_at: None,
    };
    answer(origin).await
}

async fn answer(origin: Origin<'_>) -> Result<Response, PageError> {
    let parameters = check::readable(origin.query)?;
    let client = check::known_client(origin.app, &parameters).await?;
    let reply = check::registered_redirect_uri(origin.app, &parameters, &client)?;
    // From here on the client may be told.
    match checked(&origin, &parameters, &client, &reply).await {
        Ok(response) | Err(Refusal::Instead(response)) => Ok(response),
        Err(Refusal::Page(page)) => Err(page),
        Err(Refusal::Request(error)) => {
            let Origin { app, peer, facility, .. } = origin;
            let told = ("authorization.request", error.code);
            note_refusal(app, peer, facility, told, |entry| entry.on("service", &client.id))
                .await?;
            Ok(reply.error(&error))
        }
    }
}

async fn checked(
    origin: &Origin<'_>,
    parameters: &Parameters,
    client: &service::Service,
    reply: &Reply,
) -> Result<Response, Refusal> {
    check::nothing_repeated(parameters)?;
    check::no_request_object(parameters)?;
    check::response_type_code(parameters)?;
    check::response_mode_query(parameters)?;
    let scopes = check::scope_with_openid(parameters, client)?;
    let code_challenge = check::pkce_s256(parameters)?;
    check::state_bounded(parameters)?;
    let nonce = check::nonce_bounded(parameters)?;
    let prompt = check::known_prompt(parameters)?;
    let max_age = check::max_age(parameters)?;
    let session = live_session(origin).await?;
    let session = match check::fresh_enough(session, prompt, max_age, origin) {
        Ok(session) => session,
        Err(check::NotFresh::LoginRequired) => return Err(check::login_required().into()),
        Err(check::NotFresh::Park) => return Err(Refusal::Instead(park(origin).await?)),
    };
    let release = permitted(origin, &session, client, prompt, reply).await?;
    let app = origin.app;
    let facts = service::facility_facts(&mut app.store().read(), &session.organisation_id)
        .await?
        .ok_or_else(|| Refusal::Page(PageError::forbidden()))?;
    let claims =
        claims::snapshot(app, client, &scopes, &release, &session, origin.facility, &facts);
    let code = Issue { client, reply, session: &session, scopes, code_challenge, nonce, claims };
    issue(origin, code).await
}

async fn live_session(origin: &Origin<'_>) -> Result<Option<PortalSession>, Refusal> {
    let Origin { app, peer, headers, facility, .. } = origin;
    Ok(portal_session::current(app, peer, headers, facility).await?)
}

/// Asks the rules. The person reads why not, and may then go back to the service with
/// `access_denied`; without a prompt the client is told at once.
async fn permitted(
    origin: &Origin<'_>,
    session: &PortalSession,
    client: &service::Service,
    prompt: check::Prompt,
    reply: &Reply,
) -> Result<std::collections::BTreeSet<String>, Refusal> {
    let app = origin.app;
    let request = entitlement::request(app, session).await?;
    let decision = match offer::find(&mut app.store().read(), &client.id).await? {
        Some(offer) => app.entitlements().decide(&offer, &request),
        None => sekisho_authz::Decision::no_rules(),
    };
    if decision.allowed {
        return Ok(decision.release);
    }
    let now = app.now();
    let person = Actor::Person(session.person_id.clone());
    let record = Entry::refused("service.authorize", person, now, decision.code)
        .on("service", &client.id)
        .on("session", hex::encode(session.id_hash))
        .on("membership", &session.membership_id)
        .fact("rule", decision.rule.clone());
    let record = origin.facility.place(record, origin.peer);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), record.clone())))?;
    let denied = RequestError::new("access_denied", "not permitted by the rules of the service");
    if prompt == check::Prompt::None {
        return Err(Refusal::Instead(reply.error(&denied)));
    }
    Err(Refusal::Instead(reply::explain(
        session.frame(origin.page.clone(), origin.facility),
        client,
        &decision,
        reply,
        &denied,
    )))
}

/// Requests that one terminal may set aside in a minute. A person who opens a folder of bookmarks
/// makes a dozen; a page that reloads itself without end must fill neither table nor trail.
const MOST_PARKED: i64 = 60;

/// Sets the request aside and sends the person to log in; it continues at [`resume`].
async fn park(origin: &Origin<'_>) -> Result<Response, Refusal> {
    const ACT: &str = "authorization.park";
    let Origin { app, peer, facility, .. } = origin;
    let now = app.now();
    let since = now - time::Duration::MINUTE;
    let fingerprint = &facility.fingerprint;
    if parked_request::parked(&mut app.store().read(), fingerprint, since).await? >= MOST_PARKED {
        note_refusal(app, peer, facility, (ACT, "too_many_parked"), |entry| entry).await?;
        return Err(Refusal::Page(too_many_parked()));
    }
    let id = random_text(app)?;
    let id_hash: [u8; 32] = Sha256::digest(&id).into();
    let parked = parked_request::Parked { parameters: origin.query.to_owned(), created_at: now };
    let expires_at = now + app.config().oidc().parked_request_lifetime();
    let record = facility.place(Entry::done(ACT, facility.actor(), now), peer);
    transaction!(app.store(), StoreError, |tx| {
        parked_request::park(tx, &id_hash, fingerprint, &parked, expires_at).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    let back = format!("/authorize/resume?request={id}");
    let to = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("return_to", &back)
        .finish();
    Ok(Redirect::to(&format!("/login?{to}")).into_response())
}

fn too_many_parked() -> PageError {
    PageError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "oidc-parked-title",
        "oidc-parked-text",
        "oidc-parked-help",
    )
    .header(header::RETRY_AFTER, HeaderValue::from_static("60"))
}

/// What a code is issued for.
struct Issue<'a> {
    client: &'a service::Service,
    reply: &'a Reply,
    session: &'a PortalSession,
    scopes: Vec<&'static str>,
    code_challenge: String,
    nonce: Option<String>,
    claims: serde_json::Map<String, serde_json::Value>,
}

async fn issue(origin: &Origin<'_>, issue: Issue<'_>) -> Result<Response, Refusal> {
    let app = origin.app;
    let text = random_text(app)?;
    let now = app.now();
    let code = Code {
        code_hash: Sha256::digest(&text).into(),
        service_id: issue.client.id.clone(),
        session_hash: issue.session.id_hash,
        redirect_uri: issue.reply.redirect_uri().to_owned(),
        code_challenge: issue.code_challenge,
        nonce: issue.nonce,
        scope: issue.scopes.join(" "),
        claims: serde_json::Value::Object(issue.claims).to_string(),
        created_at: now,
        expires_at: now + app.config().oidc().code_lifetime(),
        consumed_at: None,
    };
    let person = Actor::Person(issue.session.person_id.clone());
    let record = Entry::done("authorization.code", person, now)
        .on("service", &issue.client.id)
        .on("session", hex::encode(issue.session.id_hash))
        .on("membership", &issue.session.membership_id)
        .fact("scope", code.scope.clone());
    let record = origin.facility.place(record, origin.peer);
    transaction!(app.store(), StoreError, |tx| {
        authorization_code::add(tx, &code).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    Ok(issue.reply.code(&text))
}

/// 32 random octets as text: a code, or the name of a parked request.
fn random_text(app: &App) -> Result<String, RandomnessError> {
    let mut octets = [0; 32];
    app.random().fill(&mut octets)?;
    Ok(sekisho_protocol::octets::encode(octets))
}

//! `GET` and `POST /authorize` on the terminal name (OIDC Core §3.1.2): the table of checks.
//!
//! The order is the security of this endpoint. Until client and redirect URI are known to belong
//! together, an error is a page and never a redirect; afterwards the client is told.

mod consent;
mod fresh;
mod issue;
mod park;
mod reply;
mod request;
mod resume;
mod wanted;

use std::collections::BTreeSet;

use axum::{
    body::Bytes,
    extract::{Extension, RawQuery, State, rejection::BytesRejection},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri};
use sekisho_key::RandomnessError;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    offer,
    parked_request::Parked,
    service, transaction,
};
use time::OffsetDateTime;

pub use consent::post as decide;
pub use reply::{Reply, RequestError, ResponseMode};
pub use request::{REFERENCE, signed_or_plain};
pub use resume::get as resume;
pub use wanted::{Prompt, Wanted};

use super::{
    claims, client_authentication::Client, confirmation::Confirmation, grant::Details,
    id_token_hint, parameters::Parameters, resource, ui_locales,
};
use crate::{
    app::App,
    catalogue::Lang,
    emergency::{self, InForce},
    entitlement::{self, Explanation},
    error::page::PageError,
    form::{self, FormError},
    listener::{FacilityConnection, Peer, note_refusal},
    login::{
        Least,
        handover::Withheld,
        login_address,
        session::{self as portal_session, PortalSession},
        shared_terminal,
    },
    page::PageFrame,
};

/// Where the request came from.
struct Origin<'a> {
    app: &'a App,
    peer: &'a Peer,
    facility: &'a FacilityConnection,
    headers: &'a HeaderMap,
    /// The address of this page.
    uri: &'a Uri,
    page: PageFrame,
    /// The language that the service would have, where the person has not chosen.
    preferred: Option<Lang>,
    /// The query as it was sent, for parking.
    query: &'a str,
    /// Where the request comes from, if it was set aside.
    resumed: Option<Resumed>,
    /// What the person decided just now about what the service would be told.
    decided: Option<Decided>,
}

/// A request that comes back: from a login, or from a question.
#[derive(Debug, Clone, Copy)]
struct Resumed {
    /// When it came.
    came: OffsetDateTime,
    /// A login since then counts as one for it.
    login_since: OffsetDateTime,
}

impl Resumed {
    const fn of(parked: &Parked) -> Self {
        Self { came: parked.created_at, login_since: parked.login_since }
    }
}

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// They agree; it is kept.
    Agreed,
    /// They do not.
    Refused,
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

impl From<PageError> for Refusal {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
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
        uri: &uri,
        page,
        preferred: None,
        query: &query,
        resumed: None,
        decided: None,
    };
    answer(origin).await
}

/// `POST /authorize` (OIDC Core §3.1.2.1). A request that comes from another site carries no
/// `SameSite=Lax` cookie, so it cannot see whose session it is about: it leads to the GET of the same
/// parameters, which has the cookie.
///
/// # Errors
/// [`PageError`]: the body is no form.
pub async fn post(
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, PageError> {
    if !form::announced(&headers)? {
        return Err(FormError::NotAForm.into());
    }
    let parameters = Parameters::of_body(body)?;
    let query = parameters.encoded_without(&[]);
    Ok(Redirect::to(&format!("/authorize?{query}")).into_response())
}

async fn answer(mut origin: Origin<'_>) -> Result<Response, PageError> {
    let app = origin.app;
    let sent = Parameters::parse(origin.query.as_bytes())
        .map_err(|_| not_told("oidc-authorize-unreadable"))?;
    let id = single(&sent, "client_id", "oidc-authorize-client-missing")?;
    let client =
        Client::find(app, id).await?.ok_or_else(|| not_told("oidc-authorize-no-client"))?;
    let came = origin.resumed.map(|from| from.came);
    let resolved = request::resolve(app, sent.clone(), &client, came).await;
    let (told_by, outcome) = match resolved {
        Ok(requested) => {
            let reply = registered(&requested.parameters, &client)?;
            #[cfg(seeded_faults)]
            let reply = reply.with_state_of(&sent);
            let Origin { uri, headers, .. } = origin;
            origin.preferred = ui_locales::preferred(&requested.parameters, uri, headers);
            if let Some(lang) = origin.preferred {
                origin.page = origin.page.in_language(app, lang);
            }
            let outcome = checked(&origin, requested, &client, &reply).await;
            (reply, outcome)
        }
        // The client is told where its address stands outside of what cannot be read.
        Err(unresolved) => match (registered(&sent, &client), unresolved) {
            (Ok(reply), request::Unresolved::Request(error)) => {
                (reply, Err(Refusal::Request(error)))
            }
            (Ok(reply), request::Unresolved::Page(page)) => (reply, Err(Refusal::Page(page))),
            (Err(_), request::Unresolved::Request(error)) => return Err(self::unresolved(&error)),
            (Err(_), request::Unresolved::Page(page)) => return Err(page),
        },
    };
    let refused = match outcome {
        Ok(response) | Err(Refusal::Instead(response)) => return Ok(response),
        Err(Refusal::Page(page)) => Err(page),
        Err(Refusal::Request(error)) => {
            let Origin { peer, facility, .. } = origin;
            let told = ("authorization.request", error.code);
            let on = |entry: Entry| entry.on("service", &client.service.id);
            let noted = note_refusal(app, peer, facility, told, on).await;
            noted.map(|()| error).map_err(PageError::from)
        }
    };
    // A client that is known is told also that we failed: it may have shown no page (OIDC Core §3.1.2.6).
    let error = refused.or_else(|page| RequestError::of_failure(&page).ok_or(page))?;
    told_by.error(app, resume::without_address(origin.page), &error).await
}

/// `redirect_uri` is registered, octet by octet (RFC 9700 §2.1). It is required even where only one
/// is registered.
fn registered(parameters: &Parameters, client: &Client) -> Result<Reply, PageError> {
    let uri = match single(parameters, "redirect_uri", "oidc-authorize-redirect") {
        Err(_) if seeded!(RedirectUriOptional) => &client.service.redirect_uris[0],
        uri => uri?,
    };
    let fits = |registered: &String| {
        if seeded!(RedirectUriByPrefix) {
            return uri.starts_with(registered.as_str());
        }
        if seeded!(RedirectQueryUncompared) {
            return uri.split('?').next() == registered.split('?').next();
        }
        registered == uri || seeded!(RedirectUriUnchecked)
    };
    if !client.service.redirect_uris.iter().any(fits) {
        return Err(not_told("oidc-authorize-redirect"));
    }
    Ok(Reply::new(uri, parameters, client))
}

/// A parameter without which nobody but the person can be told. Sent twice it is told as that: the
/// service may be registered well (RFC 6749 §3.1).
fn single<'p>(
    parameters: &'p Parameters,
    name: &str,
    missing: &'static str,
) -> Result<&'p str, PageError> {
    parameters.get(name).ok_or_else(|| {
        if parameters.is_repeated(name) {
            not_told("oidc-authorize-repeated").arg("name", name)
        } else {
            not_told(missing)
        }
    })
}

/// A request whose client cannot be told.
fn not_told(text: &'static str) -> PageError {
    PageError::new(StatusCode::BAD_REQUEST, "oidc-authorize-title", text, "oidc-authorize-help")
}

fn unresolved(error: &RequestError) -> PageError {
    not_told("oidc-authorize-unresolved").arg("detail", &error.description)
}

async fn checked(
    origin: &Origin<'_>,
    requested: request::Requested,
    client: &Client,
    reply: &Reply,
) -> Result<Response, Refusal> {
    let app = origin.app;
    let service = &client.service;
    let mut wanted = Wanted::of(&requested.parameters, service, &client.metadata)?;
    wanted.expected_subs.extend(hinted(app, &requested.parameters, client).await?);
    resource::check(app, client, &wanted.resources)
        .await
        .map_err(|error| RequestError::new(error.error, error.description))?;
    let session = live_session(origin).await?;
    let session = match fresh::fresh_enough(session, &wanted, &service.sector, origin) {
        Ok(session) => session,
        Err(fresh::NotFresh::Told(error)) => return Err(error.into()),
        Err(fresh::NotFresh::Park(demanded)) => {
            // Nobody takes out one card to read then that it had to be the other.
            let offer = offer::find(&mut app.store().read(), &service.id).await?;
            let least = offer
                .and_then(|offer| app.entitlements().weakest_level(&offer))
                .and_then(|level| Least::of(app.config(), &level));
            let least =
                Least::stronger(demanded, least).filter(|least| least.excludes_any(app.config()));
            return Err(Refusal::Instead(park::park(origin, least).await?));
        }
    };
    let (release, emergency) = permitted(origin, &session, service, &wanted, reply).await?;
    let facts = service::facility_facts(&mut app.store().read(), &session.organisation_id)
        .await?
        .ok_or_else(|| Refusal::Page(PageError::forbidden()))?;
    let told = claims::Told {
        scopes: &wanted.scopes,
        claims: &wanted.claims,
        release: &release,
        emergency: emergency.as_ref(),
    };
    let claims = claims::snapshot(app, service, &told, &session, origin.facility, &facts);
    consent::settled(origin, client, &session, &wanted, &claims, reply).await?;
    let details = requested.details().map_err(|error| PageError::internal(&error))?;
    let details = Details {
        nonce: wanted.nonce,
        resources: wanted.resources,
        claims: wanted.claims.iter().map(|name| (*name).to_owned()).collect(),
        bound_to: wanted
            .dpop_jkt
            .filter(|_| !seeded!(DpopJktIgnored))
            .map(Confirmation::Key)
            .or(details.bound_to),
        exchanged_from: None,
    };
    let issue = issue::Issue {
        client: service,
        reply,
        session: &session,
        scopes: wanted.scopes,
        code_challenge: wanted.code_challenge,
        details: details.to_column().map_err(|error| PageError::internal(&error))?,
        claims,
        emergency,
        pushed: requested.pushed.as_ref(),
    };
    issue::issue_code(origin, issue).await
}

/// The person that `id_token_hint` means.
async fn hinted(
    app: &App,
    parameters: &Parameters,
    client: &Client,
) -> Result<Option<String>, Refusal> {
    let Some(token) = parameters.get("id_token_hint") else { return Ok(None) };
    let hint = id_token_hint::read(app, token).await.map_err(PageError::from)?;
    let own = hint.filter(|hint| hint.aud == client.service.id).ok_or_else(|| {
        let description = "id_token_hint is no ID token that this client was given";
        RequestError::new("invalid_request", description)
    })?;
    Ok(Some(own.sub))
}

async fn live_session(origin: &Origin<'_>) -> Result<Option<PortalSession>, Refusal> {
    let Origin { app, peer, headers, facility, .. } = origin;
    Ok(portal_session::present(app, peer, headers, facility).await?)
}

/// Asks the rules. The person reads why not, and may then log in more strongly, where that is all that
/// is lacking, or go back to the service with `access_denied`; without a prompt the client is told at
/// once.
async fn permitted(
    origin: &Origin<'_>,
    session: &PortalSession,
    client: &service::Service,
    wanted: &Wanted,
    reply: &Reply,
) -> Result<(BTreeSet<String>, Option<InForce>), Refusal> {
    let app = origin.app;
    let asked = entitlement::request(app, session).await?;
    let decision = match offer::find(&mut app.store().read(), &client.id).await? {
        Some(offer) => app.entitlements().decide(&offer, &asked.request),
        None => sekisho_authz::Decision::no_rules(),
    };
    if decision.allowed {
        not_withheld(origin, session, client, wanted, reply).await?;
        let emergency = asked.admitted_by(&decision).cloned();
        return Ok((decision.release, emergency));
    }
    note_denied(origin, session, client, decision.code, |entry| {
        entry.fact("rule", decision.rule.clone())
    })
    .await?;
    let denied = RequestError::new("access_denied", "not permitted by the rules of the service");
    if wanted.prompt == Prompt::None {
        let page = resume::without_address(origin.page.clone());
        return Err(Refusal::Instead(reply.error(app, page, &denied).await?));
    }
    let least = Least::lacking(app.config(), &decision);
    let offered = emergency::offered(&asked.request, &decision);
    // A login just for this request would count no more for one that is set aside anew.
    let goes_on = offered.filter(|_| wanted.prompt != Prompt::Login && wanted.max_age.is_none());
    let resume = match (least, goes_on) {
        (None, None) => None,
        _ => park::set_aside(origin, app.now()).await?,
    };
    // Who asked too often reads why not, without a login that leads on.
    let step_up = resume.as_ref().zip(least);
    let step_up = step_up.map(|(resume, least)| login_address(resume, Some(least)));
    let resume = resume.filter(|_| goes_on.is_some());
    let emergency = offered.map(|_| emergency::address(resume.as_deref()));
    let page = session.frame(origin.page.clone(), origin.facility);
    let why = Explanation::of(&decision, &page.text);
    let told = reply::Denied { why, step_up, emergency, error: &denied };
    let explained = reply.explain(app, page, client, told).await?;
    Err(Refusal::Instead(explained))
}

/// Refuses where the service did not confirm the logout of the person before in this browser, or hears of none and
/// several people use the terminal: what it shows may be another's. A client that wants no prompt is told that one is
/// needed.
async fn not_withheld(
    origin: &Origin<'_>,
    session: &PortalSession,
    client: &service::Service,
    wanted: &Wanted,
    reply: &Reply,
) -> Result<(), Refusal> {
    let app = origin.app;
    let text = &origin.page.text;
    let untold = client.backchannel_logout_uri.is_none()
        && shared_terminal::closes_untold(app, &mut app.store().read(), session).await?;
    let (reason, description, why) = match Withheld::from(app, session).await?.why(&client.id, text)
    {
        Some(why) => {
            ("logout_unconfirmed", "the logout of the person before is not confirmed", why)
        }
        None if untold => {
            let description =
                "this service hears of no logout, and several people use the terminal";
            (shared_terminal::CODE, description, shared_terminal::why(text))
        }
        None => return Ok(()),
    };
    note_denied(origin, session, client, reason, |entry| entry).await?;
    let code = if wanted.prompt == Prompt::None { "interaction_required" } else { "access_denied" };
    let error = RequestError::new(code, description);
    let answer = if wanted.prompt == Prompt::None {
        reply.error(app, resume::without_address(origin.page.clone()), &error).await?
    } else {
        let page = session.frame(origin.page.clone(), origin.facility);
        let told = reply::Denied { why, step_up: None, emergency: None, error: &error };
        reply.explain(app, page, client, told).await?
    };
    Err(Refusal::Instead(answer))
}

/// Records that a service stays closed to a person.
async fn note_denied(
    origin: &Origin<'_>,
    session: &PortalSession,
    client: &service::Service,
    code: &str,
    more: impl FnOnce(Entry) -> Entry,
) -> Result<(), StoreError> {
    let person = Actor::Person(session.person_id.clone());
    let record = Entry::refused("service.authorize", person, origin.app.now(), code)
        .on("service", &client.id)
        .on("session", hex::encode(session.id_hash));
    let record = origin.facility.place(more(session.ground.named(record)), origin.peer);
    transaction!(origin.app.store(), StoreError, |tx| Ok(Audited::new((), record.clone())))
}

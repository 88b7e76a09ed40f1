//! `/end-session` on the terminal name (OIDC RP-Initiated Logout 1.0).
//!
//! A link on any page could lead here, so only an ID token of this very session ends it at once;
//! otherwise the person is asked, and answers by the form of our own page.
//!
//! A service may send the same parameters by POST (§2). That request comes from another site and
//! carries no `SameSite=Lax` cookie, so it cannot see whose session it is about: it is judged as far as
//! it can be, changes nothing, and leads to the GET of the same parameters, which has the cookie.

use askama::Template;
use axum::{
    body::Bytes,
    extract::{Extension, RawQuery, State, rejection::BytesRejection},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use sekisho_store::service;
use subtle::ConstantTimeEq;

use crate::{
    app::App,
    error::page::PageError,
    form::{self, FormError},
    listener::{FacilityConnection, Peer},
    login::{logout, session},
    middleware::{self, ContentPolicy},
    names::NameRole,
    oidc::{
        id_token_hint::{self, Hint},
        logout::frontchannel,
        parameters::{Parameters, unreturnable},
        subject, ui_locales,
    },
    page::{Page, PageFrame},
};

/// What is asked, as far as it can be judged without knowing who asks.
struct Asked {
    hint: Option<Hint>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
    /// Where the person goes afterwards.
    address: String,
}

#[derive(Template)]
#[template(path = "end-session.html")]
struct AskPage {
    page: PageFrame,
    client_id: String,
    post_logout_redirect_uri: String,
    state: String,
}

impl Asked {
    /// # Errors
    /// [`PageError`]: a parameter is repeated, the hint is not ours, or the address not registered.
    async fn judge(app: &App, parameters: &Parameters) -> Result<Self, PageError> {
        if parameters.repeated().is_some() {
            return Err(refused());
        }
        let hint = match parameters.get("id_token_hint") {
            Some(hint) => Some(verified(app, hint).await?),
            None => None,
        };
        let owned = |name| parameters.get(name).map(str::to_owned);
        let client_id = owned("client_id");
        if let (Some(hint), Some(client_id)) = (&hint, &client_id)
            && hint.aud != *client_id
        {
            return Err(refused());
        }
        let mut asked = Self {
            client_id: client_id.or_else(|| hint.as_ref().map(|hint| hint.aud.clone())),
            hint,
            post_logout_redirect_uri: owned("post_logout_redirect_uri"),
            state: owned("state"),
            address: String::new(),
        };
        asked.address = address(app, &asked).await?;
        Ok(asked)
    }
}

/// `GET /end-session`.
///
/// # Errors
/// [`PageError`], as of [`Asked::judge`].
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    (uri, headers): (Uri, HeaderMap),
    page: PageFrame,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let parameters =
        Parameters::parse(query.unwrap_or_default().as_bytes()).map_err(|_| refused())?;
    let asked = Asked::judge(&app, &parameters).await?;
    let preferred = ui_locales::preferred(&parameters, &uri, &headers);
    let page = match preferred {
        Some(lang) => page.in_language(&app, lang),
        None => page,
    };
    let found = session::of_cookie(&mut app.store().read(), &headers).await?;
    let Some(found) = found else {
        return Ok(frontchannel::leave(&app, page, None, &asked.address).await?);
    };
    if let Some(hint) = &asked.hint
        && let Some(client) = service::find(&mut app.store().read(), &hint.aud).await?
    {
        let sid = subject::session(&app, &client.sector, &found.id_hash);
        if bool::from(sid.as_bytes().ct_eq(hint.sid.as_bytes())) {
            logout::end(&app, &peer, &facility, Some(&found)).await?;
            return Ok(frontchannel::leave(&app, page, Some(&found), &asked.address).await?);
        }
    }
    // The redirect after the form counts as a place where the form leads (CSP 3 §6.4.1).
    let policy = match url::Url::parse(&asked.address) {
        Ok(url) => ContentPolicy::strict().form_action(&url.origin().ascii_serialization()),
        Err(_) => ContentPolicy::strict(),
    };
    let asking = Page(AskPage {
        page,
        client_id: asked.client_id.unwrap_or_default(),
        post_logout_redirect_uri: asked.post_logout_redirect_uri.unwrap_or_default(),
        state: asked.state.unwrap_or_default(),
    });
    let mut response =
        ([(header::CONTENT_SECURITY_POLICY, policy.header())], asking).into_response();
    ui_locales::remember(&mut response, preferred);
    Ok(response)
}

/// `POST /end-session`: the person agreed on our own page, or a service asks by POST.
///
/// # Errors
/// [`PageError`], as of [`Asked::judge`], or the body is no form.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    headers: HeaderMap,
    page: PageFrame,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, PageError> {
    if !form::announced(&headers)? {
        return Err(FormError::NotAForm.into());
    }
    let parameters = Parameters::of_body(body)?;
    let asked = Asked::judge(&app, &parameters).await?;
    let agreed = parameters.get("agreed") == Some("yes");
    // What another site sends in the person's name is no agreement, with or without the cookie.
    if !agreed || !middleware::is_same_origin(&headers, app.names().origin(NameRole::Terminal)) {
        return Ok(Redirect::to(&by_get(&parameters)).into_response());
    }
    let found = session::of_cookie(&mut app.store().read(), &headers).await?;
    if found.is_some() {
        logout::end(&app, &peer, &facility, found.as_ref()).await?;
    }
    Ok(frontchannel::leave(&app, page, found.as_ref(), &asked.address).await?)
}

/// The address that asks the same by GET. What a service may send is judged by then, and bounded.
fn by_get(parameters: &Parameters) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in
        ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", ui_locales::PARAMETER]
    {
        if let Some(value) = parameters.get(name) {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => "/end-session".to_owned(),
        query => format!("/end-session?{query}"),
    }
}

/// The registered address of the client with its `state`, or our own login page.
async fn address(app: &App, asked: &Asked) -> Result<String, PageError> {
    if asked.state.as_deref().and_then(unreturnable).is_some() {
        return Err(refused());
    }
    let Some(uri) = &asked.post_logout_redirect_uri else {
        return Ok(logout::LOGGED_OUT.to_owned());
    };
    let client_id = asked.client_id.as_deref().ok_or_else(refused)?;
    let client = service::find(&mut app.store().read(), client_id).await?.ok_or_else(refused)?;
    let fits = |registered: &String| {
        if seeded!(LogoutUriByPrefix) {
            return uri.starts_with(registered.as_str());
        }
        registered == uri
    };
    if !client.logout_uris.iter().any(fits) {
        return Err(refused());
    }
    let state = asked.state.as_ref().filter(|_| !seeded!(LogoutStateNotReturned));
    let Some(state) = state else { return Ok(uri.clone()) };
    let pair =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    Ok(format!("{uri}{joint}{pair}"))
}

async fn verified(app: &App, token: &str) -> Result<Hint, PageError> {
    id_token_hint::read(app, token).await?.ok_or_else(refused)
}

fn refused() -> PageError {
    PageError::new(
        StatusCode::BAD_REQUEST,
        "oidc-end-session-error-title",
        "oidc-end-session-error-text",
        "oidc-end-session-error-help",
    )
}

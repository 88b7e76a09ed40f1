//! The pages that show a secret for the only time.

use askama::Template;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::form::NewService;
use crate::{
    app::App,
    console::service,
    oidc::{client::Registered, discovery, registration},
    page::{Page, PageFrame},
    portal::when,
};

#[derive(Template)]
#[template(path = "console/service-made.html")]
struct ServicePage {
    page: PageFrame,
    name: String,
    client_id: String,
    /// Its own page.
    own_page: String,
    client_secret: Option<Zeroizing<String>>,
    issuer: String,
    discovery: String,
    /// Whether it is told of no logout.
    untold: bool,
}

/// A service that was registered.
pub(super) fn page(
    app: &App,
    page: PageFrame,
    typed: &NewService,
    registered: &Registered,
) -> Response {
    let issuer = app.names().public.clone();
    let secret = registered.client_secret.as_ref();
    Page(ServicePage {
        name: typed.name_in(page.text.lang()).to_owned(),
        client_id: registered.client_id.clone(),
        own_page: service::path_of(&registered.client_id),
        client_secret: secret.map(|secret| Zeroizing::new(secret.expose_secret().to_owned())),
        discovery: format!("{issuer}{}", discovery::PATH),
        issuer,
        untold: typed.hears_of_no_logout(),
        page,
    })
    .into_response()
}

#[derive(Template)]
#[template(path = "console/service-token.html")]
struct TokenPage {
    page: PageFrame,
    token: Zeroizing<String>,
    endpoint: String,
    until: String,
}

/// A token that was made.
pub(super) fn token_page(
    app: &App,
    page: PageFrame,
    token: &SecretString,
    expires_at: OffsetDateTime,
) -> Response {
    Page(TokenPage {
        until: when::shown(expires_at, page.text.lang()),
        token: Zeroizing::new(token.expose_secret().to_owned()),
        endpoint: format!("{}{}", app.names().public, registration::PATH),
        page,
    })
    .into_response()
}

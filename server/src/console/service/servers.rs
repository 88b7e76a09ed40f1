//! `/console/service/{id}/acme`: the certificates of a service's servers, and the key by which they get them.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use sekisho_store::{acme_account, acme_binding, acme_certificate, service::Service};
use zeroize::Zeroizing;

use super::{acting, path_of, seen};
use crate::{
    app::App,
    catalogue::Lang,
    enrol::acme::{
        self,
        binding::{BindingError, NewBinding},
    },
    error::page::PageError,
    form::{NoFields, PathId},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

/// How many certificates are shown, newest first.
const MOST: i64 = 50;

/// A certificate on the page.
struct Shown {
    names: String,
    serial: String,
    until: String,
    /// Message key of where it stands.
    stands: &'static str,
}

#[derive(Template)]
#[template(path = "console/service-servers.html")]
struct ServersPage {
    page: PageFrame,
    name: String,
    back: String,
    here: String,
    directory: String,
    names: Vec<String>,
    /// Message key of why no key is made.
    closed: Option<&'static str>,
    /// Until when the key that was made opens an account.
    waiting: Option<String>,
    accounts: Vec<Account>,
    certificates: Vec<Shown>,
    more: bool,
}

/// An account on the page.
struct Account {
    opened: String,
    contact: String,
    ended: bool,
}

#[derive(Template)]
#[template(path = "console/service-server-key.html")]
struct KeyPage {
    page: PageFrame,
    name: String,
    back: String,
    directory: String,
    first: String,
    key_id: String,
    key: Zeroizing<String>,
    until: String,
}

fn here(id: &str) -> String {
    format!("{}/acme", path_of(id))
}

fn name_of(service: &Service, page: &PageFrame) -> String {
    match page.text.lang() {
        Lang::Ja => service.name_ja.clone(),
        Lang::En => service.name_en.clone(),
    }
}

fn directory(app: &App) -> String {
    format!("{}{}", app.names().enrol, acme::DIRECTORY)
}

/// `GET /console/service/{id}/acme`.
///
/// # Errors
/// [`PageError`]: no such service, or another's; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let service = seen(&mut reader, &session, &id).await?;
    let shown = |at| when::shown(at, page.text.lang());
    let names = acme::names_of(&service);
    let closed = if !app.config().acme().is_enabled() {
        Some("servers-closed-door")
    } else if service.withdrawn_at.is_some() {
        Some("servers-closed-withdrawn")
    } else if service.live_at.is_none() {
        Some("servers-closed-sandbox")
    } else if names.is_empty() {
        Some("servers-closed-names")
    } else {
        None
    };
    let waiting = acme_binding::open_of(&mut reader, &id, app.now()).await?;
    let accounts = acme_account::of_service(&mut reader, &id).await?;
    let accounts = accounts.into_iter().map(|account| Account {
        opened: shown(account.created_at),
        contact: account.contact.join(" ").replace("mailto:", ""),
        ended: account.deactivated_at.is_some(),
    });
    let now = app.now();
    let mut found = acme_certificate::of_service(&mut reader, &id, MOST + 1).await?;
    let more = found.len() > usize::try_from(MOST).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(MOST).unwrap_or(usize::MAX));
    let certificates = found.into_iter().map(|found| Shown {
        names: found.names.join(" "),
        serial: hex::encode(&found.serial),
        until: shown(found.not_after),
        stands: if found.revoked {
            "servers-revoked"
        } else if found.not_after < now {
            "servers-over"
        } else {
            "servers-good"
        },
    });
    Ok(Page(ServersPage {
        name: name_of(&service, &page),
        back: path_of(&id),
        here: here(&id),
        directory: directory(&app),
        names: names.into_iter().collect(),
        closed,
        waiting: waiting.map(|key| shown(key.expires_at)),
        accounts: accounts.collect(),
        certificates: certificates.collect(),
        more,
        page: session.frame(page),
    }))
}

/// `POST /console/service/{id}/acme`: makes a key, shown once. One that nobody used ends.
///
/// # Errors
/// [`PageError`]: no such service, or another's; 409 where its servers may have no certificates.
pub async fn post(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    _: NoFields,
) -> Result<Response, PageError> {
    let mut reader = app.store().read();
    let (acting, service) = acting(&mut reader, &session, &id).await?;
    let keys = (&app.keys().sealing, app.random());
    let drawn = NewBinding::draw(&mut reader, &id, app.config(), keys, app.now()).await;
    let drawn = drawn.map_err(refused)?;
    let done = acting.done(acme::binding::ACT, app.now());
    drawn.keep(app.store(), done).await.map_err(refused)?;
    let shown = KeyPage {
        name: name_of(&service, &page),
        back: here(&id),
        directory: directory(&app),
        first: drawn.names().first().cloned().unwrap_or_default(),
        key_id: drawn.id().to_owned(),
        key: drawn.key(),
        until: when::shown(drawn.expires_at(), page.text.lang()),
        page: session.frame(page).switching_at(&here(&id)),
    };
    Ok(Page(shown).into_response())
}

fn refused(error: BindingError) -> PageError {
    match error {
        BindingError::Service(_) | BindingError::NoNames(_) => PageError::new(
            StatusCode::CONFLICT,
            "servers-refused-title",
            "servers-refused",
            "servers-refused-help",
        ),
        BindingError::Store(error) => error.into(),
        error @ (BindingError::Randomness(_) | BindingError::Sealing(_)) => {
            PageError::internal(&error)
        }
    }
}

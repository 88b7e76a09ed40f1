//! `GET /console/service/{id}`: what is registered, whom it is open to, and what to run.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

use super::{
    InForce, ServiceCard, card,
    check::{self, CheckLine},
    going_live::{GoingLive, Typed},
    path_of,
    ready::{self, NotReady, Provider, Ready},
    seen,
    trial::Offered,
};
use crate::{
    app::App,
    error::page::PageError,
    form::{PathId, StrictQuery},
    names::NameRole,
    oidc::{client::Metadata, discovery},
    page::{Page, PageFrame},
    people::{field::FieldErrors, session::ConsoleSession},
    use_case::Chosen,
};

#[derive(Template)]
#[template(path = "console/service.html")]
struct ServicePage {
    page: PageFrame,
    service: ServiceCard,
    issuer: String,
    discovery: String,
    /// It lies behind a proxy, which is what is configured.
    behind_proxy: bool,
    ready: Vec<Ready>,
    /// Message key of why nothing is ready.
    not_ready: Option<&'static str>,
    /// What its owner tries it with.
    trial: Option<Offered>,
    /// Its way out of the sandbox, while it is there.
    going_live: Option<GoingLive>,
    /// What it was seen to do, while it is in the sandbox.
    checks: Vec<CheckLine>,
    errors: FieldErrors,
}

/// What the reader wants to begin from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    #[serde(default)]
    use_case: Option<Chosen>,
    /// The registration that the reader was shown.
    #[serde(default)]
    seen: String,
}

/// The page; with `use_case=` what is written about going live begins from that.
///
/// # Errors
/// [`PageError`]: no such service, or another's; no such use case; the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictQuery(begin): StrictQuery<Begin>,
) -> Result<Page<impl Template>, PageError> {
    let mut shown = service_page(&app, &session, page, &id).await?;
    if let (Some(way), Some(Chosen(case))) = (&mut shown.going_live, begin.use_case) {
        way.begin(case, &shown.service.scopes, &begin.seen, &shown.page.text)
            .map_err(|error| PageError::internal(&error))?;
    }
    Ok(Page(shown))
}

/// The page again, with what was typed about going live and what is wrong with it.
///
/// # Errors
/// As for [`get`].
pub(super) async fn again(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    typed: Typed,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let mut shown = service_page(app, session, page.switching_at(&path_of(id)), id).await?;
    if let Some(going_live) = &mut shown.going_live {
        // What was decided about is what was shown, also when the rules are put right.
        if let Some(seen) = &typed.seen {
            going_live.seen.clone_from(seen);
        }
        going_live.typed = typed;
    }
    shown.errors = errors;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(shown)).into_response())
}

async fn service_page(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
) -> Result<ServicePage, PageError> {
    let mut reader = app.store().read();
    let service = seen(&mut reader, session, id).await?;
    let metadata = Metadata::of(&service)?;
    let issuer = app.names().public.clone();
    let provider = Provider {
        issuer: &issuer,
        host: app.config().host_names().host(NameRole::Public),
        authority: app.names().authority(NameRole::Public),
    };
    let ready = ready::all(provider, &service, &metadata);
    let (ready, not_ready) = match ready.map_err(|error| PageError::internal(&error))? {
        Ok(ready) => (ready, None),
        Err(reason) => (Vec::new(), Some(words(reason))),
    };
    let going_live = GoingLive::of(&mut reader, session, &service, &page.text).await?;
    let trial = Offered::of(app, session, &service, &page.text).await?;
    let checks = check::lines(&mut reader, session, &service, &metadata, &page.text).await?;
    let service = card(&mut reader, service, &page.text).await?;
    Ok(ServicePage {
        discovery: format!("{issuer}{}", discovery::PATH),
        issuer,
        behind_proxy: metadata.forward_auth,
        ready,
        not_ready,
        trial,
        going_live,
        checks,
        service,
        errors: FieldErrors::default(),
        page: session.frame(page),
    })
}

fn words(reason: NotReady) -> &'static str {
    match reason {
        NotReady::NoLogin => "service-ready-no-login",
        NotReady::OwnKeys => "service-ready-own-keys",
        NotReady::Address => "service-ready-address",
    }
}

//! `GET /console/service/{id}`: what is registered, whom it is open to, and what to run.

use askama::Template;
use axum::extract::State;

use super::{
    InForce, ServiceCard, card,
    ready::{self, NotReady, Provider, Ready},
    seen,
};
use crate::{
    app::App,
    error::page::PageError,
    form::PathId,
    names::NameRole,
    oidc::{client::Metadata, discovery},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
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
}

/// The page.
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
    let (service, _) = seen(&mut reader, &session, &id).await?;
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
    let service = card(&mut reader, service, &page.text).await?;
    Ok(Page(ServicePage {
        discovery: format!("{issuer}{}", discovery::PATH),
        issuer,
        behind_proxy: metadata.forward_auth,
        ready,
        not_ready,
        service,
        page: session.frame(page),
    }))
}

fn words(reason: NotReady) -> &'static str {
    match reason {
        NotReady::NoLogin => "service-ready-no-login",
        NotReady::OwnKeys => "service-ready-own-keys",
        NotReady::Address => "service-ready-address",
    }
}

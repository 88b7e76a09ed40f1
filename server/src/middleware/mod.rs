//! What every request passes, whatever its path.

mod content_coding;
mod cross_origin;
mod headers;
mod host;
mod language;
mod method;
mod query;
mod refused_act;
mod request_id;
mod same_origin;

use std::{any::Any, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};

use tracing::Instrument;

use crate::{
    app::App,
    catalogue::Lang,
    error,
    names::NameRole,
    route::{Manners, Routes},
};

pub use headers::ContentPolicy;
pub use same_origin::is_same_origin;

/// The largest body that any path accepts unless it says otherwise, in octets.
const MOST_BODY_OCTETS: usize = 256 * 1024;

/// The id of this request, as given by [`wrap`]; empty before.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> &str {
    request_id::of(headers)
}

/// One name of the service: what its requests are judged by.
struct Name {
    app: App,
    role: NameRole,
    manners: Manners,
}

/// Wraps the paths of one name with all of it. Each line here lies around those above it; what needs no
/// layer of its own is a line of [`judged`] or [`told`], since a layer copies all within it for every
/// request.
pub fn wrap(app: &App, role: NameRole, routes: Routes) -> Router {
    let listen = app.config().listen();
    let (router, manners) = routes.into_parts();
    let name = Arc::new(Name { app: app.clone(), role, manners });
    let router = router
        .layer(from_fn_with_state(Arc::clone(&name), judged))
        .layer(RequestBodyTimeoutLayer::new(listen.body()))
        .layer(axum::extract::DefaultBodyLimit::max(MOST_BODY_OCTETS))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, listen.request()))
        // A panic is a defect; it costs this request only, and shows nothing of itself.
        .layer(CatchPanicLayer::custom(caught))
        .layer(from_fn_with_state(name, told));
    router.with_state(app.clone())
}

/// What surrounds every answer, a panic's and a timeout's too.
async fn told(State(name): State<Arc<Name>>, mut request: Request, next: Next) -> Response {
    let Name { app, role, manners } = &*name;
    let (id, span) = request_id::give(app, &mut request);
    async {
        let chosen = Lang::of_query(request.uri());
        let mut response = error::page::render(app, manners, request, next).await;
        language::remember(chosen, &mut response);
        headers::secure(*role, &mut response);
        request_id::tell(id, &mut response);
        response
    }
    .instrument(span)
    .await
}

/// Whether a request reaches its handler: judged by its name first, then by where it comes from, then by
/// what it asks.
async fn judged(State(name): State<Arc<Name>>, request: Request, next: Next) -> Response {
    let Name { app, role, manners } = &*name;
    let act = refused_act::Act::of(&request);
    let response = match host::refusal(app, *role, &request) {
        Some(refused) => refused,
        None => read_by_some(app, *role, manners, request, next).await,
    };
    if let Some(refused) = refused_act::Refused::of(&response) {
        refused_act::note(app, act, refused).await;
    }
    response
}

async fn read_by_some(
    app: &App,
    role: NameRole,
    manners: &Manners,
    request: Request,
    next: Next,
) -> Response {
    let allowed = manners.allowed(request.extensions());
    let readers = manners.readers(request.extensions());
    let reading = cross_origin::Reading::of(app, readers, request.headers()).await;
    let mut response = match reading.preflight(&allowed, &request) {
        Some(answer) => answer,
        None => match same_origin::checked(app, role, manners, request).await {
            Ok(request) => served(manners, &allowed, request, next).await,
            Err(refused) => refused,
        },
    };
    reading.tell(&mut response);
    response
}

async fn served(manners: &Manners, allowed: &[&str], request: Request, next: Next) -> Response {
    let refused = method::refusal(request.method(), allowed)
        .or_else(|| content_coding::refusal(request.headers()))
        .or_else(|| query::refusal(manners, &request));
    let mut response = match refused {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    method::tell(allowed, &mut response);
    response
}

fn caught(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = said, "handler panicked");
    axum::response::IntoResponse::into_response(error::page::PageError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "error-internal-title",
        "error-internal-text",
        "error-internal-help",
    ))
}

#[cfg(test)]
mod tests;

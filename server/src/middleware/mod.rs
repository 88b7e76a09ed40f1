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

use std::any::Any;

use axum::{Router, middleware::from_fn_with_state, response::Response};
use http::{HeaderMap, StatusCode};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};

use crate::{app::App, error, names::NameRole, route::Routes};

pub use headers::ContentPolicy;
pub use same_origin::is_same_origin;

/// The largest body that any path accepts unless it says otherwise, in octets.
const MOST_BODY_OCTETS: usize = 256 * 1024;

/// The id of this request, as given by [`wrap`]; empty before.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> &str {
    request_id::of(headers)
}

/// Wraps the paths of one name with all of it. Each line here lies around those above it.
pub fn wrap(app: &App, role: NameRole, routes: Routes) -> Router {
    let listen = app.config().listen();
    let (router, manners) = routes.into_parts();
    let router = router
        .layer(from_fn_with_state(manners.clone(), query::check))
        .layer(axum::middleware::from_fn(content_coding::check))
        .layer(from_fn_with_state(manners.clone(), method::check))
        .layer(from_fn_with_state((app.clone(), role, manners.clone()), same_origin::check))
        .layer(from_fn_with_state((app.clone(), manners.clone()), cross_origin::allow))
        .layer(from_fn_with_state((app.clone(), role), host::check))
        .layer(from_fn_with_state(app.clone(), refused_act::note))
        .layer(RequestBodyTimeoutLayer::new(listen.body()))
        .layer(axum::extract::DefaultBodyLimit::max(MOST_BODY_OCTETS))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, listen.request()))
        // A panic is a defect; it costs this request only, and shows nothing of itself.
        .layer(CatchPanicLayer::custom(caught))
        .layer(from_fn_with_state((app.clone(), manners), error::page::render))
        .layer(axum::middleware::from_fn(language::remember))
        .layer(from_fn_with_state(role, headers::secure))
        .layer(from_fn_with_state(app.clone(), request_id::give));
    router.with_state(app.clone())
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

//! Methods are taken as they are listed.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, header};

use crate::route::Manners;

/// Refuses `HEAD` where `GET` changes something: the router would answer it by `GET`, with all that
/// comes of it, and who asks by `HEAD` wants to change nothing (RFC 9110 §9.2.1, §9.3.2). Whoever
/// refuses a method at a path, the methods that it takes are told by the list.
pub(super) async fn check(
    State(manners): State<Manners>,
    request: Request,
    next: Next,
) -> Response {
    let allowed = manners.allowed(request.extensions());
    let refused =
        request.method() == Method::HEAD && !allowed.is_empty() && !allowed.contains(&"HEAD");
    let mut response = if refused {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    } else {
        next.run(request).await
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && !allowed.is_empty()
        && let Ok(allowed) = HeaderValue::from_str(&allowed.join(","))
    {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

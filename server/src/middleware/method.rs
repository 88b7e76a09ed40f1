//! Methods are taken as they are listed.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

/// Refuses `HEAD` where `GET` changes something: the router would answer it by `GET`, with all that
/// comes of it, and who asks by `HEAD` wants to change nothing (RFC 9110 §9.2.1, §9.3.2).
pub(super) fn refusal(method: &Method, allowed: &[&str]) -> Option<Response> {
    let refused = method == Method::HEAD && !allowed.is_empty() && !allowed.contains(&"HEAD");
    refused.then(|| StatusCode::METHOD_NOT_ALLOWED.into_response())
}

/// Whoever refuses a method at a path, the methods that it takes are told by the list.
pub(super) fn tell(allowed: &[&str], response: &mut Response) {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && !allowed.is_empty()
        && let Ok(allowed) = HeaderValue::from_str(&allowed.join(","))
    {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
}

//! What the door answers, as HTTP.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;

use super::calls::Reply;
use super::checks::Stranger;

/// A whole answer.
pub type Answer = Response<Full<Bytes>>;

/// The one answer to everybody else.
pub fn stranger() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FORBIDDEN;
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Spelt out, and in this order, or the answer to HEAD would be another.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    answer
}

/// A page with its content security policy. The portal must see with the post that it comes from
/// here: hence a referrer policy that tells our origin, and nothing more.
pub fn page(status: StatusCode, (html, policy): (String, String)) -> Result<Answer, Stranger> {
    let mut answer = Response::new(Full::from(html));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_str(&policy).map_err(|_| Stranger("origin"))?;
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(answer)
}

/// What a page of the portal is told.
pub fn told(reply: Reply) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = reply.status;
    if let Some(json) = reply.json {
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *answer.body_mut() = Full::from(json);
    }
    answer
}

/// The answer as the pinned origin's script may read it.
pub fn for_origin(mut answer: Answer, origin: &str) -> Answer {
    let headers = answer.headers_mut();
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Leave for the pinned origin's script to send the request that it asks about.
pub fn preflight(origin: &str, asked: &HeaderMap) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    let names = HeaderValue::from_static("content-type, x-card-login");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    for kind in ["private", "local"] {
        if asked.contains_key(format!("access-control-request-{kind}-network")) {
            let name = format!("access-control-allow-{kind}-network");
            if let Ok(name) = http::HeaderName::try_from(name) {
                headers.insert(name, HeaderValue::from_static("true"));
            }
        }
    }
    for_origin(answer, origin)
}

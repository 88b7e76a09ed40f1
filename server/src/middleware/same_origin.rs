//! A request that changes something and carries a cookie comes from our own page.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode};

use super::refused_act::FromElsewhere;
use crate::{
    app::App,
    cookie,
    error::page::PageError,
    names::NameRole,
    oidc::session_state,
    people::session::ConsoleSession,
    route::{Manners, Senders},
};

/// Refuses a request with a changing method that a browser sent from another site.
///
/// With a cookie it must say that it comes from this very origin, by `Sec-Fetch-Site` and by
/// `Origin`: every browser since 2020 sends both with a POST; one that sends neither is refused.
/// Without a cookie there is nothing to ride on, but a form of a page must say the same: somebody
/// could be logged in as somebody else (RFC 6749 §10.12 calls it login CSRF).
/// Only paths for programs take what says nothing, or comes from anywhere, and only without a cookie;
/// and one path judges for itself ([`Senders::Judged`]).
///
/// The request, or its refusal.
pub(super) async fn checked(
    app: &App,
    role: NameRole,
    manners: &Manners,
    request: Request,
) -> Result<Request, Response> {
    let headers = request.headers();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // What browsers send from everywhere opens nothing.
    let cookie = cookie::is_any_but(headers, session_state::COOKIE);
    let says = headers.contains_key("origin") || headers.contains_key("sec-fetch-site");
    let must = match manners.senders(request.extensions()) {
        Senders::OwnPage => true,
        Senders::OwnPageOrProgram => cookie || says,
        Senders::AnybodyWithoutCookie => cookie,
        Senders::Judged => false,
    };
    if safe || !must || is_same_origin(headers, app.names().origin(role)) {
        return Ok(request);
    }
    let (parts, _) = request.into_parts();
    let mut refused = PageError::new(
        StatusCode::FORBIDDEN,
        "error-cross-site-title",
        "error-cross-site-text",
        "error-cross-site-help",
    )
    .into_response();
    match ConsoleSession::find(app, &parts).await {
        Ok(Some(session)) => {
            let ConsoleSession { person_id, address, .. } = session;
            refused.extensions_mut().insert(FromElsewhere { person_id, address });
        }
        Ok(None) => {}
        // Refused all the same; in whose name it came stays unknown.
        Err(error) => tracing::error!(%error, "session of a refused request not read"),
    }
    Err(refused)
}

/// Whether a request says that a page of the origin `own` sent it, and nothing else.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        let first = values.next();
        (first, values.next().is_some())
    };
    let (origin, origin_repeated) = only("origin");
    let (site, site_repeated) = only("sec-fetch-site");
    !origin_repeated
        && !site_repeated
        && (origin.is_some() || site.is_some())
        && origin.is_none_or(|origin| origin.as_bytes() == own.as_bytes())
        && site.is_none_or(|site| site.as_bytes() == b"same-origin")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn judged(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        is_same_origin(&headers, "https://login.example")
    }

    #[test]
    fn only_our_own_page_may_change_things() {
        assert!(judged(&[("origin", "https://login.example")]));
        assert!(judged(&[("origin", "https://login.example"), ("sec-fetch-site", "same-origin")]));
        assert!(judged(&[("sec-fetch-site", "same-origin")]));
        for foreign in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://login.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://login.example:444")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://login.example"), ("origin", "https://evil.example")],
        ] {
            assert!(!judged(foreign), "{foreign:?}");
        }
    }
}

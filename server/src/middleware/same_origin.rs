//! A request that changes something and carries a cookie comes from our own page.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};

use crate::{app::App, error::page::PageError, names::NameRole};

/// Refuses a cookie-bearing request with a changing method unless the browser says that it comes
/// from this very origin, by `Sec-Fetch-Site` and by `Origin`.
///
/// Every browser since 2020 sends both with a POST; one that sends neither is refused. Without a
/// cookie there is nothing to ride on: clients of the token endpoint and EST are not browsers.
pub(super) async fn check(
    State((app, role)): State<(App, NameRole)>,
    request: Request,
    next: Next,
) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe
        || !request.headers().contains_key(header::COOKIE)
        || is_same_origin(request.headers(), app.names().origin(role))
    {
        return next.run(request).await;
    }
    PageError::new(
        StatusCode::FORBIDDEN,
        "error-cross-site-title",
        "error-cross-site-text",
        "error-cross-site-help",
    )
    .into_response()
}

fn is_same_origin(headers: &HeaderMap, own: &str) -> bool {
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

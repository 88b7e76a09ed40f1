//! Whether the person is still logged in here, asked by a service's page without a request (OIDC Session
//! Management 1.0).
//!
//! A cookie that scripts of our own name may read stands for the session; it opens nothing. A service
//! gets a hash over it with each code, and the frame below tells it whether the hash still holds. A
//! session that ends without this browser (the card was taken out, an officer ended it) leaves the cookie
//! as it is until a page of ours is asked for: services hear of that by back-channel logout. Where a browser
//! keeps cookies from frames of other sites the frame cannot tell and says so (`error`, §3.1); a logout
//! therefore leaves another value behind, not none.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_protocol::octets::encode;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    app::App,
    cookie::{self, SameSite},
    middleware::ContentPolicy,
    page::{Page, PageFrame},
};

/// Path of the frame, on the terminal name.
pub const PATH: &str = "/check-session";
/// The cookie. `None`, because the page that asks lies on a service's site.
pub const COOKIE: &str = "__Host-browser-state";

#[derive(Template)]
#[template(path = "check-session.html")]
struct CheckPage {
    page: PageFrame,
}

/// What stands for a session in the browser: it says nothing about the session and opens nothing.
fn browser_state(session_hash: &[u8; 32]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"browser-state/1");
    hasher.update(session_hash);
    encode(hasher.finalize())
}

/// The cookie of a live session.
#[must_use]
pub fn set(session_hash: &[u8; 32]) -> Option<HeaderValue> {
    cookie::set_for_scripts(COOKIE, &browser_state(session_hash), SameSite::None)
}

/// The cookie of a browser in which nobody is logged in any more.
#[must_use]
pub fn logged_out() -> Option<HeaderValue> {
    if seeded!(SessionStateKept) {
        return None;
    }
    cookie::set_for_scripts(COOKIE, "nobody", SameSite::None)
}

/// `session_state` (§2) for a service at `redirect_uri`; `salt` makes it say nothing to another service.
#[must_use]
pub fn told(client_id: &str, redirect_uri: &str, session_hash: &[u8; 32], salt: &str) -> String {
    let origin = Url::parse(redirect_uri).map(|uri| uri.origin().ascii_serialization());
    let origin = origin.unwrap_or_default();
    let state = browser_state(if seeded!(SessionStateConstant) { &[0; 32] } else { session_hash });
    let hash = Sha256::digest(format!("{client_id} {origin} {state} {salt}"));
    format!("{}.{salt}", encode(hash))
}

/// `GET /check-session` (§3.2): the one page that may stand in a frame of another site. What it does is
/// in `check-session.js`.
pub async fn get(State(app): State<App>, page: PageFrame) -> Response {
    let mut ancestors = vec!["https:"];
    if app.config().oidc().allow_loopback_clients() {
        ancestors.extend(["http://localhost:*", "http://*.localhost:*", "http://127.0.0.1:*"]);
    }
    if seeded!(CheckedInNoFrame) {
        ancestors = vec!["'none'"];
    }
    let policy = ContentPolicy::strict().framed_by(&ancestors).header();
    let mut response = Page(CheckPage { page }).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        http::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_is_told_is_of_its_origin_session_and_salt() {
        let told = |client, uri, session: u8, salt| super::told(client, uri, &[session; 32], salt);
        let good = told("a", "https://a.example/callback", 1, "salt");
        assert_eq!(good, told("a", "https://a.example/other?x=1", 1, "salt"));
        assert!(good.ends_with(".salt"));
        for other in [
            told("b", "https://a.example/callback", 1, "salt"),
            told("a", "https://a.example:8443/callback", 1, "salt"),
            told("a", "https://a.example/callback", 2, "salt"),
            told("a", "https://a.example/callback", 1, "tlas"),
        ] {
            assert_ne!(good, other);
        }
    }

    #[test]
    fn the_cookie_is_for_scripts_and_other_sites_frames_and_is_no_session() {
        let line = set(&[1; 32]).unwrap();
        let line = line.to_str().unwrap();
        assert!(line.contains("; Secure; SameSite=None") && !line.contains("HttpOnly"), "{line}");
        assert!(!line.contains(&encode([1; 32])) && !line.contains(&hex::encode([1; 32])));
    }
}

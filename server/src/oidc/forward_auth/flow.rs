//! A login that is under way: it travels in `state`, sealed, and is bound to the browser by a cookie, so
//! that several tabs can log in at once and nothing is kept here.

use http::HeaderMap;
use sekisho_protocol::octets::{decode, encode};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Refused;
use crate::{app::App, cookie, oidc::token::issue::random_text};

/// The cookie on the service's host that binds logins to the browser; it opens nothing.
pub(super) const BROWSER_COOKIE: &str = "__Host-sso-browser";
/// How long a login may take, in seconds.
const PATIENCE_SECS: i64 = 3_600;
/// The longest place to return to; a person who was deeper than that begins at the start page.
const MOST_TO: usize = 400;

/// What a login has to remember.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Flow {
    /// Where the person goes afterwards: a path of the service's host.
    pub(super) to: String,
    /// Of PKCE (RFC 7636 §4.1).
    pub(super) verifier: String,
    /// What the browser shows in [`BROWSER_COOKIE`].
    pub(super) browser: String,
    ends_at: i64,
}

fn purpose(client_id: &str) -> Vec<u8> {
    [b"forward-auth-flow:", client_id.as_bytes()].concat()
}

impl Flow {
    /// A new one for this browser, which keeps the cookie that it has.
    pub(super) fn begin(app: &App, headers: &HeaderMap, to: &str) -> Result<Self, Refused> {
        let random = || random_text(app).map_err(|error| Refused::internal(&error));
        let known = cookie::read(headers, BROWSER_COOKIE).filter(|text| text.len() == 43);
        let browser = match known {
            Some(known) => known.to_owned(),
            None => random()?,
        };
        let to = if is_local(to) { to } else { "/" }.to_owned();
        let ends_at = app.now().unix_timestamp() + PATIENCE_SECS;
        Ok(Self { to, verifier: random()?, browser, ends_at })
    }

    /// As `state`.
    pub(super) fn seal(&self, app: &App, client_id: &str) -> Result<String, Refused> {
        let json = serde_json::to_vec(self).map_err(|error| Refused::internal(&error))?;
        let sealed = app.keys().sealing.seal(app.random(), &purpose(client_id), &json);
        Ok(encode(sealed.map_err(|error| Refused::internal(&error))?))
    }

    /// From `state`, if this browser began it at this service and it is not too old.
    pub(super) fn resume(
        app: &App,
        headers: &HeaderMap,
        client_id: &str,
        state: &str,
    ) -> Option<Self> {
        let sealed = decode(state).ok()?;
        let json = app.keys().sealing.open(&purpose(client_id), &sealed).ok()?;
        let flow: Self = serde_json::from_slice(&json).ok()?;
        let shown = cookie::read(headers, BROWSER_COOKIE)?;
        let same = bool::from(shown.as_bytes().ct_eq(flow.browser.as_bytes()));
        (same && flow.ends_at > app.now().unix_timestamp()).then_some(flow)
    }
}

/// A path of the same host and nothing that a browser takes for another one (WHATWG URL §4.4: `//` and
/// `/\` begin an authority).
fn is_local(to: &str) -> bool {
    let second = to.as_bytes().get(1);
    to.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && to.len() <= MOST_TO
        && to.bytes().all(|b| b.is_ascii_graphic())
        && !to.starts_with(super::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn nobody_is_led_to_another_host_or_back_into_the_login() {
        for good in ["/", "/a?b=c&d=%E3%81%82#e", "/.ssoo"] {
            assert!(is_local(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(400));
        for bad in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/a b",
            "/\r\nSet-Cookie: a=b",
            "/あ",
            "/.sso/logout",
            &long,
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}

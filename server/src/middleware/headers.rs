//! Headers that tell browsers to be strict.

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::names::NameRole;

/// What every page but one says: no other page may hold it in a frame.
const UNFRAMED: &str = "frame-ancestors 'none'";

/// A Content-Security-Policy. A page that needs more than the strict one sets its own header.
///
/// Strict: scripts, styles, pictures and fetches from our own origin, nothing inline, no frames.
#[derive(Debug, Clone)]
pub struct ContentPolicy {
    connect: Vec<String>,
    form_action: Vec<String>,
    frames: Vec<String>,
    framed_by: Vec<String>,
}

impl ContentPolicy {
    /// Own origin only.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            connect: Vec::new(),
            form_action: Vec::new(),
            frames: Vec::new(),
            framed_by: Vec::new(),
        }
    }

    /// Lets scripts fetch from `origin` too, such as the agent's door on loopback.
    #[must_use]
    pub fn connect(mut self, origin: &str) -> Self {
        self.connect.push(origin.to_owned());
        self
    }

    /// Lets forms of the page lead to `origin` too: a redirect after a form counts as well.
    #[must_use]
    pub fn form_action(mut self, origin: &str) -> Self {
        self.form_action.push(origin.to_owned());
        self
    }

    /// Lets the page hold frames of `origin`.
    #[must_use]
    pub fn frame(mut self, origin: &str) -> Self {
        self.frames.push(origin.to_owned());
        self
    }

    /// Lets pages of these sources hold this one in a frame.
    #[must_use]
    pub fn framed_by(mut self, sources: &[&str]) -> Self {
        self.framed_by.extend(sources.iter().map(|&source| source.to_owned()));
        self
    }

    /// The header's value. An origin that could end a directive makes it strict instead.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let sources = |own: &str, extra: &[String]| {
            let mut sources = own.to_owned();
            for origin in extra.iter().filter(|o| !o.contains([';', ',', ' ', '\r', '\n'])) {
                sources.push(' ');
                sources.push_str(origin);
            }
            sources
        };
        let value = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src {}; form-action {}; {}{}; base-uri 'none'",
            sources("'self'", &self.connect),
            sources("'self'", &self.form_action),
            match self.frames.as_slice() {
                [] => String::new(),
                frames => format!("frame-src{}; ", sources("", frames)),
            },
            match self.framed_by.as_slice() {
                [] => UNFRAMED.to_owned(),
                framed_by => format!("frame-ancestors{}", sources("", framed_by)),
            },
        );
        HeaderValue::from_str(&value)
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    }
}

/// Adds what the handler has not set itself.
pub(super) fn secure(role: NameRole, response: &mut Response) {
    let headers = response.headers_mut();
    // The same for browsers that do not know the policy; those that do heed only that (CSP 3 §6.4.2).
    let own = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let unframed = own.is_none_or(|policy| policy.contains(UNFRAMED));
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A page with somebody's services on it must not stay on a shared PC's disk.
    default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if role == NameRole::Plain {
        return;
    }
    default(header::CONTENT_SECURITY_POLICY, ContentPolicy::strict().header());
    if unframed {
        default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    // Not `no-referrer`: that would turn the Origin of our own forms into `null` (Fetch, "append a
    // request Origin header").
    default(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    default(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    default(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    );
    default(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    default(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

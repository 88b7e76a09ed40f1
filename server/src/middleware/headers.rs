//! Headers that tell browsers to be strict.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue, header};

use crate::names::NameRole;

/// A Content-Security-Policy. A page that needs more than the strict one sets its own header.
///
/// Strict: scripts, styles, pictures and fetches from our own origin, nothing inline, no frames.
#[derive(Debug, Clone)]
pub struct ContentPolicy {
    connect: Vec<String>,
    form_action: Vec<String>,
}

impl ContentPolicy {
    /// Own origin only.
    #[must_use]
    pub fn strict() -> Self {
        Self { connect: Vec::new(), form_action: Vec::new() }
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

    /// The header's value. An origin that could end a directive makes it strict instead.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let sources = |extra: &[String]| {
            let mut sources = "'self'".to_owned();
            for origin in extra.iter().filter(|o| !o.contains([';', ',', ' ', '\r', '\n'])) {
                sources.push(' ');
                sources.push_str(origin);
            }
            sources
        };
        let value = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src {}; form-action {}; frame-ancestors 'none'; base-uri 'none'",
            sources(&self.connect),
            sources(&self.form_action)
        );
        HeaderValue::from_str(&value)
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    }
}

/// Adds what the handler has not set itself.
pub(super) async fn secure(State(role): State<NameRole>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A page with somebody's services on it must not stay on a shared PC's disk.
    default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if role == NameRole::Plain {
        return response;
    }
    default(header::CONTENT_SECURITY_POLICY, ContentPolicy::strict().header());
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
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
    response
}

//! Errors as pages that a clerk understands: what happened, and what would help.

use askama::Template;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{app::App, page::PageFrame};

/// A page that explains a failure, in words of the message catalogue.
///
/// Handlers return it; [`render`] writes it in the request's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageError {
    /// HTTP status.
    pub status: StatusCode,
    /// Message key of the heading.
    pub title: &'static str,
    /// Message key: what happened.
    pub text: &'static str,
    /// Message key: what the person can do next.
    pub help: &'static str,
    /// Arguments for all three messages.
    pub args: Vec<(&'static str, String)>,
    /// Headers to add, such as `Set-Cookie` or `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl PageError {
    /// An error without arguments.
    #[must_use]
    pub fn new(
        status: StatusCode,
        title: &'static str,
        text: &'static str,
        help: &'static str,
    ) -> Self {
        Self { status, title, text, help, args: Vec::new(), headers: Vec::new() }
    }

    /// Adds an argument for the messages.
    #[must_use]
    pub fn arg(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 500: our fault. The cause goes to the log, once, here.
    #[must_use]
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "request failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "error-internal-title",
            text: "error-internal-text",
            help: "error-internal-help",
            args: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 503: the database or another part does not answer. The cause goes to the log.
    #[must_use]
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "dependency does not answer");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "error-unavailable-title",
            text: "error-unavailable-text",
            help: "error-unavailable-help",
            args: Vec::new(),
            headers: vec![(header::RETRY_AFTER, HeaderValue::from_static("5"))],
        }
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "error-not-found-title",
            text: "error-not-found-text",
            help: "error-not-found-help",
            args: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 403: this act needs a right that the person does not have.
    #[must_use]
    pub fn forbidden() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "error-forbidden-title",
            text: "error-forbidden-text",
            help: "error-forbidden-help",
            args: Vec::new(),
            headers: Vec::new(),
        }
    }
}

/// An error with its causes on one line, for the log.
#[derive(Debug)]
pub struct Chain<'e>(pub &'e (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl IntoResponse for PageError {
    /// Leaves the error in the response for [`render`], which knows the language.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: PageFrame,
    title: String,
    text: String,
    help: String,
    request_id: String,
}

/// Middleware: writes a [`PageError`] in the request's language.
///
/// Also gives words to the bare refusals of the router itself, which has none of its own: 404, 405,
/// 408 and 413 without a body become pages where a person asked (`Accept: text/html`).
pub async fn render(State(app): State<App>, request: Request, next: Next) -> Response {
    let frame = PageFrame::of_request(&app, request.method(), request.uri(), request.headers());
    let request_id = crate::middleware::request_id(request.headers()).to_owned();
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let mut response = next.run(request).await;
    let error = match response.extensions_mut().remove::<PageError>() {
        Some(error) => error,
        None if wants_page && !response.headers().contains_key(header::CONTENT_TYPE) => {
            match words_for(response.status()) {
                Some(error) => error,
                None => return response,
            }
        }
        None => return response,
    };
    let said = |key: &str| frame.text.with(key, &error.args);
    let body = ErrorPage {
        title: said(error.title),
        text: said(error.text),
        help: said(error.help),
        request_id,
        page: frame.clone(),
    }
    .render();
    let mut page = match body {
        Ok(body) => (
            error.status,
            [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))],
            body,
        )
            .into_response(),
        Err(_) => error.status.into_response(),
    };
    for (name, value) in response.headers() {
        if name == header::SET_COOKIE || name == header::ALLOW {
            page.headers_mut().append(name.clone(), value.clone());
        }
    }
    for (name, value) in error.headers {
        page.headers_mut().append(name, value);
    }
    page
}

fn words_for(status: StatusCode) -> Option<PageError> {
    Some(match status {
        StatusCode::NOT_FOUND => PageError::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => PageError {
            status,
            title: "error-method-title",
            text: "error-method-text",
            help: "error-method-help",
            args: Vec::new(),
            headers: Vec::new(),
        },
        StatusCode::REQUEST_TIMEOUT => PageError {
            status,
            title: "error-timeout-title",
            text: "error-timeout-text",
            help: "error-timeout-help",
            args: Vec::new(),
            headers: Vec::new(),
        },
        StatusCode::PAYLOAD_TOO_LARGE => PageError {
            status,
            title: "error-too-large-title",
            text: "error-too-large-text",
            help: "error-too-large-help",
            args: Vec::new(),
            headers: Vec::new(),
        },
        StatusCode::INTERNAL_SERVER_ERROR => PageError {
            status,
            title: "error-internal-title",
            text: "error-internal-text",
            help: "error-internal-help",
            args: Vec::new(),
            headers: Vec::new(),
        },
        _ => return None,
    })
}

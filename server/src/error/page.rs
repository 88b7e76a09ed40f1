//! Errors as pages that a clerk understands: what happened, and what would help.

use askama::Template;
use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{
    RETRY_SECS,
    dialect::{Dialect, KEPT},
};
use crate::{
    app::App,
    catalogue::Lang,
    form::label_key,
    page::PageFrame,
    people::{role::RoleMissing, session::Known},
    route::Manners,
};

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
    /// The role that somebody who is logged in did not have: the refusal is audited.
    pub role: Option<Box<RoleMissing>>,
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
        Self { status, title, text, help, args: Vec::new(), headers: Vec::new(), role: None }
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
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "error-internal-title",
            "error-internal-text",
            "error-internal-help",
        )
    }

    /// 503: the database or another part does not answer. The cause goes to the log.
    #[must_use]
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "dependency does not answer");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "error-unavailable-title",
            "error-unavailable-text",
            "error-unavailable-help",
        )
        .header(header::RETRY_AFTER, HeaderValue::from(RETRY_SECS))
    }

    /// 400: a form or an address that holds what it cannot hold.
    #[must_use]
    pub fn unreadable_form() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "error-form-title",
            "error-form-unreadable",
            "error-form-help",
        )
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "error-not-found-title",
            "error-not-found-text",
            "error-not-found-help",
        )
    }

    /// 403: this act needs a right that the person does not have.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "error-forbidden-title",
            "error-forbidden-text",
            "error-forbidden-help",
        )
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

/// Has the request answered, and writes a [`PageError`] in its language and in the dialect of its path.
///
/// Also gives words to bare refusals, which have none of their own: of the router (404, 405), of
/// limits (408, 413), of another name (421), of files that are not there.
pub async fn render(app: &App, manners: &Manners, mut request: Request, next: Next) -> Response {
    let known = Known::default();
    request.extensions_mut().insert(known.clone());
    let frame = PageFrame::of_request(app, request.method(), request.uri(), request.headers());
    let dialect = manners.dialect(request.extensions());
    let request_id = crate::middleware::request_id(request.headers()).to_owned();
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let mut response = next.run(request).await;
    // A handler that says something itself, and asks for a page, gets one whoever reads it.
    let (error, is_page) = match response.extensions_mut().remove::<PageError>() {
        Some(error) => (error, dialect == Dialect::Page),
        None if !response.headers().contains_key(header::CONTENT_TYPE) => {
            match words_for(response.status()) {
                Some(error) => (error, dialect == Dialect::Page && wants_page),
                None => return response,
            }
        }
        None => return response,
    };
    let mut answer = if is_page {
        page(error, known.frame(frame), request_id)
    } else {
        dialect.say(&error, &frame.text, &app.text(Lang::En))
    };
    for (name, value) in response.headers() {
        if KEPT.contains(name) {
            answer.headers_mut().append(name.clone(), value.clone());
        }
    }
    answer
}

fn page(error: PageError, frame: PageFrame, request_id: String) -> Response {
    // A person reads the label beside a field; programs are told its name.
    let labelled = error.args.iter().map(|(name, value)| match label_key(value) {
        Some(label) if *name == "field" => (*name, frame.text.t(label)),
        _ => (*name, value.clone()),
    });
    let args: Vec<_> = labelled.collect();
    let said = |key: &str| frame.text.with(key, &args);
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
    for (name, value) in error.headers {
        page.headers_mut().append(name, value);
    }
    page
}

fn words_for(status: StatusCode) -> Option<PageError> {
    let error = |title, text, help| Some(PageError::new(status, title, text, help));
    match status {
        StatusCode::BAD_REQUEST => Some(PageError::unreadable_form()),
        StatusCode::NOT_FOUND => Some(PageError::not_found()),
        StatusCode::METHOD_NOT_ALLOWED => {
            error("error-method-title", "error-method-text", "error-method-help")
        }
        StatusCode::REQUEST_TIMEOUT => {
            error("error-timeout-title", "error-timeout-text", "error-timeout-help")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            error("error-too-large-title", "error-too-large-text", "error-too-large-help")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            error("error-form-title", "error-form-not-a-form", "error-form-help")
        }
        StatusCode::MISDIRECTED_REQUEST => {
            error("error-misdirected-title", "error-misdirected-text", "error-misdirected-help")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            error("error-unavailable-title", "error-unavailable-text", "error-unavailable-help")
        }
        status if status.is_server_error() => {
            error("error-internal-title", "error-internal-text", "error-internal-help")
        }
        _ => None,
    }
}

//! Answers to a client, by way of the browser (RFC 6749 §4.1.2, RFC 9207).

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_authz::Decision;
use sekisho_store::service::Service;

use crate::{
    catalogue::Lang,
    entitlement::Explanation,
    page::{Page, PageFrame},
};

/// An error that the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// Code of RFC 6749 §4.1.2.1 or OIDC Core §3.1.2.6.
    pub code: &'static str,
    /// For the client's developer.
    pub description: String,
}

impl RequestError {
    /// From code and description.
    #[must_use]
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }
}

/// Where an answer goes: a registered address, with the `state` of the request and our name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    redirect_uri: String,
    state: Option<String>,
    iss: String,
}

impl Reply {
    pub(super) fn new(redirect_uri: &str, state: Option<&str>, iss: &str) -> Self {
        Self {
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(str::to_owned),
            iss: iss.to_owned(),
        }
    }

    /// The registered address.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    pub(super) fn code(&self, code: &str) -> Response {
        redirect(&self.address(&[("code", code)]))
    }

    pub(super) fn error(&self, error: &RequestError) -> Response {
        redirect(&self.error_address(error))
    }

    fn error_address(&self, error: &RequestError) -> String {
        // RFC 6749 §4.1.2.1: printable ASCII without `"` and `\`.
        let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        let description: String =
            error.description.chars().map(|c| if plain(c) { c } else { '?' }).collect();
        self.address(&[("error", error.code), ("error_description", &description)])
    }

    /// The registered address with parameters added to whatever query it has.
    fn address(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.iss);
        let joint = if self.redirect_uri.contains('?') { '&' } else { '?' };
        format!("{}{joint}{}", self.redirect_uri, query.finish())
    }
}

/// 303: a browser that follows uses GET and sends no body along.
fn redirect(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(location) => (
            StatusCode::SEE_OTHER,
            [
                (header::LOCATION, location),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
        )
            .into_response(),
        // A registered address is printable ASCII, and so is what is added to it.
        Err(error) => crate::error::page::PageError::internal(&error).into_response(),
    }
}

#[derive(Template)]
#[template(path = "authorize-refused.html")]
struct RefusedPage {
    page: PageFrame,
    service: String,
    reasons: Vec<String>,
    help: Vec<String>,
    back: String,
}

/// The page that says why not and what would help, with the way back to the service.
pub(super) fn explain(
    page: PageFrame,
    client: &Service,
    decision: &Decision,
    reply: &Reply,
    denied: &RequestError,
) -> Response {
    let service = match page.text.lang() {
        Lang::Ja => client.name_ja.clone(),
        Lang::En => client.name_en.clone(),
    };
    let Explanation { reasons, help } = Explanation::of(decision, &page.text);
    let shown = RefusedPage { service, reasons, help, back: reply.error_address(denied), page };
    (StatusCode::FORBIDDEN, Page(shown)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_the_query_of_the_registered_address_and_names_us() {
        let reply =
            Reply::new("https://s.example/cb?tenant=1", Some("a&b=c"), "https://login.example");
        let response = reply.code("xyz");
        assert_eq!(response.status(), 303);
        assert_eq!(
            response.headers()[header::LOCATION],
            "https://s.example/cb?tenant=1&code=xyz&state=a%26b%3Dc&iss=https%3A%2F%2Flogin.example"
        );
    }

    #[test]
    fn a_description_is_printable_ascii_whatever_the_request_held() {
        let reply = Reply::new("https://s.example/cb", None, "https://login.example");
        let error = RequestError::new("invalid_request", "the parameter \"é\\ is repeated");
        let address = reply.error_address(&error);
        assert!(
            address.contains("error_description=the+parameter+%3F%3F%3F+is+repeated"),
            "{address}"
        );
    }
}

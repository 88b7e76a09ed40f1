//! Answers to a client, by way of the browser (RFC 6749 §4.1.2, RFC 9207), plain or signed (JARM).

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::service::Service;
use serde_json::{Map, Value};

use super::wanted::UnknownMode;
use crate::{
    app::App,
    catalogue::Lang,
    entitlement::Explanation,
    error::page::PageError,
    jose::Algorithm,
    middleware::ContentPolicy,
    oidc::{
        client_authentication::Client,
        parameters::{Parameters, unreturnable},
        session_state, token,
    },
    page::{Page, PageFrame},
};

/// How long a signed answer counts, in seconds (JARM §2.1 recommends ten minutes at most).
const SIGNED_SECS: i64 = 300;

/// An error that the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// Code of RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6 or an extension.
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

    /// What the client is told of a failure of ours, which no status of a redirect could say (RFC 6749
    /// §4.1.2.1); `None` of what the person does something about.
    pub(super) fn of_failure(page: &PageError) -> Option<Self> {
        let description = "the service failed; try again";
        match page.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                Some(Self::new("temporarily_unavailable", description))
            }
            status if status.is_server_error() => Some(Self::new("server_error", description)),
            _ => None,
        }
    }
}

/// By which part of the message an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the query of the address.
    Query,
    /// In its fragment.
    Fragment,
    /// As a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// `response_mode` (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, JARM §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseMode {
    /// Where the answer stands.
    pub carrier: Carrier,
    /// Whether it is one signed object.
    pub signed: bool,
}

impl ResponseMode {
    /// As in a request.
    pub const NAMES: [&'static str; 7] =
        ["query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"];

    /// What a request asks for; for `code` that is the query.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, UnknownMode> {
        use Carrier::{FormPost, Fragment, Query};
        let (carrier, signed) = match parameters.get("response_mode") {
            None | Some("query") => (Query, false),
            Some("jwt" | "query.jwt") => (Query, true),
            Some("fragment") => (Fragment, false),
            Some("fragment.jwt") => (Fragment, true),
            Some("form_post") => (FormPost, false),
            Some("form_post.jwt") => (FormPost, true),
            Some(_) => return Err(UnknownMode),
        };
        Ok(Self { carrier, signed })
    }
}

/// Where an answer goes: a registered address, with the `state` of the request and our name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    redirect_uri: String,
    state: Option<String>,
    client_id: String,
    /// Of a signed answer.
    algorithm: Algorithm,
    mode: ResponseMode,
}

/// An answer ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ready {
    Address(String),
    Form { action: String, fields: Vec<(String, String)> },
}

#[derive(Template)]
#[template(path = "form-post.html")]
struct FormPostPage {
    page: PageFrame,
    action: String,
    fields: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "authorize-refused.html")]
struct RefusedPage {
    page: PageFrame,
    service: String,
    reasons: Vec<String>,
    help: Vec<String>,
    /// The login that is all that is lacking.
    step_up: Option<String>,
    /// Where an emergency access is opened, if that would help.
    emergency: Option<String>,
    /// Where the way back leads: an address, or a form with `fields`.
    back: String,
    fields: Vec<(String, String)>,
}

/// Why somebody may not use a service, for them and for the service.
pub(super) struct Denied<'a> {
    pub(super) why: Explanation,
    /// The login that is all that is lacking.
    pub(super) step_up: Option<String>,
    /// Where an emergency access is opened, if that would help.
    pub(super) emergency: Option<String>,
    pub(super) error: &'a RequestError,
}

impl Reply {
    /// To a registered address. A `response_mode` or a `state` that we do not have is told the plain
    /// way, without it.
    pub(super) fn new(redirect_uri: &str, parameters: &Parameters, client: &Client) -> Self {
        let plain = ResponseMode { carrier: Carrier::Query, signed: false };
        let state = parameters.get("state").filter(|state| unreturnable(state).is_none());
        Self {
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(str::to_owned),
            client_id: client.service.id.clone(),
            algorithm: client.metadata.authorization_signed_response_alg,
            mode: ResponseMode::of(parameters).unwrap_or(plain),
        }
    }

    /// The mistake: with the `state` that stands beside the reference.
    #[cfg(seeded_faults)]
    pub(super) fn with_state_of(self, beside: &Parameters) -> Self {
        match beside.get("state").filter(|_| seeded!(OuterStateCounts)) {
            Some(state) => Self { state: Some(state.to_owned()), ..self },
            None => self,
        }
    }

    /// The registered address.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The origin of that address.
    pub(super) fn origin(&self) -> Option<String> {
        origin_of(&self.redirect_uri)
    }

    pub(super) async fn code(
        &self,
        app: &App,
        page: PageFrame,
        code: &str,
        session_hash: &[u8; 32],
    ) -> Result<Response, PageError> {
        let salt = token::issue::random_text(app).map_err(|error| PageError::internal(&error))?;
        let state = session_state::told(&self.client_id, &self.redirect_uri, session_hash, &salt);
        let told = [("code", code), ("session_state", &state)];
        let told = if seeded!(SessionStateMissing) { &told[..1] } else { &told };
        let ready = self.ready(app, told).await?;
        Ok(ready.send(page))
    }

    pub(super) async fn error(
        &self,
        app: &App,
        page: PageFrame,
        error: &RequestError,
    ) -> Result<Response, PageError> {
        let ready = self.ready_error(app, error).await?;
        Ok(ready.send(page))
    }

    /// The page that says why not and what would help, with the way back to the service.
    pub(super) async fn explain(
        &self,
        app: &App,
        page: PageFrame,
        client: &Service,
        told: Denied<'_>,
    ) -> Result<Response, PageError> {
        let service = match page.text.lang() {
            Lang::Ja => client.name_ja.clone(),
            Lang::En => client.name_en.clone(),
        };
        let ready = self.ready_error(app, told.error).await?;
        let policy = ready.policy();
        let (back, fields) = match ready {
            Ready::Address(address) => (address, Vec::new()),
            Ready::Form { action, fields } => (action, fields),
        };
        let Denied { why: Explanation { reasons, help }, step_up, emergency, .. } = told;
        let shown =
            Page(RefusedPage { page, service, reasons, help, step_up, emergency, back, fields });
        let policy = [(header::CONTENT_SECURITY_POLICY, policy.header())];
        Ok((StatusCode::FORBIDDEN, policy, shown).into_response())
    }

    async fn ready_error(&self, app: &App, error: &RequestError) -> Result<Ready, PageError> {
        // RFC 6749 §4.1.2.1: printable ASCII without `"` and `\`.
        let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        let description: String =
            error.description.chars().map(|c| if plain(c) { c } else { '?' }).collect();
        self.ready(app, &[("error", error.code), ("error_description", &description)]).await
    }

    async fn ready(&self, app: &App, parameters: &[(&str, &str)]) -> Result<Ready, PageError> {
        let state = self.state.as_deref().filter(|_| !seeded!(StateNotReturned));
        let iss = Some(app.names().public.as_str()).filter(|_| !seeded!(IssNotReturned));
        let own = [("state", state), ("iss", iss)];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let told: Vec<(String, String)> = parameters
            .iter()
            .copied()
            .chain(own)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let told = if self.mode.signed {
            vec![("response".to_owned(), self.signed(app, told).await?)]
        } else {
            told
        };
        Ok(self.carried(told))
    }

    /// All of it as one object (JARM §2.1).
    async fn signed(&self, app: &App, told: Vec<(String, String)>) -> Result<String, PageError> {
        let now = app.now().unix_timestamp();
        let mut claims: Map<String, Value> =
            told.into_iter().map(|(name, value)| (name, value.into())).collect();
        claims.insert("aud".to_owned(), self.client_id.as_str().into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), (now + SIGNED_SECS).into());
        let typ = token::issue::ID_TOKEN_TYP;
        Ok(app.token_keys().sign(app, self.algorithm, typ, &Value::Object(claims)).await?)
    }

    fn carried(&self, told: Vec<(String, String)>) -> Ready {
        let joint = match self.mode.carrier {
            Carrier::FormPost => {
                return Ready::Form { action: self.redirect_uri.clone(), fields: told };
            }
            Carrier::Fragment => '#',
            Carrier::Query
                if self.redirect_uri.contains('?') && !seeded!(RedirectQueryForgotten) =>
            {
                '&'
            }
            Carrier::Query => '?',
        };
        let encoded =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(told).finish();
        let registered = match self.redirect_uri.split_once('?') {
            Some((before, _)) if seeded!(RedirectQueryForgotten) => before,
            _ => &self.redirect_uri,
        };
        Ready::Address(format!("{registered}{joint}{encoded}"))
    }
}

impl Ready {
    fn send(self, page: PageFrame) -> Response {
        let policy = self.policy();
        match self {
            Self::Address(address) => redirect(&address),
            Self::Form { action, fields } => {
                let shown = Page(FormPostPage { page, action, fields });
                let policy = [(header::CONTENT_SECURITY_POLICY, policy.header())];
                (policy, shown).into_response()
            }
        }
    }

    /// A form leads to the service's own origin and nowhere else.
    fn policy(&self) -> ContentPolicy {
        match self {
            Self::Address(_) => ContentPolicy::strict(),
            Self::Form { action, .. } => match origin_of(action) {
                Some(origin) => ContentPolicy::strict().form_action(&origin),
                None => ContentPolicy::strict(),
            },
        }
    }
}

fn origin_of(address: &str) -> Option<String> {
    url::Url::parse(address).ok().map(|url| url.origin().ascii_serialization())
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
        Err(error) => PageError::internal(&error).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(uri: &str, carrier: Carrier) -> Reply {
        Reply {
            redirect_uri: uri.to_owned(),
            state: None,
            client_id: "c".to_owned(),
            algorithm: Algorithm::Es256,
            mode: ResponseMode { carrier, signed: false },
        }
    }

    fn told() -> Vec<(String, String)> {
        vec![("code".to_owned(), "x&y".to_owned())]
    }

    #[test]
    fn an_answer_keeps_the_query_of_the_registered_address() {
        let ready = reply("https://s.example/cb?tenant=1", Carrier::Query).carried(told());
        assert_eq!(ready, Ready::Address("https://s.example/cb?tenant=1&code=x%26y".to_owned()));
        let ready = reply("https://s.example/cb?tenant=1", Carrier::Fragment).carried(told());
        assert_eq!(ready, Ready::Address("https://s.example/cb?tenant=1#code=x%26y".to_owned()));
    }

    #[test]
    fn a_form_may_lead_to_the_service_s_own_origin_alone() {
        let ready = reply("https://s.example:8443/cb", Carrier::FormPost).carried(told());
        let policy = ready.policy().header();
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("form-action 'self' https://s.example:8443;"), "{policy}");
    }

    #[test]
    fn every_mode_that_is_published_is_read() {
        for name in ResponseMode::NAMES {
            let parameters = Parameters::parse(format!("response_mode={name}").as_bytes()).unwrap();
            assert!(ResponseMode::of(&parameters).is_ok(), "{name}");
        }
        let unknown = Parameters::parse(b"response_mode=web_message").unwrap();
        assert_eq!(ResponseMode::of(&unknown), Err(UnknownMode));
    }
}

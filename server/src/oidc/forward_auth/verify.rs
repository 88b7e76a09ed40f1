//! `GET /forward-auth/verify`: may this request pass?

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sekisho_wire::claim;
use serde_json::Value;
use url::form_urlencoded;

use super::{Asked, COOKIE, PREFIX, Passed, Refused, origin, pass, timed};
use crate::{app::App, cookie, oidc::client_authentication::Client};

/// Lifetime of an assertion, in seconds.
const ASSERTION_SECS: i64 = 60;
/// `typ` of an assertion, so that nobody takes it for an ID token (RFC 8725 §3.11).
const ASSERTION_TYP: &str = "forward-auth+jwt";

/// What the proxy hands on, and the claim that it stands for. A proxy sets all of them on each request, so
/// that none of a browser's own gets through; one that only copies what we answer does so too, since each
/// stands in the answer, empty where there is nothing to tell.
const FIELDS: [(&str, &str); 7] = [
    ("x-sso-subject", "sub"),
    ("x-sso-name", "name"),
    ("x-sso-roles", "hc_role"),
    ("x-sso-facility-id", "facility_id"),
    ("x-sso-facility-name", "facility_name"),
    ("x-sso-acr", "acr"),
    ("x-sso-break-glass-id", claim::BREAK_GLASS_ID),
];
/// The same, signed.
const ASSERTION: HeaderName = HeaderName::from_static("x-sso-assertion");
/// Where a browser that may not pass goes, as a path of the service's host.
const LOGIN: HeaderName = HeaderName::from_static("x-sso-login");

/// What stands as it is in a field: text beyond ASCII is percent-encoded UTF-8.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%').add(b',');

/// `GET /forward-auth/verify`. 200 with the fields of [`FIELDS`]; 401 with [`LOGIN`]; to a proxy that sends
/// `X-Forwarded-Uri` and hands our answer on as it is (Traefik, Envoy), 303 instead.
pub async fn get(asked: Asked) -> Response {
    asked.told(answer(&asked).await)
}

async fn answer(asked: &Asked) -> Result<Response, Refused> {
    let Asked { app, headers, .. } = asked;
    let client = asked.client().await?;
    match pass(app, &client, cookie::read(headers, COOKIE)).await? {
        Some(passed) => let_through(app, &client, passed).await,
        None => to_login(&client, headers),
    }
}

async fn let_through(app: &App, client: &Client, passed: Passed) -> Result<Response, Refused> {
    let mut response = StatusCode::OK.into_response();
    let fields = response.headers_mut();
    for (field, name) in FIELDS {
        let value = passed.claims.get(name).and_then(plain).unwrap_or_default();
        let value = HeaderValue::from_str(&value).map_err(|error| Refused::internal(&error))?;
        fields.insert(HeaderName::from_static(field), value);
    }
    let algorithm = client.metadata.id_token_signed_response_alg;
    let claims = timed(app, passed, ASSERTION_SECS);
    let assertion = app.token_keys().sign(app, algorithm, ASSERTION_TYP, &claims).await?;
    let assertion = HeaderValue::from_str(&assertion);
    fields.insert(ASSERTION, assertion.map_err(|error| Refused::internal(&error))?);
    Ok(response)
}

/// Text, or the texts of a list with commas between.
fn plain(value: &Value) -> Option<String> {
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    match value {
        Value::String(text) => Some(encoded(text)),
        Value::Array(list) => {
            let texts: Vec<_> = list.iter().filter_map(Value::as_str).map(encoded).collect();
            Some(texts.join(","))
        }
        _ => None,
    }
}

fn to_login(client: &Client, headers: &HeaderMap) -> Result<Response, Refused> {
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // nginx hands a browser's own fields on: what it sets itself comes first.
    let (redirects, asked, method) = match field("x-original-uri") {
        Some(asked) => (false, asked, field("x-original-method")),
        None => {
            let asked = field("x-forwarded-uri");
            (asked.is_some(), asked.unwrap_or("/"), field("x-forwarded-method"))
        }
    };
    // RFC 9110 §15.5.2 wants a challenge; no browser knows this one, so none asks for a password.
    let challenge = (header::WWW_AUTHENTICATE, HeaderValue::from_static("Portal"));
    let mut response =
        (StatusCode::UNAUTHORIZED, [challenge], "log in at the portal\n").into_response();
    // Only what a browser can ask again after the login.
    if matches!(method, None | Some("GET" | "HEAD")) {
        let to = form_urlencoded::Serializer::new(String::new()).append_pair("to", asked).finish();
        let login = format!("{PREFIX}start?{to}");
        let (name, login) = if redirects {
            *response.status_mut() = StatusCode::SEE_OTHER;
            (header::LOCATION, format!("{}{login}", origin(client)?))
        } else {
            (LOGIN, login)
        };
        let login = HeaderValue::from_str(&login).map_err(|error| Refused::internal(&error))?;
        response.headers_mut().insert(name, login);
    }
    Ok(response)
}

//! `GET /.well-known/openid-configuration` (OIDC Discovery 1.0 §4, RFC 8414).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_store::service::AuthMethod;
use sekisho_wire::{acr, claim};
use serde_json::{Value, json};

use super::claims::SCOPES;
use crate::app::App;

/// Path of the document, on the public name.
pub const PATH: &str = "/.well-known/openid-configuration";

/// `GET /.well-known/openid-configuration`.
pub async fn get(State(app): State<App>) -> Response {
    let cache = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, cache)], Json(document(&app))).into_response()
}

/// What this provider can do, and nothing that it cannot.
#[must_use]
pub fn document(app: &App) -> Value {
    let (public, terminal) = (&app.names().public, &app.names().terminal);
    json!({
        "issuer": public,
        "authorization_endpoint": format!("{terminal}/authorize"),
        "token_endpoint": format!("{public}/token"),
        "userinfo_endpoint": format!("{public}/userinfo"),
        "jwks_uri": format!("{public}/jwks"),
        "end_session_endpoint": format!("{terminal}/end-session"),
        "scopes_supported": SCOPES.iter().map(|scope| scope.name).collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": AuthMethod::ALL.map(AuthMethod::as_str),
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login"],
        "acr_values_supported": acr::LEVELS,
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "name",
            claim::HC_ROLE, claim::FACILITY_ID, claim::FACILITY_CODE, claim::FACILITY_NAME,
            claim::FACILITY_KIND, claim::TERMINAL, claim::VOUCHED_BY,
        ],
        "ui_locales_supported": ["ja", "en"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    })
}

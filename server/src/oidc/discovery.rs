//! `GET /.well-known/openid-configuration` (OIDC Discovery 1.0 §4, RFC 8414).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use sekisho_store::service::AuthMethod;
use sekisho_wire::claim;
use serde_json::{Value, json};

use super::{
    authorize::ResponseMode, claims::SCOPES, client::GrantType, registration, session_state,
};
use crate::{app::App, jose::Algorithm, login};

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
    let names = app.names();
    let (public, terminal, mtls) = (&names.public, &names.terminal, &names.mtls);
    let algorithms = Algorithm::ALL.map(Algorithm::as_str);
    let methods = AuthMethod::ALL.map(AuthMethod::as_str);
    let proven: Vec<_> = methods.into_iter().filter(|method| *method != "none").collect();
    let mut document = json!({
        "issuer": if seeded!(MetadataOfAnotherIssuer) { mtls } else { public },
        "authorization_endpoint": format!("{terminal}/authorize"),
        "pushed_authorization_request_endpoint": format!("{public}/par"),
        "token_endpoint": format!("{public}/token"),
        "userinfo_endpoint": format!("{public}/userinfo"),
        "introspection_endpoint": format!("{public}/introspect"),
        "revocation_endpoint": format!("{public}/revoke"),
        "jwks_uri": format!("{public}/jwks"),
        "mtls_endpoint_aliases": {
            "pushed_authorization_request_endpoint": format!("{mtls}/par"),
            "token_endpoint": format!("{mtls}/token"),
            "userinfo_endpoint": format!("{mtls}/userinfo"),
            "introspection_endpoint": format!("{mtls}/introspect"),
            "revocation_endpoint": format!("{mtls}/revoke"),
        },
        "scopes_supported": SCOPES.iter().map(|scope| scope.name).collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ResponseMode::NAMES,
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": algorithms,
        "userinfo_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": algorithms,
        "authorization_signing_alg_values_supported": algorithms,
        "request_object_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": Algorithm::OF_PROOFS.map(Algorithm::as_str),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": proven,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "acr_values_supported": login::levels(app.config()),
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "name",
            claim::HC_ROLE, claim::FACILITY_ID, claim::FACILITY_CODE, claim::FACILITY_NAME,
            claim::FACILITY_KIND, claim::TERMINAL, claim::BREAK_GLASS, claim::BREAK_GLASS_ID,
            claim::FACILITY_MEMBER, claim::VOUCHED_BY,
        ],
        "ui_locales_supported": ["ja", "en"],
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "require_pushed_authorization_requests": false,
        "require_signed_request_object": false,
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_response_iss_parameter_supported": true,
    });
    if let (Value::Object(document), Value::Object(logout)) = (&mut document, logout(terminal)) {
        document.extend(logout);
    }
    document["registration_endpoint"] = format!("{public}{}", registration::PATH).into();
    document
}

/// How sessions end (OIDC RP-Initiated Logout §2.1, Session Management §3.3, Back-Channel Logout §2.1,
/// Front-Channel Logout §3).
fn logout(terminal: &str) -> Value {
    json!({
        "end_session_endpoint": format!("{terminal}/end-session"),
        "check_session_iframe": format!("{terminal}{}", session_state::PATH),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
    })
}

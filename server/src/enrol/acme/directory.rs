//! Where everything is (RFC 8555 §7.1.1), and nonces (§7.2).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode};
use serde_json::json;

use super::door;
use crate::{app::App, error::acme::AcmeError};

/// Where clients begin.
pub const PATH: &str = "/acme/directory";

/// `GET /acme/directory`.
///
/// # Errors
/// 404 where the door is closed.
pub async fn get(State(app): State<App>) -> Result<Response, AcmeError> {
    door::enabled(&app)?;
    let at = |path| door::url(&app, path);
    let directory = json!({
        "newNonce": at("/acme/new-nonce"),
        "newAccount": at("/acme/new-account"),
        "newOrder": at("/acme/new-order"),
        "revokeCert": at("/acme/revoke-cert"),
        "keyChange": at("/acme/key-change"),
        "renewalInfo": at("/acme/renewal-info"),
        "meta": { "externalAccountRequired": true },
    });
    Ok(Json(directory).into_response())
}

/// `GET /acme/new-nonce`, and `HEAD`.
///
/// # Errors
/// 404 where the door is closed.
pub async fn new_nonce(State(app): State<App>, method: Method) -> Result<Response, AcmeError> {
    door::enabled(&app)?;
    // §7.2.
    let status = if method == Method::HEAD { StatusCode::OK } else { StatusCode::NO_CONTENT };
    door::with_nonce(&app, status.into_response())
}

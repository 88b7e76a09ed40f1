//! Which services a client may have tokens for (RFC 8707).

use sekisho_store::service;

use super::{client::Metadata, client_authentication::Client};
use crate::{app::App, error::oauth::OAuthError};

/// Every resource is an identifier of a service that this client may call, or the client's own.
///
/// # Errors
/// [`OAuthError`] `invalid_target` (RFC 8707 §2).
pub async fn check(app: &App, client: &Client, resources: &[String]) -> Result<(), OAuthError> {
    if resources.is_empty() {
        return Ok(());
    }
    let mut known = client.metadata.resources.clone();
    for id in &client.metadata.calls {
        let called = service::find(&mut app.store().read(), id).await?;
        let Some(called) = called else { continue };
        known.extend(Metadata::of(&called)?.resources);
    }
    if resources.iter().all(|resource| known.contains(resource)) {
        return Ok(());
    }
    let description = "resource names no service that this client was approved to call";
    Err(OAuthError::bad_request("invalid_target", description))
}

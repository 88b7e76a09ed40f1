//! Which services a client may have tokens for (RFC 8707).

use sekisho_store::{
    Queries, StoreError,
    service::{self, Service},
};

use super::{client::Metadata, client_authentication::Client};
use crate::{app::App, error::oauth::OAuthError};

/// Every resource is an identifier of a service that this client may call, or the client's own.
///
/// # Errors
/// [`OAuthError`] `invalid_target` (RFC 8707 §2).
pub async fn check(app: &App, client: &Client, resources: &[String]) -> Result<(), OAuthError> {
    let mut known = client.metadata.resources.clone();
    for called in called(&mut app.store().read(), client, resources).await? {
        known.extend(Metadata::of(&called)?.resources);
    }
    if resources.iter().all(|resource| known.contains(resource)) {
        return Ok(());
    }
    let description = "resource names no service that this client was approved to call";
    Err(OAuthError::bad_request("invalid_target", description))
}

/// The services that a client may call and that these resources belong to.
///
/// # Errors
/// [`StoreError`].
pub async fn called(
    queries: &mut impl Queries,
    client: &Client,
    resources: &[String],
) -> Result<Vec<Service>, StoreError> {
    let mut called = Vec::new();
    // Most requests name none.
    for id in client.metadata.calls.iter().filter(|_| !resources.is_empty()) {
        if let Some(service) = service::find(queries, id).await?
            && Metadata::of(&service)?.resources.iter().any(|own| resources.contains(own))
        {
            called.push(service);
        }
    }
    Ok(called)
}

//! A token for the client itself (RFC 6749 §4.4), to call another service with.

use sekisho_store::{
    audit::{Actor, Audited, Entry},
    transaction,
};
use serde_json::{Value, json};

use super::{Caller, ExchangeError, issue};
use crate::{
    error::oauth::OAuthError,
    oidc::{parameters::Parameters, resource},
};

/// Gives out a token for the resources that the request names. It speaks of no person and carries no
/// scope: what the client may do there is for the resource.
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_scope`, `invalid_target`, `invalid_dpop_proof`.
pub(super) async fn exchange(
    caller: &Caller<'_>,
    parameters: &Parameters,
) -> Result<Value, OAuthError> {
    if parameters.get("scope").is_some() {
        let description = "a client has no scope of its own: name the resource and leave scope out";
        return Err(OAuthError::bad_request("invalid_scope", description));
    }
    let resources = parameters.all("resource");
    if resources.is_empty() {
        let description = "resource is missing: the service that the token is for (RFC 8707)";
        return Err(OAuthError::bad_request("invalid_request", description));
    }
    resource::check(caller.app, &caller.client, resources).await?;
    let (app, id) = (caller.app, &caller.client.service.id);
    let now = app.now();
    let token_id = issue::token_id(None);
    let record = Entry::done("token.issue", Actor::Service(id.clone()), now)
        .on("service", id)
        .on("token", &token_id)
        .fact("resource", resources.join(" "))
        .from_address(caller.peer.addr.ip());
    transaction!(app.store(), ExchangeError, |tx| {
        caller.use_proof(tx).await?;
        Ok(Audited::new((), record.clone()))
    })?;
    let access = issue::Access {
        id: &token_id,
        resources,
        scope: "",
        confirmation: caller.confirmation.as_ref(),
        now,
        until: None,
    };
    let answer = issue::access_token(caller, &access, json!({ "sub": id })).await?;
    Ok(Value::Object(answer))
}

//! `POST /token` on the public name and on the mutual-TLS one (RFC 6749 §3.2, OIDC Core §3.1.3).

mod authorization_code;
mod client_credentials;
pub mod issue;
mod refresh;
mod token_exchange;

pub(super) use refresh::decision;
#[cfg(test)]
pub(super) use token_exchange::{Refusal, admitted};

use axum::{
    body::Bytes,
    extract::{Extension, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
use sekisho_store::{MayConflict, StoreError, Tx, dpop_proof};
use serde_json::Value;

use super::{
    client::GrantType,
    client_authentication::{self, Client},
    confirmation::Confirmation,
    dpop,
    parameters::Parameters,
    self_check,
};
use crate::{
    app::App,
    error::oauth::OAuthError,
    form::{self, FormError},
    jose::Algorithm,
    listener::Peer,
};

/// Whose request it is, where it came from, and what the tokens will be bound to.
struct Caller<'a> {
    app: &'a App,
    peer: &'a Peer,
    client: Client,
    proof: Option<dpop::Proof>,
    confirmation: Option<Confirmation>,
}

/// Why a transaction that gives out tokens was not made.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    /// The proof of possession was used before.
    #[error("the proof was used before")]
    ProofUsed,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for ExchangeError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<ExchangeError> for OAuthError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::ProofUsed => dpop::refused("the proof was used before; make a new one"),
            ExchangeError::Store(error) => error.into(),
        }
    }
}

impl Caller<'_> {
    /// Uses up the proof that came with the request, in the transaction that believes it.
    async fn use_proof(&self, tx: &mut Tx) -> Result<(), ExchangeError> {
        let Some(proof) = &self.proof else { return Ok(()) };
        match dpop_proof::consume(tx, &proof.hash, proof.expires_at).await {
            Err(StoreError::AlreadyExists { .. }) => Err(ExchangeError::ProofUsed),
            other => Ok(other?),
        }
    }
}

/// `POST /token`.
///
/// # Errors
/// [`OAuthError`]: RFC 6749 §5.2.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, OAuthError> {
    let parameters = read(&headers, body)?;
    let client = client_authentication::authenticate(&app, &headers, &parameters, &peer).await?;
    let grant = parameters
        .get("grant_type")
        .ok_or_else(|| OAuthError::bad_request("invalid_request", "grant_type is missing"))?;
    let grant = GrantType::parse(grant).ok_or_else(|| {
        let known = GrantType::ALL.map(GrantType::as_str).join(", ");
        OAuthError::bad_request("unsupported_grant_type", format!("grant_type is one of {known}"))
    })?;
    if !client.metadata.grant_types.contains(&grant) {
        let description = format!("the client is not registered for {}", grant.as_str());
        return Err(OAuthError::bad_request("unauthorized_client", description));
    }
    let url = format!("{}/token", app.names().origin(peer.role));
    let request = dpop::Request { method: "POST", url: &url, access_token: None };
    self_check::proof_seen(&app, &client.service, &headers).await?;
    let proof = dpop::read(&headers, request, app.now())?;
    let confirmation = confirmation(&client, &peer, proof.as_ref())?;
    keys_at_hand(&app, &client).await?;
    let caller = Caller { app: &app, peer: &peer, client, proof, confirmation };
    let answer = match grant {
        GrantType::AuthorizationCode => authorization_code::exchange(&caller, &parameters).await?,
        GrantType::RefreshToken => refresh::exchange(&caller, &parameters).await?,
        GrantType::ClientCredentials => client_credentials::exchange(&caller, &parameters).await?,
        GrantType::TokenExchange => token_exchange::exchange(&caller, &parameters).await?,
    };
    Ok(uncached(&answer))
}

/// Exchanges a code for a client that authenticated elsewhere and whose tokens are bound to nothing.
///
/// # Errors
/// As [`post`].
pub(super) async fn redeem(
    app: &App,
    peer: &Peer,
    client: Client,
    parameters: &Parameters,
) -> Result<Value, OAuthError> {
    keys_at_hand(app, &client).await?;
    let caller = Caller { app, peer, client, proof: None, confirmation: None };
    authorization_code::exchange(&caller, parameters).await
}

/// The keys of the answer, before a code or token is used up for it: afterwards nothing is asked of the
/// database, and an outage costs nobody their login.
async fn keys_at_hand(app: &App, client: &Client) -> Result<(), OAuthError> {
    for algorithm in [Algorithm::Es256, client.metadata.id_token_signed_response_alg] {
        app.token_keys().at_hand(app, algorithm).await?;
    }
    Ok(())
}

/// What the tokens of this request are bound to; refused where the client promised to bind them and
/// does not.
fn confirmation(
    client: &Client,
    peer: &Peer,
    proof: Option<&dpop::Proof>,
) -> Result<Option<Confirmation>, OAuthError> {
    if let Some(proof) = proof {
        return Ok(Some(Confirmation::Key(proof.thumbprint.clone())));
    }
    if client.metadata.dpop_bound_access_tokens && !seeded!(ProofOptional) {
        return Err(dpop::refused(
            "this client's tokens are bound: send a proof in the field DPoP",
        ));
    }
    if !client.metadata.tls_client_certificate_bound_access_tokens {
        return Ok(None);
    }
    if seeded!(CertificateOptional) {
        return Ok(Confirmation::of_connection(peer));
    }
    let bound = Confirmation::of_connection(peer).ok_or_else(|| {
        let description = "this client's tokens are bound to its certificate: \
                           use the endpoints of mtls_endpoint_aliases and show it";
        OAuthError::bad_request("invalid_request", description)
    })?;
    Ok(Some(bound))
}

/// The body of a form, nothing twice but `resource` (RFC 6749 §3.2, RFC 8707 §2). An address with a
/// query was refused before.
///
/// # Errors
/// [`OAuthError`] `invalid_request`.
pub(super) fn read(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Parameters, OAuthError> {
    if !form::announced(headers)? {
        return Err(FormError::NotAForm.into());
    }
    let parameters = Parameters::of_body(body)?;
    match parameters.repeated() {
        None => Ok(parameters),
        Some(name) => Err(FormError::Repeated { field: name.to_owned() }.into()),
    }
}

/// JSON that nobody may keep (RFC 6749 §5.1).
pub(super) fn uncached(answer: &Value) -> Response {
    unkept(HeaderValue::from_static("application/json"), answer.to_string())
}

/// Anything that nobody may keep.
pub(super) fn unkept(content_type: HeaderValue, body: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, content_type),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static(if seeded!(TokensKept) { "private" } else { "no-store" }),
            ),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ],
        body,
    )
        .into_response()
}

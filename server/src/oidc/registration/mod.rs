//! Services that register themselves (RFC 7591) and keep their own registration (RFC 7592).
//!
//! Nobody registers without an initial access token, which an operator or a service's owner made
//! ([`initial`]), and what is registered is in the sandbox until the operating body approves it
//! ([`super::client::approve`]). A live service may take back by its own token, and exchange its keys;
//! whatever would widen what was approved is refused (`docs/decisions/0025-*.md`).

mod create;
pub mod initial;
mod read;
mod remove;
mod update;

use axum::{body::Bytes, extract::rejection::BytesRejection};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sekisho_key::RandomnessError;
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Actor, Audited, Entry},
    client_registration,
    service::{self, Service},
    transaction,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    client::{self, Document, DocumentError, RegistrationError},
    presented_token::{Scheme, presented},
};
use crate::{
    app::App,
    error::oauth::OAuthError,
    form::FormError,
    listener::Peer,
    media_type,
    people::tries::{self, Door},
};

pub use create::post;
pub use read::get;
pub use remove::delete;
pub use update::put;

/// Path at which services register, on the public name.
pub const PATH: &str = "/register";
/// The largest document, in octets: twenty addresses and a set of RSA keys fit well.
const MOST_OCTETS: usize = 32 * 1024;

/// Why a registration is not made, changed or shown. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationRefused {
    /// No such token, none any more, or of another service. Which is not told.
    #[error("the token is not valid here and now")]
    Token,
    /// The document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A live service's own token would widen what was approved.
    #[error(
        "{0} of a live service is the operating body's to approve; register the change as a service of \
         its own, or ask the operating body"
    )]
    Widened(&'static str),
    /// No randomness for a secret or token.
    #[error("no secret could be made")]
    Randomness(#[from] RandomnessError),
    /// The database.
    #[error("the registration was not stored")]
    Store(#[from] StoreError),
}

impl From<RegistrationError> for RegistrationRefused {
    fn from(error: RegistrationError) -> Self {
        Self::Document(DocumentError::Member(error))
    }
}

impl MayConflict for RegistrationRefused {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Store(error) | Self::Document(DocumentError::Store(error)) => error.is_conflict(),
            Self::Document(DocumentError::Member(error)) => error.is_conflict(),
            Self::Token
            | Self::Widened(_)
            | Self::Randomness(_)
            | Self::Document(DocumentError::Malformed(_) | DocumentError::SoftwareStatement) => {
                false
            }
        }
    }
}

/// The hash of the bearer token that came, and the token.
fn token(headers: &HeaderMap) -> Result<([u8; 32], &str), OAuthError> {
    let (scheme, token) = presented(headers)?;
    if scheme != Scheme::Bearer {
        return Err(Scheme::Bearer.invalid());
    }
    Ok((Sha256::digest(token).into(), token))
}

/// The service whose registration the token reaches, if `client_id` is its.
async fn own(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    client_id: &str,
) -> Result<Service, OAuthError> {
    let (hash, _) = token(headers)?;
    let mut reader = app.store().read();
    let reached = client_registration::service_of(&mut reader, &hash).await?;
    let its = |reached: &String| reached == client_id || seeded!(RegistrationOfAnother);
    let found = match reached.filter(its) {
        Some(_) => service::find(&mut reader, client_id).await?,
        None => None,
    };
    match found {
        Some(service) => Ok(service),
        None => Err(strange_token(app, peer).await?),
    }
}

/// The refusal of a token that opens nothing, once its record is written.
async fn strange_token(app: &App, peer: &Peer) -> Result<OAuthError, OAuthError> {
    // Nobody guesses 256 bits: what is bounded is how much of the trail they fill.
    let address = peer.addr.ip().to_string();
    tries::charge(app, tries::network(app.config(), Door::Registration, &address)).await??;
    let record = Entry::refused("client.register", Actor::Stranger, app.now(), "invalid_token")
        .from_address(peer.addr.ip());
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), record.clone())))?;
    Ok(RegistrationRefused::Token.into())
}

/// The document of a body that says that it is JSON.
fn document(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Document, OAuthError> {
    if media_type::announced(headers) != Ok("application/json") {
        let description = "the body is application/json, once said";
        return Err(OAuthError::bad_request("invalid_request", description));
    }
    let body = body.map_err(|rejection| {
        let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
        if too_large { FormError::TooLarge } else { FormError::Incomplete }
    })?;
    if body.len() > MOST_OCTETS {
        return Err(FormError::TooLarge.into());
    }
    Ok(Document::parse(&body).map_err(RegistrationRefused::from)?)
}

/// The client information response (RFC 7591 §3.2.1, RFC 7592 §3). `secret` is there when it is new.
fn information(
    app: &App,
    service: &Service,
    secret: Option<&SecretString>,
    token: &str,
) -> Result<Value, StoreError> {
    let mut told: Map<String, Value> = client::told(service)?;
    let uri = format!("{}{PATH}/{}", app.names().public, service.id);
    told.insert("registration_client_uri".into(), uri.into());
    told.insert("registration_access_token".into(), token.into());
    if service.auth_method.has_secret() {
        // It does not end.
        told.insert("client_secret_expires_at".into(), json!(0));
    }
    if let Some(secret) = secret {
        told.insert("client_secret".into(), secret.expose_secret().into());
    }
    Ok(Value::Object(told))
}

//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): the provider tells this service
//! that a session has ended, without the browser.

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde::Deserialize;
use serde_json::Value;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Clock difference that is tolerated, in seconds.
const LEEWAY: i64 = 60;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: Option<String>,
}

/// What a logout token says.
#[derive(Debug, Deserialize)]
pub struct LogoutToken {
    iss: String,
    aud: Value,
    exp: i64,
    /// Unique; a receiver refuses to see it twice.
    pub jti: String,
    /// Session that ended.
    pub sid: Option<String>,
    /// Person whose sessions ended, if `sid` names none.
    pub sub: Option<String>,
    events: serde_json::Map<String, Value>,
    nonce: Option<Value>,
}

/// Verifies a logout token as §2.6 of the specification lists it.
///
/// # Errors
/// With the rule that it breaks.
pub fn verify(
    token: &str,
    keys: &CoreJsonWebKeySet,
    issuer: &str,
    client_id: &str,
    now: i64,
) -> anyhow::Result<LogoutToken> {
    ensure!(token.len() <= 8192, "the logout token is too long");
    let (signed, signature) = token.rsplit_once('.').context("not a compact JWS")?;
    let (header, payload) = signed.split_once('.').context("not a compact JWS")?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    ensure!(header.alg == "ES256", "signed with {}, not ES256", header.alg);
    ensure!(
        header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case("logout+jwt")),
        "not typed as a logout token"
    );
    let Some(key) =
        keys.keys().iter().find(|key| key.key_id().is_some_and(|id| id.as_str() == header.kid))
    else {
        bail!("no key of the provider is named {}", header.kid);
    };
    key.verify_signature(
        &CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        signed.as_bytes(),
        &URL_SAFE_NO_PAD.decode(signature)?,
    )
    .context("the signature does not verify")?;
    let token: LogoutToken = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    ensure!(token.iss == issuer, "issued by {}", token.iss);
    let for_us = match &token.aud {
        Value::String(audience) => audience == client_id,
        Value::Array(audiences) => audiences.iter().any(|audience| audience == client_id),
        _ => false,
    };
    ensure!(for_us, "meant for another service");
    ensure!(token.exp + LEEWAY > now, "expired");
    ensure!(token.events.contains_key(EVENT), "not a logout event");
    ensure!(token.nonce.is_none(), "a logout token has no nonce");
    ensure!(token.sid.is_some() || token.sub.is_some(), "names neither session nor person");
    Ok(token)
}

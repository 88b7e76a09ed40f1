//! An assertion that the client signed (RFC 7523 §3).

use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service, transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::Client;
use crate::{
    app::App,
    error::oauth::OAuthError,
    jose::{ClientKeys, Signed},
    listener::Peer,
    names::NameRole,
    oidc::{access_token::Audience, self_check},
};

/// An assertion may live no longer than this, in seconds: so long its `jti` is remembered.
const MOST_SECS: i64 = 600;
/// How far a client's clock may run ahead of ours, in seconds.
const LEEWAY_SECS: i64 = 30;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    #[cfg_attr(seeded_faults, serde(default))]
    sub: String,
    aud: Audience,
    exp: i64,
    jti: String,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
}

/// Whether it is signed by the client's key, about itself, for us, short-lived, and here for the first
/// time; it counts as used then.
pub(super) async fn holds(
    app: &App,
    peer: &Peer,
    client: &Client,
    jwt: &str,
) -> Result<bool, OAuthError> {
    let Some(claims) = signed(client, jwt) else { return Ok(false) };
    let now = app.now().unix_timestamp();
    if let Some(made) = claims.iat {
        self_check::clock_seen(app, &client.service, made.saturating_sub(now)).await?;
    }
    let leeway = if seeded!(AssertionLeewayMissing) { 0 } else { LEEWAY_SECS };
    let made =
        |at: Option<i64>| at.is_none_or(|at| at <= now + leeway) || seeded!(AssertionOfTheFuture);
    let in_time = (claims.exp > now || seeded!(AssertionNeverExpires))
        && claims.exp <= now + MOST_SECS + LEEWAY_SECS
        && made(claims.nbf)
        && made(claims.iat);
    let about_itself = claims.iss == client.service.id
        && (claims.sub == client.service.id || seeded!(AssertionSubjectUnchecked));
    let named = (1..=256).contains(&claims.jti.len());
    if !(in_time && about_itself && named && for_us(app, client, &claims.aud)) {
        return Ok(false);
    }
    let jti_hash: [u8; 32] = Sha256::digest(claims.jti.as_bytes()).into();
    let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp)
        .map_err(|error| OAuthError::internal(&error))?;
    let id = &client.service.id;
    let record = Entry::done("client.assertion", Actor::Service(id.clone()), app.now())
        .from_address(peer.addr.ip());
    let first: Result<(), StoreError> = transaction!(app.store(), StoreError, |tx| {
        service::consume_assertion(tx, id, &jti_hash, expires_at).await?;
        Ok(Audited::new((), record.clone()))
    });
    match first {
        Ok(()) => Ok(true),
        Err(StoreError::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The claims, if a registered key signed them with an algorithm that this client may use.
fn signed(client: &Client, jwt: &str) -> Option<Claims> {
    let set = serde_json::from_str(client.service.jwks.as_deref()?).ok()?;
    let keys = ClientKeys::read(&set).ok()?;
    let object = Signed::parse(jwt).ok()?;
    let only = client.metadata.token_endpoint_auth_signing_alg;
    // `typ` is optional in RFC 7523; an object for another purpose is none for this one.
    let typ = object.typ();
    let fits = matches!(typ.as_deref(), None | Some("jwt" | "client-authentication+jwt"));
    (fits && client.metadata.accepts(object.algorithm(), only)).then_some(())?;
    object.verified(&keys).ok()
}

/// One recipient only: what is also for somebody else, somebody else can replay. Under FAPI 2.0 that
/// is the issuer as a string and nothing else (Security Profile §5.3.2.1).
fn for_us(app: &App, client: &Client, audience: &Audience) -> bool {
    let issuer = &app.names().public;
    let endpoint = |aud: &String| {
        [NameRole::Public, NameRole::Mtls].into_iter().any(|role| {
            aud.strip_prefix(app.names().origin(role))
                .is_some_and(|path| matches!(path, "/token" | "/par" | "/introspect" | "/revoke"))
        })
    };
    match audience {
        _ if seeded!(AssertionAudienceUnchecked) => true,
        Audience::One(aud) if client.metadata.profile.is_fapi2() => {
            aud == issuer || (seeded!(AssertionAudienceEndpoint) && endpoint(aud))
        }
        Audience::Many(_) if client.metadata.profile.is_fapi2() => {
            seeded!(AssertionAudienceAsList)
        }
        Audience::One(aud) => (aud == issuer && !seeded!(IssuerIsNoAudience)) || endpoint(aud),
        Audience::Many(auds) => {
            matches!(auds.as_slice(), [aud] if aud == issuer || endpoint(aud))
        }
    }
}

//! Which client is asking (RFC 6749 §2.3, OIDC Core §9): exactly one method, the registered one.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use sekisho_protocol::{
    JwkSet,
    jws::{self, JwsError},
};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service::{self, AuthMethod, Service},
    transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::{
    app::App,
    error::oauth::OAuthError,
    listener::Peer,
    oidc::parameters::Parameters,
    people::tries::{self, Door},
};

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion may live no longer than this, in seconds: so long its `jti` is remembered.
const MOST_ASSERTION_SECS: i64 = 600;
/// How far a client's clock may run ahead of ours, in seconds.
const LEEWAY_SECS: i64 = 30;

/// What the request brought along as proof.
enum Credential {
    Secret(String),
    Assertion(String),
    Nothing,
}

struct Presented {
    client_id: String,
    method: AuthMethod,
    credential: Credential,
}

/// The authenticated client. Which part was wrong is not told.
///
/// # Errors
/// [`OAuthError`] `invalid_client` or `invalid_request`.
pub(super) async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    parameters: &Parameters,
    peer: &Peer,
) -> Result<Service, OAuthError> {
    let presented = presented(headers, parameters)?;
    if !is_client_id(&presented.client_id) {
        return Err(refused());
    }
    let Some(client) = service::find(&mut app.store().read(), &presented.client_id).await? else {
        return Err(refused());
    };
    let proven = presented.method == client.auth_method
        && match &presented.credential {
            Credential::Nothing => true,
            Credential::Secret(secret) => secret_matches(&client, secret),
            Credential::Assertion(jwt) => assertion_holds(app, peer, &client, jwt).await?,
        };
    if proven {
        return Ok(client);
    }
    // Nobody guesses a secret of 256 bits: what is bounded is how much of the trail they fill.
    let address = peer.addr.ip().to_string();
    tries::charge(app, tries::network(app.config(), Door::Client, &address)).await??;
    let actor = Actor::Stranger;
    let record = Entry::refused("client.authenticate", actor, app.now(), "invalid_client")
        .on("service", &client.id)
        .fact("method", presented.method.as_str())
        .from_address(peer.addr.ip());
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), record.clone())))?;
    Err(refused())
}

fn presented(headers: &HeaderMap, parameters: &Parameters) -> Result<Presented, OAuthError> {
    let invalid = |text: &str| OAuthError::bad_request("invalid_request", text);
    let in_body = parameters.get("client_id");
    let mut found = Vec::new();
    let mut authorization = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = authorization.next() {
        if authorization.next().is_some() {
            return Err(invalid("Authorization is repeated"));
        }
        let (client_id, secret) = basic(value.as_bytes()).ok_or_else(refused)?;
        let credential = Credential::Secret(secret);
        found.push(Presented { client_id, method: AuthMethod::ClientSecretBasic, credential });
    }
    if let Some(secret) = parameters.get("client_secret") {
        let client_id = in_body.ok_or_else(|| invalid("client_id is missing"))?.to_owned();
        let credential = Credential::Secret(secret.to_owned());
        found.push(Presented { client_id, method: AuthMethod::ClientSecretPost, credential });
    }
    if parameters.has("client_assertion") || parameters.has("client_assertion_type") {
        let assertion = parameters
            .get("client_assertion")
            .filter(|_| parameters.get("client_assertion_type") == Some(JWT_BEARER))
            .ok_or_else(|| invalid("client_assertion needs client_assertion_type jwt-bearer"))?;
        let client_id = match in_body {
            Some(client_id) => client_id.to_owned(),
            None => unverified_issuer(assertion).ok_or_else(refused)?,
        };
        let credential = Credential::Assertion(assertion.to_owned());
        found.push(Presented { client_id, method: AuthMethod::PrivateKeyJwt, credential });
    }
    if found.len() > 1 {
        return Err(invalid("more than one way of client authentication"));
    }
    let Some(presented) = found.pop() else {
        let client_id = in_body.ok_or_else(refused)?.to_owned();
        let credential = Credential::Nothing;
        return Ok(Presented { client_id, method: AuthMethod::None, credential });
    };
    if in_body.is_some_and(|client_id| client_id != presented.client_id) {
        return Err(invalid("client_id differs from the authenticated client"));
    }
    Ok(presented)
}

/// RFC 6749 §2.3.1: both parts urlencoded, then Basic.
fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, credentials) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let pair = format!("v={text}");
        let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
        let value = pairs.next().map(|(_, value)| value.into_owned());
        value.filter(|_| pairs.next().is_none())
    };
    Some((plain(id)?, plain(secret)?))
}

/// Secrets are ours, 32 random octets: a plain hash suffices, there is nothing to guess.
/// `client-id = *VSCHAR` (RFC 6749 appendix A.1), and not longer than any of ours.
fn is_client_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

fn secret_matches(client: &Service, secret: &str) -> bool {
    let Some(expected) = &client.secret_hash else { return false };
    let given: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    given.ct_eq(expected).into()
}

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    jti: String,
    #[serde(default)]
    nbf: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Only to find the client whose keys will verify the assertion.
fn unverified_issuer(jwt: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if jwt.len() > jws::MAX_OCTETS {
        return None;
    }
    let payload = sekisho_protocol::octets::decode(jwt.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Issuer>(&payload).ok().map(|claims| claims.iss)
}

/// RFC 7523 §3: signed by the client's key, about itself, for us, short-lived, and once.
async fn assertion_holds(
    app: &App,
    peer: &Peer,
    client: &Service,
    jwt: &str,
) -> Result<bool, OAuthError> {
    let keys = client.jwks.as_deref().and_then(|jwks| serde_json::from_str::<JwkSet>(jwks).ok());
    let Some(keys) = keys else { return Ok(false) };
    // `typ` is optional in RFC 7523; whichever of these it is, the signature must hold.
    let verified = ["", "JWT", "client-authentication+jwt"]
        .into_iter()
        .map(|typ| jws::verify::<Assertion>(jwt, typ, &keys))
        .find(|outcome| !matches!(outcome, Err(JwsError::Type { .. })));
    let Some(Ok(claims)) = verified else { return Ok(false) };
    let now = app.now().unix_timestamp();
    let issuer = &app.names().public;
    let ours = [issuer.clone(), format!("{issuer}/token")];
    let for_us = match &claims.aud {
        Audience::One(aud) => ours.contains(aud),
        // One recipient only: what is also for somebody else, somebody else can replay.
        Audience::Many(auds) => matches!(auds.as_slice(), [aud] if ours.contains(aud)),
    };
    let holds = claims.iss == client.id
        && claims.sub == client.id
        && for_us
        && claims.exp > now
        && claims.exp <= now + MOST_ASSERTION_SECS + LEEWAY_SECS
        && claims.nbf.is_none_or(|nbf| nbf <= now + LEEWAY_SECS)
        && !claims.jti.is_empty()
        && claims.jti.len() <= 256;
    if !holds {
        return Ok(false);
    }
    let jti_hash: [u8; 32] = Sha256::digest(claims.jti.as_bytes()).into();
    let expires_at = OffsetDateTime::from_unix_timestamp(claims.exp)
        .map_err(|error| OAuthError::internal(&error))?;
    let record = Entry::done("client.assertion", Actor::Service(client.id.clone()), app.now())
        .from_address(peer.addr.ip());
    let first: Result<(), StoreError> = transaction!(app.store(), StoreError, |tx| {
        service::consume_assertion(tx, &client.id, &jti_hash, expires_at).await?;
        Ok(Audited::new((), record.clone()))
    });
    match first {
        Ok(()) => Ok(true),
        Err(StoreError::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn refused() -> OAuthError {
    OAuthError::invalid_client("client authentication failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_urlencoded_inside() {
        let encoded = STANDARD.encode("a%3Ab:s%2Bc+d");
        let read = basic(format!("Basic {encoded}").as_bytes());
        assert_eq!(read, Some(("a:b".to_owned(), "s+c d".to_owned())));
        for value in ["Bearer abc", "Basic", "Basic !!!", "Basic YWJj"] {
            assert_eq!(basic(value.as_bytes()), None, "{value}");
        }
    }
}

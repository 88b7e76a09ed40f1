//! Which client is asking (RFC 6749 §2.3, OIDC Core §9, RFC 8705 §2): exactly one method, the
//! registered one.

mod assertion;
mod certificate;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    service::{self, AuthMethod, Service},
    transaction,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    app::App,
    error::oauth::OAuthError,
    jose::Signed,
    listener::Peer,
    oidc::{client::Metadata, parameters::Parameters},
    people::tries::{self, Door},
};

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What the request brought along as proof.
enum Credential {
    Secret(String),
    Assertion(String),
    Nothing,
}

struct Presented {
    client_id: String,
    /// `None` where only `client_id` came: by a certificate, or not at all.
    method: Option<AuthMethod>,
    credential: Credential,
}

/// A client that proved itself.
#[derive(Debug, Clone)]
pub struct Client {
    /// As registered.
    pub service: Service,
    /// What it is held to.
    pub metadata: Metadata,
}

impl Client {
    /// The approved client of this identifier with its metadata.
    ///
    /// # Errors
    /// [`StoreError`], also for metadata that another version wrote.
    pub async fn find(app: &App, id: &str) -> Result<Option<Self>, StoreError> {
        let Some(service) = service::find(&mut app.store().read(), id).await? else {
            return Ok(None);
        };
        let metadata = Metadata::of(&service)?;
        Ok(Some(Self { service, metadata }))
    }
}

/// The authenticated client. Which part was wrong is not told.
///
/// # Errors
/// [`OAuthError`] `invalid_client` or `invalid_request`.
pub async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    parameters: &Parameters,
    peer: &Peer,
) -> Result<Client, OAuthError> {
    let presented = presented(headers, parameters)?;
    if !is_client_id(&presented.client_id) {
        return Err(refused());
    }
    let Some(client) = Client::find(app, &presented.client_id).await? else {
        return Err(refused());
    };
    let registered = client.service.auth_method;
    let by_certificate =
        matches!(registered, AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth);
    let proven = match &presented.credential {
        Credential::Nothing if by_certificate => certificate::holds(app, peer, &client).await?,
        Credential::Nothing => registered == AuthMethod::None || seeded!(AuthenticationOptional),
        Credential::Secret(secret) => {
            presented.method == Some(registered) && secret_matches(&client.service, secret)
        }
        Credential::Assertion(jwt) => {
            presented.method == Some(registered)
                && assertion::holds(app, peer, &client, jwt).await?
        }
    };
    if proven {
        return Ok(client);
    }
    // Nobody guesses a secret of 256 bits: what is bounded is how much of the trail they fill.
    let address = peer.addr.ip().to_string();
    tries::charge(app, tries::network(app.config(), Door::Client, &address)).await??;
    let actor = Actor::Stranger;
    let record = Entry::refused("client.authenticate", actor, app.now(), "invalid_client")
        .on("service", &client.service.id)
        .fact("method", presented.method.unwrap_or(registered).as_str())
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
        found.push(Presented {
            client_id,
            method: Some(AuthMethod::ClientSecretBasic),
            credential,
        });
    }
    if let Some(secret) = parameters.get("client_secret") {
        let client_id = in_body.ok_or_else(|| invalid("client_id is missing"))?.to_owned();
        let credential = Credential::Secret(secret.to_owned());
        found.push(Presented { client_id, method: Some(AuthMethod::ClientSecretPost), credential });
    }
    if parameters.has("client_assertion") || parameters.has("client_assertion_type") {
        let assertion = parameters
            .get("client_assertion")
            .filter(|_| parameters.get("client_assertion_type") == Some(JWT_BEARER))
            .ok_or_else(|| invalid("client_assertion needs client_assertion_type jwt-bearer"))?;
        let client_id = match in_body.filter(|_| !seeded!(ClientIdIgnored)) {
            Some(client_id) => client_id.to_owned(),
            // Only to find the client whose keys will verify the assertion.
            None => Signed::parse(assertion)
                .ok()
                .and_then(|object| object.unverified_claim("iss"))
                .ok_or_else(refused)?,
        };
        let credential = Credential::Assertion(assertion.to_owned());
        found.push(Presented { client_id, method: Some(AuthMethod::PrivateKeyJwt), credential });
    }
    if found.len() > 1 {
        return Err(invalid("more than one way of client authentication"));
    }
    let Some(presented) = found.pop() else {
        let client_id = in_body.ok_or_else(refused)?.to_owned();
        let credential = Credential::Nothing;
        return Ok(Presented { client_id, method: None, credential });
    };
    let other = in_body.is_some_and(|client_id| client_id != presented.client_id);
    if other && !seeded!(ClientIdIgnored) {
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

/// `client-id = *VSCHAR` (RFC 6749 appendix A.1), and not longer than any of ours.
fn is_client_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// Secrets are ours, 32 random octets: a plain hash suffices, there is nothing to guess.
fn secret_matches(client: &Service, secret: &str) -> bool {
    let Some(expected) = &client.secret_hash else { return false };
    let given: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    given.ct_eq(expected).into()
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

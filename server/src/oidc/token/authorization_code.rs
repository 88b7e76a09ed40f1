//! The code for tokens (RFC 6749 §4.1.3): found → not expired → same client → same redirect URI →
//! PKCE → session alive → consumed, in one transaction.

use sekisho_store::{
    StoreError, Tx, access_token,
    access_token::AccessToken,
    audit::{Actor, Audited, Entry},
    authorization_code::{self, Code},
    session::Session,
    transaction,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Caller, issue};
use crate::{
    error::oauth::OAuthError,
    oidc::{liveness, parameters::Parameters},
};

/// Which rule a code broke. To the client all of them are `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Unknown,
    OtherClient,
    Expired,
    OtherRedirectUri,
    WrongVerifier,
    UsedBefore,
    SessionEnded,
}

impl Broken {
    const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_code",
            Self::OtherClient => "other_client",
            Self::Expired => "expired",
            Self::OtherRedirectUri => "other_redirect_uri",
            Self::WrongVerifier => "wrong_verifier",
            Self::UsedBefore => "used_before",
            Self::SessionEnded => "session_ended",
        }
    }
}

type Outcome = Result<(Code, Session), Broken>;

struct Asked<'a> {
    code_hash: [u8; 32],
    redirect_uri: &'a str,
    code_verifier: &'a str,
    token_id: String,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
}

/// Exchanges a code.
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_grant`.
pub(super) async fn exchange(
    caller: &Caller<'_>,
    parameters: &Parameters,
) -> Result<Value, OAuthError> {
    let needed = |name: &'static str| {
        let missing = || OAuthError::bad_request("invalid_request", format!("{name} is missing"));
        parameters.get(name).ok_or_else(missing)
    };
    let app = caller.app;
    let now = app.now();
    let asked = Asked {
        code_hash: Sha256::digest(needed("code")?).into(),
        redirect_uri: needed("redirect_uri")?,
        code_verifier: needed("code_verifier")?,
        token_id: Uuid::now_v7().to_string(),
        now,
        expires_at: now + app.config().oidc().access_token_lifetime(),
    };
    let outcome: Outcome = transaction!(app.store(), StoreError, |tx| {
        let outcome = redeem(tx, &caller.client.id, &asked).await?;
        let entry = recorded(caller, &asked, &outcome);
        Ok(Audited::new(outcome, entry))
    })?;
    match outcome {
        Ok((code, session)) => {
            issue::tokens(app, &caller.client, &code, &session, &asked.token_id, asked.now)
                .await
                .map_err(|error| OAuthError::internal(&error))
        }
        Err(_) => Err(OAuthError::bad_request(
            "invalid_grant",
            "the code is unknown, used, expired or was issued for another request",
        )),
    }
}

async fn redeem(tx: &mut Tx, client_id: &str, asked: &Asked<'_>) -> Result<Outcome, StoreError> {
    let Some(code) = authorization_code::find(tx, &asked.code_hash).await? else {
        return Ok(Err(Broken::Unknown));
    };
    // Before all else: another client's code must not be spoilt or learnt about.
    if code.service_id != client_id {
        return Ok(Err(Broken::OtherClient));
    }
    if code.consumed_at.is_some() {
        // Somebody has this code twice: what the first use produced is withdrawn (RFC 6749 §4.1.2).
        access_token::withdraw_of_code(tx, &code.code_hash, asked.now).await?;
        return Ok(Err(Broken::UsedBefore));
    }
    if code.expires_at <= asked.now {
        return Ok(Err(Broken::Expired));
    }
    if code.redirect_uri != asked.redirect_uri {
        return Ok(Err(Broken::OtherRedirectUri));
    }
    if !verifier_matches(asked.code_verifier, &code.code_challenge) {
        return Ok(Err(Broken::WrongVerifier));
    }
    let Some(session) = liveness::session(tx, &code.session_hash, asked.now).await? else {
        return Ok(Err(Broken::SessionEnded));
    };
    if !authorization_code::consume(tx, &code.code_hash, asked.now).await? {
        return Ok(Err(Broken::UsedBefore));
    }
    let token = AccessToken {
        id: asked.token_id.clone(),
        code_hash: code.code_hash,
        service_id: code.service_id.clone(),
        session_hash: code.session_hash,
        scope: code.scope.clone(),
        issued_at: asked.now,
        expires_at: asked.expires_at,
    };
    access_token::add(tx, &token).await?;
    Ok(Ok((code, session)))
}

/// RFC 7636 §4.1 and §4.6.
fn verifier_matches(verifier: &str, challenge: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let computed = sekisho_protocol::octets::encode(Sha256::digest(verifier));
    computed.as_bytes().ct_eq(challenge.as_bytes()).into()
}

fn recorded(caller: &Caller<'_>, asked: &Asked<'_>, outcome: &Outcome) -> Entry {
    let service = Actor::Service(caller.client.id.clone());
    let entry = match outcome {
        Ok((code, session)) => {
            let entry = Entry::done("token.issue", service, asked.now)
                .on("person", &session.person_id)
                .on("session", hex::encode(code.session_hash))
                .on("token", &asked.token_id)
                .fact("scope", code.scope.clone());
            match &session.at_terminal {
                Some(at) => entry.at_organisation(&at.organisation_id),
                None => entry,
            }
        }
        Err(broken) => Entry::refused("token.issue", service, asked.now, broken.code()),
    };
    entry.on("service", &caller.client.id).from_address(caller.peer.addr.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_matches_and_its_neighbours_do_not() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(verifier_matches(verifier, challenge));
        assert!(!verifier_matches(challenge, challenge), "plain is not accepted");
        assert!(!verifier_matches(&verifier[..42], challenge));
        assert!(!verifier_matches("", challenge));
        assert!(!verifier_matches(&"a".repeat(129), challenge));
    }
}

//! The code for tokens (RFC 6749 §4.1.3): found → not expired → same client → same redirect URI →
//! PKCE → bound key → session alive → consumed, in one transaction.

use sekisho_store::{
    Tx,
    audit::{Actor, Audited, Entry},
    authorization_code::{self, Code},
    login_time,
    refresh_token::{self, RefreshToken},
    session::Session,
    token_grant::{self, Grant},
    transaction,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Caller, ExchangeError, issue};
use crate::{
    emergency::{self, InForce},
    error::oauth::OAuthError,
    oidc::{
        claims, client::GrantType, confirmation::Confirmation, grant::Details, liveness,
        parameters::Parameters, self_check,
    },
    personal_data,
};

/// Which rule a code broke. To the client all of them but one are `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Unknown,
    OtherClient,
    Expired,
    OtherRedirectUri,
    WrongVerifier,
    OtherKey,
    OtherResource,
    UsedBefore,
    SessionEnded,
    EmergencyOver,
    NotAgreed,
}

impl Broken {
    const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_code",
            Self::OtherClient => "other_client",
            Self::Expired => "expired",
            Self::OtherRedirectUri => "other_redirect_uri",
            Self::WrongVerifier => "wrong_verifier",
            Self::OtherKey => "other_key",
            Self::OtherResource => "other_resource",
            Self::UsedBefore => "used_before",
            Self::SessionEnded => "session_ended",
            Self::EmergencyOver => "emergency_over",
            Self::NotAgreed => "consent_required",
        }
    }

    /// Whether the client brought a code of its own in a way that it can mend.
    const fn is_of_own_code(self) -> bool {
        matches!(self, Self::Expired | Self::OtherRedirectUri | Self::WrongVerifier)
    }
}

/// What a good code led to.
struct Redeemed {
    /// As it is given out: with what counts now.
    grant: Grant,
    details: Details,
    session: Session,
    /// The emergency access that the code was owed to.
    emergency: Option<InForce>,
    /// The service's owner wants to see what it makes of a wrong signature.
    on_trial: bool,
}

type Outcome = Result<Redeemed, Broken>;

struct Asked<'a> {
    code_hash: [u8; 32],
    redirect_uri: &'a str,
    code_verifier: Option<&'a str>,
    grant_id: String,
    /// `resource` of this request (RFC 8707 §2.2): some of those that the code is for.
    resources: Vec<String>,
    refresh_hash: Option<[u8; 32]>,
    now: OffsetDateTime,
}

/// Exchanges a code.
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_grant`, `invalid_target`, `invalid_dpop_proof`.
pub(super) async fn exchange(
    caller: &Caller<'_>,
    parameters: &Parameters,
) -> Result<Value, OAuthError> {
    let needed = |name: &'static str| {
        let missing = || OAuthError::bad_request("invalid_request", format!("{name} is missing"));
        parameters.get(name).ok_or_else(missing)
    };
    let app = caller.app;
    let renews = caller.client.metadata.grant_types.contains(&GrantType::RefreshToken);
    let refresh_token = renews.then(|| issue::random_text(app)).transpose();
    let refresh_token = refresh_token.map_err(|error| OAuthError::internal(&error))?;
    let asked = Asked {
        code_hash: Sha256::digest(needed("code")?).into(),
        redirect_uri: needed("redirect_uri")?,
        code_verifier: parameters.get("code_verifier"),
        grant_id: Uuid::now_v7().to_string(),
        resources: parameters.all("resource").to_vec(),
        refresh_hash: refresh_token.as_ref().map(|token| Sha256::digest(token).into()),
        now: app.now(),
    };
    let token_id = issue::token_id(Some(&asked.grant_id));
    let outcome: Outcome = transaction!(app.store(), ExchangeError, |tx| {
        let outcome = redeem(tx, caller, &asked).await?;
        if let Err(broken) = &outcome
            && broken.is_of_own_code()
        {
            let service = &caller.client.service;
            self_check::code_refused(tx, service, broken.code(), asked.now).await?;
        }
        let entry = recorded(caller, &asked, &token_id, &outcome);
        Ok(Audited::new(outcome, entry))
    })?;
    let Redeemed { grant, details, emergency, on_trial, .. } =
        outcome.map_err(|broken| match broken {
            Broken::OtherResource => OAuthError::bad_request(
                "invalid_target",
                "the authorization request did not name this resource",
            ),
            _ => OAuthError::bad_request(
                "invalid_grant",
                "the code is unknown, used, expired or was issued for another request",
            ),
        })?;
    let resources = if asked.resources.is_empty() { &details.resources } else { &asked.resources };
    let access = issue::Access {
        id: &token_id,
        resources,
        scope: &grant.scope,
        confirmation: caller.confirmation.as_ref(),
        now: asked.now,
        until: emergency.map(|emergency| emergency.ends_at),
    };
    let nonce = details.nonce.as_deref();
    let mut answer = issue::tokens(caller, &grant, &access, nonce).await?;
    if on_trial && let Some(Value::String(id_token)) = answer.get_mut("id_token") {
        *id_token = self_check::with_wrong_signature(id_token);
    }
    if let Some(token) = refresh_token {
        answer.insert("refresh_token".into(), token.into());
    }
    Ok(Value::Object(answer))
}

async fn redeem(
    tx: &mut Tx,
    caller: &Caller<'_>,
    asked: &Asked<'_>,
) -> Result<Outcome, ExchangeError> {
    let client = &caller.client.service;
    let Some(code) = authorization_code::find(tx, &asked.code_hash).await? else {
        return Ok(Err(Broken::Unknown));
    };
    // Before all else: another client's code must not be spoilt or learnt about.
    if code.service_id != client.id && !seeded!(CodeOfAnyClient) {
        return Ok(Err(Broken::OtherClient));
    }
    if code.consumed_at.is_some() && !seeded!(CodeReusable) {
        // Somebody has this code twice: what the first use produced is withdrawn (RFC 6749 §4.1.2).
        if !seeded!(ReplayWithdrawsNothing) {
            token_grant::withdraw_of_code(tx, &code.code_hash, asked.now).await?;
        }
        return Ok(Err(Broken::UsedBefore));
    }
    if code.expires_at <= asked.now && !seeded!(CodeNeverExpires) {
        return Ok(Err(Broken::Expired));
    }
    if code.redirect_uri != asked.redirect_uri {
        return Ok(Err(Broken::OtherRedirectUri));
    }
    let unproven = match asked.code_verifier {
        None => seeded!(VerifierOptional),
        Some(_) => seeded!(VerifierUnchecked),
    };
    if !unproven && !verifier_matches(asked.code_verifier, code.code_challenge.as_deref()) {
        return Ok(Err(Broken::WrongVerifier));
    }
    let mut details: Details = serde_json::from_str(&code.details).map_err(unreadable)?;
    if details.bound_to.is_some() && details.bound_to != caller.confirmation {
        return Ok(Err(Broken::OtherKey));
    }
    if !asked.resources.iter().all(|asked| details.resources.contains(asked)) {
        return Ok(Err(Broken::OtherResource));
    }
    let Some(session) = liveness::session(caller.app, tx, &code.session_hash, asked.now).await?
    else {
        return Ok(Err(Broken::SessionEnded));
    };
    let snapshot: Map<String, Value> = serde_json::from_str(&code.claims).map_err(unreadable)?;
    let emergency = emergency::of_session(tx, &session, asked.now).await?;
    let owed_to = claims::emergency_of(&snapshot).map(str::to_owned);
    let emergency = emergency.filter(|found| owed_to.as_ref() == Some(&found.id));
    if owed_to.is_some() && emergency.is_none() {
        return Ok(Err(Broken::EmergencyOver));
    }
    if !personal_data::is_settled(tx, client, &session.person_id, &snapshot).await? {
        return Ok(Err(Broken::NotAgreed));
    }
    let used_at = if seeded!(CodeNeverExpires) { code.created_at } else { asked.now };
    if !authorization_code::consume(tx, &code.code_hash, used_at).await? && !seeded!(CodeReusable) {
        return Ok(Err(Broken::UsedBefore));
    }
    caller.use_proof(tx).await?;
    details.bound_to = refresh_binding(caller);
    let mut grant = grant(asked, code, &details, owed_to)?;
    token_grant::add(tx, &grant).await?;
    let (session_hash, service_id) = (&grant.session_hash, &grant.service_id);
    login_time::note_service_entered(tx, session_hash, service_id, asked.now).await?;
    grant.claims = Value::Object(claims::of_now(snapshot, &session)).to_string();
    if let Some(token_hash) = asked.refresh_hash {
        let lifetime = caller.app.config().oidc().refresh_token_lifetime();
        let expires_at = emergency::no_longer_than(emergency.as_ref(), asked.now + lifetime);
        let (grant_id, issued_at) = (grant.id.clone(), asked.now);
        let token = RefreshToken { token_hash, grant_id, issued_at, expires_at, used_at: None };
        refresh_token::add(tx, &token).await?;
    }
    let on_trial = self_check::code_came_back(tx, client, &grant, asked.now).await?;
    Ok(Ok(Redeemed { grant, details, session, emergency, on_trial }))
}

/// What refresh tokens are bound to: nothing else proves a public client (RFC 9449 §5); the others
/// authenticate, and may change their keys.
fn refresh_binding(caller: &Caller<'_>) -> Option<Confirmation> {
    let public = caller.client.service.auth_method == sekisho_store::service::AuthMethod::None;
    caller.confirmation.clone().filter(|_| public)
}

fn grant(
    asked: &Asked<'_>,
    code: Code,
    details: &Details,
    emergency_id: Option<String>,
) -> Result<Grant, ExchangeError> {
    let stored = Details { nonce: None, ..details.clone() };
    Ok(Grant {
        id: asked.grant_id.clone(),
        service_id: code.service_id,
        session_hash: code.session_hash,
        code_hash: Some(code.code_hash).filter(|_| !seeded!(CodeReusable)),
        scope: code.scope,
        claims: code.claims,
        details: stored.to_column().map_err(unreadable)?,
        emergency_id,
        created_at: asked.now,
    })
}

pub(super) fn unreadable(error: serde_json::Error) -> ExchangeError {
    let detail = error.to_string();
    ExchangeError::Store(sekisho_store::StoreError::Corrupt { what: "details", detail })
}

/// RFC 7636 §4.1 and §4.6. A verifier without a challenge is refused as well: somebody took the
/// challenge out of the request (RFC 9700 §2.1.1).
fn verifier_matches(verifier: Option<&str>, challenge: Option<&str>) -> bool {
    let (verifier, challenge) = match (verifier, challenge) {
        (None, None) => return true,
        (Some(verifier), Some(challenge)) => (verifier, challenge),
        _ => return false,
    };
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let computed = sekisho_protocol::octets::encode(Sha256::digest(verifier));
    computed.as_bytes().ct_eq(challenge.as_bytes()).into()
}

fn recorded(caller: &Caller<'_>, asked: &Asked<'_>, token_id: &str, outcome: &Outcome) -> Entry {
    let id = &caller.client.service.id;
    let service = Actor::Service(id.clone());
    let entry = match outcome {
        Ok(Redeemed { grant, session, emergency, on_trial, .. }) => {
            let entry = Entry::done("token.issue", service, asked.now)
                .on("person", &session.person_id)
                .on("session", hex::encode(grant.session_hash))
                .on("token", token_id)
                .fact("scope", grant.scope.clone());
            let entry = emergency::named(entry, emergency.as_ref());
            let entry = if *on_trial { entry.fact("signature", "wrong") } else { entry };
            match &session.at_terminal {
                Some(at) => entry.at_organisation(&at.organisation_id),
                None => entry,
            }
        }
        Err(broken) => Entry::refused("token.issue", service, asked.now, broken.code()),
    };
    entry.on("service", id).from_address(caller.peer.addr.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_matches_and_its_neighbours_do_not() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(verifier_matches(Some(verifier), challenge));
        assert!(!verifier_matches(challenge, challenge), "plain is not accepted");
        assert!(!verifier_matches(Some(&verifier[..42]), challenge));
        assert!(!verifier_matches(Some(""), challenge));
        assert!(!verifier_matches(Some(&"a".repeat(129)), challenge));
        assert!(!verifier_matches(None, challenge));
        assert!(!verifier_matches(Some(verifier), None), "the challenge was taken out");
        assert!(verifier_matches(None, None));
    }
}

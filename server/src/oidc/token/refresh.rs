//! A refresh token for new tokens (RFC 6749 §6).
//!
//! The grant ends with its session, so nothing here outlives the login. Whether the rules still admit
//! the person is asked anew each time, and what they no longer release is no longer told.

use std::collections::BTreeSet;

use sekisho_authz::Decision;
use sekisho_store::{
    Queries, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    offer,
    refresh_token::{self, RefreshToken},
    session::Session,
    token_grant::{self, Grant},
    transaction,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Caller, ExchangeError, authorization_code::unreadable, issue};
use crate::{
    app::App,
    emergency::{self, InForce},
    entitlement,
    error::oauth::OAuthError,
    oidc::{claims, grant::Details, liveness, parameters::Parameters, self_check},
    personal_data,
};

/// Which rule a refresh token broke. To the client all of them are `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Unknown,
    OtherClient,
    Expired,
    UsedBefore,
    Withdrawn,
    OtherKey,
    SessionEnded,
    NotPermitted,
    NotAgreed,
}

impl Broken {
    const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_token",
            Self::OtherClient => "other_client",
            Self::Expired => "expired",
            Self::UsedBefore => "used_before",
            Self::Withdrawn => "withdrawn",
            Self::OtherKey => "other_key",
            Self::SessionEnded => "session_ended",
            Self::NotPermitted => "not_permitted",
            Self::NotAgreed => "consent_required",
        }
    }
}

struct Renewed {
    grant: Grant,
    details: Details,
    session: Session,
    /// The emergency access by which alone the rules still admit.
    emergency: Option<InForce>,
}

type Outcome = Result<Renewed, Broken>;

struct Asked {
    token_hash: [u8; 32],
    /// That of its successor, where tokens rotate.
    next_hash: Option<[u8; 32]>,
    now: OffsetDateTime,
}

/// Exchanges a refresh token.
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_grant`, `invalid_scope`, `invalid_target`,
/// `invalid_dpop_proof`.
pub(super) async fn exchange(
    caller: &Caller<'_>,
    parameters: &Parameters,
) -> Result<Value, OAuthError> {
    let app = caller.app;
    let token = parameters
        .get("refresh_token")
        .ok_or_else(|| OAuthError::bad_request("invalid_request", "refresh_token is missing"))?;
    let rotates = caller.client.metadata.rotates(caller.client.service.auth_method);
    let next = rotates.then(|| issue::random_text(app)).transpose();
    let next = next.map_err(|error| OAuthError::internal(&error))?;
    let asked = Asked {
        token_hash: Sha256::digest(token).into(),
        next_hash: next.as_ref().map(|token| Sha256::digest(token).into()),
        now: app.now(),
    };
    narrowable(caller, parameters, &asked).await?;
    let outcome: Outcome = transaction!(app.store(), ExchangeError, |tx| {
        let outcome = renew(tx, caller, &asked).await?;
        let entry = recorded(caller, &asked, &outcome);
        let seen = match &outcome {
            Ok(Renewed { grant, .. }) => {
                let service = &caller.client.service;
                self_check::token_used_up(tx, service, &grant.id, asked.now).await?
            }
            Err(_) => None,
        };
        let audited = Audited::new(outcome, entry);
        Ok(match seen {
            Some(seen) => audited.and(seen),
            None => audited,
        })
    })?;
    let Renewed { mut grant, details, emergency, .. } = outcome.map_err(|_| {
        let description = "the refresh token is unknown, used, expired, or its login is over";
        OAuthError::bad_request("invalid_grant", description)
    })?;
    if let Some(narrower) = parameters.get("scope") {
        narrow(&mut grant, &details, narrower)?;
    }
    let asked_resources = parameters.all("resource");
    let resources =
        if asked_resources.is_empty() { details.resources.as_slice() } else { asked_resources };
    let id = issue::token_id(Some(&grant.id));
    let access = issue::Access {
        id: &id,
        resources,
        scope: &grant.scope,
        confirmation: caller.confirmation.as_ref(),
        now: asked.now,
        until: emergency.map(|emergency| emergency.ends_at),
    };
    let mut answer = issue::tokens(caller, &grant, &access, None).await?;
    if let Some(next) = next {
        answer.insert("refresh_token".into(), next.into());
    }
    Ok(Value::Object(answer))
}

/// Refuses a wider scope and a further resource before anything is used up.
async fn narrowable(
    caller: &Caller<'_>,
    parameters: &Parameters,
    asked: &Asked,
) -> Result<(), OAuthError> {
    let mut reader = caller.app.store().read();
    let Some(found) = refresh_token::find(&mut reader, &asked.token_hash).await? else {
        return Ok(());
    };
    let Some(grant) = token_grant::live(&mut reader, &found.grant_id).await? else {
        return Ok(());
    };
    if grant.service_id != caller.client.service.id {
        return Ok(());
    }
    let granted: BTreeSet<&str> = grant.scope.split(' ').collect();
    let wider = |scope: &str| scope.split(' ').any(|name| !granted.contains(name));
    if parameters.get("scope").is_some_and(wider) {
        // RFC 6749 §6: nothing that was not granted before.
        let description = "scope asks for more than was granted";
        return Err(OAuthError::bad_request("invalid_scope", description));
    }
    let details = Details::of(&grant).map_err(|error| OAuthError::internal(&error))?;
    if !parameters.all("resource").iter().all(|asked| details.resources.contains(asked)) {
        let description = "the authorization request did not name this resource";
        return Err(OAuthError::bad_request("invalid_target", description));
    }
    Ok(())
}

/// Leaves out of this answer what a narrower scope does not stand for.
fn narrow(grant: &mut Grant, details: &Details, scope: &str) -> Result<(), OAuthError> {
    let claims: Map<String, Value> =
        serde_json::from_str(&grant.claims).map_err(|error| OAuthError::internal(&error))?;
    let wanted: Vec<&str> = scope.split(' ').collect();
    grant.claims = Value::Object(claims::narrowed(claims, &wanted, &details.claims)).to_string();
    grant.scope = scope.to_owned();
    Ok(())
}

async fn renew(tx: &mut Tx, caller: &Caller<'_>, asked: &Asked) -> Result<Outcome, ExchangeError> {
    let client = &caller.client.service;
    let Some(token) = refresh_token::find(tx, &asked.token_hash).await? else {
        return Ok(Err(Broken::Unknown));
    };
    let Some(mut grant) = token_grant::live(tx, &token.grant_id).await? else {
        return Ok(Err(Broken::Withdrawn));
    };
    if grant.service_id != client.id && !seeded!(RefreshTokenOfAnyClient) {
        return Ok(Err(Broken::OtherClient));
    }
    if token.used_at.is_some() {
        // Thief or owner, one of them uses it for the second time: neither goes on (RFC 9700 §4.14.2).
        token_grant::withdraw(tx, &grant.id, asked.now).await?;
        return Ok(Err(Broken::UsedBefore));
    }
    if token.expires_at <= asked.now {
        return Ok(Err(Broken::Expired));
    }
    let details = Details::of(&grant).map_err(unreadable)?;
    if details.bound_to.is_some() && details.bound_to != caller.confirmation {
        return Ok(Err(Broken::OtherKey));
    }
    let Some(session) = liveness::session(caller.app, tx, &grant.session_hash, asked.now).await?
    else {
        return Ok(Err(Broken::SessionEnded));
    };
    let (decision, emergency) = decision(tx, caller.app, &client.id, &session, asked.now).await?;
    if !decision.allowed {
        token_grant::withdraw(tx, &grant.id, asked.now).await?;
        return Ok(Err(Broken::NotPermitted));
    }
    let claims: Map<String, Value> = serde_json::from_str(&grant.claims).map_err(unreadable)?;
    let claims = claims::released(claims::of_now(claims, &session), &decision.release);
    if !personal_data::is_settled(tx, client, &session.person_id, &claims).await? {
        token_grant::withdraw(tx, &grant.id, asked.now).await?;
        return Ok(Err(Broken::NotAgreed));
    }
    let emergency_id = emergency.as_ref().map(|found| found.id.as_str());
    if grant.emergency_id.as_deref() != emergency_id {
        token_grant::owe(tx, &grant.id, emergency_id).await?;
    }
    let claims = claims::marked(claims, emergency_id);
    grant.claims = Value::Object(claims).to_string();
    caller.use_proof(tx).await?;
    if let Some(next_hash) = asked.next_hash {
        if !refresh_token::consume(tx, &asked.token_hash, asked.now).await? {
            return Ok(Err(Broken::UsedBefore));
        }
        let next = RefreshToken {
            token_hash: next_hash,
            grant_id: grant.id.clone(),
            issued_at: asked.now,
            expires_at: emergency::no_longer_than(
                emergency.as_ref(),
                asked.now + caller.app.config().oidc().refresh_token_lifetime(),
            ),
            used_at: None,
        };
        refresh_token::add(tx, &next).await?;
    }
    Ok(Ok(Renewed { grant, details, session, emergency }))
}

/// What the rules of a service say about a session now, and by which emergency access alone they admit.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub(in crate::oidc) async fn decision(
    queries: &mut impl Queries,
    app: &App,
    service_id: &str,
    session: &Session,
    now: OffsetDateTime,
) -> Result<(Decision, Option<InForce>), StoreError> {
    let asked = entitlement::request_of_session(queries, session, now).await?;
    let offer = offer::find(queries, service_id).await?;
    let (Some(asked), Some(offer)) = (asked, offer) else {
        return Ok((Decision::no_rules(), None));
    };
    let decision = app.entitlements().decide(&offer, &asked.request);
    let emergency = asked.admitted_by(&decision).cloned();
    Ok((decision, emergency))
}

fn recorded(caller: &Caller<'_>, asked: &Asked, outcome: &Outcome) -> Entry {
    let id = &caller.client.service.id;
    let service = Actor::Service(id.clone());
    let entry = match outcome {
        Ok(Renewed { grant, session, emergency, .. }) => {
            let entry = Entry::done("token.refresh", service, asked.now)
                .on("person", &session.person_id)
                .on("session", hex::encode(grant.session_hash))
                .on("grant", &grant.id);
            let entry = emergency::named(entry, emergency.as_ref());
            match &session.at_terminal {
                Some(at) => entry.at_organisation(&at.organisation_id),
                None => entry,
            }
        }
        Err(broken) => Entry::refused("token.refresh", service, asked.now, broken.code()),
    };
    entry.on("service", id).from_address(caller.peer.addr.ip())
}

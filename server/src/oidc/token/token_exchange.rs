//! A person's token for another service (RFC 8693): one service calls the next in the person's name.

use sekisho_store::{
    Queries, StoreError,
    audit::{Actor, Audited, Entry},
    service,
    session::Session,
    token_grant::{self, Grant},
    transaction,
};
use sekisho_wire::claim;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Caller, ExchangeError, decision, issue};
use crate::{
    app::App,
    emergency::{self, InForce},
    error::oauth::OAuthError,
    oidc::{
        access_token::{self, Claims, Live},
        confirmation::Confirmation,
        dpop,
        grant::Details,
        parameters::Parameters,
        resource, subject,
    },
    personal_data,
};

/// The only type of token that goes in and comes out (RFC 8693 §3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Why a subject token that was found to count is not exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oidc) enum Refusal {
    /// The rules of the called service do not admit the person.
    NotPermitted,
    /// What the subject token is owed to ended since.
    EmergencyOver,
    /// The person has not agreed to what the called service is told.
    NotAgreed,
}

impl Refusal {
    const fn code(self) -> &'static str {
        match self {
            Self::NotPermitted => "not_permitted",
            Self::EmergencyOver => "emergency_over",
            Self::NotAgreed => "consent_required",
        }
    }
}

/// The emergency access that the new token is owed to, if to any.
type Outcome = Result<Option<InForce>, Refusal>;

/// Who asks for whom, and for which service.
struct Exchange<'a> {
    /// What the subject token says: the new one says the same of how the person was proven (RFC 9068 §2.2.1).
    subject: &'a Claims,
    grant: &'a Grant,
    /// The session, as strong as the subject token says.
    session: &'a Session,
    resource: &'a str,
    called: service::Service,
    /// What the token will be bound to.
    confirmation: Option<Confirmation>,
}

/// Exchanges an access token that the client was given, or that was sent to it as a resource.
///
/// # Errors
/// [`OAuthError`] `invalid_request`, `invalid_target`, `invalid_dpop_proof`.
pub(super) async fn exchange(
    caller: &Caller<'_>,
    parameters: &Parameters,
) -> Result<Value, OAuthError> {
    let invalid = |text: &str| OAuthError::bad_request("invalid_request", text);
    if parameters.has("actor_token") {
        return Err(invalid("actor_token is not supported: the client itself is the actor"));
    }
    if parameters.get("subject_token_type") != Some(ACCESS_TOKEN) {
        return Err(invalid("subject_token_type must be that of an access token"));
    }
    if parameters.get("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
        return Err(invalid("requested_token_type must be that of an access token"));
    }
    if parameters.get("scope").is_some() {
        return Err(OAuthError::bad_request("invalid_scope", "scope must be left out"));
    }
    let token =
        parameters.get("subject_token").ok_or_else(|| invalid("subject_token is missing"))?;
    let [resource] = parameters.all("resource") else {
        return Err(invalid("resource must name the one service that is called (RFC 8707)"));
    };
    let (app, now) = (caller.app, caller.app.now());
    let live = access_token::live(app, token, now).await?.filter(|live| is_callers(caller, live));
    let of_person = live.and_then(|live| Some((live.claims, live.of_person?)));
    // RFC 8693 §2.2.2: `invalid_request`, whatever is wrong with the subject token.
    let (claims, (grant, session)) = of_person.ok_or_else(|| {
        invalid("the subject token is not valid, or not the client's to exchange")
    })?;
    let confirmation = confirmation(caller, &claims)?;
    let named = std::slice::from_ref(resource);
    resource::check(app, &caller.client, named).await?;
    let called = resource::called(&mut app.store().read(), &caller.client, named).await?.pop();
    let called = called
        .ok_or_else(|| OAuthError::bad_request("invalid_target", "resource is the client's own"))?;
    let session = Session { acr: claims.acr.clone().unwrap_or_default(), ..session };
    let (grant, session) = (&grant, &session);
    let exchange = Exchange { subject: &claims, grant, session, resource, called, confirmation };
    issued(caller, &exchange, now).await
}

/// It was given to the client, or sent to it.
fn is_callers(caller: &Caller<'_>, live: &Live) -> bool {
    live.claims.client_id == caller.client.service.id
        || caller.client.metadata.resources.iter().any(|own| live.claims.aud.names(own))
}

/// What the new token is bound to: never to less than the subject token.
///
/// Who brings a bound token of their own proves what it is bound to, as at every other use of it
/// (RFC 9449 §7, RFC 8705 §3). Who was sent it as a resource cannot: they bind what they get to
/// something of their own.
fn confirmation(caller: &Caller<'_>, subject: &Claims) -> Result<Option<Confirmation>, OAuthError> {
    let Some(bound) = &subject.cnf else { return Ok(caller.confirmation.clone()) };
    let refused = |text: &str| OAuthError::bad_request("invalid_request", text);
    let shown = Confirmation::of_connection(caller.peer);
    if subject.client_id != caller.client.service.id {
        return caller.confirmation.clone().or(shown).map(Some).ok_or_else(|| {
            refused("the subject token is bound: send a proof of your own in the field DPoP")
        });
    }
    let (proven, refusal) = match bound {
        Confirmation::Key(_) => (
            caller.confirmation.as_ref(),
            dpop::refused("the subject token is bound: send a proof of its key in the field DPoP"),
        ),
        Confirmation::Certificate(_) => (
            shown.as_ref(),
            refused("the subject token is bound: show its certificate at mtls_endpoint_aliases"),
        ),
    };
    if proven == Some(bound) { Ok(Some(bound.clone())) } else { Err(refusal) }
}

async fn issued(
    caller: &Caller<'_>,
    exchange: &Exchange<'_>,
    now: OffsetDateTime,
) -> Result<Value, OAuthError> {
    let (app, client) = (caller.app, &caller.client.service);
    let Exchange { grant, session, resource, called, confirmation, .. } = exchange;
    let sub = subject::pairwise(app, &called.sector, &session.person_id);
    let exchanged = Details::of(grant).map_err(|error| OAuthError::internal(&error))?;
    let details = Details {
        resources: vec![(*resource).to_owned()],
        // What began the chain is what can be withdrawn: a code, a refresh token.
        exchanged_from: Some(exchanged.exchanged_from.unwrap_or_else(|| grant.id.clone())),
        ..Details::default()
    };
    let next = Grant {
        id: Uuid::now_v7().to_string(),
        service_id: client.id.clone(),
        session_hash: grant.session_hash,
        code_hash: None,
        scope: String::new(),
        claims: json!({ "sub": sub }).to_string(),
        details: details.to_column().map_err(|error| OAuthError::internal(&error))?,
        emergency_id: None,
        created_at: now,
    };
    let token_id = issue::token_id(Some(&next.id));
    let owed_to = exchange.subject.break_glass_id.as_deref();
    let outcome: Outcome = transaction!(app.store(), ExchangeError, |tx| {
        let person_id = &session.person_id;
        let outcome = if personal_data::is_settled_for_calls(tx, called, person_id).await? {
            admitted(tx, app, &called.id, session, owed_to, now).await?
        } else {
            Err(Refusal::NotAgreed)
        };
        let service = Actor::Service(client.id.clone());
        let entry = match &outcome {
            Ok(emergency) => {
                caller.use_proof(tx).await?;
                let emergency_id = emergency.as_ref().map(|emergency| emergency.id.clone());
                token_grant::add(tx, &Grant { emergency_id, ..next.clone() }).await?;
                let entry = Entry::done("token.exchange", service, now).on("token", &token_id);
                emergency::named(entry, emergency.as_ref())
            }
            Err(refusal) => Entry::refused("token.exchange", service, now, refusal.code()),
        };
        let entry = entry
            .on("service", &called.id)
            .on("person", &session.person_id)
            .on("session", hex::encode(grant.session_hash))
            .from_address(caller.peer.addr.ip());
        Ok(Audited::new(outcome, entry))
    })?;
    let emergency = outcome.map_err(|refusal| match refusal {
        Refusal::NotPermitted => {
            let description = "the rules of the called service do not admit the person";
            OAuthError::bad_request("invalid_target", description)
        }
        Refusal::NotAgreed => {
            let description = "the person has not agreed to what the called service is told";
            OAuthError::bad_request("invalid_target", description)
        }
        // RFC 8693 §2.2.2, as for any other subject token that does not count.
        Refusal::EmergencyOver => {
            let description = "the emergency access that the subject token is owed to is over";
            OAuthError::bad_request("invalid_request", description)
        }
    })?;
    let access = issue::Access {
        id: &token_id,
        resources: &details.resources,
        scope: "",
        confirmation: confirmation.as_ref(),
        now,
        until: emergency.as_ref().map(|emergency| emergency.ends_at),
    };
    let mut about = json!({
        "sub": sub,
        "auth_time": exchange.subject.auth_time,
        "acr": exchange.subject.acr,
        "amr": exchange.subject.amr,
        // RFC 8693 §4.1: who acts in the person's name.
        "act": { "sub": client.id },
    });
    if let Some(emergency) = &emergency {
        about[claim::BREAK_GLASS] = true.into();
        about[claim::BREAK_GLASS_ID] = emergency.id.as_str().into();
    }
    if session.at_terminal.as_ref().is_some_and(|at| at.ground.is_visit()) {
        about[claim::FACILITY_MEMBER] = false.into();
    }
    let mut answer = issue::access_token(caller, &access, about).await?;
    answer.insert("issued_token_type".into(), ACCESS_TOKEN.into());
    Ok(Value::Object(answer))
}

/// Whether the called service's own rules serve the person, whoever calls; and the emergency access that what
/// comes of it is owed to, by the rules or because the subject token is (`owed_to`).
///
/// That token's emergency may have ended since it was found to count. What comes of it is owed to the same
/// even where the called service is open without: exchanged again and again it would outlive it otherwise.
///
/// # Errors
/// [`StoreError`]: not known, and not knowing refuses.
pub(in crate::oidc) async fn admitted(
    queries: &mut impl Queries,
    app: &App,
    called_id: &str,
    session: &Session,
    owed_to: Option<&str>,
    now: OffsetDateTime,
) -> Result<Outcome, StoreError> {
    let owed = match owed_to {
        None => None,
        Some(id) => {
            let running = emergency::of_session(queries, session, now).await?;
            let Some(owed) = running.filter(|running| running.id == id) else {
                return Ok(Err(Refusal::EmergencyOver));
            };
            Some(owed)
        }
    };
    let (decision, emergency) = decision(queries, app, called_id, session, now).await?;
    if !decision.allowed {
        return Ok(Err(Refusal::NotPermitted));
    }
    Ok(Ok(owed.or(emergency)))
}

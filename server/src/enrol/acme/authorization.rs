//! Authorizations and their challenges (RFC 8555 §7.5 and §8, RFC 8737).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::{
    acme_order::{self, Authorization, AuthorizationState, Order},
    audit::{Actor, Audited, Entry},
    transaction,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    door::{self, Aborted, Holder, Opened, Request},
    order::moment,
    validation::{self, Method},
};
use crate::{app::App, error::acme::AcmeError, form::PathId, listener::Peer};

#[derive(Deserialize)]
struct Update {
    status: String,
}

/// What starts a challenge: an object without members (§7.5.1).
#[derive(Deserialize)]
struct Begin {}

/// `POST /acme/authorization/{id}`: tells it, or gives it up (§7.5.2).
pub async fn post(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, answer(&app, request, &id).await)
}

async fn answer(app: &App, request: Request, id: &str) -> Result<Response, AcmeError> {
    let peer = request.peer.clone();
    let asked = door::of_account(app, request).await?;
    let (order, mut authorization) = find(app, &asked, id).await?;
    if !asked.is_fetch() {
        if asked.payload::<Update>()?.status != "deactivated" {
            let detail = "the only status that an authorization is given is `deactivated`";
            return Err(AcmeError::malformed(detail));
        }
        transaction!(app.store(), Aborted, |tx| {
            let changed = acme_order::deactivate(tx, id).await?;
            let entry = door::record("acme.give_up", &asked.signer, (app, &peer))
                .fact("name", authorization.name.as_str())
                .fact("changed", i64::from(changed));
            Ok(Audited::new((), entry))
        })?;
        authorization = find(app, &asked, id).await?.1;
    }
    let status = status(app, &order, &authorization);
    let methods = Method::ALL.into_iter().filter(|method| {
        // §7.1.4: of one that was tried, what was tried.
        authorization.tried.as_ref().is_none_or(|(tried, _)| tried == method.as_str())
    });
    let challenges: Result<Vec<Value>, AcmeError> =
        methods.map(|method| challenge(app, &authorization, method)).collect();
    let document = json!({
        "status": status,
        "expires": moment(order.expires_at)?,
        "identifier": { "type": "dns", "value": authorization.name },
        "challenges": challenges?,
    });
    Ok(Json(document).into_response())
}

/// What is not of this account is not there.
async fn find(
    app: &App,
    asked: &Opened<Holder>,
    id: &str,
) -> Result<(Order, Authorization), AcmeError> {
    let found =
        acme_order::authorization(&mut app.store().read(), &asked.signer.account.id, id).await?;
    found.ok_or_else(|| AcmeError::not_found("authorization"))
}

fn status(app: &App, order: &Order, authorization: &Authorization) -> &'static str {
    match authorization.state {
        AuthorizationState::Pending | AuthorizationState::Valid
            if app.now() >= order.expires_at =>
        {
            "expired"
        }
        state => state.as_str(),
    }
}

/// A challenge as its owner is told of it (§8).
fn challenge(app: &App, authorization: &Authorization, method: Method) -> Result<Value, AcmeError> {
    let tried = authorization.tried.as_ref().filter(|(tried, _)| tried == method.as_str());
    let mut document = json!({
        "type": method.as_str(),
        "url": address(app, authorization, method),
        "token": method.token(authorization),
        "status": match (tried, authorization.state) {
            (None, _) => "pending",
            (Some(_), AuthorizationState::Pending) => "processing",
            (Some(_), AuthorizationState::Valid | AuthorizationState::Deactivated) => "valid",
            (Some(_), AuthorizationState::Invalid) => "invalid",
        },
    });
    if let Some((_, at)) = tried.filter(|_| authorization.state != AuthorizationState::Pending) {
        document["validated"] = moment(*at)?.into();
        if let Some(fault) = &authorization.fault {
            document["error"] = serde_json::from_str(fault).unwrap_or_default();
        }
    }
    Ok(document)
}

fn address(app: &App, authorization: &Authorization, method: Method) -> String {
    door::url(app, &format!("/acme/{}/{}", method.as_str(), authorization.id))
}

/// `POST /acme/http-01/{id}`.
pub async fn http_01(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, tried(&app, request, &id, Method::Http01).await)
}

/// `POST /acme/tls-alpn-01/{id}`.
pub async fn tls_alpn_01(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, tried(&app, request, &id, Method::TlsAlpn01).await)
}

/// Asks the server and tells what came of it, within this request: of whoever dies in between nothing stays
/// but the time at which they began, after which it can be asked for again.
async fn tried(
    app: &App,
    request: Request,
    id: &str,
    method: Method,
) -> Result<Response, AcmeError> {
    let peer = request.peer.clone();
    let asked = door::of_account(app, request).await?;
    let (order, mut authorization) = find(app, &asked, id).await?;
    if !asked.is_fetch() {
        let Begin {} = asked.payload()?;
        if authorization.state == AuthorizationState::Pending && app.now() < order.expires_at {
            let turn = validation::turn()?;
            let at = app.now();
            let how = method.as_str();
            if app.store().begin_acme_proof(id, how, at, at - validation::LONGEST).await? {
                let outcome = validation::ask(app, &asked.signer, &authorization, method).await;
                drop(turn);
                conclude(app, (&asked.signer, &peer), &authorization, method, outcome).await?;
            }
            authorization = find(app, &asked, id).await?.1;
        }
    }
    let up = door::url(app, &format!("/acme/authorization/{id}"));
    let up = HeaderValue::from_str(&format!("<{up}>;rel=\"up\""))
        .map_err(|error| AcmeError::internal(&error))?;
    let document = challenge(app, &authorization, method)?;
    Ok((StatusCode::OK, [(header::LINK, up)], Json(document)).into_response())
}

async fn conclude(
    app: &App,
    (holder, peer): (&Holder, &Peer),
    authorization: &Authorization,
    method: Method,
    outcome: Result<(), AcmeError>,
) -> Result<(), AcmeError> {
    // A fault of ours is nobody's proof of anything: it is asked for again.
    let outcome = match outcome {
        Err(error) if error.status.is_server_error() => return Err(error),
        outcome => outcome,
    };
    let at = app.now();
    let fault = outcome.as_ref().err().map(|error| error.document().to_string());
    transaction!(app.store(), Aborted, |tx| {
        let how = method.as_str();
        let changed =
            acme_order::conclude(tx, &authorization.id, how, fault.as_deref(), at).await?;
        let actor = Actor::Service(holder.service.id.clone());
        let entry = match &outcome {
            Ok(()) => Entry::done("acme.validate", actor, at),
            Err(error) => Entry::refused("acme.validate", actor, at, error.kind),
        };
        let entry = door::about(entry, holder, peer)
            .fact("name", authorization.name.as_str())
            .fact("order", authorization.order_id.as_str())
            .fact("method", how)
            // Given up meanwhile, it stays so.
            .fact("changed", i64::from(changed));
        Ok(Audited::new((), entry))
    })?;
    Ok(())
}

//! Accounts (RFC 8555 §7.3).

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::{
    StoreError,
    acme_account::{self, Account},
    acme_binding, acme_order,
    audit::{Actor, Audited, Entry},
    transaction,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    binding::purpose,
    door::{self, Aborted, Request},
    external::Brought,
};
use crate::{app::App, error::acme::AcmeError, form::PathId};

/// How many addresses an account has, and how long one is (RFC 5321 §4.5.3.1).
const MOST_CONTACTS: usize = 10;
const MOST_CHARACTERS: usize = 254 + "mailto:".len();
/// How many orders are told.
const MOST_ORDERS: i64 = 100;
/// The act of whoever opens an account.
const OPEN: &str = "acme.open_account";

#[derive(Deserialize)]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default, rename = "onlyReturnExisting")]
    only_return_existing: bool,
    #[serde(default, rename = "externalAccountBinding")]
    external_account_binding: Option<Value>,
}

#[derive(Deserialize)]
struct Update {
    #[serde(default)]
    contact: Option<Vec<String>>,
    #[serde(default)]
    status: Option<String>,
}

/// `POST /acme/new-account`: opens an account, or tells the one that the key has.
pub async fn open(State(app): State<App>, request: Request) -> Response {
    door::answered(&app, opened(&app, request).await)
}

async fn opened(app: &App, request: Request) -> Result<Response, AcmeError> {
    let (peer, url) = (request.peer.clone(), door::url(app, &request.path));
    let asked = door::of_key(app, request).await?;
    let payload: NewAccount = asked.payload()?;
    let thumbprint = asked.signer.key.thumbprint();
    let mut reader = app.store().read();
    if let Some(account) = acme_account::of_key(&mut reader, &thumbprint).await? {
        door::in_force(&mut reader, &account).await?;
        return told(app, &account, StatusCode::OK);
    }
    if payload.only_return_existing {
        let detail = "this key has no account here";
        return Err(AcmeError::bad_request("accountDoesNotExist", detail));
    }
    let contact = contacts(payload.contact)?;
    let Some(brought) = payload.external_account_binding else {
        let detail = "bring externalAccountBinding by a key that the page of the service gives \
                      (RFC 8555 section 7.3.4)";
        door::refused(app, &peer, OPEN, "no_binding", None).await?;
        return Err(AcmeError::new(StatusCode::FORBIDDEN, "externalAccountRequired", detail));
    };
    let brought =
        Brought::read(&brought, &url).map_err(|error| AcmeError::malformed(error.to_string()))?;
    if brought.key.thumbprint() != thumbprint {
        let detail = "externalAccountBinding is over another key than that of the account";
        return Err(AcmeError::malformed(detail));
    }
    let found = acme_binding::find(&mut reader, &brought.kid).await?;
    let sealed = found.as_ref().and_then(|binding| binding.sealed_key.as_ref());
    let is_ours = match sealed {
        Some(sealed) => {
            let key = app.keys().sealing.open(&purpose(&brought.kid), sealed);
            brought.is_by(&key.map_err(|error| AcmeError::internal(&error))?)
        }
        None => false,
    };
    let of = found.as_ref().map(|binding| binding.service_id.clone());
    let Some(binding) = found.filter(|binding| is_ours && binding.is_open(app.now())) else {
        door::refused(app, &peer, OPEN, "binding", of.as_deref()).await?;
        return Err(not_bound());
    };
    let account = Account {
        id: Uuid::now_v7().to_string(),
        service_id: binding.service_id,
        thumbprint,
        jwk: asked.signer.jwk,
        contact,
        created_at: app.now(),
        deactivated_at: None,
    };
    let opened: Result<(), Aborted> = transaction!(app.store(), Aborted, |tx| {
        let service = door::standing(tx, &account.service_id).await?;
        if !acme_binding::consume(tx, &binding.id, &account.id, account.created_at).await? {
            return Err(not_bound().into());
        }
        acme_account::add(tx, &account).await?;
        let done = Entry::done(OPEN, Actor::Service(service.id.clone()), account.created_at);
        let entry = door::of_service(done, &service)
            .from_address(peer.addr.ip())
            .fact("account", account.id.as_str())
            .fact("binding", binding.id.as_str())
            .fact("key", account.thumbprint.as_str());
        Ok(Audited::new((), entry))
    });
    match opened {
        Ok(()) => told(app, &account, StatusCode::CREATED),
        // The same key opened an account just now, by another binding.
        Err(Aborted::Store(StoreError::AlreadyExists { .. })) => {
            let account = acme_account::of_key(&mut reader, &account.thumbprint).await?;
            let account = account.ok_or_else(not_bound)?;
            told(app, &account, StatusCode::OK)
        }
        // The key was used by somebody else just now, or the service has ended.
        Err(Aborted::Refused(error)) => {
            door::refused(app, &peer, OPEN, "binding", Some(&account.service_id)).await?;
            Err(*error)
        }
        Err(Aborted::Store(error)) => Err(error.into()),
    }
}

/// One answer to an unknown, wrong, used and expired key.
fn not_bound() -> AcmeError {
    AcmeError::unauthorized(
        "externalAccountBinding is not accepted: the key is unknown, wrong, used or over. Make a new one on \
         the page of the service",
    )
}

/// Addresses to write to (§7.3): nothing is sent to them, whoever runs the service reads them on its page.
fn contacts(contacts: Vec<String>) -> Result<Vec<String>, AcmeError> {
    if contacts.len() > MOST_CONTACTS {
        return Err(AcmeError::malformed(format!("more than {MOST_CONTACTS} contacts")));
    }
    for contact in &contacts {
        let Some(address) = contact.strip_prefix("mailto:") else {
            let detail = "only addresses of mail are kept as contacts: mailto:name@example";
            return Err(AcmeError::bad_request("unsupportedContact", detail));
        };
        let plain = address.chars().all(|character| {
            character.is_ascii_graphic() && !matches!(character, '?' | ',' | '<' | '>')
        });
        let parts = address.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@')
        });
        if !plain || !parts || contact.len() > MOST_CHARACTERS {
            let detail = "a contact is one plain address of mail, without headers";
            return Err(AcmeError::bad_request("invalidContact", detail));
        }
    }
    Ok(contacts)
}

/// An account as its owner is told of it (§7.1.2).
fn told(app: &App, account: &Account, status: StatusCode) -> Result<Response, AcmeError> {
    let url = door::account_url(app, &account.id);
    let document = json!({
        "status": if account.deactivated_at.is_some() { "deactivated" } else { "valid" },
        "contact": account.contact,
        "orders": format!("{url}/orders"),
    });
    let location = HeaderValue::from_str(&url).map_err(|error| AcmeError::internal(&error))?;
    Ok((status, [(header::LOCATION, location)], Json(document)).into_response())
}

/// `POST /acme/account/{id}`: tells, changes or ends an account (§7.3.2, §7.3.6).
pub async fn post(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, changed(&app, request, &id).await)
}

async fn changed(app: &App, request: Request, id: &str) -> Result<Response, AcmeError> {
    let peer = request.peer.clone();
    let asked = door::of_account(app, request).await?;
    let holder = &asked.signer;
    let mut account = holder.account.clone();
    if account.id != id {
        return Err(AcmeError::not_found("account"));
    }
    if asked.is_fetch() {
        return told(app, &account, StatusCode::OK);
    }
    let Update { contact, status } = asked.payload()?;
    // §7.3.2: whatever else a client sends back of what it was told is passed over.
    if status.as_deref() == Some("deactivated") {
        let at = app.now();
        transaction!(app.store(), Aborted, |tx| {
            acme_account::deactivate(tx, id, at).await?;
            Ok(Audited::new((), door::record("acme.close_account", holder, (app, &peer))))
        })?;
        account.deactivated_at = Some(at);
        return told(app, &account, StatusCode::OK);
    }
    if let Some(contact) = contact {
        account.contact = contacts(contact)?;
        transaction!(app.store(), Aborted, |tx| {
            if !acme_account::set_contact(tx, id, &account.contact).await? {
                return Err(AcmeError::unauthorized("this account was deactivated").into());
            }
            Ok(Audited::new((), door::record("acme.change_account", holder, (app, &peer))))
        })?;
    }
    told(app, &account, StatusCode::OK)
}

/// `POST /acme/account/{id}/orders`: its newest orders (§7.1.2.1).
pub async fn get_orders(State(app): State<App>, PathId(id): PathId, request: Request) -> Response {
    door::answered(&app, orders(&app, request, &id).await)
}

async fn orders(app: &App, request: Request, id: &str) -> Result<Response, AcmeError> {
    let asked = door::of_account(app, request).await?;
    asked.fetches()?;
    if asked.signer.account.id != id {
        return Err(AcmeError::not_found("account"));
    }
    let newest = acme_order::newest(&mut app.store().read(), id, MOST_ORDERS).await?;
    let orders: Vec<String> =
        newest.iter().map(|id| door::url(app, &format!("/acme/order/{id}"))).collect();
    Ok(Json(json!({ "orders": orders })).into_response())
}

//! `/console/routers/{id}/psk`: the pre-shared keys of a router, one for each peer; made, replaced and ended.
//!
//! A key is never shown. What is shown, once, is the code by which each end fetches it; so whoever makes or
//! replaces one administers both ends. Either end's administrator may end it.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    Queries, StoreError, router,
    router_psk::{self, PskEnd, RouterPsk},
    terminal::{self, Terminal, TerminalStatus},
    transaction,
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    app::App,
    console::terminals::{administered, no_code},
    error::page::PageError,
    form::{PathId, StrictForm, StrictQuery},
    network::psk::{Having, NewPsk, Proof, Refusal, recorded},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

/// Routers of one facility among which a peer is chosen, and keys that are listed.
const MOST: i64 = 200;

/// What has just been done.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    /// `ended`.
    notice: Option<String>,
}

/// A form for one peer.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// Identifier of the router at the other end.
    peer: String,
}

struct Row {
    peer: String,
    dns_name: String,
    /// Message key and class of where the key stands.
    state: (&'static str, &'static str),
    made: String,
    in_force: bool,
    /// Whether the person administers the other end, too.
    both: bool,
}

struct Candidate {
    id: String,
    label: String,
}

#[derive(Template)]
#[template(path = "routers/psk.html")]
struct PskPage {
    page: PageFrame,
    id: String,
    name: String,
    /// Message key of by what it proves itself.
    proof: &'static str,
    rows: Vec<Row>,
    candidates: Vec<Candidate>,
    may_act: bool,
    just_ended: bool,
}

struct CodeOf {
    router: String,
    name: String,
    code: Zeroizing<String>,
}

#[derive(Template)]
#[template(path = "routers/psk_codes.html")]
struct CodesPage {
    page: PageFrame,
    id: String,
    ends: Vec<CodeOf>,
    until: String,
}

/// Shows them.
///
/// # Errors
/// 404 for somebody else's router, and for a PC.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(done): StrictQuery<Done>,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, &session, &id).await?;
    router::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    let keys = router_psk::latest_of(&mut reader, &id, MOST).await?;
    let proof = Proof::of(terminal.status == TerminalStatus::Enrolled, &keys);
    let mut candidates = Vec::new();
    for facility in session.facilities() {
        for other in router::of_facility(&mut reader, facility, MOST).await? {
            let has_key = keys
                .iter()
                .any(|key| key.ended.is_none() && key.other(&id).router_id == other.terminal_id);
            if other.terminal_id != id && !has_key {
                let label = format!("{} ({})", other.dns_name, other.network);
                candidates.push(Candidate { id: other.terminal_id, label });
            }
        }
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let peer = key.other(&id).router_id.clone();
        let found = router::find(&mut reader, &peer).await?;
        rows.push(Row {
            dns_name: found.map(|router| router.dns_name).unwrap_or_default(),
            state: state(&key, &id),
            made: when::shown(key.created_at, page.text.lang()),
            in_force: key.ended.is_none(),
            both: administered(&mut reader, &session, &peer).await.is_ok(),
            peer,
        });
    }
    Ok(Page(PskPage {
        page: session.frame(page),
        id,
        name: terminal.name,
        proof: match proof {
            Proof::Nothing => "routers-proof-none",
            Proof::Psk => "routers-proof-psk",
            Proof::Both => "routers-proof-both",
            Proof::Certificate => "routers-proof-certificate",
        },
        rows,
        candidates,
        may_act: terminal.status != TerminalStatus::Revoked,
        just_ended: done.notice.as_deref() == Some("ended"),
    }))
}

/// Message key and class of where a key stands, as this end sees it.
fn state(key: &RouterPsk, id: &str) -> (&'static str, &'static str) {
    let other = key.other(id);
    let own = key.other(&other.router_id);
    match key.ended {
        Some((_, PskEnd::Replaced | PskEnd::Withdrawn)) => ("routers-psk-ended", "tag"),
        Some((_, PskEnd::Expired)) => ("routers-psk-expired", "tag tag-error"),
        Some((_, PskEnd::RouterRevoked)) => ("routers-psk-revoked", "tag tag-error"),
        Some((_, PskEnd::RouterHeld)) => ("routers-psk-held", "tag tag-error"),
        Some((_, PskEnd::FacilitySuspended | PskEnd::FacilityClosed)) => {
            ("routers-psk-facility", "tag tag-error")
        }
        None => match (own.fetched_at, other.fetched_at) {
            (Some(_), Some(_)) => ("routers-psk-fetched", "tag tag-good"),
            (Some(_), None) => ("routers-psk-waits-for-peer", "tag"),
            (None, Some(_)) => ("routers-psk-waits-for-own", "tag"),
            (None, None) => ("routers-psk-waits-for-both", "tag"),
        },
    }
}

/// Makes a key for a pair that has none, and shows a code for each end, once.
///
/// # Errors
/// 404 unless the person administers both routers; 409 where one may not act, or the pair has a key.
pub async fn create(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    give(&app, &session, page, &id, &form.peer, Having::None).await
}

/// Another key in place of the present one; its codes are shown, once.
///
/// # Errors
/// As [`create`]; 409 where the pair has none.
pub async fn replace(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    give(&app, &session, page, &id, &form.peer, Having::Replaced).await
}

async fn give(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    peer_id: &str,
    having: Having,
) -> Result<Response, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let (own, acting) = administered(&mut reader, session, id).await?;
    let (peer, _) = administered(&mut reader, session, peer_id).await?;
    let (config, sealing) = (app.config(), &app.keys().sealing);
    let psk = NewPsk::draw(app.random(), sealing, config, [id, peer_id], now)
        .map_err(|error| PageError::internal(&error))?;
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let refusal = psk.keep(tx, having, acting.person_id()).await?;
        let entry = match &refusal {
            None => acting.done(having.act(), now),
            Some(refusal) => acting.refused(having.act(), now, refusal.as_str()),
        };
        recorded(tx, refusal, entry.on("router_psk", &psk.id()), [id, peer_id]).await
    })?;
    if let Some(refusal) = refusal {
        return Err(refused(&refusal));
    }
    let name_of = |router_id: &str| {
        let terminal: &Terminal = if router_id == own.id { &own } else { &peer };
        terminal.name.clone()
    };
    let ends = psk.ends().iter().map(|end| CodeOf {
        router: end.router_id.clone(),
        name: name_of(&end.router_id),
        code: end.code.reveal(),
    });
    let codes = CodesPage {
        until: when::shown(psk.expires_at(), page.text.lang()),
        page: session.frame(page),
        id: id.to_owned(),
        ends: ends.collect(),
    };
    Ok(Page(codes).into_response())
}

fn refused(refusal: &Refusal) -> PageError {
    let (title, text, help) = match refusal {
        Refusal::NoRouter { .. } => return PageError::not_found(),
        Refusal::NotInForce { because, .. } => return no_code(*because),
        Refusal::SameRouter => {
            ("routers-psk-same-title", "routers-psk-same-text", "routers-psk-same-help")
        }
        Refusal::HaveOne => {
            ("routers-psk-have-title", "routers-psk-have-text", "routers-psk-have-help")
        }
        Refusal::HaveNone => {
            ("routers-psk-none-title", "routers-psk-none-text", "routers-psk-none-help")
        }
    };
    PageError::new(StatusCode::CONFLICT, title, text, help)
}

/// Ends the key of a pair.
///
/// # Errors
/// 404 for somebody else's router; 409 where the pair has no key.
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Form>,
) -> Result<Redirect, PageError> {
    let now = app.now();
    let (_, acting) = administered(&mut app.store().read(), &session, &id).await?;
    let peer = form.peer.as_str();
    if !is_router(&mut app.store().read(), peer).await? {
        return Err(PageError::not_found());
    }
    let ended = transaction!(app.store(), StoreError, |tx| {
        let present = router_psk::in_force(tx, &id, peer).await?;
        let entry = match &present {
            Some(psk) => {
                router_psk::end(tx, &psk.id, PskEnd::Withdrawn, now).await?;
                acting.done("router.psk.end", now).on("router_psk", &psk.id)
            }
            None => acting.refused("router.psk.end", now, Refusal::HaveNone.as_str()),
        };
        recorded(tx, present.is_some(), entry, [&id, peer]).await
    })?;
    if !ended {
        return Err(refused(&Refusal::HaveNone));
    }
    Ok(Redirect::to(&format!("/console/routers/{id}/psk?notice=ended")))
}

async fn is_router(queries: &mut impl Queries, id: &str) -> Result<bool, StoreError> {
    Ok(terminal::find(queries, id).await?.is_some() && router::find(queries, id).await?.is_some())
}

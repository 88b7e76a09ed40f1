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
    Queries, StoreError,
    audit::Audited,
    router,
    router_psk::{self, PskEnd, RouterPsk},
    terminal::{self, TerminalStatus},
    transaction, vpn_peers,
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    app::App,
    console::terminals::{administered, no_code},
    error::page::PageError,
    form::{PathId, StrictForm, StrictQuery},
    network::bundle::Daemon,
    network::psk::{Making, NewPsk, ProvesBy, Refusal, at_router, recorded, withdraw},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
};

/// Keys that are listed.
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
    name: String,
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
    /// Whether there are texts for its family, with a script that fetches the key.
    has_texts: bool,
}

#[derive(Template)]
#[template(path = "routers/psk_codes.html")]
struct CodesPage {
    page: PageFrame,
    id: String,
    ends: Vec<CodeOf>,
    until: String,
    /// Where a device without such a script asks.
    address: String,
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
    let proof = ProvesBy::of(terminal.status == TerminalStatus::Enrolled, &keys);
    let mut candidates = Vec::new();
    for peer in vpn_peers::of_router(&mut reader, &id, app.now()).await? {
        let other = peer.router;
        let has_key = keys
            .iter()
            .any(|key| key.ended.is_none() && key.other(&id).router_id == other.terminal_id);
        let both = session.facilities().any(|facility| facility == peer.organisation_id);
        if both && !has_key {
            let name = name_of(&mut reader, &other.terminal_id).await?;
            let label = format!("{name} ({}, {})", other.terminal_id, other.network);
            candidates.push(Candidate { id: other.terminal_id, label });
        }
    }
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let peer = key.other(&id).router_id.clone();
        rows.push(Row {
            name: name_of(&mut reader, &peer).await?,
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
            ProvesBy::Nothing => "routers-proof-none",
            ProvesBy::Psk => "routers-proof-psk",
            ProvesBy::Both => "routers-proof-both",
            ProvesBy::Certificate => "routers-proof-certificate",
        },
        rows,
        candidates,
        may_act: terminal.status != TerminalStatus::Revoked,
        just_ended: done.notice.as_deref() == Some("ended"),
    }))
}

/// What people call a router.
async fn name_of(queries: &mut impl Queries, id: &str) -> Result<String, StoreError> {
    Ok(terminal::find(queries, id).await?.map(|terminal| terminal.name).unwrap_or_default())
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
        Some((_, PskEnd::NotPeers)) => ("routers-psk-not-peers", "tag tag-error"),
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
    give(&app, &session, page, &id, &form.peer, Making::First).await
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
    give(&app, &session, page, &id, &form.peer, Making::Replacement).await
}

async fn give(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    id: &str,
    peer_id: &str,
    making: Making,
) -> Result<Response, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let (own, acting) = administered(&mut reader, session, id).await?;
    let (peer, _) = administered(&mut reader, session, peer_id).await?;
    let (config, sealing) = (app.config(), &app.keys().sealing);
    let psk = NewPsk::draw(app.random(), sealing, config, [id, peer_id], now)
        .map_err(|error| PageError::internal(&error))?;
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let refusal = psk.keep(tx, making, acting.person_id()).await?;
        let Some(refusal) = refusal else {
            let done = acting.done(making.act(), now).on("router_psk", psk.id());
            return recorded(tx, None, done, [id, peer_id]).await;
        };
        let refused = acting.refused(making.act(), now, refusal.as_str());
        Ok(Audited::new(Some(refusal), at_router(tx, refused, id, peer_id).await?))
    })?;
    if let Some(refusal) = refusal {
        return Err(refused(&refusal));
    }
    let mut ends = Vec::new();
    for (end, terminal) in psk.ends().iter().zip([&own, &peer]) {
        let router = router::find(&mut reader, &end.router_id).await?;
        ends.push(CodeOf {
            router: end.router_id.clone(),
            name: terminal.name.clone(),
            code: end.code.reveal(),
            has_texts: router.is_some_and(|router| Daemon::of_family(&router.family).is_some()),
        });
    }
    let codes = CodesPage {
        until: when::shown(psk.expires_at(), page.text.lang()),
        page: session.frame(page),
        id: id.to_owned(),
        ends,
        address: format!("{}/router/psk", app.names().enrol),
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
        Refusal::NotPeers => (
            "routers-psk-not-peers-title",
            "routers-psk-not-peers-text",
            "routers-psk-not-peers-help",
        ),
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
/// 404 for somebody else's router, and for one that this one has no key with unless the person administers
/// it; 409 where the pair has no key in force.
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Form>,
) -> Result<Redirect, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let (_, acting) = administered(&mut reader, &session, &id).await?;
    let routers = [id.as_str(), form.peer.as_str()];
    let [own, peer] = routers;
    if router_psk::in_force(&mut reader, own, peer).await?.is_none() {
        administered(&mut reader, &session, peer).await?;
    }
    let ended = transaction!(app.store(), StoreError, |tx| {
        let Some(psk) = withdraw(tx, routers, now).await? else {
            let refused = acting.refused("router.psk.end", now, Refusal::HaveNone.as_str());
            return Ok(Audited::new(false, at_router(tx, refused, own, peer).await?));
        };
        let done = acting.done("router.psk.end", now).on("router_psk", &psk);
        recorded(tx, true, done, routers).await
    })?;
    if !ended {
        return Err(refused(&Refusal::HaveNone));
    }
    Ok(Redirect::to(&format!("/console/routers/{id}/psk?notice=ended")))
}

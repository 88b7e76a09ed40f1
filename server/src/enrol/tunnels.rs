//! `POST /router/tunnels`: a router tells which of its tunnels stand (docs/decisions/0052).
//!
//! It proves itself by its certificate in the handshake or, where it has pre-shared keys alone, by the code that
//! came with one. What it says is shown to people and decides nothing. A record at both facilities tells of what
//! changed, of one tunnel by one end once a minute at most.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sekisho_ca::registration::terminal_identifier::TerminalIdentifier;
use sekisho_store::{
    MayConflict, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    router_psk,
    router_tunnel::{self, ToTell},
    transaction, vpn_peers, vpn_place,
};
use time::{Duration, OffsetDateTime};

use super::{by_code, credentials, psk::is_in_force, refusal};
use crate::{
    app::App,
    error::est::EstError,
    listener::{Peer, RouterConnection},
    media_type,
    network::{psk::at_router, tick::REPORTED_AT_ONCE},
    people::tries,
};

/// In the audit trail: a refusal at the door, and what a router came to say.
const ACT: &str = "router.tunnel.report";
const UP: &str = "router.tunnel.up";
const DOWN: &str = "router.tunnel.down";

/// What a report is.
const MEDIA_TYPE: &str = "text/csv";

/// Octets of a report: as many of its longest lines as it may have, ended in either way.
const MOST_OCTETS: usize = REPORTED_AT_ONCE * "T3W8K0M5XYZ,down\r\n".len();

/// A tunnel that came and went is told so often and no more; how often a record tells of it is the store's to say.
const LEAST_BETWEEN_CHANGES: Duration = Duration::seconds(5);

/// Keeps what changed, with a record where one is due, and hears what did not. Who is no peer is left aside and named,
/// also where there is nobody else; so is what changed again too soon, which is to be told again.
///
/// # Errors
/// 400, 401, 403, 413, 429 (of who guesses) or 503 with a line of text.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    if !media_type::announced(&headers).is_ok_and(|named| named.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(EstError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("tunnels: a report is sent as {MEDIA_TYPE}, announced once"),
        ));
    }
    let told = read(body).await?;
    let router_id = proven(&app, &peer, &headers).await?;
    let now = app.now();
    let mut reader = app.store().read();
    let mut peers = router_tunnel::peers_of(&mut reader, &router_id).await?;
    let around = vpn_place::around(&mut reader, &router_id, now).await?;
    peers.extend(vpn_peers::named(&router_id, &around));
    let before: BTreeMap<String, _> = router_tunnel::at(&mut reader, &router_id)
        .await?
        .into_iter()
        .filter(|told| told.router_id == router_id)
        .map(|told| (told.peer_id.clone(), told))
        .collect();
    drop(reader);
    let (known, strangers): (Vec<_>, Vec<_>) =
        told.into_iter().partition(|(id, _)| peers.contains(id));
    let changes = |(id, up): &&(String, bool)| before.get(id).is_none_or(|told| told.up != *up);
    let (early, known): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| {
        let changed = before.get(&one.0).filter(|_| changes(&one));
        changed
            .is_some_and(|before| now - before.since < LEAST_BETWEEN_CHANGES && before.since <= now)
    });
    let kept = known.len();
    let (to_record, rest): (Vec<_>, Vec<_>) = known
        .into_iter()
        .partition(|(id, up)| before.get(id).is_none_or(|told| told.is_to_record(*up, now)));
    let (mut soon, same): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| changes(&one));
    soon.extend(keep(&app, &peer, &router_id, to_record, now).await?);
    if !soon.is_empty() {
        app.store().note_tunnels(&router_id, &soon, now).await?;
    }
    if !same.is_empty() {
        app.store().hear_tunnels(&router_id, &same, now).await?;
    }
    Ok(answer(kept, &early, &strangers))
}

/// Lines of `T3W8K0M5XYZ,up` or `…,down`, each router once.
async fn read(body: Body) -> Result<Vec<(String, bool)>, EstError> {
    let bad = |text: String| EstError::new(StatusCode::BAD_REQUEST, format!("tunnels: {text}"));
    let octets = match Limited::new(body, MOST_OCTETS).collect().await {
        Ok(read) => read.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(EstError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("tunnels: {}", too_long()),
            ));
        }
        Err(_) => return Err(bad("the report did not arrive whole; tell it again".to_owned())),
    };
    let text = std::str::from_utf8(&octets).map_err(|_| bad("the report is no text".to_owned()))?;
    let mut told = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let refused = |what: &str| bad(format!("line {number} of the report {what}"));
        let (id, state) = line
            .split_once(',')
            .ok_or_else(|| refused("is not a router's identifier, a comma, and up or down"))?;
        let id = TerminalIdentifier::parse(id)
            .map_err(|_| refused("does not begin with a router's identifier"))?;
        let up = match state {
            "up" => true,
            "down" => false,
            _ => return Err(refused("says neither up nor down")),
        };
        if told.insert(id.to_string(), up).is_some() {
            return Err(refused("tells of a router once more"));
        }
        if told.len() > REPORTED_AT_ONCE {
            return Err(bad(too_long()));
        }
    }
    if told.is_empty() {
        return Err(bad("the report is empty; a line for each router at the other end".to_owned()));
    }
    Ok(told.into_iter().collect())
}

fn too_long() -> String {
    format!(
        "a report tells of at most {REPORTED_AT_ONCE} tunnels, in {MOST_OCTETS} octets; report.sh of a bundle that is \
         taken anew sends more in parts"
    )
}

/// The router that tells: by the code that came with a key where it brings one, else by its certificate.
async fn proven(app: &App, peer: &Peer, headers: &HeaderMap) -> Result<String, EstError> {
    if !headers.contains_key(header::AUTHORIZATION) {
        // A certificate that was fetched may not be in use yet: nothing that it is to replace ends by this.
        let router = RouterConnection::judge_of_report(app, peer).await;
        return router.map(|router| router.0.terminal_id).map_err(|error| not_proven(error.code()));
    }
    let brought = credentials::brought(app, peer, ACT, headers).await?;
    let (id, hash) = (brought.terminal.to_string(), brought.code.hash());
    let mut reader = app.store().read();
    match router_psk::reporting(&mut reader, &id, &hash).await? {
        Some(true) if is_in_force(&mut reader, &id).await? => Ok(id),
        // Nobody guessed: nothing is charged, and nothing happened that the trail does not have.
        Some(_) => Err(EstError::new(
            StatusCode::FORBIDDEN,
            "tunnels: the pre-shared key that this code came with has ended. Report by another key's, or by \
             the router's certificate",
        )),
        None => {
            drop(reader);
            let refusals = by_code::refusals(app, peer);
            tries::rested(app, &refusals).await??;
            tries::charge(app, refusals).await??;
            let terminal = Some(brought.terminal);
            by_code::refused_at_the_door(app, peer, ACT, "wrong_code", terminal, &[]).await?;
            Err(refusal::unauthorized())
        }
    }
}

/// Why a certificate does not do.
fn not_proven(code: &'static str) -> EstError {
    let text = match code {
        "no_certificate" => {
            "neither the router's certificate in the TLS handshake nor a code that came with a pre-shared key"
        }
        "foreign_certificate" => "the certificate shown is not one that we issued to a router",
        "not_yet_valid" => "the certificate shown is not valid yet; check the router's clock",
        "expired" => "the certificate shown has expired; enrol the router by a new code",
        "facility_not_active" => "the facility is not active; ask the operating body",
        "on_hold" => "the certificate shown is on hold; ask the facility's administrator",
        "revoked" | "replaced" | "pc_replaced" => "the certificate shown or its router was revoked",
        // Not knowing refuses, but is no fault of the router.
        _ => {
            return EstError {
                retry_after_secs: Some(5),
                ..EstError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "tunnels: the certificate's status is not known at the moment; try again",
                )
            };
        }
    };
    EstError::new(StatusCode::FORBIDDEN, format!("tunnels: {text}"))
}

#[derive(Debug, thiserror::Error)]
enum KeepError {
    /// Another report told of all of it meanwhile.
    #[error("another report was first")]
    SaidBefore,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for KeepError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Keeps what is to be recorded, each with a record at both routers, in one transaction; what another report was
/// first to tell of.
async fn keep(
    app: &App,
    peer: &Peer,
    router_id: &str,
    to_record: Vec<(String, bool)>,
    now: OffsetDateTime,
) -> Result<Vec<(String, bool)>, StoreError> {
    if to_record.is_empty() {
        return Ok(Vec::new());
    }
    let kept = transaction!(app.store(), KeepError, |tx| {
        let (mut entries, mut late) = (Vec::new(), Vec::new());
        for (id, up) in &to_record {
            match router_tunnel::tell(tx, router_id, id, *up, now).await? {
                Some(to_tell) => {
                    let router = Actor::Terminal(router_id.to_owned());
                    let entry = record(router, *up, to_tell, now).from_address(peer.addr.ip());
                    entries.extend(at_both(tx, entry, router_id, id).await?);
                }
                None => late.push((id.clone(), *up)),
            }
        }
        let mut entries = entries.into_iter();
        let first = entries.next().ok_or(KeepError::SaidBefore)?;
        Ok(entries.fold(Audited::new(late, first), Audited::and))
    });
    match kept {
        Ok(late) => Ok(late),
        Err(KeepError::SaidBefore) => Ok(to_record),
        Err(KeepError::Store(error)) => Err(error),
    }
}

/// How it stands now, since when where that is no news, and that it did not do so all the time.
fn record(actor: Actor, up: bool, to_tell: ToTell, now: OffsetDateTime) -> Entry {
    let act = if up { UP } else { DOWN };
    let mut entry = Entry::done(act, actor, now);
    if to_tell.since != now {
        entry = entry.fact("since", to_tell.since.unix_timestamp());
    }
    if to_tell.changes > 1 {
        entry = entry.fact("changes", to_tell.changes);
    }
    entry
}

async fn at_both(
    tx: &mut Tx,
    entry: Entry,
    router_id: &str,
    peer_id: &str,
) -> Result<[Entry; 2], StoreError> {
    let own = at_router(tx, entry.clone(), router_id, peer_id).await?;
    Ok([own, at_router(tx, entry, peer_id, router_id).await?])
}

/// States a turn; what is left waits for the next.
const BATCH: i64 = 500;

/// Scheduled: what was kept without a record gets one a minute after the last, also where the router has fallen silent.
///
/// # Errors
/// [`StoreError`]: the rest waits for the next turn.
pub async fn tell_of_silent(app: &App) -> Result<(), StoreError> {
    let now = app.now();
    if router_tunnel::untold(&mut app.store().read(), now, 1).await?.is_empty() {
        return Ok(());
    }
    let told = transaction!(app.store(), KeepError, |tx| {
        let mut entries = Vec::new();
        for untold in router_tunnel::untold(tx, now, BATCH).await? {
            router_tunnel::recorded(tx, &untold, now).await?;
            let to_tell = ToTell { changes: untold.unrecorded, since: untold.since };
            // From which address the router said so is not kept.
            let entry = record(Actor::System, untold.up, to_tell, now)
                .fact("told_by", untold.router_id.as_str());
            entries.extend(at_both(tx, entry, &untold.router_id, &untold.peer_id).await?);
        }
        let mut entries = entries.into_iter();
        let first = entries.next().ok_or(KeepError::SaidBefore)?;
        Ok(entries.fold(Audited::new((), first), Audited::and))
    });
    match told {
        Ok(()) | Err(KeepError::SaidBefore) => Ok(()),
        Err(KeepError::Store(error)) => Err(error),
    }
}

fn answer(kept: usize, early: &[(String, bool)], strangers: &[(String, bool)]) -> Response {
    let mut text = format!("told of {kept}\n");
    // `report.sh` looks for these words.
    for (id, _) in early {
        text.push_str(&format!("{id} has changed already: tell it again in a few seconds\n"));
    }
    for (id, _) in strangers {
        text.push_str(&format!("{id} is no peer of this router in the register: left aside\n"));
    }
    if kept == 0 && early.is_empty() {
        text.push_str("Have the facility's administrator see to the groups\n");
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests;

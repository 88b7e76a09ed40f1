//! Pre-shared keys at the door: `POST /router/psk` gives a router the key of one pair for its code, once;
//! `GET /router/psk/{id}` tells whoever has that key whether it still counts (docs/decisions/0038).
//!
//! A router that proves itself by keys has no certificate that a list could name: it asks here instead. The
//! identifier opens nothing.

use axum::{
    body::Body,
    extract::{Extension, Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::{
    MayConflict, Queries, StoreError,
    audit::{Actor, Audited, Entry},
    organisation,
    router_psk::{self, RouterPsk, Standing},
    terminal::{self, TerminalStatus},
    transaction,
};
use zeroize::Zeroizing;

use super::{
    by_code::{self, holder, of_holder},
    credentials::{self, Credentials},
    refusal,
};
use crate::{
    app::App, error::est::EstError, listener::Peer, network::psk, paper_code::PaperCode,
    people::tries, sealing::SealingError,
};

/// In the audit trail.
const ACT: &str = "router.psk.fetch";

/// Why a code fetches nothing. The first two are told in the same words; the others only who has a code of 95
/// random bits can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoKey {
    /// No code for a key of this router.
    WrongCode,
    /// The router was revoked or is on hold, or its facility is not active.
    NotInForce,
    /// This end has it.
    Fetched,
    /// Its time is over.
    Expired,
    /// It was replaced, or the pair has none any more.
    Ended,
}

impl NoKey {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WrongCode => "wrong_code",
            Self::NotInForce => "router_not_in_force",
            Self::Fetched => "code_used",
            Self::Expired => "code_expired",
            Self::Ended => "key_ended",
        }
    }

    fn told(self) -> EstError {
        let text = match self {
            Self::WrongCode | Self::NotInForce => return refusal::unauthorized(),
            Self::Fetched => {
                "this code was used: the key was handed out and is not shown again. If it did not \
                 arrive, or somebody else has it, have the key replaced"
            }
            Self::Expired => {
                "this code is no longer valid: its time is over. Have another key made"
            }
            Self::Ended => {
                "this key was ended or replaced since the code was made. Take the code of the newest \
                 one, or have another made"
            }
        };
        EstError::new(StatusCode::FORBIDDEN, format!("pre-shared key: {text}"))
    }
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for FetchError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<FetchError> for EstError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Sealing(error) => Self::internal(&error),
            FetchError::Store(error) => error.into(),
        }
    }
}

/// The key of one pair, for the code of this end: four lines, `id`, `peer`, `secret` and `report`, the code by which
/// a router without a certificate tells of its tunnels ([`super::tunnels`]).
///
/// # Errors
/// 400, 401, 403, 413, 429 or 503 with a line of text.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, EstError> {
    nothing_in(body).await?;
    let Credentials { terminal, code } = credentials::brought(&app, &peer, ACT, &headers).await?;
    let (router_id, code) = (terminal.to_string(), code.hash());
    let refusals = by_code::refusals(&app, &peer);
    let found = router_psk::find_by_code(&mut app.store().read(), &router_id, &code).await?;
    if !found.is_some_and(|psk| psk.waits_for(&router_id, app.now())) {
        // A right code is served also where the network rests.
        tries::rested(&app, &refusals).await??;
    }
    let report = PaperCode::generate(app.random()).map_err(|error| EstError::internal(&error))?;
    match fetch(&app, &peer, &router_id, &code, &report.hash()).await? {
        Ok((psk, secret)) => {
            let (id, peer) = (&psk.id, &psk.other(&router_id).router_id);
            let report = report.reveal();
            Ok(text(format!("id {id}\npeer {peer}\nsecret {}\nreport {}\n", *secret, *report)))
        }
        Err(no_key) => {
            let _ = tries::charge(&app, refusals).await?;
            Err(no_key.told())
        }
    }
}

async fn nothing_in(body: Body) -> Result<(), EstError> {
    let read = axum::body::to_bytes(body, 0).await;
    read.map(drop).map_err(|_| {
        EstError::new(StatusCode::BAD_REQUEST, "pre-shared key: this request has no body")
    })
}

/// Uses the code up and opens the key, in one transaction with its record: a key that does not open leaves
/// the code as it was.
async fn fetch(
    app: &App,
    peer: &Peer,
    router_id: &str,
    code: &[u8; 32],
    report: &[u8; 32],
) -> Result<Result<(RouterPsk, Zeroizing<String>), NoKey>, FetchError> {
    let now = app.now();
    transaction!(app.store(), FetchError, |tx| {
        let holder = holder(tx, router_id).await?;
        let entry = |entry: Entry| of_holder(entry.from_address(peer.addr.ip()), holder.as_ref());
        let refused = |no_key: NoKey| {
            let refused = Entry::refused(ACT, Actor::Stranger, now, no_key.as_str());
            Ok(Audited::new(Err(no_key), entry(refused)))
        };
        let Some(psk) = router_psk::find_by_code(tx, router_id, code).await? else {
            return refused(NoKey::WrongCode);
        };
        if psk.ended.is_some() {
            return refused(NoKey::Ended);
        }
        if !is_in_force(tx, router_id).await? {
            return refused(NoKey::NotInForce);
        }
        let Some(sealed) = router_psk::fetch(tx, &psk, router_id, report, now).await? else {
            return refused(if psk.expires_at <= now { NoKey::Expired } else { NoKey::Fetched });
        };
        let secret = psk::open(&app.keys().sealing, &psk.id, &sealed)?;
        let done = Entry::done(ACT, Actor::Terminal(router_id.to_owned()), now)
            .on("router_psk", &psk.id)
            .fact("peer", psk.other(router_id).router_id.as_str());
        Ok(Audited::new(Ok((psk, secret)), entry(done)))
    })
}

/// Whatever ends a router's right ends its keys; asked once more, so that nothing depends on that alone.
pub(super) async fn is_in_force(
    queries: &mut impl Queries,
    router_id: &str,
) -> Result<bool, StoreError> {
    let Some(terminal) = terminal::find(queries, router_id).await? else { return Ok(false) };
    let may_act = matches!(
        terminal.status,
        TerminalStatus::Created | TerminalStatus::Enrolled | TerminalStatus::CertificateRevoked
    );
    Ok(may_act && organisation::is_active(queries, &terminal.organisation_id).await?)
}

/// One word: `in-force` once both ends have it, `waiting` before, `replaced` or `ended`.
///
/// # Errors
/// 404 for an identifier that no key had.
pub async fn get(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, EstError> {
    let nothing =
        || EstError::new(StatusCode::NOT_FOUND, "there never was a key of this identifier");
    let Path(id) = id.map_err(|_| nothing())?;
    let id = uuid::Uuid::parse_str(&id).map_err(|_| nothing())?.to_string();
    let standing = router_psk::standing(&mut app.store().read(), &id).await?;
    Ok(text(match standing.ok_or_else(nothing)? {
        Standing::InForce => "in-force\n".to_owned(),
        Standing::Waiting => "waiting\n".to_owned(),
        Standing::Replaced => "replaced\n".to_owned(),
        Standing::Ended => "ended\n".to_owned(),
    }))
}

fn text(text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
pub(crate) mod tests;

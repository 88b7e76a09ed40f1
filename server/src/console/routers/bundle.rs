//! `GET /console/routers/{id}/bundle`: what the router's technician needs, on one page to print.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, response::Redirect};
use http::StatusCode;
use sekisho_store::{
    Queries, StoreError,
    audit::Audited,
    facility_prefix,
    router::{self, Router},
    router_text::{self, TakenText},
    terminal::{self, TerminalStatus},
    transaction, vpn_peers,
};
use serde::Deserialize;

use super::text_standing::Standing;
use crate::{
    app::App,
    console::terminals::{administered, already_revoked, facility_name},
    error::page::PageError,
    form::{PathId, StrictForm, StrictQuery},
    names::NameRole,
    network::bundle::{
        self, Authorities, BundleError, Common, Key, Other, Others, Proof, Suite, Text,
    },
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    setup::steps::Steps,
};

/// How the texts are to be.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    /// The kind of key of both ends of each tunnel.
    key: Option<Key>,
    /// What has just been done: `taken`.
    notice: Option<String>,
}

/// Which texts were put into the router.
#[derive(Debug, Deserialize)]
pub struct Taken {
    /// Over their peers, as the page that showed them had it: 64 hexadecimal digits.
    fingerprint: String,
}

/// A peer, as the page lists it.
struct Row {
    id: String,
    name: String,
    facility: String,
    network: String,
    further: Vec<String>,
    opens: bool,
    has_psk: bool,
    /// What has to be added at the end whose text was tried, for a device that knows less.
    amends: Option<Suite>,
}

#[derive(Template)]
#[template(path = "routers/bundle.html")]
struct BundlePage {
    page: PageFrame,
    id: String,
    name: String,
    peers: Vec<Row>,
    rsa: bool,
    /// Why there are no texts.
    none: Option<String>,
    steps: Steps,
    texts: Vec<Text>,
    /// Over the peers.
    fingerprint: String,
    /// When texts with these peers were put in, or with which others.
    standing: Standing,
    just_taken: bool,
}

/// Shows it. The other ends are those of the router's groups, and no others.
///
/// # Errors
/// 404 for somebody else's router, 409 for a revoked one.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(choice): StrictQuery<Choice>,
    page: PageFrame,
) -> Result<Page<impl Template>, PageError> {
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, &session, &id).await?;
    let own = router::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let key = choice.key.unwrap_or_default();
    let now = app.now();
    let found = Others::find(&mut reader, &id, key, now).await?;
    let fingerprint = found.fingerprint();
    let mut peers = Vec::with_capacity(found.list.len());
    for other in &found.list {
        peers.push(row(&mut reader, &own, other).await?);
    }
    let latest = router_text::latest(&mut reader, &id).await?;
    let standing = Standing::of(latest.as_ref(), &found.peers, page.text.lang());
    let others = found.list;
    let authorities = Authorities::find(&mut reader, now).await?;
    let prefix = facility_prefix::of_facility(&mut reader, &terminal.organisation_id).await?;
    let names = app.names();
    let common = Common {
        enrol: names.origin(NameRole::Enrol),
        plain: names.origin(NameRole::Plain),
        reauthentication_seconds: app.config().routers().reauthentication_seconds(),
        prefix: prefix.map(|one| one.prefix),
    };
    let written = bundle::write(&own, &terminal.name, &others, &authorities, common);
    let (texts, none) = match written {
        Ok(texts) => (texts, None),
        Err(error) => (Vec::new(), Some(no_texts(&error, &page)?)),
    };
    Ok(Page(BundlePage {
        steps: Steps::of(&own, &others, key, common.enrol, true),
        page: session.frame(page),
        id,
        name: terminal.name,
        peers,
        rsa: key == Key::Rsa3072,
        none,
        texts,
        fingerprint: hex::encode(fingerprint),
        standing,
        just_taken: choice.notice.as_deref() == Some("taken"),
    }))
}

/// Why there are no texts, in words for the facility's administrators: they may see whose networks overlap.
///
/// # Errors
/// 500 for what is our fault.
pub(super) fn no_texts(error: &BundleError, page: &PageFrame) -> Result<String, PageError> {
    if let BundleError::Networks { id, network, other_id, other } = error {
        let named = [("one", format!("{id} {network}")), ("other", format!("{other_id} {other}"))];
        return Ok(page.text.with("routers-bundle-networks", named.as_slice()));
    }
    error.shown().map(|key| page.t(key)).ok_or_else(|| PageError::internal(error))
}

async fn row(queries: &mut impl Queries, own: &Router, other: &Other) -> Result<Row, StoreError> {
    let id = other.router.terminal_id.clone();
    let terminal = terminal::find(queries, &id).await?;
    let (name, facility) = match terminal {
        Some(terminal) => (terminal.name, facility_name(queries, &terminal.organisation_id).await?),
        None => Default::default(),
    };
    let suite = Suite::of(&own.family, &other.router.family);
    Ok(Row {
        name,
        facility,
        network: other.router.network.to_string(),
        further: other.beyond.iter().map(ToString::to_string).collect(),
        opens: other.opens,
        has_psk: other.proof == Proof::Psk,
        amends: suite.amends().then_some(suite),
        id,
    })
}

/// `POST /console/routers/{id}/bundle`: somebody put the texts into the router. Told by the peers that stood in them,
/// so that a page from before does not hide what changed since.
///
/// # Errors
/// 404 for somebody else's router, 409 for a revoked one and where its peers are others by now.
pub async fn taken(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<Taken>,
) -> Result<Redirect, PageError> {
    const ACT: &str = "router.take_texts";
    let now = app.now();
    let (terminal, acting) = administered(&mut app.store().read(), &session, &id).await?;
    router::find(&mut app.store().read(), &id).await?.ok_or_else(PageError::not_found)?;
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let current = transaction!(app.store(), StoreError, |tx| {
        let peers = vpn_peers::of_router(tx, &id, now).await?;
        let fingerprint = vpn_peers::fingerprint(&peers);
        let current = hex::encode(fingerprint) == form.fingerprint;
        let entry = if current {
            let taken = TakenText {
                router_id: &id,
                fingerprint: &fingerprint,
                chosen: &BTreeMap::new(),
                by: acting.person_id(),
                at: now,
            };
            router_text::take(tx, taken).await?;
            acting.done(ACT, now).fact("peers", peers.len())
        } else {
            acting.refused(ACT, now, "other_peers")
        };
        let entry = entry.on("terminal", &id).fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(current, entry))
    })?;
    if !current {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "routers-taken-older-title",
            "routers-taken-older-text",
            "routers-taken-older-help",
        ));
    }
    Ok(Redirect::to(&format!("/console/routers/{id}/bundle?notice=taken")))
}

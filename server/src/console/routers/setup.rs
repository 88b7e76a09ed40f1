//! `/console/routers/{id}/setup`: the link by which the router's technician follows the setting up; made, shown once
//! as a picture and a code, and ended. How far it is, the page shows here, too.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    Queries, StoreError,
    audit::{Audited, Entry},
    router,
    router_psk::PskEnd,
    router_setup,
    terminal::{self, TerminalStatus},
    transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::bundle::no_texts;
use crate::{
    app::App,
    console::terminals::{administered, already_revoked, no_code, qr},
    error::page::PageError,
    form::{NoFields, PathId, StrictForm, StrictQuery},
    names::NameRole,
    network::{
        bundle::{self, Authorities, Common, Key, Other, Others},
        family,
        setup::{NewSetup, PATH, tunnels},
    },
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    portal::when,
    setup::{ShownTunnel, steps::Steps},
};

/// What has just been done.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    /// `ended`.
    notice: Option<String>,
}

/// The form: the peers whose tunnels the link is for.
#[derive(Debug, Deserialize)]
pub struct Form {
    /// Their identifiers.
    #[serde(default)]
    tunnel: Vec<String>,
    /// The kind of key of all ends.
    key: Key,
}

/// A peer by groups, and what people call it.
struct Candidate {
    other: Other,
    name: String,
    /// Whether its box is ticked.
    chosen: bool,
}

/// The newest link.
struct Link {
    living: bool,
    /// Message key of where it stands.
    state: &'static str,
    made: String,
    until: String,
    opened: Option<String>,
    tunnels: Vec<ShownTunnel>,
}

#[derive(Template)]
#[template(path = "routers/setup.html")]
struct SetupPage {
    page: PageFrame,
    id: String,
    name: String,
    link: Option<Link>,
    candidates: Vec<Candidate>,
    may_make: bool,
    just_ended: bool,
    /// The kind of key that is chosen.
    rsa: bool,
    /// Why the form was refused.
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "routers/setup_sheet.html")]
struct SheetPage {
    page: PageFrame,
    id: String,
    name: String,
    family: String,
    peers: Vec<String>,
    qr: Zeroizing<String>,
    code: Zeroizing<String>,
    address: String,
    until: String,
    none: Option<&'static str>,
    steps: Steps,
}

/// Shows how far it is, and the form for another link.
///
/// # Errors
/// 404 for somebody else's router, and for a PC.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictQuery(done): StrictQuery<Done>,
    page: PageFrame,
) -> Result<Response, PageError> {
    let ended = done.notice.as_deref() == Some("ended");
    show(&app, &session, &id, page, ended, None).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    id: &str,
    page: PageFrame,
    just_ended: bool,
    refused: Option<(&Form, String)>,
) -> Result<Response, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let (terminal, _) = administered(&mut reader, session, id).await?;
    let own = router::find(&mut reader, id).await?.ok_or_else(PageError::not_found)?;
    let key = refused.as_ref().map(|(form, _)| form.key).unwrap_or_default();
    let mut candidates = candidates(&mut reader, id, key, now).await?;
    if let Some((form, _)) = &refused {
        for candidate in &mut candidates {
            candidate.chosen = form.tunnel.contains(&candidate.other.router.terminal_id);
        }
    }
    let mut link = None;
    if let Some(setup) = router_setup::latest_of(&mut reader, id).await? {
        let peers = router_setup::peers(&mut reader, &setup.id).await?;
        let tunnels = tunnels(&mut reader, &own, peers, now).await?;
        let lang = page.text.lang();
        link = Some(Link {
            living: setup.lives_at(now),
            state: match (setup.lives_at(now), setup.ended_at, setup.opened_at) {
                (false, Some(_), _) => "routers-setup-state-ended",
                (false, None, _) => "routers-setup-state-over",
                (true, _, Some(_)) => "routers-setup-state-opened",
                (true, _, None) => "routers-setup-state-waits",
            },
            made: when::shown(setup.created_at, lang),
            until: when::shown(setup.expires_at, lang),
            opened: setup.opened_at.map(|at| when::shown(at, lang)),
            tunnels: tunnels
                .into_iter()
                .map(|tunnel| ShownTunnel::of(&own.family, tunnel, &page, now))
                .collect(),
        });
    }
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown = SetupPage {
        page: session.frame(page),
        id: id.to_owned(),
        name: terminal.name,
        link,
        candidates,
        may_make: terminal.status != TerminalStatus::Revoked,
        just_ended,
        rsa: key == Key::Rsa3072,
        refused: refused.map(|(_, why)| why),
    };
    Ok((status, Page(shown)).into_response())
}

/// The routers that the groups make peers of this one; all are chosen unless somebody says otherwise.
async fn candidates(
    queries: &mut impl Queries,
    id: &str,
    key: Key,
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, StoreError> {
    let mut candidates = Vec::new();
    for other in Others::find(queries, id, key, now).await?.list {
        let found = terminal::find(queries, &other.router.terminal_id).await?;
        let name = found.map(|terminal| terminal.name).unwrap_or_default();
        candidates.push(Candidate { other, name, chosen: true });
    }
    Ok(candidates)
}

/// Makes a link in place of the one before, and shows it, once.
///
/// # Errors
/// 404 for somebody else's router, and for one that is no peer; 409 for one that may not act. A choice that can be no
/// tunnel is the page again.
pub async fn make(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let (terminal, acting) = administered(&mut reader, &session, &id).await?;
    let own = router::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    if terminal.status == TerminalStatus::Revoked {
        return Err(already_revoked());
    }
    let candidates = candidates(&mut reader, &id, form.key, now).await?;
    // The texts are for all of them, so the steps are, too.
    let all: Vec<Other> = candidates.iter().map(|candidate| candidate.other.clone()).collect();
    let (others, names) = chosen(&form, candidates)?;
    let again = async |page: PageFrame, refused| {
        let page = page.switching_at(&format!("/console/routers/{id}/setup"));
        show(&app, &session, &id, page, false, Some((&form, refused))).await
    };
    if others.is_empty() {
        let refused = page.t("routers-setup-no-peer");
        return again(page, refused).await;
    }
    let authorities = Authorities::find(&mut reader, now).await?;
    drop(reader);
    let addresses = app.names();
    let common = Common {
        enrol: addresses.origin(NameRole::Enrol),
        plain: addresses.origin(NameRole::Plain),
        reauthentication_seconds: app.config().routers().reauthentication_seconds(),
        prefix: None,
    };
    let mut steps = Steps::of(&own, &all, form.key, common.enrol, false);
    let none = match bundle::write(&own, &terminal.name, &all, &authorities, common) {
        Ok(texts) => {
            steps.files = texts.into_iter().map(|text| text.file).collect();
            None
        }
        Err(bundle::BundleError::NoTexts { .. }) => Some("routers-bundle-no-texts"),
        Err(error) => {
            let refused = no_texts(&error, &page)?;
            return again(page, refused).await;
        }
    };
    let peers = others.iter().map(|other| other.router.terminal_id.clone());
    let setup = NewSetup::draw(app.random(), &id, form.key, peers.collect(), now)
        .map_err(|error| PageError::internal(&error))?;
    let refusal = transaction!(app.store(), StoreError, |tx| {
        let about = |entry: Entry| {
            entry
                .on("router_setup", setup.id())
                .on("terminal", &id)
                .fact("terminal_name", terminal.name.as_str())
        };
        let refusal = setup.keep(tx, &terminal, acting.person_id()).await?;
        let entry = match refusal {
            Some(refusal) => acting.refused("router.setup.create", now, refusal.as_str()),
            None => acting.done("router.setup.create", now).fact("tunnels", others.len()),
        };
        Ok(Audited::new(refusal, about(entry)))
    })?;
    if let Some(refusal) = refusal {
        return Err(no_code(refusal));
    }
    let public = addresses.origin(NameRole::Public);
    let picture = setup.address(public);
    Ok(Page(SheetPage {
        until: when::shown(setup.expires_at(), page.text.lang()),
        page: session.frame(page),
        id,
        name: terminal.name,
        family: family::find(&own.family).map_or(own.family, |family| family.name.clone()),
        peers: names,
        qr: qr(&picture).map_err(|error| PageError::internal(&error))?,
        code: setup.code().reveal(),
        address: format!("{public}{PATH}"),
        none,
        steps,
    })
    .into_response())
}

/// The other ends that were chosen, and what people call them.
fn chosen(
    form: &Form,
    mut candidates: Vec<Candidate>,
) -> Result<(Vec<Other>, Vec<String>), PageError> {
    let (mut others, mut names) = (Vec::new(), Vec::new());
    for peer in &form.tunnel {
        // Taken out: who is named twice is not there the second time.
        let is_named = |candidate: &Candidate| candidate.other.router.terminal_id == *peer;
        let found = candidates.iter().position(is_named).ok_or_else(PageError::not_found)?;
        let Candidate { other, name, .. } = candidates.swap_remove(found);
        names.push(name);
        others.push(other);
    }
    Ok((others, names))
}

/// Ends the living link.
///
/// # Errors
/// 404 for somebody else's router, 409 where no link lives.
pub async fn end(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    NoFields: NoFields,
) -> Result<Redirect, PageError> {
    let now = app.now();
    let mut reader = app.store().read();
    let (terminal, acting) = administered(&mut reader, &session, &id).await?;
    router::find(&mut reader, &id).await?.ok_or_else(PageError::not_found)?;
    drop(reader);
    let ended = transaction!(app.store(), StoreError, |tx| {
        let ended = router_setup::end(tx, &id, PskEnd::Withdrawn, now).await?;
        let entry = if ended {
            acting.done("router.setup.end", now)
        } else {
            acting.refused("router.setup.end", now, "no_link")
        };
        let entry = entry.on("terminal", &id).fact("terminal_name", terminal.name.as_str());
        Ok(Audited::new(ended, entry))
    })?;
    if !ended {
        return Err(PageError::new(
            StatusCode::CONFLICT,
            "routers-setup-none-title",
            "routers-setup-none-text",
            "routers-setup-none-help",
        ));
    }
    Ok(Redirect::to(&format!("/console/routers/{id}/setup?notice=ended")))
}

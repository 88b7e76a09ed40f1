//! `GET /console/routers/{id}/bundle`: what the router's technician needs, on one page to print.

use askama::Template;
use axum::extract::State;
use sekisho_store::{facility_prefix, router, terminal::TerminalStatus};
use serde::Deserialize;

use super::untried::Untried;
use crate::{
    app::App,
    console::terminals::{administered, already_revoked},
    error::page::PageError,
    form::{PathId, StrictQuery},
    names::NameRole,
    network::bundle::{self, Authorities, BundleError, Common, Key, Other, Suite, Text, Texts},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
};

/// Routers of one facility among which the other end is chosen.
const MOST: i64 = 200;

/// Which tunnel the texts are to make.
#[derive(Debug, Default, Deserialize)]
pub struct Choice {
    /// Identifier of the router at the other end.
    peer: Option<String>,
    /// Who opens the tunnel.
    opens: Option<Opens>,
    /// The kind of key of both.
    key: Option<Key>,
}

/// Who opens a tunnel.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Opens {
    /// This router.
    #[default]
    Own,
    /// The one at the other end.
    Other,
}

struct Candidate {
    id: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "routers/bundle.html")]
struct BundlePage {
    page: PageFrame,
    id: String,
    name: String,
    candidates: Vec<Candidate>,
    own_opens: bool,
    rsa: bool,
    key: &'static str,
    /// Message key of why there are no texts.
    none: Option<&'static str>,
    load: &'static str,
    /// What is said of a device whose texts nobody tried.
    untried: Option<Untried>,
    /// What has to be added to a text that was tried, for a device that knows less.
    amends: Option<Suite>,
    has_certificate: bool,
    has_psk: bool,
    texts: Vec<Text>,
}

/// Shows it. The other end is one of the routers of the facilities that the person administers.
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
    let opens = choice.opens.unwrap_or_default() == Opens::Own;
    let (mut candidates, mut others) = (Vec::new(), Vec::new());
    for facility in session.facilities() {
        for router in router::of_facility(&mut reader, facility, MOST).await? {
            let chosen = choice.peer.as_deref() == Some(&router.terminal_id);
            if router.terminal_id != id {
                candidates.push(Candidate {
                    id: router.terminal_id.clone(),
                    label: format!("{} ({})", router.dns_name, router.network),
                    chosen,
                });
                if chosen {
                    let other = Other::find_proof(&mut reader, &id, router, key, opens);
                    others.push(other.await?);
                }
            }
        }
    }
    if choice.peer.is_some() && others.is_empty() {
        return Err(PageError::not_found());
    }
    let authorities = Authorities::find(&mut reader, app.now()).await?;
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
        Err(BundleError::NoTexts { .. }) => (Vec::new(), Some("routers-bundle-no-texts")),
        Err(BundleError::Networks { .. } | BundleError::Repeated { .. }) => {
            (Vec::new(), Some("routers-bundle-networks"))
        }
        Err(error @ (BundleError::Text(_) | BundleError::Pem(_))) => {
            return Err(PageError::internal(&error));
        }
    };
    let (load, untried) = match Texts::of_family(&own.family) {
        Some(Texts::Tried(daemon)) => (daemon.load(), None),
        Some(Texts::Untried(device)) => {
            ("", Some(Untried::of(device, &own, &others, common.enrol)))
        }
        None => ("", None),
    };
    let amends = others.first().map(|other| Suite::of(&own.family, &other.router.family));
    Ok(Page(BundlePage {
        has_certificate: bundle::wants_certificate(&others),
        has_psk: bundle::wants_psk(&others),
        page: session.frame(page),
        id,
        name: terminal.name,
        candidates,
        own_opens: opens,
        rsa: key == Key::Rsa3072,
        key: key.as_str(),
        none,
        load,
        untried,
        amends: amends.filter(|suite| suite.amends()),
        texts,
    }))
}

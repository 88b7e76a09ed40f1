//! `GET /console/routers/{id}/bundle`: what the router's technician needs, on one page to print.

use askama::Template;
use axum::extract::State;
use sekisho_store::{facility_prefix, router, terminal::TerminalStatus};
use serde::Deserialize;

use crate::{
    app::App,
    console::terminals::{administered, already_revoked},
    error::page::PageError,
    form::{PathId, StrictQuery},
    names::NameRole,
    network::bundle::{self, Authorities, Common, Key, Other, Text},
    page::{Page, PageFrame},
    people::session::ConsoleSession,
    setup::steps::Steps,
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
    /// Message key of why there are no texts.
    none: Option<&'static str>,
    steps: Steps,
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
        Err(error) => match error.shown() {
            Some(none) => (Vec::new(), Some(none)),
            None => return Err(PageError::internal(&error)),
        },
    };
    Ok(Page(BundlePage {
        steps: Steps::of(&own, &others, key, common.enrol, true),
        page: session.frame(page),
        id,
        name: terminal.name,
        candidates,
        own_opens: opens,
        rsa: key == Key::Rsa3072,
        none,
        texts,
    }))
}

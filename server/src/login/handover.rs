//! One PC, one person after the other: what a service that has not confirmed the last person's logout may still
//! show is not offered to the next person in the same browser profile ([`logout_confirmation`]).
//!
//! A login waits for the services' word for a second and a half, and names those that did not give it; they are
//! withheld until they do, in the portal and at the authorization endpoint. Who clears the browser's data has
//! a profile of another name, and the services' cookies are gone from it with ours.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue};
use sekisho_key::RandomnessError;
use sekisho_store::{
    StoreError,
    audit::{Actor, Audited, Entry},
    logout_confirmation::{self, Unconfirmed},
    session::Session,
    transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep_until},
};

use super::{
    admission::cookie_text,
    challenge::random_octets,
    page::return_to,
    session::{PortalSession, Present},
};
use crate::{
    app::App,
    catalogue::{Lang, Text},
    cookie::{self, SameSite},
    entitlement::Explanation,
    error::page::{Chain, PageError},
    form::{StrictForm, StrictQuery},
    listener::{FacilityConnection, Peer},
    oidc::logout::backchannel,
    outbox,
    page::{Page, PageFrame},
};

/// Where the page is.
pub const PATH: &str = "/handover";
/// Names the browser profile; 32 random octets in base64url. It opens nothing.
const PROFILE_COOKIE: &str = "__Host-profile";
/// The longest that browsers keep a cookie (RFC 6265bis §5.5): 400 days. Each login puts the end off.
const PROFILE_SECS: u32 = 400 * 86_400;
/// How long a login waits for services to confirm the logout before it.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often the database is asked meanwhile: another process may have delivered.
const PAUSE: Duration = Duration::from_millis(25);
/// A service is not asked again within this time.
const ASKED_LATELY: time::Duration = time::Duration::seconds(5);
const TITLE: &str = "handover-title";

/// The name of a browser profile at a terminal.
pub(super) struct Profile {
    /// SHA-256 of it and the terminal's identifier: disks are copied, and profiles follow people to other PCs. Nobody
    /// at another terminal is concerned by what goes on under the same cookie.
    pub(super) hash: [u8; 32],
    /// Its cookie.
    pub(super) cookie: HeaderValue,
}

impl Profile {
    /// The name that the browser sent, or else a new one.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub(super) fn of(
        app: &App,
        headers: &HeaderMap,
        terminal_id: &str,
    ) -> Result<Self, RandomnessError> {
        let sent = cookie::read(headers, PROFILE_COOKIE)
            .and_then(|value| sekisho_protocol::octets::decode(value).ok())
            .and_then(|octets| <[u8; 32]>::try_from(octets).ok());
        let name: [u8; 32] = match sent {
            Some(name) => name,
            None => random_octets(app.random())?,
        };
        let lifetime = Some(PROFILE_SECS);
        let cookie = cookie::set(PROFILE_COOKIE, &cookie_text(&name), lifetime, SameSite::Lax);
        let hash = Sha256::new().chain_update(name).chain_update(terminal_id).finalize().into();
        Ok(Self { hash, cookie: cookie.ok_or(RandomnessError)? })
    }
}

/// Waits for what others' logouts in this browser still wait for, as long as it may; what then remains is
/// recorded, and whether anything does is answered.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn settle(
    app: &App,
    (peer, facility): (&Peer, &FacilityConnection),
    session: &Session,
) -> Result<bool, StoreError> {
    let place = |entry| facility.place(entry, peer);
    let waiting =
        logout_confirmation::unconfirmed(&mut app.store().read(), &session.id_hash).await?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let record = |act| {
        let person = Actor::Person(session.person_id.clone());
        place(Entry::done(act, person, app.now()).on("session", hex::encode(session.id_hash)))
    };
    ask_again(app, &waiting, record("session.ask_confirmation")).await?;
    let left = wait(app, &session.id_hash).await?;
    if left.is_empty() {
        return Ok(false);
    }
    let services: Vec<String> = by_service(&left).into_keys().map(str::to_owned).collect();
    let record = record("session.withhold").fact("services", services);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), record.clone())))?;
    Ok(true)
}

/// Tells services anew that were not told within the last seconds: their notice may rest after a failure, or have
/// been given up.
async fn ask_again(app: &App, waiting: &[Unconfirmed], record: Entry) -> Result<(), StoreError> {
    let now = app.now();
    let asked = transaction!(app.store(), AskedLately, |tx| {
        let mut asked = Vec::new();
        for of in waiting {
            if logout_confirmation::ask_again(tx, of, now - ASKED_LATELY, now).await? {
                asked.push(of.service_id.clone());
            }
        }
        if asked.is_empty() {
            return Err(AskedLately::All);
        }
        Ok(Audited::new((), record.clone().fact("services", asked)))
    });
    match asked {
        Ok(()) | Err(AskedLately::All) => Ok(()),
        Err(AskedLately::Store(error)) => Err(error),
    }
}

/// Why no service was asked again.
#[derive(Debug, thiserror::Error)]
enum AskedLately {
    #[error("all were asked within the last seconds")]
    All,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl sekisho_store::MayConflict for AskedLately {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// Delivers what is due of these notices, without waiting for the outbox's turn, and looks until all have
/// confirmed, none can any more, or [`PATIENCE`] is over. What is under way then goes on.
async fn wait(app: &App, session_hash: &[u8; 32]) -> Result<Vec<Unconfirmed>, StoreError> {
    let until = Instant::now() + PATIENCE;
    let mut waiting =
        logout_confirmation::unconfirmed(&mut app.store().read(), session_hash).await?;
    let mut deliveries = JoinSet::new();
    for of in &waiting {
        let (app, id) = (app.clone(), of.message_id.clone());
        deliveries.spawn(async move { outbox::deliver_one(&app, &id, backchannel::deliver).await });
    }
    // Somebody else's delivery may still succeed.
    let mut elsewhere = false;
    while !waiting.is_empty() {
        while let Some(delivery) = deliveries.try_join_next() {
            match delivery {
                Ok(Ok(claimed)) => elsewhere |= !claimed,
                Ok(Err(error)) => tracing::warn!("a logout notice: {}", Chain(&error)),
                Err(error) => tracing::error!("a logout notice was not delivered: {error}"),
            }
        }
        let over = deliveries.is_empty() && !elsewhere;
        waiting = logout_confirmation::unconfirmed(&mut app.store().read(), session_hash).await?;
        if over || Instant::now() >= until {
            break;
        }
        sleep_until(until.min(Instant::now() + PAUSE)).await;
    }
    deliveries.detach_all();
    Ok(waiting)
}

/// One of each service; more than one session may wait for it.
fn by_service(unconfirmed: &[Unconfirmed]) -> BTreeMap<&str, &Unconfirmed> {
    unconfirmed.iter().map(|of| (of.service_id.as_str(), of)).collect()
}

/// What a session's person is not offered in this browser.
pub struct Withheld(Vec<Unconfirmed>);

impl Withheld {
    /// Of this session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn from(app: &App, session: &PortalSession) -> Result<Self, StoreError> {
        let mut reader = app.store().read();
        Ok(Self(logout_confirmation::unconfirmed(&mut reader, &session.id_hash).await?))
    }

    /// Why this service is withheld and what to do, if it is.
    #[must_use]
    pub fn why(&self, service_id: &str, text: &Text) -> Option<Explanation> {
        let withheld = self.0.iter().any(|of| of.service_id == service_id);
        withheld.then(|| Explanation {
            reasons: vec![text.t("handover-withheld")],
            help: vec![text.t("handover-withheld-help")],
        })
    }

    /// The services' names.
    #[must_use]
    pub fn names(&self, text: &Text) -> Vec<String> {
        let name = |of: &&Unconfirmed| match text.lang() {
            Lang::Ja => of.name_ja.clone(),
            Lang::En => of.name_en.clone(),
        };
        by_service(&self.0).values().map(name).collect()
    }
}

/// Where the way goes on after a login: past the page that names what is withheld, where it does not lead to the
/// portal, which names it, too.
pub(super) fn address(return_to: &str) -> String {
    if return_to == "/" {
        return return_to.to_owned();
    }
    let query: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
    format!("{PATH}?return_to={query}")
}

/// Where the way goes on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Onwards {
    return_to: Option<String>,
}

#[derive(Template)]
#[template(path = "handover.html")]
struct HandoverPage {
    page: PageFrame,
    withheld: Vec<String>,
    return_to: String,
}

/// `GET /handover`: the services that did not confirm, and the way on.
///
/// # Errors
/// [`PageError`]: nobody is logged in, a query that this page does not know, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    Present(session): Present,
    page: PageFrame,
    StrictQuery(query): StrictQuery<Onwards>,
) -> Result<Response, PageError> {
    let return_to = return_to(query.return_to, TITLE)?.unwrap_or_else(|| "/".to_owned());
    let withheld = Withheld::from(&app, &session).await?.names(&page.text);
    if withheld.is_empty() {
        return Ok(Redirect::to(&return_to).into_response());
    }
    let page = session.frame(page, &facility);
    Ok(Page(HandoverPage { page, withheld, return_to }).into_response())
}

/// `POST /handover`: asks the services once more.
///
/// # Errors
/// [`PageError`]: nobody is logged in, a form that this page does not have, or the database does not answer.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    Present(session): Present,
    StrictForm(form): StrictForm<Onwards>,
) -> Result<Response, PageError> {
    let return_to = return_to(form.return_to, TITLE)?.unwrap_or_else(|| "/".to_owned());
    let person = Actor::Person(session.person_id.clone());
    let record = Entry::done("session.ask_confirmation", person, app.now())
        .on("session", hex::encode(session.id_hash));
    let waiting = Withheld::from(&app, &session).await?.0;
    if !waiting.is_empty() {
        ask_again(&app, &waiting, facility.place(record, &peer)).await?;
        wait(&app, &session.id_hash).await?;
    }
    Ok(Redirect::to(&address(&return_to)).into_response())
}

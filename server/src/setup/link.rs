//! How a link is opened: by the address of its picture or by its code, typed.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Actor, Audited, Entry},
    router_setup::{self, Setup},
    terminal, transaction,
};
use serde::Deserialize;

use super::{COOKIE, page};
use crate::{
    app::App,
    cookie::{self, SameSite},
    error::page::PageError,
    form::StrictForm,
    network::setup::{LIFETIME, PATH},
    page::PageFrame,
    paper_code::PaperCode,
    people::{
        session::Address,
        tries::{self, Door},
    },
};

/// In the audit trail.
const ACT: &str = "router.setup.open";

/// What a code leads to.
pub(super) enum Found {
    /// A link that lives, and the hash of its code.
    Living(Setup),
    /// One that was ended, or whose time is over: nobody guessed.
    Over,
    /// Nothing.
    Nothing,
}

/// What this code leads to. A wrong one is charged to the network and recorded; a right one is served also where
/// that rests.
///
/// # Errors
/// 429 where too many wrong ones came from there.
pub(super) async fn find(app: &App, address: &str, code: &str) -> Result<Found, PageError> {
    if let Ok(code) = PaperCode::parse(code) {
        let found = router_setup::find_by_code(&mut app.store().read(), &code.hash()).await?;
        match found {
            Some(setup) if setup.lives_at(app.now()) => return Ok(Found::Living(setup)),
            Some(_) => return Ok(Found::Over),
            None => {}
        }
    }
    tries::charge(app, tries::network(app.config(), Door::Code, address)).await??;
    let entry = Entry::refused(ACT, Actor::Stranger, app.now(), "code_not_good");
    let entry = entry.from_address(address);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))?;
    Ok(Found::Nothing)
}

/// The code that the browser has from before.
pub(super) fn remembered(headers: &HeaderMap) -> Option<&str> {
    cookie::read(headers, COOKIE)
}

/// The form.
#[derive(Deserialize)]
pub struct Form {
    code: String,
}

/// `POST /setup`: the code, as it was typed.
///
/// # Errors
/// 429; the form again for a code that is not good.
pub async fn post(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictForm(form): StrictForm<Form>,
) -> Result<Response, PageError> {
    enter(&app, &address, page.switching_at(PATH), &form.code).await
}

/// Opens the link of this code: the browser is led to the page, whose address has no code in it.
pub(super) async fn enter(
    app: &App,
    address: &str,
    page: PageFrame,
    code: &str,
) -> Result<Response, PageError> {
    let setup = match find(app, address, code).await? {
        Found::Living(setup) => setup,
        Found::Over => return Ok(page::over(page)),
        Found::Nothing => return Ok(page::form(page, StatusCode::UNPROCESSABLE_ENTITY, true)),
    };
    first_opened(app, address, &setup).await?;
    // It led to a link just now.
    let code = PaperCode::parse(code).map_err(|error| PageError::internal(&error))?;
    let seconds = u32::try_from(LIFETIME.whole_seconds()).ok();
    let kept = cookie::set(COOKIE, &code.reveal(), seconds, SameSite::Lax);
    let mut response = Redirect::to(PATH).into_response();
    if let Some(kept) = kept {
        response.headers_mut().insert(header::SET_COOKIE, kept);
    }
    // The address that was asked for is kept by nobody on the way.
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("it was opened before")]
    OpenedBefore,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for OpenError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

/// The first opening is a record: whoever made the link sees that it arrived.
async fn first_opened(app: &App, address: &str, setup: &Setup) -> Result<(), StoreError> {
    if setup.opened_at.is_some() {
        return Ok(());
    }
    let now = app.now();
    let opened = transaction!(app.store(), OpenError, |tx| {
        if !router_setup::open(tx, &setup.id, now).await? {
            return Err(OpenError::OpenedBefore);
        }
        let entry = Entry::done(ACT, Actor::Stranger, now).from_address(address);
        let terminal = terminal::find(tx, &setup.router_id).await?;
        Ok(Audited::new((), about(entry, setup, terminal.as_ref())))
    });
    match opened {
        Ok(()) | Err(OpenError::OpenedBefore) => Ok(()),
        Err(OpenError::Store(error)) => Err(error),
    }
}

/// A record of what somebody did by a link: nobody knows who, so that the link is named.
pub(super) fn about(entry: Entry, setup: &Setup, terminal: Option<&terminal::Terminal>) -> Entry {
    let entry = entry.on("router_setup", &setup.id).on("terminal", &setup.router_id);
    match terminal {
        Some(terminal) => entry
            .at_organisation(&terminal.organisation_id)
            .fact("terminal_name", terminal.name.as_str()),
        None => entry,
    }
}

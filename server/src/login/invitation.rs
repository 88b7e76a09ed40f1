//! `/invitation`: the code on the slip, then the card. Neither alone redeems.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    invitation::{self, Entered, Kind},
    transaction,
};
use serde::Deserialize;
use time::Duration;

use super::{
    challenge::browser_hash,
    page::give_browser_cookie,
    password::joining,
    refusal::{LoginError, Refusal},
};
use crate::{
    app::App,
    error::{
        login::{RefusalWords, status, words},
        page::PageError,
    },
    form::StrictForm,
    listener::{FacilityConnection, Peer},
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::tries,
};

/// How long the card may follow the code.
const HOLD: Duration = Duration::minutes(10);

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage {
    page: PageFrame,
    facility_name: String,
    terminal_name: String,
    refusal: Option<RefusalWords>,
}

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeForm {
    code: String,
}

fn page_of(
    facility: &FacilityConnection,
    page: PageFrame,
    refusal: Option<RefusalWords>,
) -> InvitationPage {
    InvitationPage {
        facility_name: facility.organisation_name.clone(),
        terminal_name: facility.terminal_name.clone(),
        refusal,
        page,
    }
}

/// `GET /invitation`.
///
/// # Errors
/// [`PageError`]: the database does not answer.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let mut response = Page(page_of(&facility, page, None)).into_response();
    give_browser_cookie(&app, &headers, &mut response)?;
    Ok(response)
}

/// `POST /invitation`, form field `code`.
///
/// # Errors
/// [`PageError`]: the database does not answer. A refused code is the page again, with the reason.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
    StrictForm(form): StrictForm<CodeForm>,
) -> Result<Response, PageError> {
    let tries = tries::terminal(app.config(), &facility.terminal_id);
    tries::rested(&app, &tries).await??;
    let refusal = match enter(&app, &peer, &facility, &headers, &form.code).await {
        Ok(Kind::Card) => return Ok(Redirect::to("/login?invitation=true").into_response()),
        Ok(Kind::Account) => return Ok(Redirect::to(joining::PATH).into_response()),
        Err(LoginError::Refused(refusal)) => {
            // Charged after it was judged: this answer is given, the next one waits.
            let _ = tries::charge(&app, tries).await?;
            refusal
        }
        Err(error) => return Err(error.into()),
    };
    again(&app, &facility, page, &headers, refusal)
}

/// The page again, with why nothing came of a code.
pub(super) fn again(
    app: &App,
    facility: &FacilityConnection,
    page: PageFrame,
    headers: &HeaderMap,
    refusal: Refusal,
) -> Result<Response, PageError> {
    let said = words(refusal, &page.text);
    let body = page_of(facility, page.switching_at("/invitation"), Some(said));
    let status: StatusCode = status(refusal);
    let mut response = (status, Page(body)).into_response();
    give_browser_cookie(app, headers, &mut response)?;
    Ok(response)
}

async fn enter(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    headers: &HeaderMap,
    typed: &str,
) -> Result<Kind, LoginError> {
    let now = app.now();
    let act = "invitation.enter";
    let refused = |refusal: Refusal| {
        facility.place(Entry::refused(act, facility.actor(), now, refusal.code()), peer)
    };
    let readable = match (PaperCode::parse(typed), browser_hash(headers)) {
        (Ok(code), Some(browser)) => Ok((code, browser)),
        (Err(_), _) => Err(Refusal::NotACode),
        (_, None) => Err(Refusal::BrowserUnknown),
    };
    let outcome: Result<Kind, Refusal> = transaction!(app.store(), StoreError, |tx| {
        let (code, browser) = match &readable {
            Ok(readable) => readable,
            Err(refusal) => return Ok(Audited::new(Err(*refusal), refused(*refusal))),
        };
        let entered = invitation::enter(
            tx,
            &code.hash(),
            &code.selector(),
            &facility.organisation_id,
            browser,
            now + HOLD,
            now,
        )
        .await?;
        let (refusal, id) = match entered {
            Entered::Held(held)
                if held.kind == Kind::Account && !app.config().card_login().passwords() =>
            {
                (Refusal::PasswordsOff, Some(held.id))
            }
            Entered::Held(held) => {
                let record = Entry::done(act, facility.actor(), now).on("invitation", held.id);
                return Ok(Audited::new(Ok(held.kind), facility.place(record, peer)));
            }
            Entered::OtherOrganisation { id } => (Refusal::CodeOtherFacility, Some(id)),
            Entered::Expired { id } => (Refusal::CodeExpired, Some(id)),
            Entered::Overused { id } => (Refusal::CodeOverused, Some(id)),
            Entered::Redeemed { id } => (Refusal::CodeUsed, Some(id)),
            Entered::Withdrawn { id } => (Refusal::CodeWithdrawn, Some(id)),
            Entered::Unknown => (Refusal::CodeUnknown, None),
        };
        let mut record = refused(refusal);
        if let Some(id) = id {
            record = record.on("invitation", id);
        }
        Ok(Audited::new(Err(refusal), record))
    })?;
    outcome.map_err(LoginError::from)
}

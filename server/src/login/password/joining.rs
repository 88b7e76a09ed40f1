//! `/invitation/account`: whoever was invited without a card opens their account, after the code on the slip.
//!
//! Code, terminal of the facility and browser were proven before ([`crate::login::invitation`]). The form spends the
//! invitation, in the transaction that makes the person, the account with both factors, the membership
//! and the session. The name is the one on the invitation: nobody joins under another one.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_store::{
    MayConflict, StoreError, account,
    audit::{Actor, Audited, Entry},
    invitation::{self, Invitation, Kind},
    membership, person,
    session::{self as sessions, Realm},
    transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::admission::admitted;
use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm},
    listener::{FacilityConnection, Peer},
    login::{
        admission::{Arrival, Entered},
        challenge::browser_hash,
        invitation as entry,
        opening::{self, Opening},
        refusal::{LoginError, Refusal},
        session,
    },
    page::{Page, PageFrame},
    people::{
        account_page::CodesPage,
        factors::{Proven, Setup, Typed},
        field::FieldErrors,
        recovery::NewCodes,
        roles_page::login_name_fits,
        tries,
    },
};

/// Path of the form.
pub const PATH: &str = "/invitation/account";

#[derive(Template)]
#[template(path = "invitation-account.html")]
struct AccountPage {
    page: PageFrame,
    facility_name: String,
    terminal_name: String,
    name: String,
    login_name: String,
    least: usize,
    setup: Setup,
    errors: FieldErrors,
}

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountForm {
    setup: String,
    login_name: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    #[serde(deserialize_with = "form::secret")]
    password_again: Zeroizing<String>,
    totp_code: String,
}

/// The invitation to open an account whose code was entered in this browser.
async fn held(
    app: &App,
    facility: &FacilityConnection,
    headers: &HeaderMap,
) -> Result<([u8; 32], Invitation), LoginError> {
    if !app.config().card_login().passwords() {
        return Err(Refusal::PasswordsOff.into());
    }
    let browser_hash = browser_hash(headers).ok_or(Refusal::BrowserUnknown)?;
    let mut reader = app.store().read();
    let organisation_id = &facility.organisation_id;
    let held = invitation::held(&mut reader, &browser_hash, organisation_id, app.now()).await?;
    let held = held.filter(|held| held.kind == Kind::Account);
    Ok((browser_hash, held.ok_or(Refusal::InvitationClosed)?))
}

/// To what the second factor's picture on the page belongs.
fn bound_to(invitation: &Invitation) -> [u8; 32] {
    Sha256::digest(format!("invitation:{}", invitation.id)).into()
}

/// `GET /invitation/account`.
///
/// # Errors
/// [`PageError`]: the database does not answer. Without an invitation it is the page that asks for its code.
pub async fn get(
    State(app): State<App>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    match held(&app, &facility, &headers).await {
        Ok((_, held)) => {
            let form = Shown { held: &held, login_name: String::new(), setup: None };
            show(&app, &facility, page, form, FieldErrors::default(), StatusCode::OK)
        }
        Err(LoginError::Refused(refusal)) => entry::again(&app, &facility, page, &headers, refusal),
        Err(error) => Err(error.into()),
    }
}

struct Shown<'a> {
    held: &'a Invitation,
    login_name: String,
    setup: Option<&'a str>,
}

fn show(
    app: &App,
    facility: &FacilityConnection,
    page: PageFrame,
    Shown { held, login_name, setup }: Shown<'_>,
    errors: FieldErrors,
    status: StatusCode,
) -> Result<Response, PageError> {
    let named = if login_name.is_empty() { &held.name } else { &login_name };
    let setup = Setup::prepare(app, &bound_to(held), setup, &page.operator, named)
        .map_err(|error| PageError::from(LoginError::from(error)))?;
    let body = AccountPage {
        facility_name: facility.organisation_name.clone(),
        terminal_name: facility.terminal_name.clone(),
        name: held.name.clone(),
        least: app.config().people().password_least_characters(),
        page: page.switching_at(PATH),
        login_name,
        setup,
        errors,
    };
    Ok((status, Page(body)).into_response())
}

/// Why a form without mistakes opened no account.
#[derive(Debug, thiserror::Error)]
enum JoinError {
    /// Somebody has the login name, since before or since this very moment.
    #[error("the login name is taken")]
    LoginNameTaken,
    /// As at every login.
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl From<StoreError> for JoinError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

impl MayConflict for JoinError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Login(error) if error.is_conflict())
    }
}

/// `POST /invitation/account`.
///
/// # Errors
/// [`PageError`]: the database does not answer. Mistakes are the page again, with each at its field.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
    StrictForm(form): StrictForm<AccountForm>,
) -> Result<Response, PageError> {
    let (browser_hash, held) = match held(&app, &facility, &headers).await {
        Ok(held) => held,
        Err(LoginError::Refused(refusal)) => {
            return entry::again(&app, &facility, page, &headers, refusal);
        }
        Err(error) => return Err(error.into()),
    };
    let login_name = form.login_name.trim().to_lowercase();
    let mut errors = FieldErrors::default();
    if !login_name_fits(&login_name) {
        errors.add("login_name", page.t("people-error-login-name"));
    }
    let typed = Typed {
        password: &form.password,
        password_again: &form.password_again,
        totp_code: &form.totp_code,
        setup: &form.setup,
        login_name: &login_name,
    };
    let proven = Proven::check(&app, &typed, &bound_to(&held), &page.text, &mut errors).await;
    let proven = proven.map_err(LoginError::from)?;
    let shown = Shown { held: &held, login_name: login_name.clone(), setup: Some(&form.setup) };
    let unfit = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(proven) = proven.filter(|_| errors.is_empty()) else {
        return show(&app, &facility, page, shown, errors, unfit);
    };
    let arrival = Arrival {
        peer: &peer,
        facility: &facility,
        browser_hash: &browser_hash,
        for_emergency: false,
        invitation_id: Some(&held.id),
        expected: None,
        within: None,
        previous_cookie: session::cookie_hash(&headers),
        headers: &headers,
        stopwatch: None,
    };
    // A name that is taken tells that somebody has it: such answers are counted like codes that open nothing.
    let tries = tries::terminal(app.config(), &facility.terminal_id);
    tries::rested(&app, &tries).await??;
    let codes = NewCodes::draw(app.random()).map_err(LoginError::from)?;
    match join(&app, arrival, &held, &login_name, (proven, &codes)).await {
        Ok(entered) => {
            let page = page.switching_at("/");
            let shown = CodesPage { page, codes: codes.reveal(), next: "/" };
            let mut response = Page(shown).into_response();
            entered.give(&mut response);
            Ok(response)
        }
        Err(JoinError::LoginNameTaken) => {
            record_taken(&app, &peer, &facility, &held, &login_name).await?;
            // Charged after it was judged: this answer is given, the next one waits.
            let _ = tries::charge(&app, tries).await?;
            errors.add("login_name", page.t("people-error-login-name-taken"));
            show(&app, &facility, page, shown, errors, unfit)
        }
        Err(JoinError::Login(LoginError::Refused(refusal))) => {
            entry::again(&app, &facility, page, &headers, refusal)
        }
        Err(JoinError::Login(error)) => Err(error.into()),
    }
}

async fn record_taken(
    app: &App,
    peer: &Peer,
    facility: &FacilityConnection,
    held: &Invitation,
    login_name: &str,
) -> Result<(), StoreError> {
    let taken = Entry::refused("account.open", facility.actor(), app.now(), "login_name_taken");
    let taken = taken.on("invitation", &held.id).personal("login_name", login_name);
    let taken = facility.place(taken, peer);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), taken.clone())))
}

/// Spends the invitation.
async fn join(
    app: &App,
    arrival: Arrival<'_>,
    held: &Invitation,
    login_name: &str,
    (proven, codes): (Proven, &NewCodes),
) -> Result<Entered, JoinError> {
    let Arrival { peer, facility, browser_hash, .. } = arrival;
    let second = proven.second();
    let prepared = proven.prepare(app).await.map_err(LoginError::from)?;
    let (opening, cookies) = Opening::draw(app, arrival).map_err(LoginError::from)?;
    let now = opening.now;
    let organisation_id = facility.organisation_id.as_str();
    transaction!(app.store(), JoinError, |tx| {
        if account::find(tx, login_name).await?.is_some() {
            return Err(JoinError::LoginNameTaken);
        }
        let previous = match arrival.previous_cookie {
            Some(cookie) => sessions::find_by_cookie(tx, Realm::Portal, &cookie).await?,
            None => None,
        };
        // 1. The person, for whom 2. the invitation is spent, once.
        let person_id = person::enter(tx, &held.name, &held.name_kana, now).await?;
        let redeemed =
            invitation::redeem(tx, &held.id, organisation_id, browser_hash, &person_id, now);
        if redeemed.await?.is_none() {
            return Err(LoginError::from(Refusal::InvitationClosed).into());
        }
        // 3. The account with both factors and recovery codes. 4. The membership. 5. The session.
        let opened = account::open(tx, &person_id, login_name, "").await;
        opened.map_err(|error| match error {
            StoreError::AlreadyExists { .. } => JoinError::LoginNameTaken,
            error => error.into(),
        })?;
        prepared.store(tx, app, &person_id).await.map_err(LoginError::from)?;
        codes.keep(tx, &person_id, now).await?;
        let reason = "invitation redeemed by code and account";
        let by = Some(person_id.as_str());
        let membership =
            membership::start(tx, &person_id, organisation_id, by, reason, now).await?;
        let admitted =
            admitted(tx, &person_id, membership.clone(), second.kept(), arrival, now).await?;
        let opened = opening::open(tx, arrival, previous.as_ref(), admitted, opening).await?;
        let person = || Actor::Person(person_id.clone());
        let account = Entry::done("account.open", person(), now)
            .on("person", &person_id)
            .on("invitation", &held.id)
            .personal("login_name", login_name)
            .personal("name", &held.name);
        let started = Entry::done("membership.start", person(), now)
            .on("membership", &membership)
            .on("invitation", &held.id)
            .personal("name", &held.name);
        let audited = Audited::new((), facility.place(account, peer));
        let audited = audited.and(facility.place(started, peer));
        Ok(opened.records(|login| login).fold(audited, Audited::and))
    })?;
    Ok(Entered::by(app, arrival, opening, cookies).await?)
}

//! `/console/login` and `/console/logout`: password and one-time password in one form, so that no
//! half session exists.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{StatusCode, header};
use sekisho_store::{
    MayConflict, StoreError,
    audit::{Actor, Audited, Entry},
    session as sessions, transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    password::HashError,
    proof::{Attempt, ProofError, Verified},
    session::{
        Address, COOKIE, ConsoleSession, NewSession, SIGN_IN_PATH, safe_return_to, sign_in_path,
    },
    tries::{self, Door, Resting},
};
use crate::{
    app::App,
    cookie,
    error::page::PageError,
    form::{self, NoFields, StrictForm, StrictQuery},
    page::{Page, PageFrame},
};

/// Why nobody was signed in, for a reason that is not the person's.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Hashing.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No randomness for a session.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ProofError> for SignInError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Hash(error) => error.into(),
            ProofError::Store(error) => error.into(),
        }
    }
}

impl MayConflict for SignInError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl IntoResponse for SignInError {
    fn into_response(self) -> Response {
        PageError::from(self).into_response()
    }
}

#[derive(Template)]
#[template(path = "people/sign_in.html")]
struct SignInPage {
    page: PageFrame,
    return_to: String,
    login_name: String,
    error: Option<String>,
}

/// The query of the sign-in page.
#[derive(Debug, Deserialize)]
pub struct ReturnQuery {
    return_to: Option<String>,
}

/// `GET /console/login`.
pub async fn get(page: PageFrame, StrictQuery(query): StrictQuery<ReturnQuery>) -> Response {
    let return_to = safe_return_to(query.return_to.as_deref()).to_owned();
    Page(SignInPage { page, return_to, login_name: String::new(), error: None }).into_response()
}

/// The form.
#[derive(Deserialize)]
pub struct SignInForm {
    login_name: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    totp_code: String,
    #[serde(default)]
    return_to: Option<String>,
}

/// `POST /console/login`.
pub async fn post(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictForm(form): StrictForm<SignInForm>,
) -> Result<Response, SignInError> {
    let return_to = safe_return_to(form.return_to.as_deref()).to_owned();
    let login_name = form.login_name.trim().to_lowercase();
    let answer = |status: StatusCode, error: String| {
        let name: String = login_name.chars().take(64).collect();
        let shown = SignInPage {
            page: page.clone().switching_at(&sign_in_path(&return_to)),
            return_to: return_to.clone(),
            login_name: name,
            error: Some(error),
        };
        (status, Page(shown)).into_response()
    };
    if login_name.is_empty() || login_name.len() > 64 {
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, page.t("people-sign-in-wrong")));
    }
    let now = app.now();
    // 1. Every attempt is paid for before it is judged, also for names that nobody has.
    let account_tries = tries::account(app.config(), &login_name);
    let network_tries = tries::network(app.config(), Door::SignIn, &address);
    let key = Sha256::digest(&network_tries.key).into();
    let attempt = match Attempt::charge(&app, account_tries, [network_tries]).await? {
        Ok(attempt) => attempt,
        Err(Resting { seconds }) => {
            // One record a minute tells of it, whatever the names: a flood is not to fill the trail.
            if app.refusals().is_due((key, "resting"), now) {
                refused(&app, &login_name, &address, "resting").await?;
            }
            let mut response = answer(
                StatusCode::TOO_MANY_REQUESTS,
                page.t1("people-sign-in-resting", "seconds", seconds),
            );
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            return Ok(response);
        }
    };
    // 2. Both factors; an empty code is a wrong one.
    let judged = Verified::judge(&app, &login_name, form.password, Some(&form.totp_code)).await?;
    let verified = match judged {
        Ok(verified) => verified,
        Err(why) => {
            refused(&app, &login_name, &address, why).await?;
            return Ok(answer(StatusCode::UNAUTHORIZED, page.t("people-sign-in-wrong")));
        }
    };
    // 3. The second factor is consumed in the transaction that opens the session.
    let new = NewSession::draw(app.random())?;
    let person_id = verified.person_id();
    let opened = transaction!(app.store(), SignInError, |tx| {
        if let Err(why) = verified.consume(tx, now).await? {
            return Ok(Audited::new(false, refusal(&app, &login_name, &address, why)));
        }
        new.open(tx, &app, person_id).await?;
        let entry = Entry::done("account.sign_in", Actor::Person(person_id.to_owned()), now)
            .from_address(&address)
            .fact("second_factor", verified.second_factor())
            .on("person", person_id);
        Ok(Audited::new(true, entry))
    })?;
    if !opened {
        return Ok(answer(StatusCode::UNAUTHORIZED, page.t("people-sign-in-wrong")));
    }
    attempt.settle(&app).await?;
    Ok(([(header::SET_COOKIE, new.cookie)], Redirect::to(&return_to)).into_response())
}

fn refusal(app: &App, login_name: &str, address: &str, reason: &str) -> Entry {
    // The name is personal: people type a password into the wrong field.
    Entry::refused("account.sign_in", Actor::Stranger, app.now(), reason)
        .from_address(address)
        .personal("login_name", login_name)
}

async fn refused(
    app: &App,
    login_name: &str,
    address: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let entry = refusal(app, login_name, address, reason);
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
}

/// `POST /console/logout`.
pub async fn log_out(
    State(app): State<App>,
    session: ConsoleSession,
    _: NoFields,
) -> Result<Response, SignInError> {
    let now = app.now();
    transaction!(app.store(), SignInError, |tx| {
        sessions::end(tx, &session.id_hash, "logout", now).await?;
        let entry = Entry::done("account.sign_out", Actor::Person(session.person_id.clone()), now)
            .from_address(&session.address)
            .on("person", &session.person_id);
        Ok(Audited::new((), entry))
    })?;
    let mut response = Redirect::to(SIGN_IN_PATH).into_response();
    if let Some(cookie) = cookie::clear(COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

//! `/first-use`: a one-time link becomes an account with both factors.
//!
//! Opening the link changes nothing, so that a mail program that looks at links spends none; the
//! form that carries both factors does, together with them.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use sekisho_store::{
    MayConflict, StoreError, account,
    audit::{Actor, Audited, Entry},
    first_administrator::token_hash,
    transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    account_page::CodesPage,
    factors::{FactorsError, Proven, REUSED, Setup, StoreFactorsError, Typed},
    field::FieldErrors,
    proof::Attempt,
    recovery::NewCodes,
    session::{Address, NewSession, end_all},
    tries::{self, Door, Resting},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm, StrictQuery},
    instance::FIRST_USE_PATH,
    page::{Page, PageFrame},
};

/// The act.
const ACT: &str = "account.first_use";
/// Where the person goes on.
const CONSOLE: &str = "/console";

/// Why a first use did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FirstUseError {
    /// The link is used, expired or made up.
    #[error("the one-time link is used, expired or unknown")]
    LinkNotGood,
    /// Too many links were tried from this address.
    #[error(transparent)]
    Resting(#[from] Resting),
    /// A factor could not be prepared.
    #[error(transparent)]
    Factors(#[from] FactorsError),
    /// A factor could not be stored.
    #[error(transparent)]
    StoreFactors(#[from] StoreFactorsError),
    /// No randomness for a session.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for FirstUseError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Store(error) | Self::StoreFactors(StoreFactorsError::Store(error)) => {
                error.is_conflict()
            }
            _ => false,
        }
    }
}

/// The query of the link.
#[derive(Debug, Deserialize)]
pub struct LinkQuery {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "people/first_use.html")]
struct FirstUsePage {
    page: PageFrame,
    token: String,
    login_name: String,
    least: usize,
    setup: Setup,
    errors: FieldErrors,
}

/// `GET /first-use?token=`.
pub async fn get(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictQuery(query): StrictQuery<LinkQuery>,
) -> Result<Response, FirstUseError> {
    show(&app, page, &address, query.token, None, FieldErrors::default(), StatusCode::OK).await
}

async fn show(
    app: &App,
    mut page: PageFrame,
    address: &str,
    token: String,
    previous: Option<&str>,
    errors: FieldErrors,
    status: StatusCode,
) -> Result<Response, FirstUseError> {
    let hash = token_hash(&token);
    let mut reader = app.store().read();
    let Some(link) = account::find_link(&mut reader, &hash, app.now()).await? else {
        return refuse(app, address).await;
    };
    let account = account::of_person(&mut reader, &link.person_id).await?;
    let login_name = account.ok_or(FirstUseError::LinkNotGood)?.login_name;
    let setup = Setup::prepare(app, &hash, previous, &page.operator, &login_name)?;
    let least = app.config().people().password_least_characters();
    // The switch leads to the link that this page was opened by: the browser knows it already, and no
    // other site learns it (`Referrer-Policy`).
    page.path = format!("{FIRST_USE_PATH}?token={token}");
    let page = FirstUsePage { page, token, login_name, least, setup, errors };
    Ok((status, Page(page)).into_response())
}

/// Counts and records a link that is not good.
async fn refuse(app: &App, address: &str) -> Result<Response, FirstUseError> {
    tries::charge(app, tries::network(app.config(), Door::Code, address)).await??;
    record_refusal(app, address).await?;
    Err(FirstUseError::LinkNotGood)
}

async fn record_refusal(app: &App, address: &str) -> Result<(), StoreError> {
    let entry = Entry::refused(ACT, Actor::Stranger, app.now(), "link_not_good");
    keep(app, entry.from_address(address)).await
}

/// The record of a good link's use, refused for this reason if there is one. Until both factors are set nobody
/// knows who holds the link.
fn record(app: &App, address: &str, person_id: &str, why: Option<&str>) -> Entry {
    let entry = match why {
        Some(why) => Entry::refused(ACT, Actor::Stranger, app.now(), why),
        None => Entry::done(ACT, Actor::Person(person_id.to_owned()), app.now()),
    };
    entry.from_address(address).on("person", person_id)
}

async fn keep(app: &App, entry: Entry) -> Result<(), StoreError> {
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
}

/// The form.
#[derive(Deserialize)]
pub struct FirstUseForm {
    token: String,
    setup: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    #[serde(deserialize_with = "form::secret")]
    password_again: Zeroizing<String>,
    totp_code: String,
}

/// `POST /first-use`.
pub async fn post(
    State(app): State<App>,
    Address(address): Address,
    page: PageFrame,
    StrictForm(form): StrictForm<FirstUseForm>,
) -> Result<Response, FirstUseError> {
    let hash = token_hash(&form.token);
    let mut reader = app.store().read();
    let Some(link) = account::find_link(&mut reader, &hash, app.now()).await? else {
        return refuse(&app, &address).await;
    };
    let account = account::of_person(&mut reader, &link.person_id).await?;
    let login_name = account.ok_or(FirstUseError::LinkNotGood)?.login_name;
    // Whoever holds a link learns by it whether a password is the present one: each form is a try.
    let network = tries::network(app.config(), Door::Code, &address);
    let key = Sha256::digest(&network.key).into();
    let own = tries::links_of(app.config(), &link.person_id);
    let attempt = match Attempt::charge(&app, own, [network]).await? {
        Ok(attempt) => attempt,
        Err(resting) => {
            // One record a minute tells of it: a flood is not to fill the trail.
            if app.refusals().is_due((key, ACT), app.now()) {
                keep(&app, record(&app, &address, &link.person_id, Some("resting"))).await?;
            }
            return Err(resting.into());
        }
    };
    let mut errors = FieldErrors::default();
    let typed = Typed {
        password: &form.password,
        password_again: &form.password_again,
        totp_code: &form.totp_code,
        setup: &form.setup,
        login_name: &login_name,
    };
    let mut proven = Proven::check(&app, &typed, &hash, &page.text, &mut errors).await?;
    if let Some(found) = &proven {
        let password = found.password();
        if password.is_reused(&app, &link.person_id, &page.text, &mut errors).await? {
            keep(&app, record(&app, &address, &link.person_id, Some(REUSED))).await?;
            proven = None;
        }
    }
    let Some(proven) = proven else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return show(&app, page, &address, form.token, Some(&form.setup), errors, status).await;
    };
    let prepared = proven.prepare(&app).await?;
    let new = NewSession::draw(app.random())?;
    let codes = NewCodes::draw(app.random())?;
    let now = app.now();
    let outcome = transaction!(app.store(), FirstUseError, |tx| {
        // 1. The link, once. Whoever comes second changes nothing.
        let Some(person_id) = account::consume_link(tx, &hash, now).await? else {
            return Err(FirstUseError::LinkNotGood);
        };
        // 2. Both factors, and what stands in for the second. 3. Whoever was signed in under the old ones is no more.
        prepared.store(tx, &app, &person_id).await?;
        codes.keep(tx, &person_id, now).await?;
        let ended = end_all(tx, &person_id, "factors_set", now).await?;
        new.open(tx, &app, &person_id).await?;
        let entry = record(&app, &address, &person_id, None).fact("sessions_ended", ended);
        Ok(Audited::new((), entry))
    });
    match outcome {
        Err(FirstUseError::LinkNotGood) => {
            record_refusal(&app, &address).await?;
            Err(FirstUseError::LinkNotGood)
        }
        Err(error) => Err(error),
        Ok(()) => {
            attempt.settle(&app).await?;
            let page = page.switching_at(CONSOLE);
            let shown = CodesPage { page, codes: codes.reveal(), next: CONSOLE };
            Ok(([(header::SET_COOKIE, new.cookie.clone())], Page(shown)).into_response())
        }
    }
}

impl IntoResponse for FirstUseError {
    fn into_response(self) -> Response {
        PageError::from(self).into_response()
    }
}

//! `/console/account`: one's own password, and recovery codes. Both acts ask for both factors again: a session left
//! open is not enough for either.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sekisho_store::{
    MayConflict, StoreError, account,
    audit::{Actor, Audited, Entry},
    recovery_code, transaction,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    factors::{self, FactorsError, NewPassword, Typed},
    field::FieldErrors,
    password::HashError,
    proof::{Attempt, ProofError, Verified},
    recovery::NewCodes,
    session::{ConsoleSession, NewSession, end_all},
    tries::{self, Door, Resting},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm},
    page::{Page, PageFrame},
};

/// Path of the page.
pub const PATH: &str = "/console/account";
/// What the fields are called here.
const LABELS: &[(&str, &str)] = &[
    ("present_password", "account-present-password"),
    ("password", "account-new-password"),
    ("password_again", "account-new-password-again"),
];
/// Why sessions end whose person changed the password.
const CHANGED: &str = "password_changed";

#[derive(Template)]
#[template(path = "people/account.html")]
struct AccountPage {
    page: PageFrame,
    login_name: String,
    least: usize,
    left: i64,
    changed: bool,
    /// Which form the errors are of.
    of_codes: bool,
    /// Before the fields' identifiers of the form that the errors are not of.
    change_prefix: &'static str,
    codes_prefix: &'static str,
    errors: FieldErrors,
}

/// Recovery codes, shown once.
#[derive(Template)]
#[template(path = "people/recovery_codes.html")]
pub struct CodesPage {
    /// The frame.
    pub page: PageFrame,
    /// The codes.
    pub codes: Vec<Zeroizing<String>>,
    /// Path that leads on.
    pub next: &'static str,
}

/// Why nothing was changed, for a reason that has no place on the page.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody's account: a session without one.
    #[error("the session's person has no account")]
    NoAccount,
    /// A factor could not be judged.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A factor could not be prepared.
    #[error(transparent)]
    Factors(#[from] FactorsError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ProofError> for AccountError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Hash(error) => error.into(),
            ProofError::Store(error) => error.into(),
        }
    }
}

impl MayConflict for AccountError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl IntoResponse for AccountError {
    fn into_response(self) -> Response {
        PageError::from(self).into_response()
    }
}

/// `GET /console/account`.
///
/// # Errors
/// [`AccountError`].
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Response, AccountError> {
    show(&app, &session, page, Said::default(), StatusCode::OK).await
}

/// What was done, or is wrong.
#[derive(Default)]
struct Said {
    changed: bool,
    of_codes: bool,
    errors: FieldErrors,
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    Said { changed, of_codes, errors }: Said,
    status: StatusCode,
) -> Result<Response, AccountError> {
    let mut reader = app.store().read();
    let found = account::of_person(&mut reader, &session.person_id).await?;
    let body = AccountPage {
        login_name: found.ok_or(AccountError::NoAccount)?.login_name,
        left: recovery_code::left(&mut reader, &session.person_id).await?,
        least: app.config().people().password_least_characters(),
        page: session.frame(page.switching_at(PATH)),
        changed,
        of_codes,
        change_prefix: if of_codes { "change_" } else { "" },
        codes_prefix: if of_codes { "" } else { "codes_" },
        errors,
    };
    Ok((status, Page(body)).into_response())
}

/// Both factors of the session's own account, charged and judged. What is refused goes to `errors`, with how
/// long to wait where that is the reason.
async fn prove(
    app: &App,
    session: &ConsoleSession,
    (act, page): (&'static str, &PageFrame),
    (password, code): (Zeroizing<String>, &str),
    errors: &mut FieldErrors,
) -> Result<Result<(Attempt, Verified), Option<i64>>, AccountError> {
    let found = account::of_person(&mut app.store().read(), &session.person_id).await?;
    let login_name = found.ok_or(AccountError::NoAccount)?.login_name;
    let network = tries::network(app.config(), Door::SignIn, &session.address);
    let key = Sha256::digest(&network.key).into();
    let charged =
        Attempt::charge(app, tries::account(app.config(), &login_name), [network]).await?;
    let attempt = match charged {
        Ok(attempt) => attempt,
        Err(Resting { seconds }) => {
            // One record a minute tells of it: a flood is not to fill the trail.
            if app.refusals().is_due((key, act), app.now()) {
                keep(app, record(app, session, act, Some("resting"))).await?;
            }
            let said = page.t1("people-sign-in-resting", "seconds", seconds);
            errors.add("present_password", said);
            return Ok(Err(Some(seconds)));
        }
    };
    match Verified::judge(app, &login_name, password, Some(code)).await? {
        Ok(verified) => Ok(Ok((attempt, verified))),
        Err(why) => {
            keep(app, record(app, session, act, Some(why))).await?;
            errors.add("present_password", page.t("account-wrong"));
            Ok(Err(None))
        }
    }
}

async fn keep(app: &App, entry: Entry) -> Result<(), StoreError> {
    transaction!(app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
}

/// The record of an act on the session's own account, refused for this reason if there is one.
fn record(app: &App, session: &ConsoleSession, act: &'static str, why: Option<&str>) -> Entry {
    let (person, now) = (Actor::Person(session.person_id.clone()), app.now());
    let entry = match why {
        Some(why) => Entry::refused(act, person, now, why),
        None => Entry::done(act, person, now),
    };
    entry.from_address(&session.address).on("person", &session.person_id)
}

async fn refused(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    said: Said,
    wait: Option<i64>,
) -> Result<Response, AccountError> {
    let status = match wait {
        Some(_) => StatusCode::TOO_MANY_REQUESTS,
        None => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut response = show(app, session, page, said, status).await?;
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// The form of a change of password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeForm {
    #[serde(deserialize_with = "form::secret")]
    present_password: Zeroizing<String>,
    totp_code: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    #[serde(deserialize_with = "form::secret")]
    password_again: Zeroizing<String>,
}

/// `POST /console/account/password`: the other sessions of the person end, and this browser gets a new one.
///
/// # Errors
/// [`AccountError`]. What was mistyped is the page again.
pub async fn change(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<ChangeForm>,
) -> Result<Response, AccountError> {
    const ACT: &str = "account.change_password";
    let mut errors = FieldErrors::of_form(LABELS);
    // 1. Both factors first: who has but the session learns nothing of the rules' answers.
    let asked = (form.present_password, form.totp_code.as_str());
    let (attempt, verified) = match prove(&app, &session, (ACT, &page), asked, &mut errors).await? {
        Ok(proven) => proven,
        Err(wait) => {
            let said = Said { errors, ..Said::default() };
            return refused(&app, &session, page, said, wait).await;
        }
    };
    // 2. The new password.
    let typed = Typed {
        password: &form.password,
        password_again: &form.password_again,
        totp_code: "",
        setup: "",
        login_name: verified.login_name(),
    };
    let mut password = NewPassword::check(&app, &typed, &page.text, &mut errors).await?;
    if let Some(chosen) = &password {
        let person_id = &session.person_id;
        if chosen.is_reused(&app, person_id, &page.text, &mut errors).await? {
            keep(&app, record(&app, &session, ACT, Some(factors::REUSED))).await?;
            password = None;
        }
    }
    let Some(password) = password else {
        // Both factors were right, so this is no guess; the code is not spent and does once more.
        attempt.settle(&app).await?;
        let said = Said { errors, ..Said::default() };
        return refused(&app, &session, page, said, None).await;
    };
    let phc = password.hash(&app).await?;
    let new = NewSession::draw(app.random())?;
    // 3. The code is consumed in the transaction that changes the password.
    let done = transaction!(app.store(), AccountError, |tx| {
        if let Err(why) = verified.consume(tx, app.now()).await? {
            return Ok(Audited::new(false, record(&app, &session, ACT, Some(why))));
        }
        account::set_password(tx, &session.person_id, &phc, app.now()).await?;
        factors::remember(tx, &app, &session.person_id, &phc).await?;
        let ended = end_all(tx, &session.person_id, CHANGED, app.now()).await?;
        new.open(tx, &app, &session.person_id).await?;
        let entry = record(&app, &session, ACT, None).fact("sessions_ended", ended);
        Ok(Audited::new(true, entry.fact("second_factor", verified.second_factor())))
    })?;
    if !done {
        errors.add("present_password", page.t("account-wrong"));
        return refused(&app, &session, page, Said { errors, ..Said::default() }, None).await;
    }
    attempt.settle(&app).await?;
    let said = Said { changed: true, ..Said::default() };
    let mut response = show(&app, &session, page, said, StatusCode::OK).await?;
    response.headers_mut().append(header::SET_COOKIE, new.cookie);
    Ok(response)
}

/// The form of new recovery codes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodesForm {
    #[serde(deserialize_with = "form::secret")]
    present_password: Zeroizing<String>,
    totp_code: String,
}

/// `POST /console/account/codes`: ten recovery codes instead of all earlier ones, shown once.
///
/// # Errors
/// [`AccountError`]. What was mistyped is the page again.
pub async fn make_codes(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<CodesForm>,
) -> Result<Response, AccountError> {
    const ACT: &str = "account.make_recovery_codes";
    let mut errors = FieldErrors::of_form(LABELS);
    let asked = (form.present_password, form.totp_code.as_str());
    let (attempt, verified) = match prove(&app, &session, (ACT, &page), asked, &mut errors).await? {
        Ok(proven) => proven,
        Err(wait) => {
            let said = Said { errors, of_codes: true, ..Said::default() };
            return refused(&app, &session, page, said, wait).await;
        }
    };
    let codes = NewCodes::draw(app.random())?;
    let done = transaction!(app.store(), AccountError, |tx| {
        if let Err(why) = verified.consume(tx, app.now()).await? {
            return Ok(Audited::new(false, record(&app, &session, ACT, Some(why))));
        }
        codes.keep(tx, &session.person_id, app.now()).await?;
        let entry = record(&app, &session, ACT, None);
        Ok(Audited::new(true, entry.fact("second_factor", verified.second_factor())))
    })?;
    if !done {
        errors.add("present_password", page.t("account-wrong"));
        let said = Said { errors, of_codes: true, ..Said::default() };
        return refused(&app, &session, page, said, None).await;
    }
    attempt.settle(&app).await?;
    let page = session.frame(page.switching_at(PATH));
    Ok(Page(CodesPage { page, codes: codes.reveal(), next: PATH }).into_response())
}

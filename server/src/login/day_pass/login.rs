//! `/login/day-pass`: the slip's code and the PIN, in one form without script.

use askama::Template;
use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    day_pass::{self, DayPass},
    transaction,
};
use sekisho_wire::acr;
use serde::Deserialize;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::{admission::ACT, pin};
use crate::{
    app::App,
    error::{
        login::{RefusalWords, status, words},
        page::PageError,
    },
    form::{self, StrictForm, StrictQuery},
    listener::{FacilityConnection, Peer},
    login::{
        Least,
        admission::{self, Arrival, Entered, Holder},
        call,
        challenge::browser_hash,
        level::strength,
        page::{give_browser_cookie, least_asked, return_to},
        refusal::{LoginError, Refusal},
        session::{self, PortalSession},
    },
    page::{Page, PageFrame},
    paper_code::PaperCode,
    people::{password, tries},
};

/// Where the page is.
pub const PATH: &str = "/login/day-pass";

/// The query of the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[serde(default)]
    return_to: Option<String>,
    /// What the login is to reach at least.
    #[serde(default)]
    level: Option<String>,
}

#[derive(Template)]
#[template(path = "day-pass-login.html")]
struct LoginPage {
    page: PageFrame,
    facility_name: String,
    terminal_name: String,
    return_to: String,
    level: &'static str,
    refusal: Option<RefusalWords>,
    /// Whether a pass does here: who reads that none does is shown no form for one.
    accepts: bool,
    pin_most: usize,
}

/// The page's address, where a login page offers it that leads to `return_to` and asks for `least`.
pub(in crate::login) fn address(return_to: Option<&str>, least: Option<Least>) -> String {
    let mut query = Serializer::new(String::new());
    if let Some(return_to) = return_to {
        query.append_pair("return_to", return_to);
    }
    if let Some(least) = least {
        query.append_pair("level", least.level());
    }
    let query = query.finish();
    if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
}

/// Whether a pass does, where a login is to reach `least` and goes on with a session of the level `at_work`.
pub(in crate::login) fn asked(
    app: &App,
    least: Option<Least>,
    at_work: Option<&str>,
) -> Result<(), Refusal> {
    if !app.config().card_login().day_passes() {
        return Err(Refusal::DayPassesOff);
    }
    let enough = least.is_none_or(|least| least.admits(acr::DAY_PASS));
    let no_less = at_work.is_none_or(|at_work| strength(at_work) <= strength(acr::DAY_PASS));
    if enough && no_less { Ok(()) } else { Err(Refusal::DayPassTooWeak) }
}

/// `GET /login/day-pass`.
///
/// # Errors
/// [`PageError`]: a query that this page does not know, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    StrictQuery(query): StrictQuery<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let return_to = return_to(query.return_to, "day-pass-login-title")?;
    let least = least_asked(&app, query.level.as_deref())?;
    let at_work = session::present(&app, &peer, &headers, &facility).await?;
    let refusal = asked(&app, least, acr_of(at_work.as_ref())).err();
    show(&app, &facility, page, &headers, (return_to, least), refusal)
}

fn acr_of(at_work: Option<&PortalSession>) -> Option<&str> {
    at_work.map(|session| session.acr.as_str())
}

/// The page; with why nobody was logged in.
fn show(
    app: &App,
    facility: &FacilityConnection,
    page: PageFrame,
    headers: &HeaderMap,
    (return_to, least): (Option<String>, Option<Least>),
    refusal: Option<Refusal>,
) -> Result<Response, PageError> {
    let accepts = !matches!(refusal, Some(Refusal::DayPassesOff | Refusal::DayPassTooWeak));
    let body = LoginPage {
        accepts,
        facility_name: facility.organisation_name.clone(),
        terminal_name: facility.terminal_name.clone(),
        return_to: return_to.unwrap_or_default(),
        level: least.map_or("", Least::level),
        refusal: refusal.map(|refusal| words(refusal, &page.text)),
        pin_most: pin::MOST,
        page,
    };
    let status = refusal.map_or(StatusCode::OK, status);
    let mut response = (status, Page(body)).into_response();
    give_browser_cookie(app, headers, &mut response)?;
    Ok(response)
}

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassForm {
    #[serde(deserialize_with = "form::secret")]
    code: Zeroizing<String>,
    #[serde(deserialize_with = "form::secret")]
    pin: Zeroizing<String>,
    #[serde(default)]
    return_to: Option<String>,
    /// What the login is to reach at least.
    #[serde(default)]
    level: Option<String>,
}

/// `POST /login/day-pass`.
///
/// # Errors
/// [`PageError`]: a form that this page does not have, too many wrong codes here, or the database does not answer.
/// A refusal is the page again, with the reason.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
    StrictForm(form): StrictForm<PassForm>,
) -> Result<Response, PageError> {
    let return_to = return_to(form.return_to.clone(), "day-pass-login-title")?;
    let least = least_asked(&app, form.level.as_deref())?;
    let tries = tries::day_passes_at(app.config(), &facility.terminal_id);
    tries::rested(&app, &tries).await??;
    let connection = Connection { app: &app, peer: &peer, facility: &facility, headers: &headers };
    let refusal = match connection.submit(form, least).await {
        Ok(entered) => {
            let mut response = Redirect::to(&entered.next(return_to)).into_response();
            entered.give(&mut response);
            return Ok(response);
        }
        Err(LoginError::Refused(refusal)) => {
            if guessed(refusal) {
                // Charged after it was judged: this answer is given, the next one waits.
                let _ = tries::charge(&app, tries).await?;
            }
            refusal
        }
        Err(error) => return Err(error.into()),
    };
    let address = address(return_to.as_deref(), least);
    let page = page.switching_at(&address);
    show(&app, &facility, page, &headers, (return_to, least), Some(refusal))
}

/// Whether a refusal may be one of many guesses.
fn guessed(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::NotACode | Refusal::DayPassWrong | Refusal::DayPassOver)
}

struct Connection<'a> {
    app: &'a App,
    peer: &'a Peer,
    facility: &'a FacilityConnection,
    headers: &'a HeaderMap,
}

impl Connection<'_> {
    async fn submit(&self, form: PassForm, least: Option<Least>) -> Result<Entered, LoginError> {
        let Self { app, peer, facility, headers } = *self;
        let at_work = session::present(app, peer, headers, facility).await?;
        let checked = match (browser_hash(headers), asked(app, least, acr_of(at_work.as_ref()))) {
            (None, _) => Err(Refusal::BrowserUnknown),
            (_, Err(refusal)) => Err(refusal),
            (Some(browser_hash), Ok(())) => match PaperCode::parse(&form.code) {
                Ok(code) => Ok((browser_hash, code)),
                Err(_) => Err(Refusal::NotACode),
            },
        };
        let (browser_hash, code) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return Err(self.refuse(refusal).await),
        };
        let Some(pass) = self.take(&code).await? else {
            return Err(self.refuse(Refusal::DayPassWrong).await);
        };
        let right = password::verify(pin::digits(&form.pin), Some(pass.pin_phc.clone())).await?;
        if !right {
            let refusal = Refusal::DayPassWrong;
            let record = Entry::refused(ACT, facility.actor(), app.now(), refusal.code());
            self.record(record.on("day_pass", &pass.id).fact("why", "pin")).await?;
            return Err(refusal.into());
        }
        let holder = Holder::DayPass(Box::new(pass));
        let arrival = Arrival {
            peer,
            facility,
            browser_hash: &browser_hash,
            for_emergency: false,
            invitation_id: None,
            expected: None,
            within: at_work.map(|session| session.id_hash),
            previous_cookie: session::cookie_hash(headers),
            headers,
            stopwatch: None,
        };
        admission::admit(app, &holder, arrival).await
    }

    /// The pass with this code here, one of whose tries was taken. `None`: nobody here has such a pass.
    ///
    /// # Errors
    /// [`LoginError::Refused`]: it is over, which the record tells of; the database.
    async fn take(&self, code: &PaperCode) -> Result<Option<DayPass>, LoginError> {
        let Self { app, facility, .. } = *self;
        let found = day_pass::of_code(&mut app.store().read(), &code.hash()).await?;
        // A slip of another facility opens nothing here, and whoever brings it learns nothing of it.
        let Some(pass) = found.filter(|pass| pass.organisation_id == facility.organisation_id)
        else {
            return Ok(None);
        };
        let now = app.now();
        let taken = transaction!(app.store(), StoreError, |tx| {
            let taken = day_pass::take_try(tx, &pass.id, now).await?;
            let record = if taken {
                Entry::done("day_pass.try", facility.actor(), now)
            } else {
                Entry::refused(ACT, facility.actor(), now, Refusal::DayPassOver.code())
            };
            let record = facility.place(record.on("day_pass", &pass.id), self.peer);
            Ok(Audited::new(taken, record))
        })?;
        if taken { Ok(Some(pass)) } else { Err(Refusal::DayPassOver.into()) }
    }

    async fn refuse(&self, refusal: Refusal) -> LoginError {
        call::note_refusal(self.app, ACT, self.peer, self.facility, refusal.into()).await
    }

    async fn record(&self, entry: Entry) -> Result<(), StoreError> {
        let entry = self.facility.place(entry, self.peer);
        transaction!(self.app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
    }
}

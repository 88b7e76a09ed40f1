//! `POST /login/password`: login name, password and one-time password in one form without script, so that no half
//! session exists.

use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, header};
use sekisho_store::{
    StoreError,
    audit::{Audited, Entry},
    transaction,
};
use sekisho_wire::acr;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::admission::{ACT, wrong};
use crate::{
    app::App,
    catalogue::Text,
    error::{
        login::{status, words},
        page::PageError,
    },
    form::{self, StrictForm},
    listener::{FacilityConnection, Peer, note_refusal},
    login::{
        Least,
        admission::{self, Arrival, Entered, Holder},
        call,
        challenge::browser_hash,
        level::strength,
        login_address,
        page::{self, Ways},
        passkey::{assertion::Assertion, second_factor},
        refusal::{LoginError, Refusal},
        session,
    },
    page::PageFrame,
    people::{
        proof::{Attempt, Verified},
        tries::{self, Resting},
    },
};

/// The longest login name, in octets.
const MOST_NAME: usize = 64;

/// The form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordForm {
    login_name: String,
    #[serde(deserialize_with = "form::secret")]
    password: Zeroizing<String>,
    #[serde(default)]
    totp_code: String,
    #[serde(default)]
    return_to: Option<String>,
    /// What the login is to reach at least.
    #[serde(default)]
    level: Option<String>,
}

/// What the login page says of a form that was sent.
#[derive(Debug, Default)]
pub struct Refused {
    /// The name that was typed.
    pub login_name: String,
    /// What happened.
    pub text: String,
    /// What to do next.
    pub help: String,
}

/// What was brought beside a password.
pub(in crate::login) enum Beside {
    /// A code that was typed, if any was.
    Code(Option<String>),
    /// The answer of a passkey that is to stand for one.
    Passkey(Box<Assertion>),
}

/// Why nobody was logged in.
pub(in crate::login) enum Turned {
    Away(LoginError),
    Resting(Resting),
}

impl From<LoginError> for Turned {
    fn from(error: LoginError) -> Self {
        Self::Away(error)
    }
}

impl From<StoreError> for Turned {
    fn from(error: StoreError) -> Self {
        Self::Away(error.into())
    }
}

/// Whether the form is offered, and whether a code has to be typed into it, where a login is to reach
/// `least` and goes on with a session of the level `at_work`.
pub(in crate::login) fn asked(
    app: &App,
    least: Option<Least>,
    at_work: Option<&str>,
) -> Result<Ways, Refusal> {
    let card_login = app.config().card_login();
    if !card_login.passwords() {
        return Err(Refusal::PasswordsOff);
    }
    let does = |level: &str| {
        least.is_none_or(|least| least.admits(level))
            && at_work.is_none_or(|at_work| strength(at_work) <= strength(level))
    };
    if !does(acr::PASSWORD_TOTP) {
        return Err(Refusal::PasswordTooWeak);
    }
    let alone = card_login.password_with_facility_certificate();
    Ok(Ways { code_needed: !(alone && does(acr::PASSWORD_AT_FACILITY)) })
}

/// `POST /login/password`.
///
/// # Errors
/// [`PageError`]: a form that this page does not have, or the database does not answer. A refusal is the login page
/// again, with the reason.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    page: PageFrame,
    headers: HeaderMap,
    StrictForm(form): StrictForm<PasswordForm>,
) -> Result<Response, PageError> {
    let return_to = page::return_to(form.return_to.clone(), "login-refused-title")?;
    let least = page::least_asked(&app, form.level.as_deref())?;
    let connection = Connection { app: &app, peer: &peer, facility: &facility, headers: &headers };
    let typed = form.login_name.trim().to_lowercase();
    let code = Some(form.totp_code).filter(|code| !code.trim().is_empty());
    let beside = Beside::Code(code);
    let turned = match connection.submit(&typed, form.password, beside, least).await {
        Ok(entered) => {
            let mut response = Redirect::to(&entered.next(return_to)).into_response();
            entered.give(&mut response);
            return Ok(response);
        }
        Err(turned) => turned,
    };
    let login_name = typed.chars().take(MOST_NAME).collect();
    let (status, refused, wait) = match turned {
        Turned::Away(LoginError::Refused(refusal)) => {
            let said = words(refusal, &page.text);
            (status(refusal), Refused { login_name, text: said.text, help: said.help }, None)
        }
        Turned::Away(error) => return Err(error.into()),
        Turned::Resting(resting) => {
            let refused = Refused { login_name, ..resting_words(resting, &page.text) };
            (http::StatusCode::TOO_MANY_REQUESTS, refused, Some(resting.seconds))
        }
    };
    let page = page.switching_at(&login_address(return_to.as_deref().unwrap_or("/"), least));
    let visit = page::visit(&app, &peer, &facility, &headers, return_to, least).await?;
    let visit = page::Visit { password_refused: Some(refused), ..visit };
    let mut response = page::show(&app, &facility, page, visit);
    *response.status_mut() = status;
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    page::give_browser_cookie(&app, &headers, &mut response)?;
    Ok(response)
}

fn resting_words(resting: Resting, text: &Text) -> Refused {
    Refused {
        login_name: String::new(),
        text: text.t1("people-sign-in-resting", "seconds", resting.seconds),
        help: text.t("login-password-resting-help"),
    }
}

/// From where somebody logs in by password.
pub(in crate::login) struct Connection<'a> {
    pub(in crate::login) app: &'a App,
    pub(in crate::login) peer: &'a Peer,
    pub(in crate::login) facility: &'a FacilityConnection,
    pub(in crate::login) headers: &'a HeaderMap,
}

impl Connection<'_> {
    /// Judges a password and what was brought beside it, and opens the session.
    ///
    /// # Errors
    /// [`Turned`]; a refusal is audited.
    pub(in crate::login) async fn submit(
        &self,
        login_name: &str,
        password: Zeroizing<String>,
        beside: Beside,
        least: Option<Least>,
    ) -> Result<Entered, Turned> {
        let Self { app, peer, facility, headers } = *self;
        // 1. What is refused whoever asks: nothing is judged then, and nothing charged.
        let browser_hash = browser_hash(headers).ok_or(Refusal::BrowserUnknown);
        let at_work = session::present(app, peer, headers, facility).await?;
        let asked = asked(app, least, at_work.as_ref().map(|session| session.acr.as_str()));
        let alone = matches!(beside, Beside::Code(None));
        let checked = match (browser_hash, asked) {
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
            (_, Ok(ways)) if ways.code_needed && alone => Err(Refusal::CodeNeeded),
            // Nobody has such a name, and it would have a counter.
            _ if login_name.is_empty() || login_name.len() > MOST_NAME => {
                Err(Refusal::PasswordWrong)
            }
            (Ok(browser_hash), Ok(_)) => Ok(browser_hash),
        };
        let browser_hash = match checked {
            Ok(browser_hash) => browser_hash,
            Err(refusal) => {
                return Err(call::note_refusal(app, ACT, peer, facility, refusal.into())
                    .await
                    .into());
            }
        };
        // 2. Every attempt is paid for before it is judged, also for names that nobody has.
        let attempt = self.charge(login_name).await?;
        // 3. Both factors, each whatever the other says.
        let (code, passkey) = match beside {
            Beside::Code(code) => (code, None),
            Beside::Passkey(assertion) => {
                let holder = second_factor::holder(app, &assertion).await?;
                (None, Some((assertion, holder)))
            }
        };
        let judged = Verified::judge(app, login_name, password, code.as_deref()).await;
        let judged = judged.map_err(LoginError::from)?;
        let judged = judged.and_then(|verified| match passkey {
            None => Ok((verified, None)),
            Some((assertion, Ok(holder))) if holder == verified.person_id() => {
                Ok((verified, Some(assertion)))
            }
            Some((_, Ok(_))) => Err("passkey-of-another"),
            Some((_, Err(why))) => Err(why),
        });
        let (verified, passkey) = match judged {
            Ok(both) => both,
            Err(why) => {
                let record = wrong(facility.actor(), why, app.now());
                self.record(record.personal("login_name", login_name)).await?;
                return Err(LoginError::from(Refusal::PasswordWrong).into());
            }
        };
        // 4. Membership and code, in the transaction that opens the session.
        let holder = Holder::Password(Box::new(verified), passkey);
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
        let admitted = admission::admit(app, &holder, arrival).await;
        // Whoever is to wait until a colleague has logged out typed nothing wrong.
        if let Ok(_) | Err(LoginError::Refused(Refusal::AnotherPerson)) = &admitted {
            attempt.settle(app).await?;
        }
        Ok(admitted?)
    }

    async fn charge(&self, login_name: &str) -> Result<Attempt, Turned> {
        let Self { app, peer, facility, .. } = *self;
        let config = app.config();
        let account = tries::account_at(config, &facility.organisation_id, login_name);
        let address = peer.addr.ip().to_canonical().to_string();
        let places = [
            tries::passwords_at(config, &facility.terminal_id),
            tries::portal_network(config, &address),
        ];
        match Attempt::charge(app, account, places).await? {
            Ok(attempt) => Ok(attempt),
            Err(resting) => {
                // One record a minute: a flood is not to fill the trail.
                note_refusal(app, peer, facility, (ACT, "resting"), |entry| {
                    entry.personal("login_name", login_name)
                })
                .await?;
                Err(Turned::Resting(resting))
            }
        }
    }

    async fn record(&self, entry: Entry) -> Result<(), StoreError> {
        let entry = self.facility.place(entry, self.peer);
        transaction!(self.app.store(), StoreError, |tx| Ok(Audited::new((), entry.clone())))
    }
}

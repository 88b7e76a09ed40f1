//! `POST /emergency`: the glass breaks, in one transaction with its record and the notice to the facility.

use axum::{
    extract::{Extension, State},
    response::{IntoResponse, Redirect, Response},
};
use sekisho_store::{
    MayConflict, StoreError, Tx,
    audit::{Actor, Audited, Entry},
    emergency_access::{self, Asked, Begun},
    session::{self, Session},
    transaction,
};
use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    LENGTH, PATH, REVIEWED_WITHIN, Reason, Unfit, address, end, fit,
    page::{self, Typed},
};
use crate::{
    app::App,
    error::page::PageError,
    form::{self, StrictForm},
    listener::{FacilityConnection, Peer},
    login::{page::return_to, session::Present},
    notice::{self, Notice, To},
    oidc::liveness,
    page::PageFrame,
    people::field::FieldErrors,
};

/// Fewer characters than this say nothing that a reviewer could judge.
pub const LEAST_WORDS: usize = 10;
/// Most characters.
pub const MOST_WORDS: usize = 500;

/// The form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginForm {
    #[serde(default)]
    reason: Option<Reason>,
    words: String,
    return_to: Option<String>,
}

/// Why none begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The session ended or was locked, its terminal or facility may not act, or its person is a member no
    /// more: all since the request was let in.
    SessionOver,
    /// The person, or the way they logged in, is not fit.
    Unfit(Unfit),
    /// As many as a day has.
    LimitReached,
}

impl Refusal {
    /// As in audit records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SessionOver => "session_over",
            Self::Unfit(Unfit::NotLicensed) => "not_licensed",
            Self::Unfit(Unfit::NotTwoFactor) => "not_two_factor",
            Self::LimitReached => "limit_reached",
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum BeginError {
    /// Another request of the same person was first: asked again, this one sees what that one did.
    #[error("another request was first")]
    Overtaken,
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for BeginError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists { .. } => Self::Overtaken,
            error => Self::Store(error),
        }
    }
}

impl MayConflict for BeginError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Store(error) => error.is_conflict(),
        }
    }
}

/// `POST /emergency`, fields `reason` (one of [`Reason`]), `words`, and `return_to` of the page, to which it
/// leads. Where one runs already nothing begins.
///
/// # Errors
/// [`PageError`]: nobody is logged in, or the database does not answer. What does not fit is the page again,
/// with what was typed.
pub async fn post(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    facility: FacilityConnection,
    Present(session): Present,
    page: PageFrame,
    StrictForm(form): StrictForm<BeginForm>,
) -> Result<Response, PageError> {
    let return_to = return_to(form.return_to, "emergency-title")?;
    let mut errors = FieldErrors::of_form(&page::LABELS);
    if form.reason.is_none() {
        errors.add("reason", page.t("error-choose-one"));
    }
    let words = errors.keep("words", form::lines(&form.words, MOST_WORDS), &page.text);
    if words.as_ref().is_some_and(|words| words.chars().count() < LEAST_WORDS) {
        errors.add("words", page.t1("emergency-words-too-short", "least", LEAST_WORDS));
    }
    let (Some(reason), Some(words), true) = (form.reason, words, errors.is_empty()) else {
        let typed = Typed { reason: form.reason, words: form.words, return_to };
        let page = page.switching_at(PATH);
        return page::show(&app, &facility, &session, page, typed, errors).await;
    };
    let now = app.now();
    let begun: Result<(), Refusal> = transaction!(app.store(), BeginError, |tx| {
        let live = liveness::before_emergency(&app, tx, &session.id_hash, now).await?;
        let begun = match &live {
            Some(live) => begin(&app, tx, live, &facility, (reason, &words), now).await?,
            None => Done::refused(Refusal::SessionOver),
        };
        let person = Actor::Person(session.person_id.clone());
        let place =
            |entry: Entry| facility.place(entry.on("session", hex::encode(session.id_hash)), &peer);
        let record = match &begun.outcome {
            Ok(Begun::Now { id, number }) => {
                let told = Notice::EmergencyBegun {
                    id: id.clone(),
                    name: session.names.name.clone(),
                    terminal_name: facility.terminal_name.clone(),
                    visiting: session.ground.is_visit(),
                };
                let to = To::FacilityAdministrators(facility.organisation_id.clone());
                notice::put(tx, to, told, now).await?;
                let record = Entry::done("emergency.begin", person, now)
                    .on("emergency_access", id)
                    .fact("reason", reason.code())
                    .fact("acr", session.acr.clone())
                    .fact("of_day", *number)
                    .personal("words", &words);
                session.ground.named(record)
            }
            Ok(Begun::Running(running)) => Entry::refused("emergency.begin", person, now, "runs")
                .on("emergency_access", &running.id),
            Ok(Begun::LimitReached) => {
                let code = Refusal::LimitReached.code();
                Entry::refused("emergency.begin", person, now, code)
            }
            Err(refusal) => Entry::refused("emergency.begin", person, now, refusal.code()),
        };
        let outcome = match begun.outcome {
            Ok(Begun::Now { .. } | Begun::Running(_)) => Ok(()),
            Ok(Begun::LimitReached) => Err(Refusal::LimitReached),
            Err(refusal) => Err(refusal),
        };
        let audited = Audited::new(outcome, place(record));
        Ok(begun.lapsed.into_iter().fold(audited, Audited::and))
    })
    .map_err(|error| match error {
        BeginError::Store(error) => PageError::from(error),
        overtaken @ BeginError::Overtaken => PageError::internal(&overtaken),
    })?;
    Ok(match begun {
        Ok(()) => Redirect::to(return_to.as_deref().unwrap_or("/")).into_response(),
        // The page says why there is none; a session that is over leads to the login from there.
        Err(_) => Redirect::to(&address(return_to.as_deref())).into_response(),
    })
}

/// What a transaction came to, with the records of those that had lapsed before.
struct Done {
    outcome: Result<Begun, Refusal>,
    lapsed: Vec<Entry>,
}

impl Done {
    fn refused(refusal: Refusal) -> Self {
        Self { outcome: Err(refusal), lapsed: Vec::new() }
    }
}

async fn begin(
    app: &App,
    tx: &mut Tx,
    live: &Session,
    facility: &FacilityConnection,
    (reason, words): (Reason, &str),
    now: OffsetDateTime,
) -> Result<Done, StoreError> {
    if let Err(unfit) = fit(&live.hc_roles, &live.acr) {
        return Ok(Done::refused(Refusal::Unfit(unfit)));
    }
    let mut lapsed = Vec::new();
    for over in emergency_access::over_in_session(tx, &live.id_hash, now).await? {
        lapsed.extend(end::note(tx, &over, now).await?);
    }
    let visiting = live.at_terminal.as_ref().is_some_and(|at| at.ground.is_visit());
    // A visit lasts as long as what it is for; every other login may be over before.
    let ends_at = if visiting { now + LENGTH } else { (now + LENGTH).min(live.expires_at) };
    let asked = Asked {
        session_hash: &live.id_hash,
        person_id: &live.person_id,
        organisation_id: &facility.organisation_id,
        terminal_id: &facility.terminal_id,
        acr: &live.acr,
        reason: reason.code(),
        words,
        day: &super::day_of(now),
        a_day: app.config().emergency().a_day(),
        at: now,
        ends_at,
        due_at: now + REVIEWED_WITHIN,
        visiting,
    };
    let begun = emergency_access::begin(tx, asked).await?;
    if visiting && matches!(begun, Begun::Now { .. }) {
        session::last_as_long_as_the_emergency(tx, &live.id_hash, ends_at).await?;
    }
    Ok(Done { outcome: Ok(begun), lapsed })
}

//! `/console/resets`: a member without a card who lost password or telephone. One administrator of the facility asks for
//! new factors, another one approves, or an administrator of the operating body where there is no other.
//!
//! From the approval on the old factors do nothing, and the person's logins are over. What the approval shows is a
//! one-time link, by which the person sets both anew: nobody else ever knows a password.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use sekisho_store::{
    MayConflict, StoreError, Tx, account, account_passkey,
    audit::Audited,
    factor_reset::{self, Candidate, NewReset, Waiting},
    organisation, person, recovery_code, role_grant, transaction,
};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::{
    app::App,
    error::page::PageError,
    form::{self, PathId, StrictForm},
    notice::{self, Notice, To},
    page::{Page, PageFrame},
    people::{
        field::FieldErrors,
        hands,
        link::{Made, OneTimeLink, Purpose},
        role::{Acting, Role},
        session::{ConsoleSession, end_all},
    },
    portal::when,
};

/// Path of the page.
pub const PATH: &str = "/console/resets";
/// How long somebody has to decide.
const LIFETIME: Duration = Duration::DAY;
/// Most characters of a reason.
const MOST_REASON: usize = 200;
/// The most rows of each list on the page.
const MOST_ROWS: i64 = 1_000;
/// Why sessions end whose person's factors were reset.
const RESET: &str = "factors_reset";

/// Why a reset is neither asked for nor approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    /// Decided, over, or of another facility.
    NotOpen,
    /// Not a member of the facility who has an account.
    NotAMember,
    /// Whoever acts would profit from it.
    OwnAccount,
    /// Whoever acts asked for it.
    OwnRequest,
    /// Who holds the link can sign in as that person: a role is answered for by others.
    FurtherRole,
    /// One waits for a decision.
    WaitsAlready,
    /// Somebody may hold the factors of both who asked and who decides.
    OneHand,
}

impl Hindrance {
    /// As the trail tells it, and what the person reads.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NotOpen => ("not_open", "resets-gone-text"),
            Self::NotAMember => ("not_a_member_with_account", "resets-not-a-member-text"),
            Self::OwnAccount => ("own_account", "resets-own-account-text"),
            Self::OwnRequest => ("own_request", "resets-own"),
            Self::FurtherRole => ("further_role", "resets-further-role-text"),
            Self::WaitsAlready => ("waits_already", "resets-waits-already-text"),
            Self::OneHand => ("one_hand", "resets-one-hand-text"),
        }
    }
}

impl From<Hindrance> for PageError {
    fn from(hindrance: Hindrance) -> Self {
        let (_, text) = hindrance.words();
        Self::new(StatusCode::CONFLICT, "resets-gone-title", text, "resets-gone-help")
    }
}

struct Facility {
    id: String,
    name: String,
    candidates: Vec<Candidate>,
}

struct Row {
    waiting: Waiting,
    facility_name: String,
    asked_at: String,
    expires_at: String,
    /// Whether whoever looks asked for it, or is the person.
    own: bool,
}

#[derive(Template)]
#[template(path = "console/resets.html")]
struct ResetsPage {
    page: PageFrame,
    facilities: Vec<Facility>,
    rows: Vec<Row>,
    longest: usize,
    /// What was sent, to be put right.
    typed: AskForm,
    errors: FieldErrors,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// No randomness for a link.
    #[error(transparent)]
    Randomness(#[from] sekisho_key::RandomnessError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayConflict for ResetError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }
}

impl From<ResetError> for PageError {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Randomness(error) => Self::internal(&error),
            ResetError::Store(error) => error.into(),
        }
    }
}

/// The right to ask or decide at a facility: of its administrators, or to decide of the operating body's.
fn acting(session: &ConsoleSession, facility: &str, decides: bool) -> Result<Acting, PageError> {
    let own = session.require(&Role::FacilityAdministrator(facility.to_owned()));
    let found = match own {
        Err(_) if decides && session.roles.contains(&Role::OperatingAdministrator) => {
            session.require(&Role::OperatingAdministrator)
        }
        own => own,
    };
    Ok(found?)
}

/// `GET /console/resets`.
///
/// # Errors
/// [`PageError`]: an administrator of nothing, or the database does not answer.
pub async fn get(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
) -> Result<Response, PageError> {
    show(&app, &session, page, AskForm::default(), FieldErrors::default()).await
}

async fn show(
    app: &App,
    session: &ConsoleSession,
    page: PageFrame,
    typed: AskForm,
    errors: FieldErrors,
) -> Result<Response, PageError> {
    let runs = session.roles.contains(&Role::OperatingAdministrator);
    if !runs && session.facilities().next().is_none() {
        return Err(session.no_facility().into());
    }
    let (mut reader, now, lang) = (app.store().read(), app.now(), page.text.lang());
    let (mut facilities, mut waiting) = (Vec::new(), Vec::new());
    for id in session.facilities() {
        if !runs {
            waiting.extend(factor_reset::waiting(&mut reader, Some(id), now, MOST_ROWS).await?);
        }
        facilities.push(Facility {
            name: organisation::name(&mut reader, id).await?.unwrap_or_else(|| id.to_owned()),
            candidates: factor_reset::candidates(&mut reader, id, MOST_ROWS).await?,
            id: id.to_owned(),
        });
    }
    if runs {
        waiting = factor_reset::waiting(&mut reader, None, now, MOST_ROWS).await?;
    }
    let mut rows = Vec::new();
    for waiting in waiting {
        let name = organisation::name(&mut reader, &waiting.organisation_id).await?;
        rows.push(Row {
            facility_name: name.unwrap_or_else(|| waiting.organisation_id.clone()),
            asked_at: when::shown(waiting.asked_at, lang),
            expires_at: when::shown(waiting.expires_at, lang),
            own: [&waiting.asked_by, &waiting.person_id].contains(&&session.person_id),
            waiting,
        });
    }
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = session.frame(page.switching_at(PATH));
    let page = ResetsPage { page, facilities, rows, longest: MOST_REASON, typed, errors };
    Ok((status, Page(page)).into_response())
}

/// The form of a request.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskForm {
    facility: String,
    person: String,
    reason: String,
}

/// `POST /console/resets`.
///
/// # Errors
/// [`PageError`]: not this facility's administrator, or the database does not answer.
pub async fn ask(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    StrictForm(form): StrictForm<AskForm>,
) -> Result<Response, PageError> {
    const ACT: &str = "account.reset.ask";
    let acting = acting(&session, &form.facility, false)?;
    let mut errors = FieldErrors::default();
    let reason = form::lines(&form.reason, MOST_REASON);
    let Some(reason) = errors.keep("reason", reason, &page.text) else {
        return show(&app, &session, page, form, errors).await;
    };
    let now = app.now();
    let new = NewReset {
        person_id: &form.person,
        organisation_id: &form.facility,
        reason: &reason,
        asked_by: acting.person_id(),
        at: now,
        expires_at: now + LIFETIME,
    };
    let asked = transaction!(app.store(), StoreError, |tx| {
        let refused = |why: Hindrance| {
            let entry = acting.refused(ACT, now, why.words().0).on("person", &form.person);
            Ok(Audited::new(Err(why), entry))
        };
        let found = match may_reset(tx, &acting, &form.facility, &form.person).await? {
            Ok(found) => found,
            Err(why) => return refused(why),
        };
        let Some(id) = factor_reset::ask(tx, new).await? else {
            return refused(Hindrance::WaitsAlready);
        };
        let by = person::name(tx, acting.person_id()).await?.map_or_else(String::new, |n| n.name);
        let to = To::FacilityAdministrators(form.facility.clone());
        notice::put(tx, to, Notice::ResetAsked { name: found.name, by }, now).await?;
        let entry = acting.done(ACT, now).on("factor_reset", id).on("person", &form.person);
        Ok(Audited::new(Ok(()), entry.personal("reason", &reason)))
    })?;
    asked?;
    Ok(Redirect::to(PATH).into_response())
}

/// Whether factors of this person may be set anew at this facility now, and not for whoever acts.
async fn may_reset(
    tx: &mut Tx,
    acting: &Acting,
    facility: &str,
    person_id: &str,
) -> Result<Result<Candidate, Hindrance>, StoreError> {
    let candidates = factor_reset::candidates(tx, facility, i64::MAX).await?;
    let found = candidates.into_iter().find(|found| found.person_id == person_id);
    let Some(found) = found else { return Ok(Err(Hindrance::NotAMember)) };
    if person_id == acting.person_id() {
        return Ok(Err(Hindrance::OwnAccount));
    }
    if !role_grant::of_person(tx, person_id).await?.is_empty() {
        return Ok(Err(Hindrance::FurtherRole));
    }
    Ok(Ok(found))
}

/// Whether whoever acts may approve this reset: the person stands as when it was asked for, and who asked is
/// somebody else. Two accounts are one pair of eyes where one person let both in.
async fn may_approve(
    tx: &mut Tx,
    acting: &Acting,
    (id, facility): (&str, &str),
    now: OffsetDateTime,
) -> Result<Result<Candidate, Hindrance>, StoreError> {
    let Some(open) = factor_reset::open(tx, id, facility, now).await? else {
        return Ok(Err(Hindrance::NotOpen));
    };
    let by = acting.person_id();
    if open.asked_by == by {
        return Ok(Err(Hindrance::OwnRequest));
    }
    if hands::are_shared(tx, &open.asked_by, &open.asked_by_hands, by).await? {
        return Ok(Err(Hindrance::OneHand));
    }
    may_reset(tx, acting, facility, &open.person_id).await
}

/// The form of a decision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionForm {
    facility: String,
}

/// `POST /console/resets/{id}/approve`: the one-time link is shown once.
///
/// # Errors
/// [`PageError`]: no right to it, decided before, asked for by the same person, or the database does not answer.
pub async fn approve(
    State(app): State<App>,
    session: ConsoleSession,
    page: PageFrame,
    PathId(id): PathId,
    StrictForm(form): StrictForm<DecisionForm>,
) -> Result<Response, PageError> {
    const ACT: &str = "account.reset.approve";
    let acting = acting(&session, &form.facility, true)?;
    let now = app.now();
    let link = OneTimeLink::draw(app.random(), app.config(), now).map_err(ResetError::from)?;
    let made = transaction!(app.store(), ResetError, |tx| {
        let refused = |why: Hindrance| {
            let entry = acting.refused(ACT, now, why.words().0).on("factor_reset", &id);
            Ok(Audited::new(Err(why), entry))
        };
        // 1. The decision, once, and by somebody else.
        let Candidate { person_id, name, login_name } =
            match may_approve(tx, &acting, (&id, &form.facility), now).await? {
                Ok(found) => found,
                Err(why) => return refused(why),
            };
        let by = acting.person_id();
        if factor_reset::approve(tx, &id, &form.facility, by, now).await?.is_none() {
            return refused(Hindrance::NotOpen);
        }
        // 2. What there was does nothing from now on. 3. The link.
        account::void_factors(tx, &person_id).await?;
        recovery_code::withdraw(tx, &person_id).await?;
        account_passkey::void(tx, &person_id, now).await?;
        let ended = end_all(tx, &person_id, RESET, now).await?;
        link.keep(tx, &person_id, Some(by), now).await?;
        let to = To::Person(person_id.clone());
        let by = person::name(tx, by).await?.map_or_else(String::new, |name| name.name);
        notice::put(tx, to, Notice::LinkIssued { by }, now).await?;
        let entry = acting
            .done(ACT, now)
            .on("factor_reset", &id)
            .on("person", &person_id)
            .fact("sessions_ended", ended)
            .fact("link_expires_at", link.expires_at().unix_timestamp());
        let made = Made { name, login_name, purpose: Purpose::Reset, back: PATH };
        Ok(Audited::new(Ok(made), entry))
    })?;
    let made = made?;
    Ok(Page(link.page(&app, session.frame(page), &made)).into_response())
}

/// `POST /console/resets/{id}/refuse`.
///
/// # Errors
/// [`PageError`]: no right to it, decided before, or the database does not answer.
pub async fn refuse(
    State(app): State<App>,
    session: ConsoleSession,
    PathId(id): PathId,
    StrictForm(form): StrictForm<DecisionForm>,
) -> Result<Response, PageError> {
    const ACT: &str = "account.reset.refuse";
    let acting = acting(&session, &form.facility, true)?;
    let now = app.now();
    let done = transaction!(app.store(), StoreError, |tx| {
        let by = acting.person_id();
        let done = factor_reset::refuse(tx, &id, &form.facility, by, now).await?;
        let entry = if done { acting.done(ACT, now) } else { acting.refused(ACT, now, "not_open") };
        Ok(Audited::new(done, entry.on("factor_reset", &id)))
    })?;
    if done { Ok(Redirect::to(PATH).into_response()) } else { Err(Hindrance::NotOpen.into()) }
}
